//! A disk: its partitions, the file systems on them, and those that firmware may start a program from.

use super::disk_device::DiskDevice;
use super::el_torito;
use super::esp::Esp;
use super::ext::{self, Ext};
use super::fat::Fat;
use super::firmware_program::programs;
use super::gpt_event::MeasuredTable;
use super::iso9660::{Iso9660, SECTOR};
use super::partition::{Partition, Purpose, Table};
use super::partitions;
use super::region::Region;
use super::volume::{BootOption, DiskVolume, Places, Volume};
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::media::read_at::ReadAt;
use crate::media::superblock::{self, HEAD};

/// How many partitions are looked at: the kernel knows no more (block/partitions/core.c, DISK_MAX_PARTS).
const MOST_PARTITIONS: usize = 256;

/// How many boot images of a CD are looked at: its catalog has 63 entries.
const MOST_IMAGES: usize = 63;
/// How messages call a boot image.
const BOOT_IMAGE: &str = "the CD's boot image";

/// A disk.
pub struct Disk<'a> {
    /// Its file systems.
    pub volumes: Vec<DiskVolume<'a>>,
    /// All of it, and the size of its sectors, if that is known.
    whole: (Region<'a>, Option<u32>),
    /// The block devices that the kernel shows of it.
    pub devices: Vec<DiskDevice<'a>>,
}

/// What firmware may start of a disk.
#[derive(Debug)]
pub struct Start {
    /// Where it is: a partition.
    pub place: String,
    /// The program with its boots, or why they are not known.
    pub esp: Result<Esp>,
}

impl<'a> Disk<'a> {
    /// Reads the tables of a disk of `length` bytes. `sector` is the size of its sectors in bytes, if it is a device and not a file.
    ///
    /// # Errors
    /// If it has no partitions and is no FAT itself, or if it cannot be read.
    pub fn open(bytes: &'a dyn ReadAt, length: u64, sector: Option<u32>) -> Result<Self> {
        let disk = Region::whole(bytes, length);
        let table = partitions::of(disk, sector)?;
        let mut volumes = Vec::new();
        let mut devices = vec![DiskDevice::whole(disk)];
        if let Some((table, partitions)) = &table {
            devices.extend(partitions.iter().take(MOST_PARTITIONS).map(DiskDevice::of));
            for partition in partitions.iter().filter(|partition| partition.is_for_firmware).take(MOST_PARTITIONS) {
                let place = Some((*table, partition.number));
                let name = match &partition.label {
                    Some(label) => format!("partition {} ({label})", partition.number),
                    None => format!("partition {}", partition.number),
                };
                let volume = volume(partition.region, name)?;
                let Partition { purpose, uuid: partuuid, label: partlabel, .. } = partition.clone();
                volumes.push(DiskVolume { partition: place, purpose, partuuid, partlabel, ..volume });
            }
        }
        let whole = volume(disk, "the disk".to_owned())?;
        // A CD is a file system, whatever tables it has as a stick.
        if table.is_none() || Iso9660::open(disk).is_ok() {
            let purpose = if whole.is_fat { Purpose::Esp } else { Purpose::Other };
            volumes.push(DiskVolume { purpose, ..whole });
        }
        for image in el_torito::images(disk)?.into_iter().take(MOST_IMAGES) {
            // A CD that is a stick, too, has a partition for the image.
            match volumes.iter_mut().find(|volume| volume.is_fat && volume.region.start() == image.start()) {
                Some(partition) if partition.name.ends_with(BOOT_IMAGE) => {}
                Some(partition) => {
                    partition.name.push_str(" and ");
                    partition.name.push_str(BOOT_IMAGE);
                    partition.purpose = Purpose::Esp;
                }
                None => {
                    let found = volume(image, format!("{BOOT_IMAGE} in sector {}", image.start() / SECTOR))?;
                    // The images for a BIOS are no FAT.
                    volumes.extend(found.is_fat.then_some(DiskVolume { purpose: Purpose::Esp, ..found }));
                }
            }
        }
        Ok(Self { volumes, whole: (disk, sector), devices })
    }

    /// Each partition that firmware may start a program from, with what is expected then.
    ///
    /// # Errors
    /// If there is none.
    pub fn starts(&self, option: BootOption<'_>, banks: &[Bank]) -> Result<Vec<Start>> {
        let at = |volume: &DiskVolume<'_>| {
            let places = |own| Places { own, disk: &self.volumes, option };
            let esp = volume.files_for_firmware().and_then(|own| Esp::at(&places(own), banks));
            let esp = esp.map(|esp| esp.started_with(&self.table(volume, banks)));
            Start { place: volume.name.clone(), esp: esp.map_err(|error| error.on(&volume.name)) }
        };
        let (mut esps, program): (Vec<_>, _) = (self.esps().collect(), option.program);
        // One that has no such program is no boot.
        if esps.iter().any(|esp| has_program(esp, program)) {
            esps.retain(|esp| esp.files.is_err() || has_program(esp, program));
        }
        let starts: Vec<_> = esps.into_iter().map(at).collect();
        if starts.is_empty() && self.volumes.iter().any(|volume| Iso9660::open(volume.region).is_ok()) {
            return Err(Error::new("disk", "is a CD without a boot image for UEFI (El Torito, platform EF)")
                .hint("does it boot with a BIOS alone? That measures nothing that starts the agent"));
        }
        let (disk, sector) = self.whole;
        if starts.is_empty()
            && let Some(why) = partitions::why_no_esp(disk, sector)
        {
            return Err(Error::new("disk", format_args!("has no EFI system partition for firmware: {why}"))
                .hint("sfdisk --verify checks the table; was the image cut off?"));
        }
        if starts.is_empty() {
            return Err(Error::new("disk", "has no EFI system partition").hint(
                "its type is EF in an MBR and C12A7328-F81F-11D2-BA4B-00A0C93EC93B in a GPT; fdisk --list shows it",
            ));
        }
        // If nothing is known of any, the first reason is the answer.
        if starts.iter().all(|start| start.esp.is_err())
            && let Some(Start { esp: Err(error), .. }) = starts.first()
        {
            return Err(error.clone());
        }
        Ok(starts)
    }

    /// What firmware measures of the partition table, if it starts a program from this file system.
    fn table(&self, volume: &DiskVolume<'_>, banks: &[Bank]) -> MeasuredTable {
        let (disk, sector) = self.whole;
        match volume.partition {
            Some((Table::Gpt, _)) if volume.name.ends_with(BOOT_IMAGE) => {
                MeasuredTable::Unknown("as a stick it has the partition table, and as a CD it has none".to_owned())
            }
            Some((Table::Gpt, _)) => MeasuredTable::of(disk, sector, banks),
            Some((Table::Mbr, _)) | None => MeasuredTable::Nothing,
        }
    }

    /// The EFI system partitions. If the table names none, each FAT with a program may be one: firmware looks at all of them.
    fn esps(&self) -> impl Iterator<Item = &DiskVolume<'a>> {
        let is_named = self.volumes.iter().any(|volume| volume.purpose == Purpose::Esp);
        self.volumes.iter().filter(move |volume| match volume.purpose {
            Purpose::Esp => true,
            Purpose::XBootLdr => false,
            Purpose::Other => !is_named && has_program(volume, None),
        })
    }
}

/// Whether a file system has the program: the one at a path, or any that firmware starts without a boot option.
fn has_program(volume: &DiskVolume<'_>, program: Option<&str>) -> bool {
    let found = volume.files_for_firmware().and_then(|files| programs(files, program));
    found.is_ok_and(|found| !found.is_empty())
}

/// The file system in a stretch of the disk.
fn volume<'a>(region: Region<'a>, name: String) -> Result<DiskVolume<'a>> {
    let head = region.head(0, HEAD).map_err(|error| error.on(&name))?;
    // A superblock that cannot be used has no UUID here: nothing boots from it.
    let found = superblock::probe(&head).ok().flatten();
    let (mut label, uuid) = found.map(|found| (found.label, found.uuid)).unwrap_or_default();
    let is_fat = Fat::is_likely(&head);
    let is_ext = !is_fat && ext::is_likely(&head);
    let files = if is_fat {
        Fat::open(region).map(|fat| {
            label = fat.label();
            Box::new(fat) as Box<dyn Volume + 'a>
        })
    } else if is_ext {
        Ext::open(region).map(|ext| Box::new(ext) as Box<dyn Volume + 'a>)
    } else {
        let cd = Iso9660::open(region).map(|cd| Box::new(cd) as Box<dyn Volume + 'a>);
        cd.map_err(|_| Error::new("file system", "is no FAT, which firmware reads"))
    };
    Ok(DiskVolume {
        partition: None,
        purpose: Purpose::Other,
        name,
        partuuid: None,
        partlabel: None,
        uuid,
        label,
        region,
        is_fat,
        is_ext,
        files,
    })
}

//! The root image on the disk that firmware starts from, found as the agent finds it: by the words of the command line, and with the
//! agent's own code for superblocks and lengths. What only the running machine decides is an assumption, or an error.

use super::disk::Disk;
use super::disk_device::DiskDevice;
use super::fat::Fat;
use super::iso9660::Iso9660;
use super::stretches::Stretches;
use crate::cmdline::number::decimal;
use crate::error::{Error, Result};
use crate::media::device_name::DeviceName;
use crate::media::image_request::ImageRequest;
use crate::media::image_source::ImageSource;
use crate::media::superblock::{FileSystem, Superblock};
use crate::media::{image_device, medium_file, superblock_reader};

/// The names of a machine's first disk, and what stands before the number of a partition (kernel,
/// Documentation/admin-guide/devices.txt; block/partitions/core.c, `bdevname`: a `p` behind a digit).
const FIRST_DISKS: [(&str, &str); 6] =
    [("vda", ""), ("sda", ""), ("hda", ""), ("xvda", ""), ("nvme0n1", "p"), ("mmcblk0", "p")];
/// The first drive for CDs, which has no partitions (drivers/scsi/sr.c, `GENHD_FL_NO_PART`).
const FIRST_CD: &str = "sr0";
const BESIDE: &str = "is it on another disk? Then give the image beside --disk";

/// The image.
pub struct RootOnDisk<'a> {
    /// Where it is, in words.
    pub place: String,
    /// Its bytes: all of a file or of a device.
    pub stretches: Stretches<'a>,
    /// How many of them are measured.
    pub bytes: u64,
    /// What must be so on the machine: each follows "as long as".
    pub assumes: Vec<String>,
}

impl RootOnDisk<'_> {
    /// The places of its bytes on the disk, and how many of them are measured.
    pub(crate) fn at(&self) -> (Vec<(u64, u64)>, u64) {
        (self.stretches.places(), self.bytes)
    }
}

/// Looks for the image.
///
/// # Errors
/// If the agent would not find it, or refuse it; and if the disk alone does not decide which one it finds.
pub fn find<'a>(disk: &Disk<'a>, source: &ImageSource, request: ImageRequest<'_>) -> Result<RootOnDisk<'a>> {
    let found = find_among(&disk.devices, source, request)?;
    let Some(whole) = disk.devices.get(..1).filter(|whole| whole.iter().all(is_cd)) else { return Ok(found) };
    // In a drive for CDs, it is the same image, or none.
    match find_among(whole, source, request) {
        Ok(cd) if cd.at() != found.at() => {
            Err(Error::new(source, "is another image if the disk is a CD than if it is a stick").hint(BESIDE))
        }
        _ => Ok(found),
    }
}

fn is_cd(device: &DiskDevice<'_>) -> bool {
    superblock(device).is_some_and(|found| found.kind == FileSystem::Iso9660)
}

fn find_among<'a>(
    devices: &[DiskDevice<'a>],
    source: &ImageSource,
    request: ImageRequest<'_>,
) -> Result<RootOnDisk<'a>> {
    match source {
        ImageSource::Device(name) => {
            let (device, assumes) = named(devices, name)?;
            let (place, length) = (format!("{} ({name})", device.name()), device.region.length());
            // With a root hash, nothing of it is read: dm-verity checks it.
            let bytes =
                if request.prepared { length } else { image_device::plain(&device.region, &place, length, request)?.1 };
            Ok(RootOnDisk { place, stretches: Stretches::of([device.region]), bytes, assumes })
        }
        ImageSource::File(name, path) => {
            let (device, assumes) = named(devices, name)?;
            let medium = format!("{} ({name})", device.name());
            let place = format!("/{path} on {medium}");
            let file = file(device, &medium, path, request)?.ok_or_else(|| {
                Error::new(&place, "no such file")
                    .hint("rootimg= is the path from the top of that device's file system")
            })?;
            image(file, place, assumes, request)
        }
        ImageSource::Search(path) => search(devices, path, request),
    }
}

/// The device that a name means, and what must be so for that.
fn named<'d, 'a>(devices: &'d [DiskDevice<'a>], name: &DeviceName) -> Result<(&'d DiskDevice<'a>, Vec<String>)> {
    if let DeviceName::Node(node) = name {
        let (number, disk) = number_of(node)?;
        let device = devices.iter().find(|device| device.number == number);
        let device = device.ok_or_else(|| Error::new(node, "this disk has no such partition").hint(BESIDE))?;
        return Ok((device, vec![format!("this disk is /dev/{disk}")]));
    }
    let mut found: Vec<_> = devices.iter().filter(|device| is_called(device, name)).collect();
    order(&mut found);
    // As long as a whole disk is mounted, nothing else can mount its partitions: the agent prefers these.
    let Some(&device) = found.first() else {
        let is_on_disk = matches!(name, DeviceName::Label(_) | DeviceName::Uuid(_));
        let hint = if is_on_disk { "; a squashfs has no label and no UUID: name its partition" } else { "" };
        return Err(Error::new(name, "is on no partition of this disk").hint(format_args!("{BESIDE}{hint}")));
    };
    let mut assumes = Vec::new();
    found.retain(|device| device.number.is_some());
    if found.len() > 1 {
        let names: Vec<_> = found.iter().map(|device| device.name()).collect();
        assumes.push(format!("the agent takes the first of those that are {name}: {}", names.join(", ")));
    }
    if matches!(name, DeviceName::Label(_) | DeviceName::PartLabel(_)) {
        assumes.push(format!("no other disk of the machine has {name}"));
    }
    Ok((device, assumes))
}

/// In the order in which the agent takes devices: by their names, but a disk behind its partitions.
fn order(devices: &mut [&DiskDevice<'_>]) {
    devices.sort_by_key(|device| (device.number.is_none(), device.end_of_name()));
}

/// Whether a device has this name. One that cannot be read has none.
fn is_called(device: &DiskDevice<'_>, name: &DeviceName) -> bool {
    match name {
        DeviceName::Node(_) => false,
        DeviceName::Label(label) => superblock(device).and_then(|found| found.label).as_deref() == Some(label),
        DeviceName::Uuid(uuid) => {
            superblock(device).and_then(|found| found.uuid).is_some_and(|own| own.eq_ignore_ascii_case(uuid))
        }
        DeviceName::PartUuid(uuid) => device.partuuid.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(uuid)),
        DeviceName::PartLabel(label) => device.partlabel.as_ref() == Some(label),
    }
}

fn superblock(device: &DiskDevice<'_>) -> Option<Superblock> {
    superblock_reader::read(&device.region, &device.name()).ok().flatten()
}

/// The number of the partition with this node, `None` for a whole disk; and which disk this one is then.
fn number_of(node: &str) -> Result<(Option<u32>, &str)> {
    let name = node.strip_prefix("/dev/").unwrap_or(node);
    for (disk, before) in FIRST_DISKS.into_iter().chain([(FIRST_CD, "/")]) {
        let number = name.strip_prefix(disk).and_then(|rest| decimal(rest.strip_prefix(before)?));
        let number = number.and_then(|number| u32::try_from(number).ok());
        if name == disk {
            return Ok((None, disk));
        }
        if let Some(number) = number {
            return Ok((Some(number), disk));
        }
    }
    Err(Error::new(node, "the bytes of a disk do not say whether it is this one")
        .hint("name the partition, PARTUUID= or PARTLABEL=, or give the image beside --disk"))
}

/// The file on a medium. `None` if the medium has no such file.
///
/// # Errors
/// If the agent does not take the medium, and if the medium's files are not read here.
fn file<'a>(
    device: &DiskDevice<'a>,
    name: &str,
    path: &str,
    request: ImageRequest<'_>,
) -> Result<Option<Stretches<'a>>> {
    let medium = superblock_reader::read_for_medium(&device.region, name, request.fstypes)?;
    request.flags.of(medium.kind)?;
    let found = match medium.kind {
        FileSystem::Vfat => Fat::open(device.region).and_then(|fat| fat.stretches(path)),
        FileSystem::Iso9660 => Iso9660::open(device.region).and_then(|cd| cd.stretches(path)),
        other => Err(Error::new(
            format_args!("/{path}"),
            format_args!("is on {}, whose files are not read here", other.name()),
        )
        .hint("give the image beside --disk")),
    };
    found.map_err(|error| error.on(name))
}

/// The image that is a file.
fn image<'a>(
    file: Stretches<'a>,
    place: String,
    assumes: Vec<String>,
    request: ImageRequest<'_>,
) -> Result<RootOnDisk<'a>> {
    let bytes = file.length();
    if !request.prepared {
        medium_file::superblock(&file, &place, bytes)?;
    }
    Ok(RootOnDisk { place, stretches: file, bytes, assumes })
}

/// The first medium that has the image.
fn search<'a>(devices: &[DiskDevice<'a>], path: &str, request: ImageRequest<'_>) -> Result<RootOnDisk<'a>> {
    let mut devices: Vec<_> = devices.iter().collect();
    order(&mut devices);
    for device in devices {
        let name = device.name();
        let medium = superblock_reader::read_for_medium(&device.region, &name, request.fstypes);
        if medium.and_then(|medium| request.flags.of(medium.kind).map(drop)).is_err() {
            continue;
        }
        // If this one may have the file, it is not known that a later one is the first.
        let Some(file) = file(device, &name, path, request)? else { continue };
        let assumes = vec![format!("no other disk of the machine has /{path}")];
        if let Ok(found) = image(file, format!("/{path} on {name}"), assumes, request) {
            return Ok(found);
        }
    }
    Err(Error::new(format_args!("/{path}"), "is on no FAT and no CD of this disk").hint(BESIDE))
}

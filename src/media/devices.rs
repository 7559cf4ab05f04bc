//! Block devices: which ones exist, and what sysfs and their first bytes say about them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::media::answer::Answer;
use crate::media::device_name::DeviceName;
use crate::media::partition_table;
use crate::media::superblock::Superblock;
use crate::media::superblock_reader;
use crate::sys::block_device;

/// The folders in which the kernel shows devices and their nodes.
#[derive(Debug, Clone)]
pub struct Devices {
    /// /sys/class/block.
    pub sysfs: PathBuf,
    /// /dev.
    pub nodes: PathBuf,
}

impl Default for Devices {
    fn default() -> Self {
        Self { sysfs: "/sys/class/block".into(), nodes: "/dev".into() }
    }
}

/// What tells one medium in a drive from the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MediumId {
    /// The disk's diskseq, which counts its media (Linux 5.15), and the device's size in sectors.
    state: String,
    /// Whether the drive can get another medium.
    pub removable: bool,
}

/// Why a device is not the one that is looked for, if it can be read.
pub(crate) const OTHER_NAME: &str = "has another name";

/// Kinds of devices that are never the medium a machine boots from, by the letters of their names.
const NOT_MEDIA: [&str; 4] = ["loop", "ram", "zram", "fd"];

impl Devices {
    /// The names of the block devices that may be a medium, sorted.
    ///
    /// # Errors
    /// When sysfs cannot be read.
    pub fn names(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        let entries = match fs::read_dir(&self.sysfs) {
            // The kernel makes the folder with the first device of its class.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
            entries => entries.about_hint(self.sysfs.display(), "is CONFIG_SYSFS set?")?,
        };
        for entry in entries {
            let name = entry.about(self.sysfs.display())?.file_name().to_string_lossy().into_owned();
            let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
            if !NOT_MEDIA.contains(&kind) {
                names.insert(name);
            }
        }
        Ok(names)
    }

    /// The node of a device; sysfs writes the slash in `cciss/c0d0` as an exclamation mark.
    #[must_use]
    pub fn node(&self, device: &str) -> PathBuf {
        self.nodes.join(device.replace('!', "/"))
    }

    /// The name in sysfs of the device with this node.
    pub(crate) fn name_of(&self, node: &Path) -> String {
        node.strip_prefix(&self.nodes).unwrap_or(node).to_string_lossy().replace('/', "!")
    }

    /// The disk of a partition; `None` if the device is none.
    pub(crate) fn disk_of(&self, partition: &str) -> Option<String> {
        self.uevent(partition, "PARTN")?;
        Some(self.disk_folder(partition)?.file_name()?.to_str()?.to_owned())
    }

    /// The devices without the disks of which a partition is among them, too: as long as a whole disk is mounted, nothing else can
    /// mount its partitions.
    pub(crate) fn preferred<'a>(&self, mut found: Vec<&'a str>) -> Vec<&'a str> {
        let disks: Vec<_> = found.iter().filter_map(|device| self.disk_of(device)).collect();
        found.retain(|device| !disks.iter().any(|disk| disk == device));
        found
    }

    /// The medium that is in a device now.
    pub(crate) fn medium(&self, device: &str) -> MediumId {
        let own = |file: &str| fs::read_to_string(self.sysfs.join(device).join(file)).ok();
        let of_disk = |file: &str| {
            own(file).or_else(|| fs::read_to_string(self.disk_folder(device)?.join(file)).ok()).unwrap_or_default()
        };
        let state = of_disk("diskseq") + &own("size").unwrap_or_default();
        MediumId { state, removable: of_disk("removable").trim() == "1" }
    }

    /// Whether the kernel says that the device has no bytes.
    pub(crate) fn is_empty(&self, device: &str) -> bool {
        fs::read_to_string(self.sysfs.join(device).join("size")).is_ok_and(|size| size.trim() == "0")
    }

    /// Whether a device is the one that `name` means. This reads the device, so it can take for ever.
    pub(crate) fn ask(&self, node: &Path, name: &DeviceName) -> Answer {
        let is = |file: &File| {
            let on_disk = |field: fn(Superblock) -> Option<String>| -> Result<Option<String>> {
                Ok(superblock_reader::read(file, &node.to_string_lossy())?.and_then(field))
            };
            let device = self.name_of(node);
            Ok(match name {
                DeviceName::Node(_) => true,
                DeviceName::Label(label) => on_disk(|found| found.label)?.as_deref() == Some(label),
                DeviceName::Uuid(uuid) => on_disk(|found| found.uuid)?.is_some_and(|id| id.eq_ignore_ascii_case(uuid)),
                DeviceName::PartLabel(label) => self.uevent(&device, "PARTNAME").as_deref() == Some(label),
                DeviceName::PartUuid(uuid) => self.part_uuid(&device).is_some_and(|id| id.eq_ignore_ascii_case(uuid)),
            })
        };
        match open_readable(node).and_then(|file| is(&file)) {
            Ok(true) => Answer::Yes,
            Ok(false) => Answer::No(Error::new(node.display(), OTHER_NAME)),
            Err(error) => Answer::NotYet(error),
        }
    }

    fn part_uuid(&self, device: &str) -> Option<String> {
        let number = self.uevent(device, "PARTN")?.parse().ok()?;
        self.uevent(device, "PARTUUID").or_else(|| {
            let disk = self.disk_folder(device)?;
            let sector = fs::read_to_string(disk.join("queue/logical_block_size")).ok()?;
            let node = block_device::open(&self.node(disk.file_name()?.to_str()?)).ok()?;
            partition_table::uuid(&node, sector.trim().parse().ok().filter(|size| (512..=4096).contains(size))?, number)
        })
    }

    /// In sysfs the folder of a partition is in the folder of its disk.
    fn disk_folder(&self, partition: &str) -> Option<PathBuf> {
        Some(fs::canonicalize(self.sysfs.join(partition)).ok()?.parent()?.to_owned())
    }

    fn uevent(&self, device: &str, key: &str) -> Option<String> {
        let text = fs::read_to_string(self.sysfs.join(device).join("uevent")).ok()?;
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned)
    }
}

/// Opens a device whose first bytes can be read. That its node exists is not enough: a driver makes it before it knows the
/// disk's size, and a drive without a medium has one.
pub(crate) fn open_readable(node: &Path) -> Result<File> {
    let file = block_device::open(node).about(node.display())?;
    match file.read_at(&mut [0; 512], 0).about(node.display())? {
        0 => Err(Error::new(node.display(), "empty")),
        _ => Ok(file),
    }
}

//! Block devices: which ones exist, and which one a name such as that of `root=` means.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
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

    /// The same names as a text for an error message. It marks drives without a medium and disks of no bytes as empty.
    ///
    /// # Errors
    /// When sysfs cannot be read.
    pub fn describe_all(&self) -> Result<String> {
        let text = |device: String| if has_bytes(&self.node(&device)) { device } else { format!("{device} (empty)") };
        let all: Vec<_> = self.names()?.into_iter().map(text).collect();
        Ok(if all.is_empty() { "none".to_owned() } else { all.join(", ") })
    }

    /// The node of the device that `name` means; `None` if there is none yet.
    ///
    /// # Errors
    /// When sysfs cannot be read.
    pub fn find(&self, name: &DeviceName) -> Result<Option<PathBuf>> {
        if let DeviceName::Node(path) = name {
            // That the node exists is not enough: a driver may make it before it knows the disk's size.
            let node = PathBuf::from(path);
            return Ok(has_bytes(&node).then_some(node));
        }
        let found: Vec<_> = self.names()?.into_iter().filter(|device| self.matches(device, name)).collect();
        if let [first, others @ ..] = found.as_slice()
            && !others.is_empty()
        {
            log::warn!("{name}: found on {}; {first} is used", found.join(", "));
        }
        Ok(found.first().map(|device| self.node(device)))
    }

    /// The node of a device; sysfs writes the slash in `cciss/c0d0` as an exclamation mark.
    #[must_use]
    pub fn node(&self, device: &str) -> PathBuf {
        self.nodes.join(device.replace('!', "/"))
    }

    fn matches(&self, device: &str, name: &DeviceName) -> bool {
        let on_disk = |field: fn(Superblock) -> Option<String>| {
            open(&self.node(device))
                .and_then(|file| superblock_reader::read(&file, device).ok().flatten())
                .and_then(field)
        };
        match name {
            DeviceName::Node(_) => false,
            DeviceName::Label(label) => on_disk(|found| found.label).as_deref() == Some(label),
            DeviceName::Uuid(uuid) => on_disk(|found| found.uuid).is_some_and(|found| found.eq_ignore_ascii_case(uuid)),
            DeviceName::PartLabel(label) => self.uevent(device, "PARTNAME").as_deref() == Some(label),
            DeviceName::PartUuid(uuid) => self.part_uuid(device).is_some_and(|found| found.eq_ignore_ascii_case(uuid)),
        }
    }

    fn part_uuid(&self, device: &str) -> Option<String> {
        let number = self.uevent(device, "PARTN")?.parse().ok()?;
        self.uevent(device, "PARTUUID").or_else(|| {
            // In sysfs the folder of a partition is in the folder of its disk.
            let folder = fs::canonicalize(self.sysfs.join(device)).ok()?;
            let disk = folder.parent()?;
            let sector = fs::read_to_string(disk.join("queue/logical_block_size")).ok()?;
            let node = open(&self.node(disk.file_name()?.to_str()?))?;
            partition_table::uuid(&node, sector.trim().parse().ok().filter(|size| (512..=4096).contains(size))?, number)
        })
    }

    fn uevent(&self, device: &str, key: &str) -> Option<String> {
        let text = fs::read_to_string(self.sysfs.join(device).join("uevent")).ok()?;
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned)
    }
}

fn has_bytes(node: &Path) -> bool {
    open(node).as_ref().and_then(block_device::size).is_some_and(|bytes| bytes > 0)
}

/// Opens a device. One that cannot be opened, such as a drive without a medium, counts as one that is not there yet.
fn open(node: &Path) -> Option<File> {
    block_device::open(node).ok()
}

//! Block devices: which there are, which one `root=` means, and what is on them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::media::device_name::DeviceName;
use crate::media::image_request::Wait;
use crate::media::partition_table;
use crate::media::superblock::{self, HEAD, Superblock};
use crate::sys::block_device;

/// Where the kernel shows devices, and where their nodes are.
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

/// Devices made by software in memory, which never are the medium a machine boots from.
const NOT_MEDIA: [&str; 4] = ["loop", "ram", "zram", "fd"];

/// Between two looks for a device that is not there yet.
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `look` until it finds something or the time is over.
///
/// # Errors
/// Those of `look`; finding nothing in time is `None`.
pub fn wait<T>(wait: Wait, mut look: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    std::thread::sleep(wait.delay);
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if wait.limit.is_some_and(|limit| start.elapsed() >= limit) {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

impl Devices {
    /// The names of the block devices that may be a medium, in order.
    ///
    /// # Errors
    /// When sysfs cannot be read.
    pub fn names(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        let entries = match fs::read_dir(&self.sysfs) {
            // The folder comes with the first device of its class.
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

    /// The same for an error message: a drive without a medium, or a disk of no bytes, is there and of no use.
    ///
    /// # Errors
    /// When sysfs cannot be read.
    pub fn listed(&self) -> Result<String> {
        let text = |device: String| if has_bytes(&self.node(&device)) { device } else { format!("{device} (empty)") };
        let all: Vec<_> = self.names()?.into_iter().map(text).collect();
        Ok(if all.is_empty() { "none".to_owned() } else { all.join(", ") })
    }

    /// The node of the device that `name` means, `None` while there is none.
    ///
    /// # Errors
    /// When sysfs cannot be read.
    pub fn find(&self, name: &DeviceName) -> Result<Option<PathBuf>> {
        if let DeviceName::Node(path) = name {
            // The node alone does not do: a driver may have made it before the disk's size is known.
            let node = PathBuf::from(path);
            return Ok(has_bytes(&node).then_some(node));
        }
        let found: Vec<_> = self.names()?.into_iter().filter(|device| self.is(device, name)).collect();
        if let [first, others @ ..] = found.as_slice()
            && !others.is_empty()
        {
            log::warn!("{name}: found on {}; {first} is taken", found.join(", "));
        }
        Ok(found.first().map(|device| self.node(device)))
    }

    /// The node of a device; sysfs writes the slash in `cciss/c0d0` as an exclamation mark.
    #[must_use]
    pub fn node(&self, device: &str) -> PathBuf {
        self.nodes.join(device.replace('!', "/"))
    }

    fn is(&self, device: &str, name: &DeviceName) -> bool {
        let on_disk = |field: fn(Superblock) -> Option<String>| {
            open(&self.node(device)).and_then(|file| superblock(&file, device).ok().flatten()).and_then(field)
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
            // A partition's folder lies in its disk's.
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

/// The superblock of an open device or image; `None` where no file system is known.
///
/// # Errors
/// When it cannot be read or used.
pub fn superblock(file: &File, name: impl std::fmt::Display) -> Result<Option<Superblock>> {
    let mut head = vec![0; HEAD];
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::new(name, error)),
        }
    }
    superblock::probe(&head[..filled]).map_err(|error| error.on(name))
}

/// Holds what [`superblock`] found to the kinds in `fstypes`, as `rootfstype=` lists them.
///
/// # Errors
/// When there is none, and when it is of another kind; `known` says which there could be.
pub fn one_of(found: Option<Superblock>, name: &str, fstypes: &[String], known: &str) -> Result<Superblock> {
    match found {
        Some(found) if found.kind.is_in(fstypes) => Ok(found),
        Some(found) => Err(Error::new(name, format!("is {}, but rootfstype={}", found.kind.name(), fstypes.join(",")))),
        None => Err(Error::new(name, "no file system is known on it").hint(known)),
    }
}

fn has_bytes(node: &Path) -> bool {
    open(node).as_ref().and_then(block_device::size).is_some_and(|bytes| bytes > 0)
}

/// A device that is not there, or a drive without a medium, is for the caller the same as one yet to come.
fn open(node: &Path) -> Option<File> {
    block_device::open(node).ok()
}

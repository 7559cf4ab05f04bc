//! `rootflags=`: options for mounting the device of `root=`, less those that would bring in unmeasured bytes.

use std::path::Path;

use sys_mount::MountFlags;

use crate::error::{Error, Result};
use crate::media::superblock::FileSystem;
use crate::sys::mounts::Mount;

/// Mount options for the kernel's file system, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootFlags(Vec<String>);

/// Options that name a second source of the file system's content, or that let it be written: what is then mounted is
/// not what was hashed (kernel, Documentation/filesystems/erofs.rst and ext4.rst; mount(8)).
const REFUSED: [&str; 12] = [
    "rw",
    "remount",
    "bind",
    "rbind",
    "move",
    "loop",
    "device",
    "fsid",
    "domain_id",
    "journal_dev",
    "journal_path",
    "journal_ioprio",
];

/// Options that mount(8) turns into flags, and that hold here anyway.
const IMPLIED: [&str; 2] = ["ro", "defaults"];

impl RootFlags {
    /// Reads a list with commas between.
    ///
    /// # Errors
    /// For an option that cannot hold for a measured image.
    pub fn parse(text: &str) -> Result<Self> {
        let name = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
        match text.split(',').find(|option| REFUSED.contains(&name(option).as_str())) {
            Some(option) => Err(Error::new(option, format!("the option `{option}` is refused"))
                .hint("the image is always read-only, and all of it comes from the bytes that were hashed")),
            None => {
                Ok(Self(text.split(',').filter(|o| !o.is_empty() && !IMPLIED.contains(o)).map(str::to_owned).collect()))
            }
        }
    }

    /// The mount of the file system on the device `node` with these options. Nothing is ever written, not even to replay a
    /// journal.
    #[must_use]
    pub fn read_only_mount(&self, file_system: FileSystem, node: &Path, target: &str, flags: MountFlags) -> Mount {
        let first: &[&str] = if file_system == FileSystem::Ext4 { &["noload"] } else { &[] };
        let node = node.display().to_string();
        Mount::new(file_system.name(), node, target, flags | MountFlags::RDONLY, self.data(first))
    }

    /// The options as mount(2) takes them, behind those that `first` holds.
    #[must_use]
    pub fn data(&self, first: &[&str]) -> String {
        first.iter().copied().chain(self.0.iter().map(String::as_str)).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_bring_in_other_bytes_are_refused() {
        for text in ["rw", "threads=multi,rw", "device=/dev/vdb", "journal_path=/dev/vdb", "remount"] {
            assert!(RootFlags::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            RootFlags::parse("ro,threads=multi,,errors=continue").unwrap().data(&["noload"]),
            "noload,threads=multi,errors=continue"
        );
        assert_eq!(RootFlags::default().data(&[]), "");
    }
}

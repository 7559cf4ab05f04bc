//! `rootflags=`: options for mounting the device of `root=`. Options that would bring in unmeasured bytes are refused.

use std::path::Path;

use sys_mount::MountFlags;

use crate::error::{Error, Result};
use crate::media::superblock::FileSystem;
use crate::sys::mounts::Mount;

/// Mount options for the kernel's file system, after the check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootFlags(Vec<String>);

/// Options that name a second source of the file system's content, or that allow writing. With them, the mounted bytes
/// would not be those that were hashed (kernel, Documentation/filesystems/erofs.rst and ext4.rst; mount(8)).
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

/// Options that mount(8) turns into flags. Here they always hold, so they are left out.
const IMPLIED: [&str; 2] = ["ro", "defaults"];

impl RootFlags {
    /// Reads a list of options, separated by commas.
    ///
    /// # Errors
    /// For an option that is refused.
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

    /// The read-only mount of the device `node` on `target`. Nothing is ever written, not even to replay a journal.
    #[must_use]
    pub fn read_only_mount(&self, file_system: FileSystem, node: &Path, target: &str, flags: MountFlags) -> Mount {
        let first: &[&str] = if file_system == FileSystem::Ext4 { &["noload"] } else { &[] };
        Mount {
            fstype: file_system.name().to_owned(),
            source: node.display().to_string(),
            target: target.to_owned(),
            flags: flags | MountFlags::RDONLY,
            data: self.data(first),
        }
    }

    /// The options as mount(2) takes them: those in `first`, then these.
    #[must_use]
    pub fn data(&self, first: &[&str]) -> String {
        first.iter().copied().chain(self.0.iter().map(String::as_str)).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_bring_in_unmeasured_bytes_are_refused() {
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

//! `rootflags=`: options for mounting the device of `root=`. Only options that are known to be harmless are allowed.

use std::fmt::{self, Display};
use std::path::Path;

use sys_mount::MountFlags;

use crate::error::{Error, Result};
use crate::media::mount_option::{flag, is_allowed, is_without_effect};
use crate::media::superblock::FileSystem;
use crate::sys::mounts::Mount;

/// Mount options, after the check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootFlags(Vec<String>);

/// What the kernel does with the journal of an ext4 file system. Other file systems have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// It is not read: nothing is ever written to the device.
    Never,
    /// If the last shutdown was not clean, the kernel replays it: it writes to the device.
    IfNeeded,
}

impl RootFlags {
    /// Reads a list of options, separated by commas.
    ///
    /// # Errors
    /// For an option that no file system may have.
    pub fn parse(text: &str) -> Result<Self> {
        let words: Vec<_> = text.split(',').filter(|word| !is_without_effect(word)).map(str::to_owned).collect();
        let known = |word: &str| flag(word).is_some() || FileSystem::ALL.into_iter().any(|kind| is_allowed(kind, word));
        match words.iter().find(|word| !known(word)) {
            Some(word) => Err(Error::new(word, format_args!("the option `{word}` is refused")).hint(
                "the image is always read-only, and all of it comes from the bytes that were hashed: \
                 docs/parameters.md lists the options that are allowed",
            )),
            None => Ok(Self(words)),
        }
    }

    /// The options for this file system as mount(2) takes them: flags, and the file system's own.
    ///
    /// # Errors
    /// For an option that this file system may not have.
    pub(crate) fn of(&self, kind: FileSystem) -> Result<(MountFlags, Vec<&str>)> {
        let (mut flags, mut own) = (MountFlags::empty(), Vec::new());
        for word in &self.0 {
            match flag(word) {
                Some(flag) => flags |= flag,
                None if is_allowed(kind, word) => own.push(word.as_str()),
                None => {
                    let cause = format!("the option `{word}` is refused for {}", kind.name());
                    return Err(Error::new(format_args!("rootflags={self}"), cause)
                        .hint("docs/parameters.md lists the options that are allowed for each file system"));
                }
            }
        }
        Ok((flags, own))
    }

    /// The read-only mount of the device `node` on `target`.
    ///
    /// # Errors
    /// For an option that this file system may not have.
    pub fn read_only_mount(
        &self,
        (kind, replay): (FileSystem, Replay),
        node: &Path,
        target: &str,
        flags: MountFlags,
    ) -> Result<Mount> {
        let (asked, mut own) = self.of(kind)?;
        if kind == FileSystem::Ext4 && replay == Replay::Never {
            own.insert(0, "noload");
        }
        Ok(Mount {
            fstype: kind.name().to_owned(),
            source: node.display().to_string(),
            target: target.to_owned(),
            flags: flags | asked | MountFlags::RDONLY,
            data: own.join(","),
        })
    }

    /// Whether the journal of an ext4 shall stay as it is.
    #[must_use]
    pub(crate) fn ignore_journal(&self) -> bool {
        self.0.iter().any(|word| matches!(word.as_str(), "noload" | "norecovery"))
    }
}

impl Display for RootFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(text: &str, kind: FileSystem, replay: Replay) -> Result<Mount> {
        RootFlags::parse(text)?.read_only_mount((kind, replay), Path::new("/dev/x"), "/y", MountFlags::empty())
    }

    #[test]
    fn options_that_bring_in_unmeasured_bytes_are_refused() {
        let elsewhere =
            ["sb=131072", "fsoffset=4096", "inode_share", "device=/dev/vdb", "journal_path=/dev/vdb", "domain_id=a"];
        let others = [
            "rw",
            "threads=multi,rw",
            "remount",
            "bind",
            "loop",
            "nouid32",
            "dax",
            "usrquota",
            "journal_dev=9",
            "abort",
        ];
        for text in
            elsewhere.into_iter().chain(others).chain(["made-up", "journal_async_commit", "fsid=a", "offset=512"])
        {
            assert!(RootFlags::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_option_is_only_for_the_file_systems_that_it_is_known_of() {
        let table = [
            ("threads=multi", FileSystem::Squashfs, true),
            ("threads=multi", FileSystem::Ext4, false),
            ("cache_strategy=disabled", FileSystem::Erofs, true),
            ("cache_strategy=disabled", FileSystem::Squashfs, false),
            ("sbsector=0", FileSystem::Iso9660, true),
            ("sbsector=0", FileSystem::Ext4, false),
            ("umask=077", FileSystem::Vfat, true),
            ("umask=077", FileSystem::Erofs, false),
        ];
        for (text, kind, allowed) in table {
            assert_eq!(mount(text, kind, Replay::Never).is_ok(), allowed, "{text} {kind:?}");
        }
    }

    #[test]
    fn words_of_mount_become_flags_or_are_dropped() {
        let words = "defaults,ro,x-systemd.device-timeout=9,comment=a,auto,noauto,user,nofail,_netdev,sync,dirsync,lazytime,\
                     data=ordered,iversion,norelatime,,noatime,nodev,silent,errors=continue";
        let made = mount(words, FileSystem::Ext4, Replay::Never).unwrap();
        assert_eq!(made.data, "noload,errors=continue");
        assert_eq!(made.flags, MountFlags::RDONLY | MountFlags::NOATIME | MountFlags::NODEV | MountFlags::SILENT);
        for word in ["noatime", "nodiratime", "relatime", "strictatime", "nosuid", "nodev", "noexec"] {
            let made = mount(word, FileSystem::Erofs, Replay::Never).unwrap();
            assert!(made.data.is_empty() && made.flags != MountFlags::RDONLY, "{word}");
            assert_eq!(made.to_string(), format!("mount -t erofs -o ro,{word} /dev/x /y"));
        }
    }

    #[test]
    fn only_the_journal_of_a_medium_is_replayed() {
        assert_eq!(mount("", FileSystem::Ext4, Replay::IfNeeded).unwrap().data, "");
        assert_eq!(mount("", FileSystem::Ext4, Replay::Never).unwrap().data, "noload");
        assert_eq!(mount("", FileSystem::Vfat, Replay::Never).unwrap().data, "");
        assert!(RootFlags::parse("noload").unwrap().ignore_journal());
    }
}

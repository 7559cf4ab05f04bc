//! The options of a mount, word by word: which ones are flags, and which ones a file system may have.

use sys_mount::MountFlags;

use crate::media::superblock::FileSystem;

/// Words of mount(8) and fstab(5) that change nothing here: they hold always, they are about writing, or they are for the
/// programs that read fstab.
pub(super) fn is_without_effect(word: &str) -> bool {
    word.starts_with("x-")
        || word.starts_with("X-")
        || word.starts_with("comment=")
        // The journal's mode, of ext4: the kernel refuses it for a mount that does not read the journal (fs/ext4/super.c).
        || word.starts_with("data=")
        || matches!(
            word,
            "" | "ro"
                | "defaults"
                | "auto"
                | "noauto"
                | "user"
                | "nouser"
                | "users"
                | "owner"
                | "group"
                | "nofail"
                | "_netdev"
                | "sync"
                | "async"
                | "dirsync"
                | "lazytime"
                | "nolazytime"
                | "iversion"
                | "noiversion"
                | "atime"
                | "diratime"
                | "norelatime"
                | "nostrictatime"
                | "suid"
                | "dev"
                | "exec"
                | "loud"
        )
}

/// Words that mount(8) turns into flags of mount(2).
pub(super) fn flag(word: &str) -> Option<MountFlags> {
    Some(match word {
        "noatime" => MountFlags::NOATIME,
        "nodiratime" => MountFlags::NODIRATIME,
        "relatime" => MountFlags::RELATIME,
        "strictatime" => MountFlags::STRICTATIME,
        "nosuid" => MountFlags::NOSUID,
        "nodev" => MountFlags::NODEV,
        "noexec" => MountFlags::NOEXEC,
        "silent" => MountFlags::SILENT,
        _ => return None,
    })
}

/// Whether a file system may have this option. An option is missing here if it takes the content from elsewhere on the
/// device or from another device (`sb`, `fsoffset`, `device`, `journal_dev`, `inode_share`), writes, or changes owners:
/// with it, what runs would not be what was measured.
pub(super) fn is_allowed(kind: FileSystem, word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    match kind {
        // kernel, fs/squashfs/super.c: squashfs_fs_parameters.
        FileSystem::Squashfs => matches!(name, "errors" | "threads"),
        // kernel, fs/erofs/super.c: erofs_fs_parameters.
        FileSystem::Erofs => matches!(name, "user_xattr" | "nouser_xattr" | "acl" | "noacl" | "cache_strategy"),
        // kernel, fs/ext4/super.c: ext4_param_specs.
        FileSystem::Ext4 => matches!(
            name,
            "user_xattr"
                | "nouser_xattr"
                | "acl"
                | "noacl"
                | "errors"
                | "noload"
                | "norecovery"
                | "barrier"
                | "nobarrier"
                | "block_validity"
                | "noblock_validity"
                | "bsddf"
                | "minixdf"
                | "commit"
                | "delalloc"
                | "nodelalloc"
                | "discard"
                | "nodiscard"
                | "init_itable"
                | "noinit_itable"
                | "inode_readahead_blks"
                | "stripe"
                | "no_prefetch_block_bitmaps"
                | "nombcache"
                | "no_mbcache"
        ),
        // kernel, fs/isofs/inode.c: isofs_param_spec. Only a medium: none of its bytes is trusted.
        FileSystem::Iso9660 => matches!(
            name,
            "norock"
                | "nojoliet"
                | "unhide"
                | "hide"
                | "showassoc"
                | "cruft"
                | "utf8"
                | "iocharset"
                | "map"
                | "check"
                | "session"
                | "sbsector"
                | "block"
                | "mode"
                | "dmode"
                | "uid"
                | "gid"
                | "overriderockperm"
                | "nocompress"
        ),
        // kernel, fs/fat/inode.c: fat_param_spec and vfat_param_spec. Only a medium.
        FileSystem::Vfat => matches!(
            name,
            "uid"
                | "gid"
                | "umask"
                | "dmask"
                | "fmask"
                | "allow_utime"
                | "codepage"
                | "iocharset"
                | "shortname"
                | "utf8"
                | "uni_xlate"
                | "nonumtail"
                | "check"
                | "usefree"
                | "quiet"
                | "showexec"
                | "debug"
                | "sys_immutable"
                | "flush"
                | "tz"
                | "time_offset"
                | "errors"
                | "discard"
                | "dos1xfloppy"
                | "rodir"
                | "nfs"
        ),
    }
}

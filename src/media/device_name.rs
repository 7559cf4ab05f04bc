//! The name of a block device, as `root=` gives it.

use std::fmt::{self, Display};

use crate::error::{Error, Result};

/// The name of a block device in a parameter such as `root=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// `/dev/X`: the node in the kernel's devtmpfs.
    Node(String),
    /// `LABEL=`: the label in the file system's superblock.
    Label(String),
    /// `UUID=`: the identifier in the file system's superblock, as blkid prints it.
    Uuid(String),
    /// `PARTUUID=`: the identifier in the partition table.
    PartUuid(String),
    /// `PARTLABEL=`: the partition's name in a GPT.
    PartLabel(String),
}

impl DeviceName {
    /// Reads the value of a parameter such as `root=`.
    ///
    /// # Errors
    /// For a name that only udev or another initramfs can resolve. The hint gives a name to write instead.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = |cause: &str, hint: &str| Err(Error::new(text, cause).hint(hint));
        let named = [
            ("LABEL=", "/dev/disk/by-label/", Self::Label as fn(String) -> Self),
            ("UUID=", "/dev/disk/by-uuid/", Self::Uuid),
            ("PARTUUID=", "/dev/disk/by-partuuid/", Self::PartUuid),
            ("PARTLABEL=", "/dev/disk/by-partlabel/", Self::PartLabel),
        ];
        for (prefix, folder, name) in named {
            if let Some(value) = text.strip_prefix(prefix).map(unquoted) {
                if value.is_empty() || value.contains("/PARTNROFF=") {
                    return fail("malformed value", "give the identifier itself, as blkid prints it");
                }
                return checked(text, name(value.to_owned()));
            }
            if let Some(escaped) = text.strip_prefix(folder) {
                return unescape(escaped).filter(|value| !value.is_empty()).map_or_else(
                    || fail("malformed value", "only \\xNN escapes are known"),
                    |value| checked(text, name(value)),
                );
            }
        }
        let node = text.strip_prefix("/dev/");
        if let Some(odd) = node.and_then(|node| node.chars().find(|&c| !is_of_a_name(c, "-_.:+/"))) {
            return Err(odd_character(text, odd));
        }
        match node {
            Some(rest) if rest.starts_with("disk/") => fail(
                "this link is made by udev, which does not run in the initramfs",
                "use by-uuid, by-label, by-partuuid or by-partlabel",
            ),
            Some(rest) if is_plain_path(rest) && !is_made_by_kernel(rest) => fail(
                "nothing in this initramfs makes this node: volumes of LVM, RAID, LUKS and multipath are not opened",
                "the image must be on a disk or a partition: /dev/X, PARTUUID=, PARTLABEL=, LABEL= or UUID=",
            ),
            Some(rest) if is_plain_path(rest) => Ok(Self::Node(text.to_owned())),
            _ => fail("not a block device", "use /dev/X, LABEL=, UUID=, PARTUUID= or PARTLABEL="),
        }
    }
}

/// The name, unless it is an identifier with a character that none has. blkid prints them in hexadecimal digits and `-`.
fn checked(text: &str, name: DeviceName) -> Result<DeviceName> {
    let (DeviceName::Uuid(value) | DeviceName::PartUuid(value)) = &name else { return Ok(name) };
    match value.chars().find(|&c| !is_of_a_name(c, "-")) {
        Some(odd) => Err(odd_character(text, odd)),
        None => Ok(name),
    }
}

/// Whether a name may have this character: a letter or a digit of ASCII, or one of `others`.
fn is_of_a_name(c: char, others: &str) -> bool {
    c.is_ascii_alphanumeric() || others.contains(c)
}

/// The device would never appear. Most often, `<uuid>` or `${part}` was not replaced, or an option of the mount was appended.
fn odd_character(text: &str, odd: char) -> Error {
    Error::new(text, format_args!("`{odd}` is in no such name"))
        .hint("a placeholder that was not replaced? options of the mount belong in rootflags=")
}

/// The value without quotes around it. People write `LABEL="my disk"` as in fstab, where mount(8) removes the quotes (libblkid,
/// `blkid_parse_tag_string`); the kernel's parser of the command line removes only those around the whole value of `root=`.
fn unquoted(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

/// Whether the kernel alone makes the node with this name below /dev. Its disks have a plain name, or lie in one of a few folders
/// (kernel, Documentation/admin-guide/devices.txt). A program must open a volume of LVM, LUKS or multipath, and the kernel assembles
/// a RAID only where it mounts the root itself (init/do_mounts.c, `prepare_namespace`).
fn is_made_by_kernel(name: &str) -> bool {
    if let Some((folder, _)) = name.split_once('/') {
        return matches!(folder, "cciss" | "ida" | "rd" | "i2o" | "etherd" | "pktcdvd");
    }
    let is_raid = |rest: &str| rest.starts_with(|c: char| c == '_' || c.is_ascii_digit());
    // `/dev/root` is only a name in /proc/mounts.
    name != "root" && !name.strip_prefix("md").is_some_and(is_raid)
}

/// Whether a path is relative and has no `.` or `..` and no empty part. 4096 is `PATH_MAX` (linux/limits.h).
pub(crate) fn is_plain_path(path: &str) -> bool {
    !path.is_empty()
        && path.len() < 4096
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Undoes the escapes `\xNN` that udev writes in the names below /dev/disk (systemd's `encode_devnode_name`).
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('\\');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let hex = part.strip_prefix('x')?.get(..2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(part.get(3..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

impl Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(path) => f.write_str(path),
            Self::Label(value) => write!(f, "LABEL={value}"),
            Self::Uuid(value) => write!(f, "UUID={value}"),
            Self::PartUuid(value) => write!(f, "PARTUUID={value}"),
            Self::PartLabel(value) => write!(f, "PARTLABEL={value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_only_what_works() {
        let error = DeviceName::parse("0801").unwrap_err().to_string();
        let (_, hint) = error.split_once(" (use /dev/X, ").unwrap();
        for name in hint.trim_end_matches(')').replace(" or ", ", ").split(", ") {
            assert!(DeviceName::parse(&format!("{name}x")).is_ok(), "{name}");
        }
    }

    #[test]
    fn each_form_of_a_name_is_read_or_refused() {
        let table = [
            ("/dev/vda", Some(DeviceName::Node("/dev/vda".into()))),
            ("/dev/dm-0", Some(DeviceName::Node("/dev/dm-0".into()))),
            ("/dev/mmcblk0p2", Some(DeviceName::Node("/dev/mmcblk0p2".into()))),
            ("/dev/mdev", Some(DeviceName::Node("/dev/mdev".into()))),
            ("/dev/cciss/c0d0p1", Some(DeviceName::Node("/dev/cciss/c0d0p1".into()))),
            ("/dev/etherd/e1.1", Some(DeviceName::Node("/dev/etherd/e1.1".into()))),
            ("/dev/mapper/centos-root", None),
            ("/dev/fedora/root", None),
            ("/dev/root", None),
            ("/dev/md0", None),
            ("/dev/md127p1", None),
            ("/dev/md_d0", None),
            ("/dev/md/root", None),
            ("/dev/block/8:1", None),
            ("LABEL=my disk", Some(DeviceName::Label("my disk".into()))),
            ("LABEL=\"my disk\"", Some(DeviceName::Label("my disk".into()))),
            ("PARTLABEL='root'", Some(DeviceName::PartLabel("root".into()))),
            ("LABEL=a\"b", Some(DeviceName::Label("a\"b".into()))),
            ("LABEL=\"", Some(DeviceName::Label("\"".into()))),
            ("LABEL=\"\"", None),
            ("/dev/disk/by-label/my\\x20disk", Some(DeviceName::Label("my disk".into()))),
            ("/dev/disk/by-uuid/1234-ABCD", Some(DeviceName::Uuid("1234-ABCD".into()))),
            ("PARTUUID=abcd-01", Some(DeviceName::PartUuid("abcd-01".into()))),
            ("/dev/disk/by-partlabel/root", Some(DeviceName::PartLabel("root".into()))),
            ("/dev/disk/by-id/virtio-1", None),
            ("/dev/disk/by-label/a\\x2", None),
            ("/dev/disk/by-label/a\\xzz", None),
            ("/dev/disk/by-label/\\", None),
            ("/dev/sda1;", None),
            ("/dev/sda1,ro", None),
            ("/dev/sda1 ro", None),
            ("/dev/mmcblk${bootpart}", None),
            ("/dev/disk/by-uuid/<uuid>", None),
            ("UUID=<uuid>", None),
            ("UUID=1234-ABCD,ro", None),
            ("PARTUUID=${uuid}", None),
            ("LABEL=<a>;b", Some(DeviceName::Label("<a>;b".into()))),
            ("/dev/../etc/passwd", None),
            ("/dev/", None),
            ("LABEL=", None),
            ("PARTUUID=a/PARTNROFF=1", None),
            ("8:1", None),
            ("", None),
        ];
        for (text, want) in table {
            assert_eq!(DeviceName::parse(text).ok(), want, "{text:?}");
        }
    }
}

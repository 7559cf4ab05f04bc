//! device-mapper: making a verity device. The ioctls' layout is that of kernel, include/uapi/linux/dm-ioctl.h.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::cmdline::choice::Choice;
use crate::error::{Context, Error, Result};
use crate::hash::tree_shape::{TreeHash, TreeShape};
use crate::sys::device_mapper::{DM_HEADER, DmCommand, dm_ioctl};

const CONTROL: &str = "/dev/mapper/control";

/// What dm-verity is to check (kernel, Documentation/admin-guide/device-mapper/verity.rst).
#[derive(Debug, Clone)]
pub struct Verity {
    /// The device with the data.
    pub data: PathBuf,
    /// The device with the tree.
    pub tree: PathBuf,
    /// Where it begins there, in blocks of the tree.
    pub tree_start: u64,
    /// The rest that must be known of it.
    pub shape: TreeShape,
    /// The root hash.
    pub root_hash: TreeHash,
    /// What a corrupt block does.
    pub on_corrupt: OnCorrupt,
}

/// `measureroot.oncorrupt=`: what happens when a block is not what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCorrupt {
    /// The read fails with EIO.
    #[default]
    Error,
    /// The machine restarts.
    Restart,
    /// The kernel panics.
    Panic,
}

impl Choice for OnCorrupt {
    const WORDS: &'static [(&'static str, Self)] =
        &[("error", Self::Error), ("restart", Self::Restart), ("panic", Self::Panic)];
}

impl OnCorrupt {
    /// dm-verity's own word, `None` for its default.
    fn argument(self) -> Option<&'static str> {
        match self {
            Self::Error => None,
            Self::Restart => Some("restart_on_corruption"),
            Self::Panic => Some("panic_on_corruption"),
        }
    }
}

impl Verity {
    /// The target's table line.
    #[must_use]
    pub fn table(&self) -> String {
        let hex = |bytes: &[u8]| if bytes.is_empty() { "-".to_owned() } else { hex::encode(bytes) };
        let options = self.on_corrupt.argument().map_or(String::new(), |word| format!(" 1 {word}"));
        format!(
            "1 {} {} {} {} {} {} sha256 {} {}{options}",
            self.data.display(),
            self.tree.display(),
            self.shape.data_block,
            self.shape.hash_block,
            self.shape.data_blocks,
            self.tree_start,
            hex(&self.root_hash),
            hex(&self.shape.salt)
        )
    }
}

/// Whether this kernel can make verity devices. dm-verity asks for its hash only when a device is made, and the
/// configuration of the kernel may have the one without the other.
#[must_use]
pub fn has_verity() -> bool {
    Path::new(CONTROL).exists()
        && Path::new("/sys/module/dm_verity").exists()
        && std::fs::read_to_string("/proc/crypto").is_ok_and(|text| lists_sha256(&text))
}

/// Whether /proc/crypto (kernel, crypto/proc.c) has the plain hash, not only what is made of it.
fn lists_sha256(crypto: &str) -> bool {
    let mut fields = crypto.lines().filter_map(|line| line.split_once(':'));
    fields.any(|(key, value)| (key.trim(), value.trim()) == ("name", "sha256"))
}

/// Makes the read-only device `name` and returns its node.
///
/// # Errors
/// When the kernel refuses a step.
pub fn create_verity(name: &str, verity: &Verity) -> Result<PathBuf> {
    let object = format!("dm-verity device {name}");
    let control = OpenOptions::new().read(true).write(true).open(CONTROL);
    let control = control.about_hint(CONTROL, "is CONFIG_BLK_DEV_DM set, or the dm-mod module in the initramfs?")?;
    let created = command(&control, DmCommand::DeviceCreate, name, 0, &[]).about(&object)?;
    let hint = "is CONFIG_DM_VERITY set, or the dm-verity module in the initramfs? dmesg tells more";
    command(&control, DmCommand::TableLoad, name, READ_ONLY, &target(verity)).about_hint(&object, hint)?;
    command(&control, DmCommand::DeviceSuspend, name, 0, &[]).about(&object)?;
    let dev = u64::from_ne_bytes(created[DEV..DEV + 8].try_into().about(&object)?);
    let node = PathBuf::from(format!("/dev/dm-{}", minor(dev)));
    if node.exists() {
        Ok(node)
    } else {
        Err(Error::new(node.display(), "was not made").hint("is CONFIG_DEVTMPFS set?"))
    }
}

/// DM_READONLY_FLAG.
const READ_ONLY: u32 = 1;
/// Offsets of the fields of struct dm_ioctl that are used here.
const TARGET_COUNT: usize = 20;
const FLAGS: usize = 28;
const DEV: usize = 40;
const NAME: usize = 48;
const NAME_LEN: usize = 128;
/// Bytes of struct dm_target_spec.
const TARGET_SPEC: usize = 40;

/// The minor number in a device number as device-mapper writes it (kernel, include/linux/kdev_t.h, huge_encode_dev).
fn minor(dev: u64) -> u64 {
    dev & 0xff | (dev >> 12) & 0x000f_ff00
}

/// struct dm_target_spec, and the target's arguments behind it, to a multiple of 8 bytes.
fn target(verity: &Verity) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&0u64.to_ne_bytes());
    bytes.extend_from_slice(&(verity.shape.data_bytes() / 512).to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    let mut kind = [0; 16];
    kind[..6].copy_from_slice(b"verity");
    bytes.extend_from_slice(&kind);
    bytes.extend_from_slice(verity.table().as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    debug_assert!(bytes.len() > TARGET_SPEC);
    bytes
}

fn command(control: &File, command: DmCommand, name: &str, flags: u32, target: &[u8]) -> nix::Result<Vec<u8>> {
    let mut buffer = vec![0; DM_HEADER];
    buffer[..4].copy_from_slice(&4u32.to_ne_bytes());
    buffer[TARGET_COUNT..TARGET_COUNT + 4].copy_from_slice(&u32::from(!target.is_empty()).to_ne_bytes());
    buffer[FLAGS..FLAGS + 4].copy_from_slice(&flags.to_ne_bytes());
    let name = &name.as_bytes()[..name.len().min(NAME_LEN - 1)];
    buffer[NAME..NAME + name.len()].copy_from_slice(name);
    buffer.extend_from_slice(target);
    dm_ioctl(control, command, &mut buffer)?;
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_found_by_its_name() {
        let table = [
            ("name         : sha256\ndriver       : sha256-generic\n", true),
            ("name         : md5\ndriver       : md5-generic\n\nname         : sha256\n", true),
            ("name         : hmac(sha256)\ndriver       : hmac(sha256-generic)\n", false),
            ("name         : sha256rnd\ndriver       : sha256\n", false),
            ("name         : sha224\nmodule       : sha256\n", false),
            ("sha256\n", false),
            ("", false),
        ];
        for (text, listed) in table {
            assert_eq!(lists_sha256(text), listed, "{text:?}");
        }
    }

    #[test]
    fn the_table_is_dm_verity_s() {
        let verity = Verity {
            data: "/dev/loop0".into(),
            tree: "/dev/loop1".into(),
            tree_start: 7,
            shape: TreeShape { data_block: 4096, data_blocks: 10, hash_block: 1024, salt: vec![] },
            root_hash: [0xab; 32],
            on_corrupt: OnCorrupt::Restart,
        };
        let root = "ab".repeat(32);
        assert_eq!(
            verity.table(),
            format!("1 /dev/loop0 /dev/loop1 4096 1024 10 7 sha256 {root} - 1 restart_on_corruption")
        );
        assert_eq!(target(&verity).len() % 8, 0);
        assert_eq!(minor(0xfd05), 5);
    }
}

//! Creating a verity device. The layout of the ioctls is in the kernel's include/uapi/linux/dm-ioctl.h.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::cmdline::choice::Choice;
use crate::error::{Context, Error, Result};
use crate::say;
use crate::seal::dm_verity::{OnCorrupt, VerityTarget};
use crate::sys::device_mapper::{DM_HEADER, DmCommand, dm_ioctl};

const CONTROL: &str = "/dev/mapper/control";

/// The module of dm-verity.
pub(crate) const MODULE: &str = "dm_verity";

/// Whether this kernel has dm-verity and its hash, SHA-256.
#[must_use]
pub(crate) fn is_supported() -> bool {
    Path::new(CONTROL).exists() && Path::new("/sys/module/dm_verity").exists() && has_hash()
}

/// Whether this kernel has the hash. A kernel can be configured with dm-verity and without it; dm-verity reports that only when a
/// device is created.
#[inline(never)] // The agent is smaller then.
#[must_use]
pub(crate) fn has_hash() -> bool {
    std::fs::read_to_string("/proc/crypto").is_ok_and(|text| lists_sha256(&text))
}

/// Whether /proc/crypto (kernel, crypto/proc.c) lists the plain hash and not only algorithms that use it, such as hmac(sha256).
fn lists_sha256(crypto: &str) -> bool {
    let mut fields = crypto.lines().filter_map(|line| line.split_once(':'));
    fields.any(|(key, value)| (key.trim(), value.trim()) == ("name", "sha256"))
}

/// The name of a verity device, and its UUID, by which other programs recognise it.
#[derive(Debug)]
pub(super) struct VerityName {
    name: &'static str,
    uuid: String,
}

impl VerityName {
    /// The device over a tree that this boot built.
    pub(super) fn own() -> Self {
        Self { name: "measureroot", uuid: String::new() }
    }

    /// The device over a tree that veritysetup made, named as systemd-veritysetup@root.service names it. The booted system's
    /// generator reads `roothash=`, too: it then finds its work done, instead of failing on devices that are in use
    /// (systemd, src/veritysetup/veritysetup.c; cryptsetup, lib/libdevmapper.c, `dm_prepare_uuid`). `uuid` is that of the tree's
    /// superblock. It comes from the medium, and is a mere name.
    pub(super) fn of_systemd(uuid: [u8; 16]) -> Self {
        Self { name: "root", uuid: format!("CRYPT-VERITY-{}-root", hex::encode(uuid)) }
    }
}

/// Creates the read-only device and returns its node.
///
/// # Errors
/// When the kernel refuses one of the commands, or when the node does not appear.
pub(super) fn create(name: &VerityName, target: &VerityTarget) -> Result<PathBuf> {
    let object = format!("dm-verity device {}", name.name);
    let control = OpenOptions::new().read(true).write(true).open(CONTROL);
    let control = control.about_hint(CONTROL, "is CONFIG_BLK_DEV_DM set, or the dm-mod module in the initramfs?")?;
    let created = command(&control, DmCommand::DeviceCreate, name, 0, &[]).about(&object)?;
    load_table(&control, name, target)
        .about_hint(&object, "is CONFIG_DM_VERITY set, or the dm-verity module in the initramfs? see dmesg")?;
    command(&control, DmCommand::DeviceSuspend, name, 0, &[]).about(&object)?;
    let dev = u64::from_ne_bytes(created[DEV..DEV + 8].try_into().about(&object)?);
    let node = PathBuf::from(format!("/dev/dm-{}", minor(dev)));
    if node.exists() {
        Ok(node)
    } else {
        Err(Error::new(node.display(), "does not exist").hint("is CONFIG_DEVTMPFS set?"))
    }
}

/// Loads the table; without the arguments for failed reads if the kernel does not know them.
fn load_table(control: &File, name: &VerityName, target: &VerityTarget) -> nix::Result<()> {
    let load = |most| command(control, DmCommand::TableLoad, name, READ_ONLY, &target.encode(most)).map(drop);
    match load(OnCorrupt::WITH_READ_ERRORS) {
        Err(Errno::EINVAL) if target.on_corrupt != OnCorrupt::Error => {
            load(OnCorrupt::WITHOUT_READ_ERRORS)?;
            say::warn!(
                "measureroot.oncorrupt={}: only for blocks that differ: if the medium refuses a read, that read fails with EIO \
                 (a kernel of Linux 6.13 or later could do more)",
                target.on_corrupt.name()
            );
            Ok(())
        }
        loaded => loaded,
    }
}

/// DM_READONLY_FLAG.
const READ_ONLY: u32 = 1;
/// Offsets of the fields of struct dm_ioctl that this program uses.
const TARGET_COUNT: usize = 20;
const FLAGS: usize = 28;
const DEV: usize = 40;
const NAME: usize = 48;
const NAME_LEN: usize = 128;
const UUID: usize = 176;
const UUID_LEN: usize = 129;
/// The minor number in a device number as device-mapper encodes it (kernel, include/linux/kdev_t.h, huge_encode_dev).
fn minor(dev: u64) -> u64 {
    dev & 0xff | (dev >> 12) & 0x000f_ff00
}

fn command(control: &File, command: DmCommand, name: &VerityName, flags: u32, target: &[u8]) -> nix::Result<Vec<u8>> {
    let mut buffer = vec![0; DM_HEADER];
    buffer[..4].copy_from_slice(&4u32.to_ne_bytes());
    buffer[TARGET_COUNT..TARGET_COUNT + 4].copy_from_slice(&u32::from(!target.is_empty()).to_ne_bytes());
    buffer[FLAGS..FLAGS + 4].copy_from_slice(&flags.to_ne_bytes());
    put(&mut buffer[NAME..NAME + NAME_LEN - 1], name.name);
    // Only the device's creation sets the UUID. The kernel refuses other commands that give both (drivers/md/dm-ioctl.c,
    // `__find_device_hash_cell`).
    if command == DmCommand::DeviceCreate {
        put(&mut buffer[UUID..UUID + UUID_LEN - 1], &name.uuid);
    }
    buffer.extend_from_slice(target);
    dm_ioctl(control, command, &mut buffer)?;
    Ok(buffer)
}

/// Puts as much of the text into the field as fits. The rest of the field is zero already.
fn put(field: &mut [u8], text: &str) {
    field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_hash_counts_as_sha256() {
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
    fn a_prepared_device_is_named_as_systemd_names_it() {
        let VerityName { name, uuid } = VerityName::of_systemd([0x5a; 16]);
        assert_eq!((name, uuid), ("root", "CRYPT-VERITY-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a-root".to_owned()));
    }

    #[test]
    fn the_minor_number_is_decoded() {
        assert_eq!(minor(0xfd05), 5);
    }
}

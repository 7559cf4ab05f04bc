//! The devices of a prepared image, named by our parameters or by those of systemd-veritysetup-generator(8).

use crate::cmdline::parameter::parsed;
use crate::cmdline::tokens::Token;
use crate::cursor::uuid;
use crate::error::{Error, Result};
use crate::hash::tree_shape::TreeHash;
use crate::media::device_name::DeviceName;

/// systemd's names for the verity device itself, and its words for "find the partitions" (systemd-gpt-auto-generator(8)): `root=`
/// with one of these does not name the device with the data.
const VERITY_DEVICES: [&str; 5] = ["/dev/mapper/root", "gpt-auto", "gpt-auto-force", "dissect", "dissect-force"];

/// The device that holds the data: the named device, else the partition whose UUID is the first half of the root hash
/// (systemd-veritysetup-generator(8)).
///
/// # Errors
/// For a malformed name, and for two names that differ.
pub(crate) fn data(tokens: &[Token], root_hash: &TreeHash) -> Result<DeviceName> {
    let named = either(&without_verity_device(tokens), ["systemd.verity_root_data", "root"])?;
    Ok(named.unwrap_or_else(|| partition(&root_hash[..16])))
}

/// The device that holds the Merkle tree, if the command line names one.
///
/// # Errors
/// For a malformed name, and for two names that differ.
pub(super) fn tree(tokens: &[Token]) -> Result<Option<DeviceName>> {
    either(tokens, ["measureroot.hashdev", "systemd.verity_root_hash"])
}

/// The partition that holds the Merkle tree if no parameter names one: its UUID is the second half of the root hash
/// (systemd-veritysetup-generator(8)).
pub(super) fn default_tree(root_hash: &TreeHash) -> DeviceName {
    partition(&root_hash[16..])
}

/// The device with the file that is the prepared image, if the command line names one.
///
/// # Errors
/// For a malformed name, and for a parameter that names a device as the image itself.
pub(crate) fn medium(tokens: &[Token]) -> Result<Option<DeviceName>> {
    if let Some(token) = tokens.iter().find(|token| token.key == b"systemd.verity_root_data") {
        return Err(Error::new(token, "conflicts with rootimg=").hint("is the image a device or a file?"));
    }
    parsed(&without_verity_device(tokens), "root", DeviceName::parse)
}

fn without_verity_device(tokens: &[Token]) -> Vec<Token> {
    let is_verity_device = |token: &Token| {
        token.is("root") && VERITY_DEVICES.iter().any(|name| token.value.as_deref() == Some(name.as_bytes()))
    };
    tokens.iter().filter(|token| !is_verity_device(token)).cloned().collect()
}

/// The device that one of two parameters names. If both are given, they must agree.
fn either(tokens: &[Token], keys: [&str; 2]) -> Result<Option<DeviceName>> {
    let [first, second] = keys.map(|key| parsed(tokens, key, name_off_the_device));
    match (first?, second?) {
        (Some(first), Some(second)) if first != second => {
            Err(Error::new(format_args!("{}={second}", keys[1]), format_args!("conflicts with {}={first}", keys[0]))
                .hint("give only one of them"))
        }
        (first, second) => Ok(first.or(second)),
    }
}

/// A device name that can be found without reading the device. A label or UUID would be read before dm-verity checks it.
fn name_off_the_device(text: &str) -> Result<DeviceName> {
    match DeviceName::parse(text)? {
        DeviceName::Label(_) | DeviceName::Uuid(_) => {
            Err(Error::new(text, "is on the device, and would be read before the kernel checks it")
                .hint("use /dev/X, PARTUUID= or PARTLABEL="))
        }
        name => Ok(name),
    }
}

/// The partition with this UUID.
fn partition(id: &[u8]) -> DeviceName {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(id);
    DeviceName::PartUuid(uuid(&bytes))
}

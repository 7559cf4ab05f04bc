//! `roothash=`: an image that was prepared with veritysetup, and where its Merkle tree is.

use crate::cmdline::parameter::parsed;
use crate::cmdline::tokens::Token;
use crate::cursor::uuid;
use crate::error::{Context, Error, Result};
use crate::hash::tree_shape::TreeHash;
use crate::media::device_name::DeviceName;

/// What the command line says of a prepared image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHash {
    /// The root hash: what is measured, and what every block of the image is held to.
    pub hash: TreeHash,
    /// The device with the tree; `None` where it lies behind the data, on the image's own device or in its file.
    pub tree: Option<DeviceName>,
    /// Where the tree's superblock is, in bytes; a multiple of 512.
    pub offset: u64,
}

/// What means something beside `roothash=` only: who names a tree wants it to be used.
const COMPANIONS: [&str; 5] = [
    "measureroot.hashdev",
    "measureroot.hashoffset",
    "systemd.verity_root_data",
    "systemd.verity_root_hash",
    "systemd.verity_root_options",
];

/// What systemd calls the verity device itself: as `root=` it says nothing about where the data is.
const VERITY_DEVICE: &str = "/dev/mapper/root";

impl RootHash {
    /// Reads `roothash=` and where the tree is, `None` where there is no `roothash=`.
    ///
    /// # Errors
    /// For a malformed value, a conflict, and what the boot would not do as asked.
    pub fn of(tokens: &[Token]) -> Result<Option<Self>> {
        let companion =
            |known: &[&str]| tokens.iter().find(|token| token.key().is_some_and(|key| known.contains(&key)));
        let Some(hash) = parsed(tokens, "roothash", parse_hash)? else {
            return companion(&COMPANIONS).map_or(Ok(None), |token| Err(Error::new(token, "goes with roothash= only")));
        };
        if let Some(token) = companion(&COMPANIONS[4..]) {
            return Err(Error::new(token, "is not understood here")
                .hint("write measureroot.hashoffset= for hash-offset=, measureroot.oncorrupt= for the rest"));
        }
        let offset = parsed(tokens, "measureroot.hashoffset", parse_offset)?;
        let device = one_of(tokens, ["measureroot.hashdev", "systemd.verity_root_hash"])?;
        let searched = tokens.iter().any(|token| token.key == b"rootimg");
        let tree = match (device, offset) {
            (Some(device), _) => Some(device),
            (None, Some(1..)) => None,
            (None, None) if !searched => Some(partition(&hash[16..])),
            (None, None | Some(0)) => {
                return Err(Error::new("roothash=", "nothing says where the Merkle tree is")
                    .hint("give measureroot.hashdev=, or measureroot.hashoffset= when it lies behind the image"));
            }
        };
        Ok(Some(Self { hash, tree, offset: offset.unwrap_or(0) }))
    }

    /// The device that holds the data: as it is named, or by systemd's rule the partition whose identifier is the first half
    /// of the root hash (systemd-veritysetup-generator(8)).
    ///
    /// # Errors
    /// For a malformed name, and for two that differ.
    pub fn data_device(&self, tokens: &[Token]) -> Result<DeviceName> {
        let named = one_of(&without_verity_device(tokens), ["systemd.verity_root_data", "root"])?;
        Ok(named.unwrap_or_else(|| partition(&self.hash[..16])))
    }
}

/// The device that has the prepared image as a file, where it is named.
///
/// # Errors
/// For a malformed name, and for a device that is said to be the data itself.
pub fn medium(tokens: &[Token]) -> Result<Option<DeviceName>> {
    if let Some(token) = tokens.iter().find(|token| token.key == b"systemd.verity_root_data") {
        return Err(Error::new(token, "conflicts with rootimg=").hint("is the image a device or a file?"));
    }
    parsed(&without_verity_device(tokens), "root", DeviceName::parse)
}

fn without_verity_device(tokens: &[Token]) -> Vec<Token> {
    let is_one = |token: &Token| token.key == b"root" && token.value.as_deref() == Some(VERITY_DEVICE.as_bytes());
    tokens.iter().filter(|token| !is_one(token)).cloned().collect()
}

/// The device that either of two parameters names.
fn one_of(tokens: &[Token], keys: [&str; 2]) -> Result<Option<DeviceName>> {
    let [first, second] = keys.map(|key| parsed(tokens, key, unread));
    match (first?, second?) {
        (Some(first), Some(second)) if first != second => {
            Err(Error::new(format!("{}={second}", keys[1]), format!("conflicts with {}={first}", keys[0]))
                .hint("give one of them only"))
        }
        (first, second) => Ok(first.or(second)),
    }
}

/// A device that is found without reading what is on it, for that would be before anything checks it.
fn unread(text: &str) -> Result<DeviceName> {
    match DeviceName::parse(text)? {
        DeviceName::Label(_) | DeviceName::Uuid(_) => {
            Err(Error::new(text, "would have to be read before the kernel checks it, to be found")
                .hint("name it /dev/X, PARTUUID= or PARTLABEL="))
        }
        name => Ok(name),
    }
}

fn partition(id: &[u8]) -> DeviceName {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(id);
    DeviceName::PartUuid(uuid(&bytes))
}

/// Reads a root hash: 64 hex digits, for SHA-256 is the only hash there is here.
///
/// # Errors
/// For anything else.
pub fn parse_hash(text: &str) -> Result<TreeHash> {
    let mut hash = TreeHash::default();
    hex::decode_to_slice(text, &mut hash).about_hint(text, "the 64 hex digits that `veritysetup format` prints")?;
    Ok(hash)
}

/// veritysetup too wants whole sectors (cryptsetup, lib/verity/verity.c).
fn parse_offset(text: &str) -> Result<u64> {
    match text.parse() {
        Ok(offset) if u64::is_multiple_of(offset, 512) => Ok(offset),
        _ => Err(Error::new(text, "malformed value").hint("bytes, a multiple of 512")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::tokens;

    const HEX: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    #[test]
    fn a_root_hash_is_64_hex_digits() {
        for wrong in ["", "00", &HEX[1..], &format!("{HEX}0"), &format!("{HEX}00"), &HEX.replace('0', "g")] {
            assert!(parse_hash(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_tree_is_named_beside_a_root_hash_only() {
        let tokens = tokens::parse(b"root=/dev/a measureroot.hashdev=/dev/b");
        assert_eq!(RootHash::of(&tokens).unwrap_err().object(), "measureroot.hashdev=/dev/b");
    }
}

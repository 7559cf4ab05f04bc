//! `roothash=`: the root hash of an image that was prepared with veritysetup, and where its Merkle tree is.

use crate::cmdline::number::decimal;
use crate::cmdline::parameter::parsed;
use crate::cmdline::tokens::Token;
use crate::error::{Context, Error, Result};
use crate::hash::tree_shape::TreeHash;
use crate::media::device_name::DeviceName;
use crate::seal::prepared_devices;

/// The parameters of a prepared image on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHash {
    /// The root hash. It is measured, and dm-verity checks every block of the image against it.
    pub hash: TreeHash,
    /// The device with the tree; `None` if the tree follows the data, on the image's own device or in its file.
    pub tree: Option<DeviceName>,
    /// Where the tree's superblock begins, in bytes; a multiple of 512.
    pub offset: u64,
}

/// Parameters that need `roothash=`. Without it they are an error: they name a tree that would not be used.
const COMPANIONS: [&str; 5] = [
    "measureroot.hashdev",
    "measureroot.hashoffset",
    "systemd.verity_root_data",
    "systemd.verity_root_hash",
    "systemd.verity_root_options",
];

impl RootHash {
    /// Reads `roothash=` and the parameters that locate the tree; `None` without `roothash=`.
    ///
    /// # Errors
    /// For a malformed value, for a conflict, and for a parameter that this boot does not support.
    pub(crate) fn of(tokens: &[Token]) -> Result<Option<Self>> {
        let companion =
            |known: &[&str]| tokens.iter().find(|token| token.key().is_some_and(|key| known.contains(&key)));
        let Some(hash) = parsed(tokens, "roothash", parse_hash)? else {
            return companion(&COMPANIONS).map_or(Ok(None), |token| Err(Error::new(token, "needs roothash=")));
        };
        if let Some(token) = companion(&COMPANIONS[4..]) {
            return Err(Error::new(token, "is not supported")
                .hint("use measureroot.hashoffset= for hash-offset=, and measureroot.oncorrupt= for the rest"));
        }
        let offset = parsed(tokens, "measureroot.hashoffset", parse_offset)?;
        let device = prepared_devices::tree(tokens)?;
        let searched = tokens.iter().any(|token| token.key == b"rootimg");
        let tree = match (device, offset) {
            (Some(device), _) => Some(device),
            (None, Some(1..)) => None,
            (None, None) if !searched => Some(prepared_devices::default_tree(&hash)),
            (None, None | Some(0)) => {
                return Err(Error::new("roothash=", "no parameter gives the place of the Merkle tree")
                    .hint("give measureroot.hashdev=, or measureroot.hashoffset= if it follows the image"));
            }
        };
        Ok(Some(Self { hash, tree, offset: offset.unwrap_or(0) }))
    }
}

/// Reads a root hash: 64 hex digits, because SHA-256 is the only hash that is supported.
///
/// # Errors
/// For anything else.
pub(crate) fn parse_hash(text: &str) -> Result<TreeHash> {
    let mut hash = TreeHash::default();
    hex::decode_to_slice(text, &mut hash).about_hint(text, "the 64 hex digits that `veritysetup format` prints")?;
    Ok(hash)
}

/// Reads an offset in bytes. veritysetup requires whole sectors, too (cryptsetup, lib/verity/verity.c).
///
/// # Errors
/// For anything else.
pub(crate) fn parse_offset(text: &str) -> Result<u64> {
    match decimal(text) {
        Some(offset) if u64::is_multiple_of(offset, 512) => Ok(offset),
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
    fn a_tree_without_a_root_hash_is_an_error() {
        let tokens = tokens::parse(b"root=/dev/a measureroot.hashdev=/dev/b");
        assert_eq!(RootHash::of(&tokens).unwrap_err().object(), "measureroot.hashdev=/dev/b");
    }
}

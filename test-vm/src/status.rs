//! measureroot's report for the booted root.

use crate::{Bank, predict::Measured};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The content of `/run/measureroot/status.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// Whether the image was measured: false after `measureroot=off`.
    pub measured: bool,
    /// The image.
    pub image: ImageStatus,
    /// The seal of the image.
    pub seal: Seal,
    /// The PCR that was extended.
    pub pcr: u8,
    /// What protected the commands on the bus to the TPM.
    pub session: Option<Session>,
    /// Per bank: the digest, and the PCR before and after.
    pub banks: BTreeMap<Bank, Measured>,
    /// The RTMRs that were extended.
    #[serde(default)]
    pub rtmrs: Vec<MeasuredRtmr>,
    /// The agent's peak memory, in KiB.
    pub memory_peak_kib: u64,
}

/// An RTMR's part of [`Status`], and of a prediction.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct MeasuredRtmr {
    /// The register.
    pub rtmr: u8,
    /// The digest, and the value before and after.
    #[serde(flatten)]
    pub measured: Measured,
}

/// The image's part of [`Status`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct ImageStatus {
    /// Where measureroot found it.
    #[serde(flatten)]
    pub place: Place,
    /// The file system in the image.
    pub filesystem: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The digest that represents the image in the PCR, if the image itself was measured.
    pub format: Option<String>,
}

/// Where measureroot found an image.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Place {
    /// How the command line named it.
    pub form: Form,
    /// The block device.
    pub device: String,
    /// The file on that device, if the image is a file.
    pub path: Option<String>,
}

/// How a command line can name an image.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A whole device or partition.
    Device,
    /// A file on a named device.
    File,
    /// A file on any device.
    Searched,
}

impl Place {
    /// A whole device or partition.
    #[must_use]
    pub fn device(node: &str) -> Self {
        Self { form: Form::Device, device: node.into(), path: None }
    }

    /// A file on a named device.
    #[must_use]
    pub fn file_on(node: &str, path: &str) -> Self {
        Self { form: Form::File, device: node.into(), path: Some(path.into()) }
    }

    /// A file that was searched for, on the device on which it was found.
    #[must_use]
    pub fn searched_on(node: &str, path: &str) -> Self {
        Self { form: Form::Searched, device: node.into(), path: Some(path.into()) }
    }
}

/// The session in which the TPM got its commands.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// An HMAC session.
    Hmac,
    /// None.
    None,
}

/// The seal's part of [`Status`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[allow(missing_docs)] // The names are those of veritysetup(8). Hashes are in hex, blocks in bytes.
pub enum Seal {
    Verity { root_hash: String, salt: String, data_block: u32, hash_block: u32 },
    Roothash { root_hash: String, salt: String, data_block: u32, data_blocks: u64, hash_block: u32 },
    Ram,
    None,
}

/// A seal that a command line can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealChoice {
    /// A Merkle tree in memory, which dm-verity checks.
    Verity,
    /// A copy in memory.
    Ram,
    /// No seal.
    None,
}

impl SealChoice {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Verity, Self::Ram, Self::None];

    /// The parameter that asks for it.
    #[must_use]
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Verity => "measureroot.seal=verity",
            Self::Ram => "measureroot.seal=ram",
            Self::None => "measureroot.seal=none",
        }
    }

    /// Whether `seal` is of this kind.
    #[must_use]
    pub fn made(self, seal: &Seal) -> bool {
        matches!((self, seal), (Self::Verity, Seal::Verity { .. }) | (Self::Ram, Seal::Ram) | (Self::None, Seal::None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_read_from_the_image_s_part() {
        let rest = "\"filesystem\": \"squashfs\", \"bytes\": 5, \"format\": null";
        let read = |place: &str| serde_json::from_str::<ImageStatus>(&format!("{{{place}, {rest}}}"));
        let device = read("\"form\": \"device\", \"device\": \"/dev/vda\", \"path\": null");
        assert_eq!(device.map(|image| image.place).ok(), Some(Place::device("/dev/vda")));
        let file = read("\"form\": \"searched\", \"device\": \"/dev/vdb\", \"path\": \"/x\"");
        assert_eq!(file.map(|image| image.place).ok(), Some(Place::searched_on("/dev/vdb", "/x")));
        assert!(read("\"form\": \"guessed\", \"device\": \"/dev/vda\", \"path\": null").is_err());
    }
}

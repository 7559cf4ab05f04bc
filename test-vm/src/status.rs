//! What measureroot tells the booted root.

use crate::{Bank, predict::Measured};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What measureroot left in `/run/measureroot/status.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// Not so after `measureroot=off`.
    pub measured: bool,
    /// What was measured.
    pub image: ImageStatus,
    /// What keeps the image to what was measured.
    pub seal: Seal,
    /// The PCR.
    pub pcr: u8,
    /// What protected the extend on the bus.
    pub session: Option<String>,
    /// Per bank: digest, before, after.
    pub banks: BTreeMap<Bank, Measured>,
    /// The most memory the agent had, in KiB.
    pub memory_peak_kib: u64,
}

/// The image's part of [`Status`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct ImageStatus {
    /// `device`, `file` or `searched`.
    pub form: String,
    /// The block device.
    pub device: String,
    /// The file on it, if it is one.
    pub path: Option<String>,
    /// The image's own file system.
    pub filesystem: String,
    /// Its length.
    pub bytes: u64,
    /// What stands for it in the PCR, when it was measured itself.
    pub format: Option<String>,
}

/// The seal's part of [`Status`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[allow(missing_docs)] // The words of veritysetup(8): hashes in hex, blocks in bytes.
pub enum Seal {
    Verity { root_hash: String, salt: String, data_block: u32, hash_block: u32 },
    Roothash { root_hash: String, salt: String, data_block: u32, data_blocks: u64, hash_block: u32 },
    Ram,
    None,
}

//! What the last boot left behind for the running system.

use std::collections::{BTreeMap, BTreeSet};

use procfs::FromBufRead;
use procfs::process::{MountInfo, MountInfos};
use serde::Deserialize;

use super::fact::Fact;
use super::root::Root;
use crate::cli::read_limited;

/// The limit for status.json in bytes: 1 MiB. A boot writes some 2 KiB.
const STATUS: u64 = 1 << 20;
/// The limit for the list of mounts in bytes: 16 MiB. A machine with many containers has some 100 KiB.
const MOUNTS: u64 = 16 << 20;

/// The boot.
#[derive(Debug, Default)]
pub(in crate::cli::doctor) struct Boot {
    /// /run/measureroot/status.json.
    pub(in crate::cli::doctor) status: Fact<Status>,
    /// Whether it was read, and is not what a boot writes.
    pub(in crate::cli::doctor) status_is_broken: bool,
    /// /run/measureroot/eventlog.bin.
    pub(in crate::cli::doctor) log: Fact<Vec<u8>>,
    /// What is mounted.
    pub(in crate::cli::doctor) mounts: Fact<Vec<MountInfo>>,
    /// The names of the device-mapper's devices.
    pub(in crate::cli::doctor) mapped: BTreeSet<String>,
    /// /proc/sys/kernel/kexec_load_disabled.
    pub(in crate::cli::doctor) kexec_disabled: Fact<String>,
}

/// The part of status.json that is judged.
#[derive(Debug, Deserialize)]
pub(in crate::cli::doctor) struct Status {
    /// Whether the image was measured.
    pub(in crate::cli::doctor) measured: bool,
    /// The PCR.
    pub(in crate::cli::doctor) pcr: u8,
    /// The session that protected the extend.
    #[serde(default)]
    pub(in crate::cli::doctor) session: Option<String>,
    /// The values of the PCR in each bank, before and after.
    pub(in crate::cli::doctor) banks: BTreeMap<String, Extended>,
    /// The versions of the TPMs.
    #[serde(default)]
    pub(in crate::cli::doctor) tpms: Vec<String>,
    /// The image.
    pub(in crate::cli::doctor) image: ImageStatus,
    /// The seal.
    pub(in crate::cli::doctor) seal: SealStatus,
}

/// A PCR in one bank.
#[derive(Debug, Deserialize)]
pub(in crate::cli::doctor) struct Extended {
    /// Its value before the boot, in hex.
    pub(in crate::cli::doctor) before: String,
    /// Its value after the boot, in hex.
    pub(in crate::cli::doctor) after: String,
}

/// The image that was booted.
#[derive(Debug, Deserialize)]
pub(in crate::cli::doctor) struct ImageStatus {
    /// Its device.
    pub(in crate::cli::doctor) device: String,
}

/// The seal of the image.
#[derive(Debug, Deserialize)]
pub(in crate::cli::doctor) struct SealStatus {
    /// `verity`, `ram`, `none` or `roothash`.
    pub(in crate::cli::doctor) kind: String,
}

impl Boot {
    /// Reads it.
    pub(super) fn read(root: &Root) -> Self {
        let mounts = root.bytes("proc/self/mountinfo", MOUNTS);
        let devices = root.names("sys/block");
        let mapped = devices.known().into_iter().flatten().filter(|name| name.starts_with("dm-"));
        let mapped =
            mapped.filter_map(|name| root.line(&format!("sys/block/{name}/dm/name")).known().cloned()).collect();
        let status = root.bytes("run/measureroot/status.json", STATUS);
        let was_read = status.known().is_some();
        let status = status.parse(|bytes| serde_json::from_slice::<Status>(&bytes));
        Self {
            status_is_broken: was_read && status.known().is_none(),
            status,
            log: root.bytes("run/measureroot/eventlog.bin", read_limited::LOG),
            mounts: mounts.parse(|bytes| MountInfos::from_buf_read(bytes.as_slice()).map(|mounts| mounts.0)),
            mapped,
            kexec_disabled: root.line("proc/sys/kernel/kexec_load_disabled"),
        }
    }
}

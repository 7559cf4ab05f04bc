//! What one boot of the benchmark says about itself: lines of JSON among the other lines of its console.

use crate::{Bank, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;

// The guest's programs print this before each record: test-vm/bench.d/guest/record.h.
const START: &str = "@bench ";

/// One boot. Times are in nanoseconds of the guest's monotonic clock.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Record {
    /// When PID 1 began to start the software TPM.
    pub(super) start: u64,
    /// When PID 1 became /init.
    pub(super) exec: u64,
    /// When the image's own init began.
    pub(super) init: u64,
    /// How long the pipeline's hash program ran.
    pub(super) hash: Option<u64>,
    /// The PCR per bank, in hex.
    #[serde(default)]
    pub(super) pcr: BTreeMap<Bank, String>,
    /// The agent's report. The pipeline has none.
    pub(super) status: Option<AgentStatus>,
    /// The free memory in KiB.
    pub(super) free_kib: u64,
    /// The cache of disks in KiB.
    pub(super) buffers_kib: u64,
    /// The cache of files in KiB.
    pub(super) cached_kib: u64,
    /// The memory in tmpfs and shared memory in KiB.
    pub(super) shmem_kib: u64,
}

/// What the report uses of the agent's `status.json`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct AgentStatus {
    /// The seconds of each step, and "total".
    pub(super) seconds: BTreeMap<String, f64>,
    /// The agent's peak in KiB.
    pub(super) memory_peak_kib: u64,
    /// The image.
    pub(super) image: ImageBytes,
}

/// The image's length.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ImageBytes {
    /// In bytes.
    pub(super) bytes: u64,
}

impl Record {
    /// Reads the records of a console, and makes one of them.
    pub(super) fn read(console: &str) -> Result<Self> {
        let mut all = serde_json::Map::new();
        for line in console.lines().filter_map(|line| line.trim_end_matches('\r').strip_prefix(START)) {
            merge(&mut all, serde_json::from_str(line).map_err(|cause| format!("{line}: {cause}"))?);
        }
        ensure!(all.contains_key("init"), "the new init was not reached");
        Ok(serde_json::from_value(all.into())?)
    }

    /// Seconds from /init to the image's own init.
    pub(super) fn total(&self) -> f64 {
        seconds(self.init.saturating_sub(self.exec))
    }

    /// Seconds in which the image was hashed.
    pub(super) fn hashing(&self) -> f64 {
        let step = self.status.as_ref().and_then(|status| status.seconds.get("hash").copied());
        step.unwrap_or_else(|| seconds(self.hash.unwrap_or_default()))
    }

    /// Seconds that the software TPM took to start.
    pub(super) fn tpm_start(&self) -> f64 {
        seconds(self.exec.saturating_sub(self.start))
    }
}

// 2^53 nanoseconds are 104 days.
#[allow(clippy::cast_precision_loss)]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

// The PCRs come in one record per bank.
fn merge(all: &mut serde_json::Map<String, serde_json::Value>, more: serde_json::Map<String, serde_json::Value>) {
    for (key, value) in more {
        match (all.get_mut(&key).and_then(serde_json::Value::as_object_mut), value) {
            (Some(inner), serde_json::Value::Object(more)) => merge(inner, more),
            (_, value) => drop(all.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "Linux version 6\r\n@bench {\"start\": 0, \"exec\": 1000000000}\nnoise\n@bench {\"hash\": 500000000}\r\n\
        @bench {\"init\": 3000000000, \"free_kib\": 1, \"buffers_kib\": 2, \"cached_kib\": 3, \"shmem_kib\": 4}\n\
        @bench {\"pcr\": {\"sha1\": \"AA\"}}\n@bench {\"pcr\": {\"sha256\": \"BB\"}}\n";

    #[test]
    fn the_records_of_a_console_become_one() -> Result<()> {
        let record = Record::read(CONSOLE)?;
        assert_eq!((record.total(), record.hashing(), record.tpm_start()), (2.0, 0.5, 1.0));
        assert_eq!(record.pcr.values().collect::<Vec<_>>(), ["AA", "BB"]);
        Ok(())
    }

    #[test]
    fn a_boot_that_did_not_reach_init_is_an_error() {
        let cut = CONSOLE.split("@bench {\"init\"").next().unwrap_or_default();
        assert!(Record::read(cut).is_err());
    }

    #[test]
    fn the_agent_s_own_time_of_hashing_counts() -> Result<()> {
        let status = "@bench {\"status\": {\"seconds\": {\"hash\": 0.25, \"total\": 1.5}, \"memory_peak_kib\": 9, \"image\": {\"bytes\": 5}}}\n";
        let hashing = Record::read(&format!("{CONSOLE}{status}"))?.hashing();
        assert!((hashing - 0.25).abs() < 1e-9, "{hashing}");
        Ok(())
    }
}

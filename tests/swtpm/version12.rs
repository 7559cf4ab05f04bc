//! A software TPM 1.2, and its commands byte by byte: no program of Debian's trousers runs without its daemon.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::{Swtpm, VERSION_12};

/// `TPM_ORD_Extend`, `TPM_ORD_PCRRead`, `TPM_ORD_GetCapability` (TPM Main, Part 2, section 17).
pub(crate) const EXTEND: u32 = 0x14;
pub(crate) const PCR_READ: u32 = 0x15;
pub(crate) const GET_CAPABILITY: u32 = 0x65;

/// `TPM_TAG_RSP_COMMAND` (TPM Main, Part 2, section 6).
pub(crate) const RSP_COMMAND: u16 = 0x00c4;

impl Swtpm {
    /// A TPM 1.2 that has just started.
    pub(crate) fn start_version12() -> Self {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().to_str().unwrap();
        let setup =
            Command::new("swtpm_setup").args(["--tpmstate", folder, "--overwrite"]).stdout(Stdio::null()).status();
        assert!(setup.expect("swtpm_setup: install swtpm-tools").success());
        Self::started(state, VERSION_12)
    }

    /// Sends these bytes, and returns the answer of `length` bytes.
    pub(crate) fn raw<const N: usize>(&self, command: &[u8]) -> [u8; N] {
        let mut device = File::options().read(true).write(true).open(&self.device).unwrap();
        device.write_all(command).unwrap();
        let mut answer = [0; N];
        device.read_exact(&mut answer).unwrap();
        answer
    }

    /// A PCR of a TPM 1.2 in hex, read without measureroot.
    pub(crate) fn pcr_of_version12(&self, pcr: u8) -> String {
        let answer: [u8; 30] = self.raw(&[0, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, pcr]);
        assert_eq!(answer[..10], [0, 0xc4, 0, 0, 0, 30, 0, 0, 0, 0]);
        hex::encode(&answer[10..])
    }
}

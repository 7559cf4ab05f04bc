//! `measureroot attest`: the evidence of this machine in one file, and what a register needs to accept its key.

mod enroll;
mod evidence;
mod held_key;
mod pcr_list;

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use self::held_key::handle;
use self::pcr_list::PcrList;
use super::nonce::Nonce;
use super::output_file::OutputFile;
use super::replaced_file::check_inputs;
use super::tpm_device::{can_be_used, of_device, usual};
use crate::count::counted;
use crate::error::{Error, Result};
use crate::tpm::{self, EsysPcrs};

/// Make the evidence of this machine: a quote of its TPM 2.0 and the logs of its boot, in one file for measureroot verify.
///
/// The attestation key is derived from the endorsement hierarchy of the TPM: it is the same after each boot, and no file keeps it. --enroll
/// writes what a register needs to accept it: the key, and the endorsement key with its certificate. The register encrypts a secret
/// (tpm2_makecredential), and --activate decrypts it, which only this TPM can do.
///
/// Before the file is written, it passes the checks that the verifier makes. If a PCR is extended meanwhile, the quote is made again.
///
/// Exit codes: 0 the file is written; 1 the TPM refuses, or a file cannot be read or written; 2 wrong arguments.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("task").args(["nonce", "enroll", "activate"]).required(true))]
pub(super) struct Attest {
    /// Quote the PCRs with this nonce of the verifier, of 8 to 64 bytes in hex.
    #[arg(long, value_name = "HEX", value_parser = nonce)]
    nonce: Option<Nonce>,
    /// Write what a register of machines needs, as JSON.
    #[arg(long)]
    enroll: bool,
    /// Decrypt this challenge of the register, written by tpm2_makecredential --credential-blob, and write its secret.
    #[arg(long, value_name = "CHALLENGE")]
    activate: Option<PathBuf>,
    /// Write to this file, which only its owner can read. - is standard output.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// The PCRs to quote, as in tpm2_quote: sha256:0,4,13+sha384:13. Without it, 0-9 and 11-14 of the sha256 bank, or of the best bank that
    /// is active.
    #[arg(long, value_name = "LIST", conflicts_with_all = ["enroll", "activate"])]
    pcrs: Option<PcrList>,
    /// The event logs, in the order of the boot. Without it, /run/measureroot/binary_bios_measurements, and
    /// /run/log/systemd/tpm2-measure.log if it exists.
    #[arg(long = "log", value_name = "FILE", num_args = 1.., conflicts_with_all = ["enroll", "activate"])]
    logs: Vec<PathBuf>,
    /// Use the attestation key at this persistent handle of the TPM, such as 0x81010002.
    #[arg(long, value_name = "HANDLE", value_parser = handle)]
    handle: Option<u32>,
    /// The TPM. Without it, /dev/tpmrm0.
    #[arg(long, value_name = "DEVICE")]
    tpm: Option<PathBuf>,
}

/// The lengths of nonces, in bytes. A shorter one makes nothing fresh (RFC 9711, section 4.1); the longest hash of a TPM has 64.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=64;

fn nonce(text: &str) -> Result<Nonce> {
    let nonce: Nonce = text.parse()?;
    if LENGTHS.contains(&nonce.0.len()) {
        return Ok(nonce);
    }
    let cause = format!("has {}, not {} to {}", counted(nonce.0.len(), "byte"), LENGTHS.start(), LENGTHS.end());
    Err(Error::new("nonce", cause).hint("the verifier chooses it: a number that was never used before"))
}

impl Attest {
    /// Does the task.
    ///
    /// # Errors
    /// If the TPM refuses, if what it gives would not pass the verifier's checks, or if a file cannot be read or written.
    pub(super) fn run(&self) -> Result<()> {
        let inputs = self.logs.iter().chain(&self.activate).map(PathBuf::as_path);
        check_inputs(&self.output, inputs)?;
        let output = OutputFile::open(&self.output)?;
        let device = self.tpm.as_deref().unwrap_or_else(|| usual());
        can_be_used(device, "--tpm=DEVICE names another device")?;
        if tpm::is_version12(device) {
            let error = Error::new(device.display(), "is a TPM 1.2: attest is for a TPM 2.0");
            return Err(error.hint("tpm_getquote makes its quotes, and verify judges them"));
        }
        let mut tpm = EsysPcrs::open(device).map_err(|error| of_device(error, device))?;
        let bytes = match (&self.nonce, &self.activate) {
            (Some(nonce), _) => evidence::make(&mut tpm, self.handle, &nonce.0, self.pcrs.as_ref(), &self.logs)?,
            (None, Some(challenge)) => enroll::activate(&mut tpm, self.handle, challenge)?,
            (None, None) => enroll::enroll(&mut tpm, self.handle)?,
        };
        output.write_for_owner(&bytes)
    }
}

//! Which format a file has, and what a file is that is no log of a TPM.

use super::ccel::{SIGNATURE_AT, is_ccel};
use super::event_type::EventType;
use super::header::SIGNATURE;
use super::log::Log;
use super::{cel, cel_tlv, encoded_text, go_tpm_tools, ima_log, sequence, tcg, tcg_sha1, txt_container};
use crate::cursor::Fields;
use crate::error::{Error, Result};

/// Reads a log in any of the formats. The first bytes determine the format.
///
/// # Errors
/// If any part of the log is malformed, or if it is no log of a TPM.
pub fn parse(bytes: &[u8]) -> Result<Log> {
    if go_tpm_tools::is_likely(bytes) {
        return Err(no_log(bytes));
    }
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(&sequence::SEPARATOR) => sequence::parse(bytes),
        Some(b'[') => cel::parse(bytes),
        _ if txt_container::is_likely(bytes) => txt_container::parse(bytes),
        _ if is_ccel(bytes) => Err(no_log(bytes)),
        _ if is_crypto_agile(bytes) => tcg::parse(bytes),
        _ if ima_log::is_likely(bytes) => Err(no_log(bytes)),
        // Before the older form: the first bytes of both can be the same.
        _ if cel_tlv::is_likely(bytes) => cel_tlv::parse(bytes),
        _ if tcg_sha1::is_likely(bytes) => tcg_sha1::parse(bytes),
        _ => Err(no_log(bytes)),
    }
}

/// Whether the log begins with the header of a crypto-agile log. Its PCR is not looked at.
fn is_crypto_agile(bytes: &[u8]) -> bool {
    let fields = Fields(bytes);
    fields.u32_le(4) == Some(EventType::NO_ACTION.0) && fields.at(SIGNATURE_AT).as_ref() == Some(SIGNATURE)
}

/// The error about a file that is no log of a TPM. It says what the file is, if that is known.
fn no_log(bytes: &[u8]) -> Error {
    let error = |cause: &str, hint: &str| Error::new("event log", cause).hint(hint);
    let firmware = "the kernel has the log in /sys/kernel/security/tpm0/binary_bios_measurements";
    let start = bytes.trim_ascii_start();
    if bytes.is_empty() {
        Error::new("event log", "is empty")
    } else if go_tpm_tools::is_likely(bytes) {
        error("is not a log alone", go_tpm_tools::HINT)
    } else if is_ccel(bytes) {
        error(
            "is that of a confidential virtual machine (CCEL): its events extend the registers of the processor (RTMR), not \
             the PCRs of a TPM",
            "replay reads it alone; if the machine has a TPM too, give the log of that",
        )
    } else if bytes.starts_with(b"CCEL") {
        error(
            "is the ACPI table that says where the log is, not the log",
            "Linux has the log in /sys/firmware/acpi/tables/data/CCEL",
        )
    } else if [b"TPM2", b"TCPA"].iter().any(|name| bytes.starts_with(*name)) {
        error("is the ACPI table that says where the log is, not the log", firmware)
    } else if start.starts_with(b"{") {
        error(
            "is a JSON object; a JSON log is an array of records, or a JSON text sequence (RFC 7464)",
            "put a single record into [ ]",
        )
    } else if start.starts_with(b"-----BEGIN ") {
        error("is PEM: a key or a certificate", firmware)
    } else if let Some(hint) = encoded_text::hint(bytes) {
        error("holds its bytes as text", hint)
    } else if start.starts_with(b"---") {
        error("is YAML, as tpm2_eventlog prints it", "give the log that it read")
    } else if ima_log::is_likely(bytes) {
        error(
            "is the log of Linux's IMA, which explains only the PCR of IMA, mostly PCR 10",
            "evmctl ima_measurement reads it; with --pcrs, verify needs no log of that PCR",
        )
    } else if let Some(pcr) = tcg_sha1::first_pcr(bytes) {
        error(
            &format!(
                "begins as a log of the older form (TPM 1.2) does, but its first event is of PCR {pcr}, which no TPM has"
            ),
            "the PCRs are 0 to 23: was the log changed, or is its beginning missing?",
        )
    } else {
        error(
            "is no event log: it begins neither with a TCG event (such as \"Spec ID Event03\"), nor with [ or a record \
             separator as a JSON log does",
            firmware,
        )
    }
}

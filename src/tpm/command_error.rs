//! The error of a failed command of a TPM 2.0, with its likely cause; and, for both versions, of a command without an answer.

use std::fmt::Display;
use std::time::Duration;

use nix::errno::Errno;
use tss_esapi::Error as EsysError;
use tss_esapi::constants::{Tss2ResponseCode, Tss2ResponseCodeKind as Code};
use tss2_static::tcti::answer::Failure;
use tss2_static::tcti::line::{LONGEST_OF_KERNEL, Line};

use crate::error::Error;

/// The hint for an answer that the TPM cannot have given.
pub(super) const ATTACKER: &str = "is there an attacker on the bus to the TPM?";

pub(super) const MALFORMED: &str = "is the TPM broken, or is there an attacker on the bus to it?";
/// The cause and the hint for a PCR that only another locality may extend.
pub(super) const LOCALITY: [&str; 2] =
    ["this locality may not use the PCR", "Linux works at locality 0: rootimgpcr= names a PCR that it may extend"];
pub(super) const OFF_AND_ON: &str = "switch the machine off and on again: a restart alone may not reset the TPM";

/// tpm2-tss returns these codes for an answer with a wrong HMAC (`TSS2_ESYS_RC_RSP_AUTH_FAILED`) and for an answer without a
/// session (`TSS2_SYS_RC_BAD_SEQUENCE`). tss-esapi has no text for either.
const FORGED: [u32; 2] = [0x0007_001b, 0x0008_0007];

/// The error of a command that was sent over `line`, with its likely cause.
pub(super) fn command_error(line: &Line, command: impl Display, error: EsysError) -> Error {
    match (line.last(), error) {
        (Err(failure), _) => no_answer(command, failure),
        (Ok(0), EsysError::Tss2Error(code)) if FORGED.map(Tss2ResponseCode::from).contains(&code) => {
            Error::new(command, "the HMAC of the answer is wrong or missing").hint(ATTACKER)
        }
        (Ok(0), EsysError::Tss2Error(_)) => Error::new(command, "the answer is malformed").hint(MALFORMED),
        (Ok(0), EsysError::WrapperError(_)) => Error::new(command, format_args!("the answer is malformed: {error}"))
            .hint("does the TPM answer with an algorithm that tss-esapi does not know?"),
        (Ok(code), error) => refused(command, code, error),
    }
}

/// The error of a command that has no answer.
pub(super) fn no_answer(command: impl Display, failure: Failure) -> Error {
    let seconds = |time: Duration| time.as_secs();
    match failure {
        Failure::Silent(time) => {
            let kernel = seconds(LONGEST_OF_KERNEL);
            Error::new(command, format_args!("no answer in {} s", seconds(time))).hint(format_args!(
                "the kernel's driver waits for up to {kernel} s; measureroot.timeout= sets the time here; switch the \
                 machine off and on again"
            ))
        }
        Failure::Busy(code, time) => {
            Error::new(command, format_args!("the TPM is still busy after {} s (0x{code:x})", seconds(time)))
                .hint(OFF_AND_ON)
        }
        Failure::Malformed(cause) => Error::new(command, cause).hint(MALFORMED),
        Failure::Kernel(number) => Error::new(command, Errno::from_raw(number))
            .hint("the kernel's driver could not reach the TPM: the kernel's log may have the cause"),
    }
}

/// The error of a command that the TPM refuses.
fn refused(command: impl Display, code: u32, error: EsysError) -> Error {
    if let Some((name, cause, hint)) = known(code) {
        return Error::new(command, format_args!("{cause} ({name}, 0x{code:x})")).hint(hint);
    }
    let EsysError::Tss2Error(response) = error else { return Error::new(command, error) };
    match response.kind() {
        Some(Code::AuthFail | Code::BadAuth | Code::Nonce) => {
            Error::new(command, format_args!("{error} (0x{code:x})")).hint(ATTACKER)
        }
        Some(Code::TpmVendorSpecific) | None => Error::new(command, format_args!("the TPM answers 0x{code:x}"))
            .hint("the manufacturer of the TPM knows the meaning"),
        Some(_) => Error::new(command, format_args!("{error} (0x{code:x})"))
            .hint("TPM 2.0 Library, Part 2, section 6.6.3 has the meaning of the number"),
    }
}

/// Name, cause and hint of the response codes that say something about the machine (TPM 2.0 Library, Part 2, section 6.6.3).
fn known(code: u32) -> Option<(&'static str, &'static str, &'static str)> {
    const FULL: &str = "what an earlier user left in the TPM could not be removed: switch the machine off and on again";
    const LOST: &str = "was it reset, or does another program use it?";
    const UPDATE: &str = "finish the update of the TPM's firmware with its manufacturer's tool";
    Some(match code {
        0x100 => ("TPM_RC_INITIALIZE", "the TPM is not started", "was it reset after the kernel had started it?"),
        0x101 => ("TPM_RC_FAILURE", "the TPM is in failure mode", OFF_AND_ON),
        0x120 => ("TPM_RC_DISABLED", "the command is disabled", "is the TPM switched off in the firmware?"),
        0x127 => ("TPM_RC_PCR", "the TPM refuses this PCR", "rootimgpcr= names another"),
        0x12d => ("TPM_RC_UPGRADE", "the TPM waits for the rest of a firmware update", UPDATE),
        0x130 => ("TPM_RC_REBOOT", "the TPM must be reset", OFF_AND_ON),
        0x143 => ("TPM_RC_COMMAND_CODE", "the TPM does not have this command", "is it a whole TPM 2.0?"),
        0x153 => ("TPM_RC_NEEDS_TEST", "the TPM must test itself first", OFF_AND_ON),
        0x901 => ("TPM_RC_CONTEXT_GAP", "an old session is saved outside the TPM", FULL),
        0x902 => ("TPM_RC_OBJECT_MEMORY", "the TPM has no room for another object", FULL),
        0x903 => ("TPM_RC_SESSION_MEMORY", "the TPM has no room for another session", FULL),
        0x904 => ("TPM_RC_MEMORY", "the TPM has no memory left", FULL),
        0x905 => ("TPM_RC_SESSION_HANDLES", "the TPM has no handle left for a session", FULL),
        0x906 => ("TPM_RC_OBJECT_HANDLES", "the TPM has no handle left for an object", FULL),
        0x907 => ("TPM_RC_LOCALITY", LOCALITY[0], LOCALITY[1]),
        0x910..=0x916 => ("TPM_RC_REFERENCE_H", "the TPM does not hold the key any more", LOST),
        0x918..=0x91e => ("TPM_RC_REFERENCE_S", "the TPM does not hold the session any more", LOST),
        0x921 => ("TPM_RC_LOCKOUT", "the TPM is in lockout", "wait, or tpm2_dictionarylockout --clear-lockout"),
        0x923 => ("TPM_RC_NV_UNAVAILABLE", "the TPM's own memory cannot be written", OFF_AND_ON),
        _ => return None,
    })
}

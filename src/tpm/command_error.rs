//! The error of a failed TPM command, with its likely cause.

use std::fmt::Display;

use tss_esapi::Error as EsysError;
use tss_esapi::constants::{Tss2ResponseCode, Tss2ResponseCodeKind as Code};

use crate::error::Error;

/// The hint for an answer that the TPM cannot have given.
pub(super) const ATTACKER: &str = "is there an attacker on the bus to the TPM?";

/// tpm2-tss returns these codes for an answer with a wrong HMAC (`TSS2_ESYS_RC_RSP_AUTH_FAILED`) and for an answer without a
/// session (`TSS2_SYS_RC_BAD_SEQUENCE`). tss-esapi has no text for either.
const FORGED: [u32; 2] = [0x0007_001b, 0x0008_0007];

/// The error of a command, with its likely cause.
pub(super) fn command_error(command: impl Display, error: EsysError) -> Error {
    let EsysError::Tss2Error(code) = error else {
        return Error::new(command, error).hint("did the TPM answer with an algorithm that tss-esapi does not know?");
    };
    if FORGED.map(Tss2ResponseCode::from).contains(&code) {
        return Error::new(command, "the HMAC of the answer is wrong or missing").hint(ATTACKER);
    }
    let number: &dyn Display = match &code {
        Tss2ResponseCode::Success => &"success",
        Tss2ResponseCode::FormatZero(code) => code,
        Tss2ResponseCode::FormatOne(code) => code,
    };
    Error::new(command, format_args!("{error} ({number})")).hint(match code.kind() {
        Some(Code::AuthFail) => ATTACKER,
        _ => "is the TPM in failure mode, or its locality wrong?",
    })
}

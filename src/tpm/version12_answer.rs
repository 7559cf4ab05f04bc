//! The answers of a TPM 1.2: what stands behind their header, and what their codes mean.

use tss2_static::tcti::answer::Failure;

use crate::error::{Error, Result};
use crate::tpm::command_error::{LOCALITY, MALFORMED, OFF_AND_ON, no_answer};

/// What an answer has behind its header. Each has one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The length of a number, and the number: 8 bytes (TPM_GetCapability; TPM Main, Part 3, section 7.1).
    Number,
    /// A `TPM_DIGEST` of 20 bytes (TPM_Extend, TPM_PCRRead; TPM Main, Part 3, sections 16.1 and 16.2).
    Digest,
}

/// What the answer to `command` has behind its header. The line has checked its tag and its size.
///
/// # Errors
/// When there is no answer, when the TPM refuses, or when the answer has another length.
pub(super) fn body(command: &str, answer: std::result::Result<Vec<u8>, Failure>, expected: Answer) -> Result<Vec<u8>> {
    let answer = answer.map_err(|failure| no_answer(command, failure))?;
    let malformed = || Error::new(command, "the answer is malformed").hint(MALFORMED);
    let Some((header, body)) = answer.split_first_chunk::<10>() else { return Err(malformed()) };
    let &[.., code0, code1, code2, code3] = header;
    match (u32::from_be_bytes([code0, code1, code2, code3]), expected, body) {
        (0, Answer::Number, [0, 0, 0, 4, number @ ..]) if number.len() == 4 => Ok(number.to_vec()),
        (0, Answer::Digest, digest) if digest.len() == 20 => Ok(digest.to_vec()),
        (0, ..) => Err(malformed()),
        (code, ..) => Err(refused(command, code)),
    }
}

/// The error of a command that the TPM refuses.
fn refused(command: &str, code: u32) -> Error {
    let (name, cause, hint) = known(code);
    let name = if name.is_empty() { String::new() } else { format!("{name}, ") };
    Error::new(command, format_args!("{cause} ({name}0x{code:x})")).hint(hint)
}

/// Name, cause and hint of a code (TPM Main, Part 2, section 16).
fn known(code: u32) -> (&'static str, &'static str, &'static str) {
    const FIRMWARE: &str = "switch it on in the firmware, and then the machine off and on again";
    match code {
        0x02 => ("TPM_BADINDEX", "the TPM does not have this PCR", "rootimgpcr= names another"),
        0x06 => ("TPM_DEACTIVATED", "the TPM is deactivated", FIRMWARE),
        0x07 => ("TPM_DISABLED", "the TPM is disabled", FIRMWARE),
        0x08 => ("TPM_DISABLED_CMD", "the command is disabled", "has the owner of the TPM disabled it?"),
        0x09 => ("TPM_FAIL", "the TPM failed", OFF_AND_ON),
        0x0a => ("TPM_BAD_ORDINAL", "the TPM does not have this command", "is it a whole TPM 1.2?"),
        0x1c => ("TPM_FAILEDSELFTEST", "the TPM's self-test has failed", OFF_AND_ON),
        // A TPM 2.0 answers so to a command of a TPM 1.2 (TPM 2.0 Library, Part 2, section 6.9).
        0x1e => {
            ("TPM_BADTAG", "the TPM does not know commands of a TPM 1.2", "is it a TPM 2.0 behind a driver for 1.2?")
        }
        0x1f => ("TPM_IOERROR", "the TPM's own input or output failed", OFF_AND_ON),
        0x26 => ("TPM_INVALID_POSTINIT", "the TPM is not started", "was it reset after the kernel had started it?"),
        0x3d => ("TPM_BAD_LOCALITY", LOCALITY[0], LOCALITY[1]),
        0x801 => ("TPM_NEEDS_SELFTEST", "the TPM must test itself first", OFF_AND_ON),
        // `TPM_Vendor_Specific32` (TPM Main, Part 2, section 16).
        code if code & 0x400 != 0 => {
            ("", "the TPM gives a code of its own", "the manufacturer of the TPM knows the meaning")
        }
        _ => ("", "the TPM refuses", "TPM Main, Part 2, section 16 has the meaning of the number"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(code: u32, body: &[u8]) -> Vec<u8> {
        [&[0, 0xc4, 0, 0, 0, 0], code.to_be_bytes().as_slice(), body].concat()
    }

    #[test]
    fn an_answer_has_exactly_what_was_asked_for() {
        let number = [0, 0, 0, 4, 0, 0, 0, 24];
        assert_eq!(body("c", Ok(answer(0, &number)), Answer::Number).unwrap(), [0, 0, 0, 24]);
        assert_eq!(body("c", Ok(answer(0, &[7; 20])), Answer::Digest).unwrap(), [7; 20]);
        let table: [(&[u8], Answer); 8] = [
            (&[], Answer::Number),
            (&number[..7], Answer::Number),
            (&[0, 0, 0, 5, 0, 0, 0, 24, 0], Answer::Number),
            (&[0, 0, 0, 4, 0, 0, 0, 24, 0], Answer::Number),
            (&[0xff; 8], Answer::Number),
            (&[], Answer::Digest),
            (&[7; 19], Answer::Digest),
            (&[7; 21], Answer::Digest),
        ];
        for (malformed, expected) in table {
            let error = body("TPM_X", Ok(answer(0, malformed)), expected).unwrap_err();
            assert!(error.to_string().starts_with("TPM_X: the answer is malformed"), "{malformed:?}: {error}");
        }
    }

    #[test]
    fn each_code_of_an_error_has_its_words() {
        let table = [
            (0x02, "TPM_BADINDEX", "rootimgpcr="),
            (0x06, "TPM_DEACTIVATED", "in the firmware"),
            (0x07, "TPM_DISABLED", "in the firmware"),
            (0x08, "TPM_DISABLED_CMD", "owner"),
            (0x09, "TPM_FAIL", "off and on"),
            (0x0a, "TPM_BAD_ORDINAL", "whole TPM 1.2"),
            (0x1c, "TPM_FAILEDSELFTEST", "off and on"),
            (0x1e, "TPM_BADTAG", "TPM 2.0"),
            (0x1f, "TPM_IOERROR", "off and on"),
            (0x26, "TPM_INVALID_POSTINIT", "reset after the kernel"),
            (0x3d, "TPM_BAD_LOCALITY", "locality 0"),
            (0x801, "TPM_NEEDS_SELFTEST", "off and on"),
            (0x411, "0x411", "manufacturer"),
            (0x15, "0x15", "Part 2"),
        ];
        for (code, name, hint) in table {
            let error = body("TPM_Extend of PCR 13", Ok(answer(code, &[])), Answer::Digest).unwrap_err();
            let text = error.to_string();
            assert_eq!(error.object(), "TPM_Extend of PCR 13");
            assert!(text.contains(name) && text.contains(hint) && text.contains(&format!("0x{code:x})")), "{text}");
        }
        assert!(body("TPM_X", Ok(vec![0; 9]), Answer::Number).is_err());
        let silent = body("TPM_Extend", Err(Failure::Silent(Duration::from_secs(20))), Answer::Digest).unwrap_err();
        assert!(silent.to_string().starts_with("TPM_Extend: no answer in 20 s"), "{silent}");
    }
}

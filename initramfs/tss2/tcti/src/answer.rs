//! The header of an answer, and how a command can fail.

use std::time::Duration;

/// The bytes of a header: tag, size, response code (TPM 2.0 Library, Part 1, section 18.2).
const HEADER: usize = 10;
/// No command and no answer is longer (Linux, drivers/char/tpm/tpm.h, `TPM_BUFSIZE`).
pub(crate) const LONGEST: usize = 4096;

/// `TPM_ST_RSP_COMMAND`, `TPM_ST_NO_SESSIONS`, `TPM_ST_SESSIONS` (TPM 2.0 Library, Part 2, section 6.9).
const TPM_1_2: u16 = 0x00c4;
const TAGS: [u16; 2] = [0x8001, 0x8002];

/// The TPM did not run the command, and the same command may be sent again: `TPM_RC_YIELDED`, `TPM_RC_CANCELED`,
/// `TPM_RC_TESTING`, `TPM_RC_NV_RATE`, `TPM_RC_RETRY` (TPM 2.0 Library, Part 2, section 6.6.3).
const AGAIN: [u32; 5] = [0x908, 0x909, 0x90a, 0x920, 0x922];

/// Why a command has no answer that could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The kernel's error for the command or for the answer.
    Kernel(i32),
    /// There was no answer in this time.
    Silent(Duration),
    /// The TPM asked with this code to send the command again, until this time was over.
    Busy(u32, Duration),
    /// The answer is malformed: what is wrong.
    Malformed(&'static str),
}

/// The response code of an answer.
///
/// # Errors
/// If it is malformed.
pub(crate) fn response_code(answer: &[u8]) -> Result<u32, Failure> {
    let Some((&[tag0, tag1, size0, size1, size2, size3, code0, code1, code2, code3], _)) =
        answer.split_first_chunk::<HEADER>()
    else {
        return Err(Failure::Malformed("the answer has no whole header"));
    };
    let (tag, size) = (u16::from_be_bytes([tag0, tag1]), u32::from_be_bytes([size0, size1, size2, size3]));
    if tag == TPM_1_2 {
        return Err(Failure::Malformed("the answer is that of a TPM 1.2"));
    }
    if !TAGS.contains(&tag) {
        return Err(Failure::Malformed("the answer has an unknown tag"));
    }
    if usize::try_from(size) != Ok(answer.len()) {
        return Err(Failure::Malformed("the answer has another size than its header says"));
    }
    Ok(u32::from_be_bytes([code0, code1, code2, code3]))
}

/// How many bytes of the answer are missing, if its header is there and its size can be true.
pub(crate) fn missing(answer: &[u8]) -> usize {
    let size = answer.get(..HEADER).and_then(|header| header.get(2..6)).and_then(|size| size.try_into().ok());
    let size = usize::try_from(size.map_or(0, u32::from_be_bytes)).unwrap_or(0);
    if size > LONGEST { 0 } else { size.saturating_sub(answer.len()) }
}

/// Whether the TPM asks with this code to send the same command again.
pub(crate) fn asks_again(code: u32) -> bool {
    AGAIN.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(tag: u16, size: u32, code: u32) -> Vec<u8> {
        [&tag.to_be_bytes(), size.to_be_bytes().as_slice(), &code.to_be_bytes()].concat()
    }

    #[test]
    fn only_a_whole_header_of_a_tpm_2_has_a_code() {
        assert_eq!(response_code(&header(0x8001, 10, 0x101)), Ok(0x101));
        assert_eq!(response_code(&[header(0x8002, 11, 0), vec![0]].concat()), Ok(0));
        let table = [
            (header(0x8001, 11, 0), "another size"),
            (header(0x8001, 9, 0), "another size"),
            (header(0x8001, u32::MAX, 0), "another size"),
            (header(0x00c4, 10, 0), "TPM 1.2"),
            (header(0x8003, 10, 0), "unknown tag"),
            (header(0x8001, 10, 0)[..9].to_vec(), "no whole header"),
            (vec![], "no whole header"),
        ];
        for (answer, cause) in table {
            let Err(Failure::Malformed(found)) = response_code(&answer) else { panic!("{answer:?} is taken") };
            assert!(found.contains(cause), "{answer:?}: {found}");
        }
    }

    #[test]
    fn a_part_of_an_answer_says_how_much_is_missing() {
        let table = [(12, 2), (10, 0), (9, 0), (4096, 4086), (4097, 0), (u32::MAX, 0)];
        for (size, left) in table {
            assert_eq!(missing(&header(0x8001, size, 0)), left, "{size}");
        }
        assert_eq!(missing(&[0x80, 1, 0, 0, 0, 12]), 0);
    }
}

//! The header of an answer, and how a command can fail.

use std::time::Duration;

use crate::family::Family;

/// The bytes of a header: tag, size, response code (TPM 2.0 Library, Part 1, section 18.2; TPM Main, Part 3).
const HEADER: usize = 10;
/// No command and no answer is longer (Linux, drivers/char/tpm/tpm.h, `TPM_BUFSIZE`).
pub(crate) const LONGEST: usize = 4096;

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

/// The response code of an answer of this family.
///
/// # Errors
/// If it is malformed.
pub(crate) fn response_code(family: Family, answer: &[u8]) -> Result<u32, Failure> {
    let Some((&[tag0, tag1, size0, size1, size2, size3, code0, code1, code2, code3], _)) =
        answer.split_first_chunk::<HEADER>()
    else {
        return Err(Failure::Malformed("the answer has no whole header"));
    };
    let (tag, size) = (u16::from_be_bytes([tag0, tag1]), u32::from_be_bytes([size0, size1, size2, size3]));
    if let Some(fault) = family.fault_of_tag(tag) {
        return Err(Failure::Malformed(fault));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn header(tag: u16, size: u32, code: u32) -> Vec<u8> {
        [&tag.to_be_bytes(), size.to_be_bytes().as_slice(), &code.to_be_bytes()].concat()
    }

    #[test]
    fn only_a_whole_header_of_the_right_family_has_a_code() {
        let response_code = |answer: &[u8]| response_code(Family::V2_0, answer);
        assert_eq!(response_code(&header(0x8001, 10, 0x101)), Ok(0x101));
        assert_eq!(response_code(&[header(0x8002, 11, 0), vec![0]].concat()), Ok(0));
        assert_eq!(super::response_code(Family::V1_2, &header(0xc4, 10, 6)), Ok(6));
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

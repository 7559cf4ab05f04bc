//! The header of the MLE, which says which part of tboot SINIT measures (MLE guide, "MLE Header Format"; tboot, `include/mle.h`).

use std::ops::Range;

use crate::cursor::Fields;
use crate::error::{Error, Result};

/// How a header begins (`MLE_HDR_UUID`, as it is in memory).
pub(super) const UUID: [u8; 16] =
    [0x5A, 0xAC, 0x82, 0x90, 0x6F, 0x47, 0xA7, 0x74, 0x0F, 0x5C, 0x55, 0xA2, 0xCB, 0x51, 0xB6, 0x42];
/// Where the fields are: `mle_start_off`, `mle_end_off`, `cmdline_start_off`, `cmdline_end_off`.
const START: usize = 32;
const END: usize = 36;
const COMMAND_LINE_START: usize = 44;
const COMMAND_LINE_END: usize = 48;
/// SINIT measures whole pages: those that the MLE's page table names.
const PAGE: usize = 4096;

/// What a header says. All places are counted from the start of tboot in memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    /// What is measured.
    pub(super) mle: Range<usize>,
    /// Where tboot keeps its command line, with a zero behind it.
    pub(super) command_line: Range<usize>,
}

impl Header {
    /// Finds the header in tboot as it is in memory: the first one, at a multiple of its UUID's length (`find_mle_hdr`).
    ///
    /// # Errors
    /// If there is none, or if it is about bytes that are not there.
    pub(super) fn find(memory: &[u8]) -> Result<Self> {
        let at = memory.chunks_exact(UUID.len()).position(|chunk| chunk == UUID);
        let at = at.ok_or_else(|| error("has none").hint("is it tboot, and not a kernel?"))?;
        let fields = Fields(memory.get(at * UUID.len()..).unwrap_or_default());
        let range = |start, end| -> Option<Range<usize>> {
            let range = usize::try_from(fields.u32_le(start)?).ok()?..usize::try_from(fields.u32_le(end)?).ok()?;
            memory.get(range.clone()).filter(|bytes| !bytes.is_empty()).map(|_| range)
        };
        let wrong = || error("names bytes that tboot does not have");
        let mle = range(START, END).ok_or_else(wrong)?;
        let command_line = range(COMMAND_LINE_START, COMMAND_LINE_END).ok_or_else(wrong)?;
        if !mle.start.is_multiple_of(PAGE) || !mle.end.is_multiple_of(PAGE) {
            return Err(error("the measured part does not consist of whole pages"));
        }
        if command_line.start < mle.start || command_line.end > mle.end {
            return Err(
                error("the command line is not in the measured part").hint("only tboot from 1.7.0 on is predicted")
            );
        }
        Ok(Self { mle, command_line })
    }
}

fn error(cause: &str) -> Error {
    Error::new("MLE header", cause)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A header with these numbers.
    pub(crate) fn made(mle: [u32; 2], command_line: [u32; 2]) -> Vec<u8> {
        let mut header = [UUID.as_slice(), &[0; 36]].concat();
        let fields = [
            (START, mle[0]),
            (END, mle[1]),
            (COMMAND_LINE_START, command_line[0]),
            (COMMAND_LINE_END, command_line[1]),
        ];
        for (at, number) in fields {
            header[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        header
    }

    #[test]
    fn the_first_header_at_a_multiple_of_16_counts() {
        let first = made([0x1000, 0x2000], [0x1010, 0x1020]);
        let mut memory = vec![0; 0x3000];
        memory[0x108..0x108 + 52].copy_from_slice(&made([0, 0x1000], [0x10, 0x20]));
        memory[0x1800..0x1800 + 52].copy_from_slice(&first);
        memory[0x2000..0x2000 + 52].copy_from_slice(&made([0, 0x1000], [0x10, 0x20]));
        let expected = Header { mle: 0x1000..0x2000, command_line: 0x1010..0x1020 };
        assert_eq!(Header::find(&memory).unwrap(), expected);
    }

    #[test]
    fn a_header_about_other_bytes_is_refused() {
        let table = [
            ([0x1000, 0x4000], [0x1010, 0x1020], "does not have"),
            ([0x2000, 0x1000], [0x1010, 0x1020], "does not have"),
            ([0x1000, 0x1000], [0x1000, 0x1000], "does not have"),
            ([0x1000, 0x2000], [0x1020, 0x1010], "does not have"),
            ([0x1000, 0x2000], [u32::MAX - 1, u32::MAX], "does not have"),
            ([0x1001, 0x2000], [0x1010, 0x1020], "whole pages"),
            ([0x1000, 0x2001], [0x1010, 0x1020], "whole pages"),
            ([0x1000, 0x2000], [0xFFF, 0x1010], "not in the measured part"),
            ([0x1000, 0x2000], [0x1FFF, 0x2001], "not in the measured part"),
        ];
        for (mle, command_line, part) in table {
            let mut memory = vec![0; 0x3000];
            memory[..52].copy_from_slice(&made(mle, command_line));
            let error = Header::find(&memory).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        for cut in [0, 15, 16, 51] {
            assert!(Header::find(&made([0, 0], [0, 0])[..cut]).is_err(), "{cut}");
        }
        assert!(Header::find(&[0; 64]).unwrap_err().to_string().starts_with("MLE header: has none ("));
    }
}

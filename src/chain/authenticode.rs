//! The Authenticode digest of a program: what firmware extends PCR 4 with before it starts one (Microsoft, "Windows
//! Authenticode Portable Executable Signature Format", "Calculating the PE Image Hash"; edk2, `MeasureBootPeCoff.c`). A signature
//! does not change it.

use std::panic::resume_unwind;
use std::thread;

use super::pe::PeFile;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;

/// The digest in each of `banks`.
///
/// # Errors
/// If the sections and the certificates are longer than the file.
pub fn digests(file: &PeFile<'_>, banks: &[Bank]) -> Result<Digests> {
    Ok(digests_of_parts(&parts(file)?, banks))
}

/// What is hashed, in this order: the headers without the check sum and without the place of the certificates; the sections as
/// they follow each other in the file; what lies behind them, without the certificates.
fn parts<'a>(file: &PeFile<'a>) -> Result<Vec<&'a [u8]>> {
    let mut at = 0;
    let mut parts = Vec::new();
    for left_out in [Some(file.check_sum.clone()), file.certificate_entry.clone()].into_iter().flatten() {
        parts.push(file.bytes.get(at..left_out.start));
        at = left_out.end;
    }
    parts.push(file.bytes.get(at..file.headers_end));
    let mut sections: Vec<_> = file.sections.iter().map(|section| section.file.clone()).collect();
    sections.sort_by_key(|range| range.start);
    // The standard counts the bytes, and does not look where the last section ends.
    let hashed = sections.iter().map(ExactSizeIterator::len).fold(file.headers_end, usize::saturating_add);
    parts.extend(sections.into_iter().map(|range| file.bytes.get(range)));
    parts.push(file.bytes.len().checked_sub(file.certificates).and_then(|end| file.bytes.get(hashed..end)));
    parts.into_iter().collect::<Option<_>>().ok_or_else(|| {
        Error::new("PE file", "its sections and certificates are longer than the file")
            .hint("do sections overlap? Firmware does not start such a program")
    })
}

/// The digest of all parts together. Each bank has a thread of its own: a unified kernel image has some 100 MB.
pub(super) fn digests_of_parts(parts: &[&[u8]], banks: &[Bank]) -> Digests {
    let digest = |bank: Bank| {
        let mut hasher = bank.hasher();
        for part in parts {
            hasher.update(part);
        }
        (bank, hasher.finish())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = banks.iter().map(|&bank| scope.spawn(move || digest(bank))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::made_pe::MadePe;

    fn sha256(made: &MadePe) -> String {
        let bytes = made.bytes();
        digests(&PeFile::parse(&bytes).unwrap(), &[Bank::Sha256]).unwrap()[&Bank::Sha256].to_string()
    }

    #[test]
    fn the_check_sum_and_the_certificates_do_not_count() {
        let made = MadePe::new().section(b".text", b"code", 4).section(b".data", b"data", 4);
        let plain = sha256(&made);
        assert_eq!(sha256(&made.clone().at(MadePe::CHECK_SUM, b"1234")), plain);
        assert_eq!(sha256(&made.clone().certificates(b"a signature of")), plain);
        let table = [
            made.clone().at(0x20, b"x"),
            made.clone().at(MadePe::CHECK_SUM - 5, b"x"),
            made.clone().at(MadePe::CHECK_SUM + 4, b"x"),
            made.clone().at(MadePe::CERTIFICATES - 1, b"x"),
            made.clone().at(MadePe::CERTIFICATES + 8, b"x"),
            made.clone().behind(b"more"),
            MadePe::new().section(b".text", b"code", 4).section(b".data", b"dates", 4),
        ];
        for other in table {
            assert_ne!(sha256(&other), plain);
        }
        let behind = made.behind(b"more");
        assert_eq!(sha256(&behind.clone().certificates(b"12345678")), sha256(&behind));
    }

    #[test]
    fn sections_count_in_the_order_of_the_file() {
        let made = MadePe::new().section(b".a", b"1111", 4).section(b".b", b"2222", 4);
        let bytes = made.bytes();
        let end = made.headers().len();
        let headers = [&bytes[..MadePe::CHECK_SUM], &bytes[MadePe::CHECK_SUM + 4..MadePe::CERTIFICATES]].concat();
        let all = [&headers, &bytes[MadePe::CERTIFICATES + 8..end], b"11112222"].concat();
        assert_eq!(sha256(&made), Bank::Sha256.digest(&all).to_string());
        // The same two entries of the table, in the other order: only the headers differ.
        let swapped = made.swapped();
        let bytes = swapped.bytes();
        let headers = [&bytes[..MadePe::CHECK_SUM], &bytes[MadePe::CHECK_SUM + 4..MadePe::CERTIFICATES]].concat();
        let all = [&headers, &bytes[MadePe::CERTIFICATES + 8..end], b"11112222"].concat();
        assert_eq!(sha256(&swapped), Bank::Sha256.digest(&all).to_string());
    }

    #[test]
    fn sections_that_overlap_are_an_error() {
        let made = MadePe::new().section(b".a", b"1111", 4).section(b".b", b"2222", 4);
        let start = u32::try_from(made.headers().len()).unwrap().to_le_bytes();
        let overlap = made.clone().at(MadePe::table(1) + 16, &6_u32.to_le_bytes()).at(MadePe::table(1) + 20, &start);
        for made in [overlap, made.at(MadePe::CERTIFICATES + 4, &[0xFF; 4])] {
            let bytes = made.bytes();
            let error = digests(&PeFile::parse(&bytes).unwrap(), &Bank::ALL).unwrap_err().to_string();
            assert!(error.contains("longer than the file"), "{error}");
        }
    }
}

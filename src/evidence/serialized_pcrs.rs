//! PCR values in the binary form of tpm2-tools (`--pcrs_format serialized`): the memory of a little-endian machine.

use super::quoted_values::serialized_digests;
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::eventlog::PcrValues;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The most selections in a `TPML_PCR_SELECTION`, and the bytes of each `TPMS_PCR_SELECTION` in memory: algorithm, length
/// and bitmap (tpm2-tss, tss2_tpm2_types.h). The file begins with them (tpm2-tools, lib/pcr.c).
const SELECTIONS: u32 = 16;
const SELECTION: usize = 8;

/// The values with their PCRs, which the selections in front of them name.
///
/// # Errors
/// If the file has another form. With `--pcrs_format values` it has only the digests.
pub fn parse(bytes: &[u8]) -> Result<PcrValues> {
    let hint = "digests alone, without the numbers of their PCRs, are not enough: use the text of tpm2_pcrread, or \
                --pcrs_format serialized";
    read(bytes).map_err(|error| error.hint(hint))
}

fn read(bytes: &[u8]) -> Result<PcrValues> {
    const OBJECT: &str = "PCR values";
    let mut cursor = Cursor::new(OBJECT, bytes);
    let count = cursor.u32_le()?;
    let mut selections = Cursor::new(OBJECT, cursor.take(SELECTIONS as usize * SELECTION)?);
    if count > SELECTIONS {
        return Err(Error::new(OBJECT, format!("{count} selections; at most {SELECTIONS} are possible")));
    }
    let mut selected = Vec::new();
    for _ in 0..count {
        let mut selection = Cursor::new(OBJECT, selections.take(SELECTION)?);
        let (algorithm, length) = (selection.u16_le()?, selection.u8()?);
        let bitmap = selection.take(length.into())?;
        let set = (0_u32..).zip(bitmap.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)));
        for (number, _) in set.filter(|(_, set)| *set) {
            selected.push((Bank::of_algorithm(algorithm), Pcr::try_from(number)?));
        }
    }
    let mut selected = selected.into_iter();
    let mut values = PcrValues::new();
    for digest in serialized_digests(cursor)? {
        let (bank, pcr) = selected.next().ok_or_else(|| Error::new(OBJECT, "more digests than selected PCRs"))?;
        let bank = bank.ok_or_else(|| Error::new(OBJECT, "of a bank whose hash is not known"))?;
        if values.entry(bank).or_default().insert(pcr, Digest::from_bytes(bank, digest)?).is_some() {
            return Err(Error::new(OBJECT, format!("a second value for PCR {pcr} in bank {bank}")));
        }
    }
    match selected.next() {
        None if !values.is_empty() => Ok(values),
        _ => Err(Error::new(OBJECT, "fewer digests than selected PCRs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tpm2_pcrread writes for sha256:4,13.
    fn file() -> Vec<u8> {
        let mut bytes = vec![0; 4 + 16 * 8 + 4 + 4 + 8 * 66];
        (bytes[0], bytes[4], bytes[6]) = (1, 0x0B, 3);
        (bytes[7], bytes[8]) = (1 << 4, 1 << 5);
        (bytes[132], bytes[136]) = (1, 2);
        for (at, byte) in [(140, 0xAA), (140 + 66, 0xBB)] {
            bytes[at] = 32;
            bytes[at + 2..at + 34].fill(byte);
        }
        bytes
    }

    #[test]
    fn each_digest_belongs_to_a_selected_pcr() {
        let values = parse(&file()).unwrap();
        let value = |pcr: u32| values[&Bank::Sha256][&Pcr::try_from(pcr).unwrap()].to_string();
        assert_eq!((values.len(), value(4), value(13)), (1, "aa".repeat(32), "bb".repeat(32)));
    }

    #[test]
    fn a_malformed_file_is_refused() {
        for length in 0..file().len() {
            assert!(parse(&file()[..length]).is_err(), "{length}");
        }
        let changes = [
            (0, 17, "17 selections"),
            (0, 0, "more digests than"),
            (4, 0x12, "hash is not known"),
            (6, 9, "ends"),
            (7, 0, "more digests than"),
            (9, 1, "fewer digests than"),
            (136, 1, "fewer digests than"),
            (136, 9, "ends"),
            (140, 20, "20 bytes"),
            (132, 2, "ends"),
        ];
        for (at, byte, part) in changes {
            let mut bytes = file();
            bytes[at] = byte;
            let error = parse(&bytes).unwrap_err().to_string();
            assert!(error.contains(part) || part == "ends", "{at}: {error}");
        }
        assert!(parse(&[file(), vec![0]].concat()).is_err());
    }
}

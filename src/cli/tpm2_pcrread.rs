//! PCR values as `tpm2_pcrread` prints them: YAML with a heading for each bank and a line for each PCR. Every option that
//! takes PCR values reads this, the binary form of tpm2-tools, and that of tpm-quote-tools.

use std::fmt::Write;
use std::path::Path;

use super::input_file::Kinds;
use super::read_limited;
use crate::error::{Error, Result};
use crate::eventlog::PcrValues;
use crate::evidence::{library_words, serialized_pcrs, tpm12_values};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// Banks that tpm2-tools print and this program lacks (tpm2-tools, lib/tpm2_alg_util.c). Other names are errors: the values
/// under a misspelt one would not be compared.
const OTHER_BANKS: [&str; 4] = ["sm3_256", "sha3_256", "sha3_384", "sha3_512"];

/// The hint of every error here.
const EXPECTED: &str = "expected the output of tpm2_pcrread, or the file of tpm2_quote --pcr or of tpm_getquote -p";

/// The values as `tpm2_pcrread` prints them.
pub(super) fn text(values: &PcrValues) -> String {
    let mut text = String::new();
    for (bank, values) in values {
        // Writing to a string does not fail.
        writeln!(text, "  {bank}:").ok();
        for (pcr, value) in values {
            writeln!(text, "    {pcr:<2}: 0x{}", value.to_string().to_uppercase()).ok();
        }
    }
    text
}

/// Reads a file with the output of `tpm2_pcrread`, with the binary form that `tpm2_pcrread --output` and `tpm2_quote
/// --pcr` write, or with the lines of `tpm_getquote -p`.
pub(super) fn read(path: &Path) -> Result<PcrValues> {
    let bytes = read_limited::read(path, read_limited::LOG, Kinds::Stream)?;
    let values = match as_text(&bytes) {
        Some(text) => parse(text),
        None if has_lines(&bytes) => Err(Error::new("PCRs", "text with characters that are not UTF-8").hint(EXPECTED)),
        None => serialized_pcrs::parse(&bytes),
    };
    values.map_err(|error| error.on(path.display()))
}

/// Whether bytes that are no UTF-8 are text all the same: UTF-16 with its mark, or mostly ASCII, as a third of a digest's bytes is.
fn has_lines(bytes: &[u8]) -> bool {
    let begin = &bytes[..bytes.len().min(256)];
    let ascii = begin.iter().filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count();
    begin.starts_with(&[0xFF, 0xFE]) || ascii * 4 >= begin.len() * 3
}

/// The bytes as text; `None` if they are binary.
pub(super) fn as_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Parses the output of `tpm2_pcrread`, or the lines of `tpm_getquote -p`. Skips a bank of [`OTHER_BANKS`], with a warning. Fails if a
/// line is malformed, or if there is no value at all.
pub(super) fn parse(text: &str) -> Result<PcrValues> {
    if tpm12_values::is_form_of(text) {
        return tpm12_values::parse(text);
    }
    let mut values = PcrValues::new();
    let mut bank = None;
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#') && *line != "---") {
        let place = format!("PCRs, line {number}");
        let malformed = || Error::new(&place, format!("malformed: {line}")).hint(EXPECTED);
        let (name, value) =
            line.split_once(':').map(|(name, value)| (name.trim(), value.trim())).ok_or_else(malformed)?;
        if value.is_empty() {
            bank = Some(name.parse::<Bank>());
            if bank.as_ref().is_some_and(Result::is_err) {
                if !OTHER_BANKS.contains(&name) {
                    return Err(malformed());
                }
                log::warn!("{place}: the hash of bank {name} is not known; skipping its values");
            }
            continue;
        }
        let bank = match &bank {
            Some(Ok(bank)) => *bank,
            Some(Err(_)) => continue,
            None => return Err(malformed()),
        };
        let pcr = Pcr::try_from(name.parse::<u32>().map_err(|_| malformed())?).map_err(|error| error.on(&place))?;
        let value = library_words::hex(&place, value.strip_prefix("0x").unwrap_or(value))?;
        let value = Digest::from_bytes(bank, &value).map_err(|error| error.on(&place))?;
        if values.entry(bank).or_default().insert(pcr, value).is_some() {
            return Err(Error::new(place, format!("a second value for PCR {pcr} in bank {bank}")));
        }
    }
    if values.is_empty() {
        return Err(Error::new("PCRs", "no value found").hint(EXPECTED));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_a_wrong_character_is_not_called_binary() {
        let line = format!("  sha1:\n    0 : 0x{}\n", "AB".repeat(20));
        for (bytes, is_text) in [
            ([line.as_bytes(), &[0x80]].concat(), true),
            (vec![0xFF, 0xFE, b's', 0], true),
            ([&[1, 0, 0, 0, 4, 0, 3, 0][..], &[0xAB; 120]].concat(), false),
            (hex::decode("a94a8fe5ccb19ba61c4c0873d391e987982fbbd3").unwrap(), false),
        ] {
            assert_eq!((as_text(&bytes), has_lines(&bytes)), (None, is_text), "{bytes:02x?}");
        }
    }

    #[test]
    fn values_read_back_as_they_were_printed() {
        let given = format!(
            "  sha1:\n    0 : 0x{0}\n    13: 0x{0}\n  sha256:\n    0 : 0x{0}{1}\n",
            "AB".repeat(20),
            "00".repeat(12)
        );
        assert_eq!(text(&parse(&given).unwrap()), given);
        let with_unknown_bank = format!("# a comment\nsm3_256:\n 0 : 0x00\n{given}");
        assert_eq!(text(&parse(&with_unknown_bank).unwrap()), given);
    }

    #[test]
    fn malformed_text_is_refused() {
        let value = "00".repeat(20);
        let table = [
            String::new(),
            "sha1:\n".to_owned(),
            format!("0: {value}"),
            format!("sha1:\n24: {value}"),
            format!("sha1:\n-1: {value}"),
            format!("sha1:\n1: {value}0"),
            format!("sha1:\n1: {value}00"),
            format!("sha1:\n1: {value}\n1: {value}"),
            "sha1:\nwords".to_owned(),
            format!("sha1:\n1:\n2: {value}"),
            format!("sha1:\n1: {value}\nsha265:\n2: {value}"),
            "sha1:\nsha256:\n".to_owned(),
            "sha1:\n0: xy".to_owned(),
        ];
        for text in table {
            assert!(parse(&text).is_err(), "{text}");
        }
    }
}

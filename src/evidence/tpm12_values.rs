//! The values of a TPM 1.2's PCRs as tpm-quote-tools write and read them (`tpm_getquote -p`, `tpm_updatepcrhash`): a line such as
//! `13=00A1...` for each PCR.

use std::collections::BTreeMap;

use super::library_words;
use crate::error::{Error, Result};
use crate::eventlog::PcrValues;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The line of one PCR. `tpm_getquote` writes upper-case digits.
pub(crate) fn line(pcr: Pcr, value: &Digest) -> String {
    format!("{pcr}={}\n", value.to_string().to_uppercase())
}

/// Whether a text has this form, and not that of `tpm2_pcrread`, whose lines have a colon.
pub(crate) fn is_form_of(text: &str) -> bool {
    text.trim_start().lines().next().is_some_and(|line| line.contains('=') && !line.contains(':'))
}

/// The values: the `sha1` bank alone, for a TPM 1.2 has no other.
///
/// # Errors
/// If the text has another form, names a PCR twice or one that no TPM has, or has no line at all.
pub fn parse(text: &str) -> Result<PcrValues> {
    let mut values = BTreeMap::new();
    // No PCR may come twice, so there are at most 24 lines.
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("PCRs, line {number}");
        let malformed =
            || Error::new(&place, format!("malformed: {line}")).hint("expected the file of tpm_getquote -p");
        let (pcr, value) = line.split_once('=').ok_or_else(malformed)?;
        let pcr =
            Pcr::try_from(pcr.trim().parse::<u32>().map_err(|_| malformed())?).map_err(|error| error.on(&place))?;
        let value = library_words::hex(&place, value.trim())?;
        let value = Digest::from_bytes(Bank::Sha1, &value).map_err(|error| error.on(&place))?;
        if values.insert(pcr, value).is_some() {
            return Err(Error::new(place, format!("a second value for PCR {pcr}")));
        }
    }
    if values.is_empty() {
        return Err(Error::new("PCRs", "no value found").hint("expected the file of tpm_getquote -p"));
    }
    Ok(PcrValues::from([(Bank::Sha1, values)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_as_they_were_written() {
        let pcr = |number: u32| Pcr::try_from(number).unwrap();
        let value = |byte: u8| Digest::from_bytes(Bank::Sha1, &[byte; 20]).unwrap();
        let text = line(pcr(4), &value(0xAB)) + &line(pcr(13), &value(1));
        assert_eq!(text, format!("4={}\n13={}\n", "AB".repeat(20), "01".repeat(20)));
        let values = BTreeMap::from([(pcr(4), value(0xAB)), (pcr(13), value(1))]);
        assert!(is_form_of(&text) && parse(&text).unwrap() == PcrValues::from([(Bank::Sha1, values)]));
        assert!(!is_form_of(&format!("sha1:\n  4: 0x{}", "AB".repeat(20))) && !is_form_of(""));
    }

    #[test]
    fn malformed_text_is_refused() {
        let value = "00".repeat(20);
        for (text, part) in [
            (String::new(), "no value found"),
            (format!("13 {value}"), "line 1: malformed"),
            (format!("={value}"), "malformed"),
            (format!("x={value}"), "malformed"),
            (format!("4294967296={value}"), "malformed"),
            (format!("24={value}"), "24"),
            (format!("13={value}00"), "21 bytes"),
            ("13=".to_owned(), "0 bytes"),
            (format!("13={value}0"), "odd number"),
            (format!("13={value}\n13={value}"), "line 2: a second value for PCR 13"),
            (format!("13={value}\nsha256:\n"), "line 2: malformed"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

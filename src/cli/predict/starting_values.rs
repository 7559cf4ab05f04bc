//! The PCR before the boot.

use crate::count::counted;
use crate::error::{Error, Result};
use crate::evidence::library_words;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};

/// The PCR in each bank before the boot: the values of --before, else zeros.
///
/// # Errors
/// If a value is not hex, has the length of no predicted bank, or is the second one of a bank.
pub(super) fn starting_values(banks: &[Bank], given: &[String]) -> Result<Digests> {
    let mut values = Digests::new();
    for text in given {
        let object = format!("--before {}", if text.is_empty() { "\"\"" } else { text });
        let bytes = library_words::hex(&object, text.trim_start_matches("0x"))?;
        let bank = banks.iter().copied().find(|bank| bank.digest_len() == bytes.len()).ok_or_else(|| {
            Error::new(&object, format!("no predicted bank has digests of {}", counted(bytes.len(), "byte")))
        })?;
        if values.insert(bank, Digest::from_bytes(bank, &bytes)?).is_some() {
            return Err(Error::new(object, format!("is a second value for {bank}")).hint("a bank has one value before"));
        }
    }
    for &bank in banks {
        values.entry(bank).or_insert_with(|| Digest::zero(bank));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_value_determines_its_bank() {
        let values = starting_values(&[Bank::Sha1, Bank::Sha256], &["0x".to_owned() + &"ab".repeat(20)]).unwrap();
        assert_eq!(values[&Bank::Sha1].to_string(), "ab".repeat(20));
        assert_eq!(values[&Bank::Sha256], Digest::zero(Bank::Sha256));
        for wrong in ["", "ab", "xy", &"ab".repeat(64)] {
            assert!(starting_values(&[Bank::Sha1], &[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(starting_values(&[], &[String::new()]).unwrap_err().to_string().starts_with("--before \"\": no "));
        let twice = ["ab".repeat(20), "ab".repeat(20)];
        assert!(starting_values(&[Bank::Sha1], &twice).unwrap_err().to_string().contains("a second value for sha1"));
    }
}

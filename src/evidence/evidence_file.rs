//! One file with all evidence of a machine, which `measureroot attest` writes and `measureroot verify` reads: JSON, with each value in hex. It
//! has only what a check of `verify` compares with something else. So an altered value is found, or it is one that nothing proves: a log's
//! words about an event.

use serde::{Deserialize, Serialize};

use super::check::{Broken, Check, Checked};
use super::json_object::Object;
use super::library_words;
use super::pcr_texts::PcrTexts;
use super::proof::Proof;
use super::qualified_name;
use super::quote::Quote;
use crate::error::{Context, Error, Result};
use crate::eventlog::PcrValues;

/// The version of the format. It changes if a field changes its meaning or goes.
const VERSION: u32 = 1;
/// The name of the file in errors.
const OBJECT: &str = "evidence";
/// The longest quote, signature or key, in bytes. The longest of the structures has a few hundred bytes (TPM 2.0 Library, Part 2).
const LONGEST: usize = 16 << 10;
/// The longest log, in bytes: 16 MiB, the most that is read of a log in a file of its own.
const LONGEST_LOG: usize = 16 << 20;
/// The most logs. A boot has two: that of firmware and measureroot, and that of systemd.
const MOST_LOGS: usize = 8;

/// The evidence of a machine with a TPM 2.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceFile {
    /// The nonce that the machine was asked with, as it says. It must be that of the quote. It makes nothing fresh: only the verifier's does.
    pub nonce: Vec<u8>,
    /// `TPMS_ATTEST`.
    pub quote: Vec<u8>,
    /// `TPMT_SIGNATURE`.
    pub signature: Vec<u8>,
    /// The key that signed: `TPM2B_PUBLIC`.
    pub key: Vec<u8>,
    /// The values of exactly the quoted PCRs.
    pub values: PcrValues,
    /// The logs, in the order of the boot.
    pub logs: Vec<Vec<u8>>,
}

impl EvidenceFile {
    /// Parses the file. Whether its parts fit together is not checked.
    ///
    /// # Errors
    /// If it is no such file: also with an unknown field, one that is given twice, or digits that are no lower-case hex.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|_| {
            Error::new(OBJECT, "is no text")
                .hint("is it the file of measureroot attest? A quote alone is given with --quote")
        })?;
        let Object(file): Object<JsonFile> = library_words::json(OBJECT, text)?;
        if file.version != VERSION {
            let cause = format!("is of version {}, and this measureroot knows only {VERSION}", file.version);
            return Err(Error::new(OBJECT, cause).hint("verify it with the measureroot that wrote it, or a newer one"));
        }
        if file.logs.len() > MOST_LOGS {
            return Err(Error::new(OBJECT, format_args!("has {} logs, more than {MOST_LOGS}", file.logs.len())));
        }
        let logs = file.logs.iter().enumerate().map(|(at, log)| bytes_of(&log_name(at), log, LONGEST_LOG));
        Ok(Self {
            nonce: bytes_of("nonce", &file.nonce, LONGEST)?,
            quote: bytes_of("quote", &file.quote, LONGEST)?,
            signature: bytes_of("signature", &file.signature, LONGEST)?,
            key: bytes_of("key", &file.key, LONGEST)?,
            values: file.pcrs.values().map_err(|error| error.on(OBJECT))?,
            logs: logs.collect::<Result<_>>()?,
        })
    }

    /// The text of the file.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        let file = JsonFile {
            version: VERSION,
            nonce: hex::encode(&self.nonce),
            quote: hex::encode(&self.quote),
            signature: hex::encode(&self.signature),
            key: hex::encode(&self.key),
            pcrs: PcrTexts::of(&self.values),
            logs: self.logs.iter().map(hex::encode).collect(),
        };
        Ok(serde_json::to_string_pretty(&file).about("JSON")? + "\n")
    }

    /// The values one after the other, as the quote selects them. Of a malformed quote nothing is selected, and its own check fails.
    ///
    /// # Errors
    /// If a quoted PCR has no value, or if another PCR has one.
    pub fn quoted_values(&self) -> Result<Vec<u8>> {
        let error = |bank, pcr, cause| Error::new(format_args!("{OBJECT}: PCR {pcr}, {bank}"), cause);
        let Ok(quote) = Quote::parse(&self.quote) else { return Ok(Vec::new()) };
        let mut rest = self.values.clone();
        let mut bytes = Vec::new();
        for (bank, pcr) in quote.selection.iter() {
            let value = rest.get_mut(&bank).and_then(|values| values.remove(&pcr));
            bytes.extend_from_slice(value.ok_or_else(|| error(bank, pcr, "is quoted, and has no value"))?.as_bytes());
        }
        match rest.iter().find_map(|(bank, values)| Some((*bank, *values.keys().next()?))) {
            Some((bank, pcr)) => Err(error(bank, pcr, "has a value, and is not quoted")),
            None => Ok(bytes),
        }
    }

    /// The logs, each with its name in errors.
    pub(crate) fn named_logs(&self) -> Vec<(String, Vec<u8>)> {
        self.logs.iter().enumerate().map(|(at, log)| (log_name(at), log.clone())).collect()
    }

    /// Checks what the file says about a quote that passed all other checks: whom it answers, and which key signed it.
    ///
    /// # Errors
    /// If the quote says something else.
    pub(crate) fn check_with(&self, proof: &Proof) -> std::result::Result<(), Broken> {
        if self.nonce != proof.quote.nonce {
            let (own, quoted) = (hex::encode(&self.nonce), hex::encode(&proof.quote.nonce));
            let cause = format!("the evidence says that it answers {own:?}, and its quote answers {quoted:?}");
            let error = Error::new("nonce", cause).hint("was the file changed?");
            return Err(Broken { check: Check::Nonce, error });
        }
        qualified_name::check(&proof.quote, &proof.key).checked(Check::Key)
    }
}

fn log_name(at: usize) -> String {
    format!("log {}", at + 1)
}

/// The bytes of a text in lower-case hex, of at most so many bytes: one value has one spelling.
fn bytes_of(name: &str, text: &str, most: usize) -> Result<Vec<u8>> {
    let name = format!("{OBJECT}: {name}");
    if text.len() > 2 * most {
        return Err(Error::new(name, format_args!("has more than {most} bytes")).hint("no such value is that long"));
    }
    if let Some(letter) = text.chars().find(char::is_ascii_uppercase) {
        return Err(Error::new(name, format_args!("has {letter:?} in it")).hint("the digits are 0-9 and a-f"));
    }
    library_words::hex(name, text)
}

/// The file as it is written. An unknown field is an error.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonFile {
    #[serde(rename = "measureroot-evidence")]
    version: u32,
    nonce: String,
    quote: String,
    signature: String,
    key: String,
    pcrs: PcrTexts,
    logs: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bank::Bank;
    use crate::measure::pcr::Pcr;

    fn file() -> EvidenceFile {
        let value = |pcr| (Pcr::try_from(pcr).unwrap(), Bank::Sha256.digest(b"x"));
        EvidenceFile {
            nonce: vec![1; 8],
            quote: vec![2; 9],
            signature: vec![3],
            key: vec![],
            values: PcrValues::from([(Bank::Sha256, [value(4), value(13)].into())]),
            logs: vec![vec![4], vec![5, 6]],
        }
    }

    #[test]
    fn a_file_reads_back() {
        let text = file().to_json().unwrap();
        assert_eq!(EvidenceFile::parse(text.as_bytes()).unwrap(), file());
        assert!(text.contains("\"4\": \"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\""), "{text}");
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let text = file().to_json().unwrap();
        for (from, to, part) in [
            ("\"nonce\": \"0101", "\"nonce\": \"01A1", "evidence: nonce: has 'A' in it (the digits are 0-9 and a-f)"),
            ("\"nonce\": \"0101", "\"nonce\": \"0g01", "evidence: nonce: has 'g' in it"),
            ("\"nonce\": \"0101", "\"nonce\": \"101", "has an odd number of hex digits"),
            ("\"nonce\"", "\"nonce \"", "the field \"nonce \" is not known"),
            ("\"key\": \"\"", "\"key\": null", "null is there, and a text is expected"),
            ("\"key\": \"\"", "\"key\": \"\", \"key\": \"\"", "the field \"key\" is given twice"),
            ("\"key\": \"\",", "", "the field \"key\" is missing"),
            ("\"measureroot-evidence\": 1", "\"measureroot-evidence\": 2", "is of version 2"),
            ("\"measureroot-evidence\": 1", "\"measureroot-evidence\": \"1\"", "the text \"1\" is there, and a number"),
            ("\"4\": ", "\"13\": ", "PCR 13 is given twice"),
            ("\"4\": ", "\"04\": ", "\"04\" is no number of a PCR"),
            ("\"4\": ", "\"24\": ", "24"),
            ("\"4\": \"2d", "\"4\": \"2D", "'D'"),
            ("\"4\": \"2d", "\"4\": \"", "sha256"),
            ("\"sha256\"", "\"sha257\"", "sha257"),
            ("\"sha256\"", "\"sha384\": {}, \"sha256\"", "sha384 has no PCR"),
            ("[\n    \"04\"", "[7, \"04\"", "the number 7 is there, and a text is expected"),
            ("[\n    \"04\"", "[\"\",\"\",\"\",\"\",\"\",\"\",\"\", \"04\"", "has 9 logs, more than 8"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let error = EvidenceFile::parse(changed.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("evidence") && error.contains(part), "{from} -> {to}: {error}");
        }
        for other in [&b"\xff"[..], b"[1]", b"7"] {
            assert!(EvidenceFile::parse(other).is_err(), "{other:?}");
        }
        // Without the last brace; behind it is a newline.
        for length in 0..text.len() - 1 {
            assert!(EvidenceFile::parse(&text.as_bytes()[..length]).is_err(), "{length}");
        }
        let long = "00".repeat(LONGEST + 1);
        let error = EvidenceFile::parse(text.replacen("\"key\": \"", &format!("\"key\": \"{long}"), 1).as_bytes());
        assert!(error.unwrap_err().to_string().contains("evidence: key: has more than 16384 bytes"));
    }
}

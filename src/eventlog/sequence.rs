//! The log of systemd's own measurements, /run/log/systemd/tpm2-measure.log. Its records are JSON objects with the fields of
//! CEL-JSON. A JSON text sequence (RFC 7464) frames each: a record separator, the text, a line feed.

use serde::Serialize;

use super::cel;
use super::claim::{CONTENT_TYPE, Claim};
use super::json_bounds;
use super::log::Log;
use super::unique_json::Unique;
use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::Pcr;

/// The record separator, the first byte of each record (RFC 7464, section 2.2).
pub(super) const SEPARATOR: u8 = 0x1E;

/// A record of ours, with the fields of systemd's own records (systemd, src/shared/tpm2-util.c writes them,
/// src/pcrlock/pcrlock.c reads them).
#[derive(Debug, Serialize)]
struct Record<'a> {
    pcr: Pcr,
    digests: Vec<RecordDigest<'a>>,
    content_type: &'static str,
    content: &'a Claim,
}

#[derive(Debug, Serialize)]
struct RecordDigest<'a> {
    #[serde(rename = "hashAlg")]
    bank: Bank,
    digest: &'a Digest,
}

/// Encodes one event as a framed record.
///
/// # Errors
/// None is known: text and numbers always encode as JSON.
pub(super) fn encode(pcr: Pcr, digests: &Digests, claim: &Claim) -> Result<Vec<u8>> {
    let digests = digests.iter().map(|(&bank, digest)| RecordDigest { bank, digest }).collect();
    let mut framed = vec![SEPARATOR];
    let record = Record { pcr, digests, content_type: CONTENT_TYPE, content: claim };
    serde_json::to_writer(&mut framed, &record).about("record")?;
    framed.push(b'\n');
    Ok(framed)
}

/// Reads a whole log.
///
/// # Errors
/// If a record is malformed, if the last one is incomplete, or if they hold more than any machine's log.
pub fn parse(log: &[u8]) -> Result<Log> {
    json_bounds::check(log)?;
    let mut events = Vec::new();
    let mut records = log.split(|&byte| byte == SEPARATOR).enumerate();
    match records.next() {
        Some((_, [])) => {}
        _ => return Err(Error::new("event log", "does not begin with a record separator")),
    }
    let mut at = 0;
    for (number, text) in records {
        // JSON's own errors count within the record.
        let place = format!("event log, record {number} at byte {at}");
        at += 1 + text.len();
        if text.last() != Some(&b'\n') {
            return Err(Error::new(place, "does not end with a line feed").hint("its writer was interrupted"));
        }
        let Unique(record) = serde_json::from_slice(text).about(&place)?;
        events.extend(cel::event(&record, &place)?);
    }
    Log::new(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::event::Content;
    use crate::hash::digest::digests_of;

    /// As systemd writes it.
    const SYSTEMD: &[u8] = b"\x1e{\"pcr\":11,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":\
        \"e9b5bfbcf5d2b4b0c5a4e1f0d1c2b3a49586776859403122130415263748596a\"}],\"content_type\":\"systemd\",\"content\":\
        {\"string\":\"enter-initrd\",\"bootId\":\"0123456789abcdef0123456789abcdef\",\"timestamp\":1,\"eventType\":\"phase\"}}\n";

    fn ours() -> Vec<u8> {
        let digests = digests_of(&[Bank::Sha1, Bank::Sha256], b"image");
        encode(Pcr::try_from(13).unwrap(), &digests, &Claim::image("/dev/vda", 1, "ram")).unwrap()
    }

    #[test]
    fn a_record_is_one_framed_line() {
        let text = String::from_utf8(ours()).unwrap();
        let start = "\u{1e}{\"pcr\":13,\"digests\":[{\"hashAlg\":\"sha1\",\"digest\":\"0e76292794888d4f1fa75fb3aff4ca27c58f56a6\"},";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("}],\"content_type\":\"measureroot\",\"content\":{\"event\":\"image\","), "{text}");
        assert_eq!((text.matches('\n').count(), text.ends_with("}}\n")), (1, true));
    }

    #[test]
    fn one_log_can_hold_our_records_and_systemds() {
        let log = parse(&[&ours(), SYSTEMD, &ours()].concat()).unwrap();
        let events = log.events();
        assert_eq!(Claim::of(&events[0]), Some(Claim::image("/dev/vda", 1, "ram")));
        assert_eq!((events[1].extends().map(Pcr::get), Claim::of(&events[1])), (Some(11), None));
        assert!(matches!(&events[1].content, Content::Json { content_type, .. } if content_type == "systemd"));
        assert_eq!(events.len(), 3);
    }

    #[test]
    fn a_record_of_a_pcr_that_no_tpm_has_extends_nothing() {
        for number in ["24", "4294967309"] {
            let wrong = String::from_utf8(ours()).unwrap().replacen("\"pcr\":13", &format!("\"pcr\":{number}"), 1);
            let read = parse(&[wrong.as_bytes(), SYSTEMD].concat()).unwrap();
            assert_eq!((read.events().len(), read.replay()), (2, parse(SYSTEMD).unwrap().replay()));
            assert_eq!(read.notes()[0].matches(number).count(), 1);
        }
    }

    #[test]
    fn a_log_that_was_cut_or_changed_is_refused() {
        let good = ours();
        for length in 0..good.len() {
            assert!(parse(&good[..length]).is_err() || length == 0, "{length}");
        }
        let error = parse(&[&good[..], &good, b"\x1e{}\n"].concat()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("event log, record 3 at byte {}: ", 2 * good.len())), "{error}");
        let text = String::from_utf8(good).unwrap();
        for (from, to) in [
            ("\u{1e}{", "{"),
            ("\"pcr\":13", "\"pcr\":-1"),
            ("\"pcr\":13", "\"pcr\":\"13\""),
            ("\"pcr\":13", "\"pcrs\":13"),
            ("\"hashAlg\":\"sha1\"", "\"hashAlg\":11"),
            ("\"hashAlg\":\"sha1\"", "\"hashAlg\":null"),
            ("\"hashAlg\":\"sha256\"", "\"hashAlg\":\"sha1\""),
            ("\"digest\":\"0e", "\"digest\":\""),
            ("\"digest\":\"0e", "\"digest\":\"xy"),
            ("\"digests\":[", "\"digests\":7,\"x\":["),
            ("}\n", "\n"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert!(changed != text && parse(changed.as_bytes()).is_err(), "{from} -> {to}");
        }
        let deep = [b"\x1e".as_slice(), &b"[".repeat(1_000_000), b"\n"].concat();
        assert!(parse(&deep).is_err());
    }
}

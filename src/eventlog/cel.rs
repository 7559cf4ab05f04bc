//! CEL-JSON, the JSON form of the TCG's Canonical Event Log (TCG Canonical Event Log Format 1.0, section 5.3). The events of
//! every format can be written in it.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::event::{Content, Event};
use super::hash_name::HashName;
use super::json_bounds;
use super::log::Log;
use super::unique_json::Unique;
use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::Pcr;

/// The `content_type` of events from a TCG log.
pub(super) const PCCLIENT: &str = "pcclient_std";

/// Encodes a log as one JSON array. The format has no record for an event that names no PCR, so those are left out.
#[must_use]
pub fn encode(log: &Log) -> Records<'_> {
    Records(log)
}

/// The records of a log. Each is made when it is written: all of them together have many times the bytes of the log.
pub struct Records<'a>(&'a Log);

impl Display for Records<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let records = self.0.events().iter().filter_map(|event| event.pcr.map(|pcr| (pcr, event)));
        serializer.collect_seq(records.enumerate().map(record))
    }
}

/// The record of an event that extends a PCR.
fn record((number, (pcr, event)): (usize, (Pcr, &Event))) -> Value {
    let digest = |(bank, digest): (&Bank, &Digest)| json!({ "hashAlg": bank, "digest": digest });
    let other = |(name, digest): (&String, &Vec<u8>)| json!({ "hashAlg": name, "digest": hex::encode(digest) });
    let digests: Vec<_> = event.digests.iter().map(digest).chain(event.others.iter().map(other)).collect();
    let (content_type, content) = match &event.content {
        Content::Tcg { kind, data } => {
            (PCCLIENT, json!({ "event_type": kind.to_string(), "event_data": hex::encode(data) }))
        }
        Content::Json { content_type, content } => (content_type.as_str(), content.clone()),
    };
    json!({ "recnum": number, "pcr": pcr, "digests": digests, "content_type": content_type, "content": content })
}

/// Reads a whole log.
///
/// # Errors
/// If it is not a JSON array, if a record is malformed, or if it holds more than any machine's log.
pub fn parse(log: &[u8]) -> Result<Log> {
    json_bounds::check(log)?;
    let Events(events) = serde_json::from_slice(log).about("event log")?;
    Log::new(events?)
}

/// The events of an array of records, or the error of the first malformed one. Each record is read and dropped before the next one: all
/// of them together have many times the bytes of the log.
struct Events(Result<Vec<Event>>);

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_seq(EachRecord)
    }
}

struct EachRecord;

impl<'de> Visitor<'de> for EachRecord {
    type Value = Events;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> std::result::Result<Events, A::Error> {
        let mut events = Vec::new();
        let mut number = 0;
        while let Some(Unique(record)) = records.next_element()? {
            match event(&record, &format!("event log, record {number}")) {
                Ok(event) => events.extend(event),
                Err(error) => {
                    // An error of the JSON behind it comes first: the file may be cut off.
                    while records.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Events(Err(error)));
                }
            }
            number += 1;
        }
        Ok(Events(Ok(events)))
    }
}

/// Reads one record, which errors call `place`. `None` for a record of an NV index that is extended like a PCR: it
/// concerns no PCR.
///
/// # Errors
/// If the record is malformed.
pub(super) fn event(record: &Value, place: &str) -> Result<Option<Event>> {
    let malformed = |field: &str| Error::new(place, format_args!("\"{field}\" is missing or malformed"));
    let record = record.as_object().ok_or_else(|| Error::new(place, "is not a JSON object"))?;
    if !record.contains_key("pcr") && (record.contains_key("nv_index") || record.contains_key("nvIndex")) {
        return Ok(None);
    }
    let pcr = record.get("pcr").and_then(Value::as_u64).ok_or_else(|| malformed("pcr"))?;
    let content = content(record).ok_or_else(|| malformed("content"))?;
    let mut event = Event::of_pcr(pcr, Digests::new(), BTreeMap::new(), content);
    let digests = match record.get("digests") {
        // An event that extends nothing needs no digests.
        None if event.extends().is_none() => &Vec::new(),
        digests => digests.and_then(Value::as_array).ok_or_else(|| malformed("digests"))?,
    };
    for digest in digests {
        let name = digest.get("hashAlg").and_then(HashName::of_json).ok_or_else(|| malformed("hashAlg"))?;
        let digest = digest.get("digest").and_then(Value::as_str).ok_or_else(|| malformed("digest"))?;
        let digest = hex::decode(digest).about(place)?;
        let (shown, twice) = match name {
            HashName::Known(bank) => {
                let digest = Digest::from_bytes(bank, &digest).map_err(|error| error.on(place))?;
                (bank.to_string(), event.digests.insert(bank, digest).is_some())
            }
            HashName::Other(name) => (name.clone(), event.others.insert(name, digest).is_some()),
        };
        if twice {
            return Err(Error::new(place, format_args!("has two {shown} digests")));
        }
    }
    Ok(Some(event))
}

/// What a record says about its event. `None` if an event of a TCG log lacks its type or its data.
fn content(record: &Map<String, Value>) -> Option<Content> {
    let content_type = match record.get("content_type") {
        // The number is that of the binary form of the log (section 5.2).
        Some(Value::Number(number)) if number.as_u64() == Some(5) => PCCLIENT.to_owned(),
        Some(Value::String(name)) if name.eq_ignore_ascii_case(PCCLIENT) => PCCLIENT.to_owned(),
        Some(Value::String(name)) => name.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let whole = record.get("content").unwrap_or(&Value::Null);
    let Some(content) = whole.as_object().filter(|_| content_type == PCCLIENT) else {
        return Some(Content::Json { content_type, content: whole.clone() });
    };
    let kind = content.get("event_type")?;
    let data = hex::decode(content.get("event_data")?.as_str()?).ok()?;
    match kind {
        Value::String(name) => match name.parse() {
            Ok(kind) => Some(Content::Tcg { kind, data }),
            // A type that is newer than this program. It is no EV_NO_ACTION, so the event extends its PCR.
            Err(_) if !name.is_empty() => Some(Content::Json { content_type, content: whole.clone() }),
            Err(_) => None,
        },
        kind => Some(Content::Tcg { kind: kind.to_string().parse().ok()?, data }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::claim::Claim;
    use crate::eventlog::header::Header;
    use crate::eventlog::{EventType, sequence, tcg};
    use crate::hash::digest::digests_of;

    #[test]
    fn the_example_of_the_specification_is_read() {
        let log = br#"[{"content":{"event_type":"EV_COMPACT_HASH","event_data":"44656c6c20436f6e66696775726174696f6e2032"},
            "content_type":"pcclient_std","pcr":6,"recnum":2,
            "digests":[{"hashAlg":"sha1","digest":"bac9a8935b720760bcdea2faae75152f5d1e4bea"},{"hashAlg":"sm3_256","digest":""}]}]"#;
        let log = parse(log).unwrap();
        let event = &log.events()[0];
        assert_eq!(event.extends().map(Pcr::get), Some(6));
        assert_eq!(event.content, Content::Tcg { kind: EventType(0xC), data: b"Dell Configuration 2".to_vec() });
        assert_eq!(event.digests.keys().collect::<Vec<_>>(), [&Bank::Sha1]);
        assert_eq!(event.others.keys().collect::<Vec<_>>(), ["sm3_256"]);
        assert_eq!(parse(encode(&log).to_string().as_bytes()).unwrap(), log);
    }

    #[test]
    fn a_type_may_be_written_in_several_ways_or_be_unknown() {
        let read = |kind: &str, content_type: &str| {
            let log = format!(
                r#"[{{"pcr":6,"digests":[],"content_type":{content_type},"content":{{"event_type":{kind},"event_data":""}}}}]"#
            );
            parse(log.as_bytes()).map(|log| log.events()[0].clone())
        };
        for kind in ["12", "\"12\"", "\"0xc\"", "\"EV_COMPACT_HASH\"", "\"ev_compact_hash\"", "\"compact-hash\""] {
            for content_type in ["\"pcclient_std\"", "\"PCCLIENT_STD\"", "5"] {
                let content = Content::Tcg { kind: EventType(0xC), data: Vec::new() };
                assert_eq!(read(kind, content_type).unwrap().content, content, "{kind} {content_type}");
            }
        }
        // Another number is another kind of content.
        assert!(matches!(read("12", "7").unwrap().content, Content::Json { content_type, .. } if content_type == "7"));
        let unknown = read("\"EV_EFI_NEW\"", "\"pcclient_std\"").unwrap();
        assert_eq!(unknown.extends().map(Pcr::get), Some(6));
        assert!(matches!(unknown.content, Content::Json { .. }));
        assert_eq!(read("\"ev_no_action\"", "\"pcclient_std\"").unwrap().extends(), None);
        let none =
            br#"[{"pcr":9,"content_type":"pcclient_std","content":{"event_type":"ev_no_action","event_data":"aa"}}]"#;
        assert_eq!(parse(none).unwrap().events().len(), 1);
        let version = br#"[{"pcr":9,"digests":[],"content_type":"cel","content":{"type":"cel_version"}}]"#;
        assert_eq!(parse(version).unwrap().events()[0].extends(), None);
        // A record that has a digest extends its PCR, whatever it calls itself, and whether the hash is known or not.
        for hash in ["\"sha1\"", "\"sm3_256\""] {
            let digest = format!(r#"{{"hashAlg":{hash},"digest":"{}"}}"#, "ab".repeat(20));
            let text = String::from_utf8_lossy(version).replace("[]", &format!("[{digest}]"));
            assert_eq!(parse(text.as_bytes()).unwrap().events()[0].extends().map(Pcr::get), Some(9), "{hash}");
        }
    }

    #[test]
    fn events_of_both_formats_read_back() {
        let (pcr, digests) = (Pcr::try_from(13).unwrap(), digests_of(&Bank::ALL, b"image"));
        let (header, claim) = (Header::of(Bank::ALL.into_iter()), Claim::failed());
        let event = tcg::encode(&header, pcr, EventType::EVENT_TAG, &digests, &claim.tagged().unwrap());
        let record = sequence::encode(pcr, &digests, &claim).unwrap();
        for log in [tcg::parse(&[header.encode(), event].concat()), sequence::parse(&record)] {
            let log = log.unwrap();
            let encoded = serde_json::to_value(encode(&log)).unwrap();
            assert_eq!((&encoded[0]["recnum"], &encoded[0]["digests"][3]["hashAlg"]), (&json!(0), &json!("sha512")));
            assert_eq!(parse(encoded.to_string().as_bytes()).unwrap(), log);
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        let good =
            r#"[{"pcr":6,"digests":[],"content_type":"pcclient_std","content":{"event_type":12,"event_data":""}}]"#;
        assert_eq!(parse(good.as_bytes()).unwrap().events().len(), 1);
        assert!(parse(br#"[{"nv_index":1,"digests":[]}]"#).unwrap().events().is_empty());
        for (from, to) in [
            ("}]", "}"),
            ("[{\"pcr\"", "[3,{\"pcr\""),
            ("6", "6.5"),
            ("12", "\"\""),
            ("12", "4294967296"),
            ("12", "true"),
            ("\"event_data\":\"\"", "\"event_data\":\"0\""),
            ("\"event_data\":\"\"", "\"x\":\"\""),
            ("\"digests\"", "\"d\""),
            ("{\"pcr\":6", "{\"pcr\":7,\"pcr\":6"),
            ("\"event_type\":12", "\"event_type\":3,\"event_type\":12"),
        ] {
            let changed = good.replacen(from, to, 1);
            assert!(changed != good && parse(changed.as_bytes()).is_err(), "{from} -> {to}");
        }
    }
}

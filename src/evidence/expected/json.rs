//! The chain as it is written in the list of trusted images. An unknown field is an error, as in the rest of the list: an older
//! measureroot, which does not know `chain`, refuses the list, and does not trust a boot whose chain it did not check.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chain::{ExpectedAnswer, ExpectedBoot, ExpectedChain, ExpectedChoice, ExpectedEvent, ExpectedPart};
use crate::error::{Error, Result};
use crate::evidence::bank_texts::BankTexts;
use crate::evidence::json_object::{self, Object};
use crate::measure::pcr::Pcr;

/// The version of the form. A reader refuses every other one: what it does not know could be what matters.
const VERSION: u32 = 1;

/// The chain.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::evidence) struct JsonChain {
    version: u32,
    boots: Vec<Object<JsonBoot>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonBoot {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unmeasured: Vec<String>,
    pcrs: Vec<Object<JsonPcr>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonPcr {
    pcr: u32,
    parts: Vec<JsonPart>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum JsonPart {
    Locality(u8),
    Event(Object<JsonEvent>),
    Choice(Object<JsonChoice>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonChoice {
    question: String,
    answers: Vec<Object<JsonAnswer>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonAnswer {
    name: String,
    events: Vec<Object<JsonEvent>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonEvent {
    #[serde(rename = "type")]
    kind: String,
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json_object::text")]
    from: Option<String>,
    digests: BankTexts,
}

impl From<&ExpectedChain> for JsonChain {
    fn from(chain: &ExpectedChain) -> Self {
        Self { version: VERSION, boots: chain.boots.iter().map(|boot| Object(boot.into())).collect() }
    }
}

impl From<&ExpectedBoot> for JsonBoot {
    fn from(boot: &ExpectedBoot) -> Self {
        let pcr = |(pcr, parts): (&Pcr, &Vec<ExpectedPart>)| {
            Object(JsonPcr { pcr: pcr.get().into(), parts: parts.iter().map(JsonPart::from).collect() })
        };
        Self { name: boot.name.clone(), unmeasured: boot.unmeasured.clone(), pcrs: boot.pcrs.iter().map(pcr).collect() }
    }
}

impl From<&ExpectedPart> for JsonPart {
    fn from(part: &ExpectedPart) -> Self {
        let events = |answer: &ExpectedAnswer| answer.events.iter().map(|event| Object(event.into())).collect();
        let answer = |answer: &ExpectedAnswer| Object(JsonAnswer { name: answer.name.clone(), events: events(answer) });
        match part {
            ExpectedPart::Locality(locality) => Self::Locality(*locality),
            ExpectedPart::Event(event) => Self::Event(Object(event.into())),
            ExpectedPart::Choice(ExpectedChoice { question, answers }) => Self::Choice(Object(JsonChoice {
                question: question.clone(),
                answers: answers.iter().map(answer).collect(),
            })),
        }
    }
}

impl From<&ExpectedEvent> for JsonEvent {
    fn from(event: &ExpectedEvent) -> Self {
        Self {
            kind: event.kind.to_string(),
            what: event.what.clone(),
            from: event.from.clone(),
            digests: BankTexts::of(&event.digests),
        }
    }
}

impl TryFrom<&JsonChain> for ExpectedChain {
    type Error = Error;

    fn try_from(chain: &JsonChain) -> Result<Self> {
        if chain.version != VERSION {
            let cause = format!("has version {}; {VERSION} is known", chain.version);
            return Err(Error::new("chain", cause).hint("a newer measureroot wrote it: verify with that one"));
        }
        let boot = |Object(boot): &Object<JsonBoot>| ExpectedBoot::try_from(boot).map_err(|error| error.on(&boot.name));
        let chain = Self { boots: chain.boots.iter().map(boot).collect::<Result<_>>()? };
        chain.check()?;
        Ok(chain)
    }
}

impl TryFrom<&JsonBoot> for ExpectedBoot {
    type Error = Error;

    fn try_from(boot: &JsonBoot) -> Result<Self> {
        let mut pcrs = BTreeMap::new();
        for Object(JsonPcr { pcr: number, parts }) in &boot.pcrs {
            let pcr = Pcr::try_from(*number)?;
            let parts = parts.iter().map(ExpectedPart::try_from).collect::<Result<_>>();
            if pcrs.insert(pcr, parts.map_err(|error| error.on(format_args!("PCR {pcr}")))?).is_some() {
                return Err(Error::new(format_args!("PCR {pcr}"), "is given twice"));
            }
        }
        Ok(Self { name: boot.name.clone(), unmeasured: boot.unmeasured.clone(), pcrs })
    }
}

impl TryFrom<&JsonPart> for ExpectedPart {
    type Error = Error;

    fn try_from(part: &JsonPart) -> Result<Self> {
        let answer = |Object(JsonAnswer { name, events }): &Object<JsonAnswer>| {
            let events = events.iter().map(|Object(event)| event.try_into()).collect::<Result<_>>()?;
            Ok(ExpectedAnswer { name: name.clone(), events })
        };
        Ok(match part {
            JsonPart::Locality(locality) => Self::Locality(*locality),
            JsonPart::Event(Object(event)) => Self::Event(event.try_into()?),
            JsonPart::Choice(Object(JsonChoice { question, answers })) => Self::Choice(ExpectedChoice {
                question: question.clone(),
                answers: answers.iter().map(answer).collect::<Result<_>>()?,
            }),
        })
    }
}

impl TryFrom<&JsonEvent> for ExpectedEvent {
    type Error = Error;

    fn try_from(event: &JsonEvent) -> Result<Self> {
        Ok(Self {
            kind: event.kind.parse()?,
            what: event.what.clone(),
            from: event.from.clone(),
            digests: event.digests.digests().map_err(|error| error.on(&event.what))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGESTS: &str = r#"{"sha256": "abababababababababababababababababababababababababababababababab"}"#;

    fn event(more: &str) -> String {
        format!(r#"{{"type": "EV_IPL", "what": "it", "digests": {DIGESTS}{more}}}"#)
    }

    fn chain(parts: &str) -> String {
        format!(r#"{{"version": 1, "boots": [{{"name": "x.efi", "pcrs": [{{"pcr": 4, "parts": [{parts}]}}]}}]}}"#)
    }

    fn read(text: &str) -> std::result::Result<ExpectedChain, String> {
        let json: Object<JsonChain> =
            crate::evidence::library_words::json("chain", text).map_err(|error| error.to_string())?;
        ExpectedChain::try_from(&json.0).map_err(|error| error.to_string())
    }

    fn one() -> String {
        format!(r#"{{"event": {}}}"#, event(r#", "from": "a""#))
    }

    fn choice(answers: &str) -> String {
        format!(r#"{{"choice": {{"question": "phase", "answers": [{answers}]}}}}"#)
    }

    fn answer(name: &str, events: &str) -> String {
        format!(r#"{{"name": "{name}", "events": [{events}]}}"#)
    }

    #[test]
    fn a_chain_reads_back() {
        let parts = [one(), choice(&[answer("none", ""), answer("one", &event(""))].join(", "))].join(", ");
        let found = read(&chain(&parts)).unwrap();
        let written = serde_json::to_string(&JsonChain::from(&found)).unwrap();
        assert_eq!(read(&written), Ok(found));
    }

    #[test]
    fn a_hostile_chain_is_refused() {
        let many = |text: String, count: usize| vec![text; count].join(",");
        let names =
            |count: usize| (0..count).map(|number| answer(&number.to_string(), "")).collect::<Vec<_>>().join(",");
        let boots =
            (0..65).map(|number| format!(r#"{{"name": "{number}", "pcrs": []}}"#)).collect::<Vec<_>>().join(",");
        let good = chain(&one());
        let table: [(String, &str); 24] = [
            (good.replace("\"version\": 1", "\"version\": 2"), "has version 2; 1 is known (a newer measureroot"),
            (good.replace("\"version\": 1, ", ""), "the field \"version\" is missing"),
            (good.replace("\"pcr\": 4", "\"pcr\": 24"), "PCR 24: a TPM has the PCRs 0-23"),
            (good.replace("\"pcr\": 4", "\"pcr\": 4, \"if\": 1"), "the field \"if\" is not known"),
            (good.replace("\"what\": \"it\", ", ""), "the field \"what\" is missing"),
            (good.replace("\"a\"", "null"), "null is there, and a text is expected"),
            (good.replace("EV_IPL", "EV_WHAT"), "is not an event type"),
            (good.replace("abab", "ab"), "PCR 4: it: digest: 16 bytes"),
            (good.replace("sha256", "md5"), "md5"),
            (good.replace("event", "events"), "the field \"events\" is not known"),
            (chain(&[r#"{"locality": 5}"#.to_owned(), one()].join(",")), "PCR 4: locality 5: a TPM has localities 0-4"),
            (
                chain(&format!(r#"{{"event": {}}}, {{"locality": 3}}"#, event(""))),
                "PCR 4: locality: a TPM starts before",
            ),
            (r#"{"version": 1, "boots": []}"#.to_owned(), "chain: has no boot that may start the agent"),
            (r#"{"version": 1, "boots": [["x", []]]}"#.to_owned(), "an object is expected"),
            ("[1, []]".to_owned(), "an object is expected"),
            (format!(r#"{{"version": 1, "boots": [{boots}]}}"#), "chain: has 65 alternatives; the limit is 64"),
            (chain(""), "have no event, so they expect nothing"),
            (chain(&many(one(), 4097)), "has 4097 parts; the limit is 4096"),
            (chain(&[one(), many(choice(""), 17)].join(",")), "has 17 choices; the limit is 16"),
            (chain(&[one(), choice(&names(65))].join(",")), "has 65 answers; the limit is 64"),
            (
                chain(&[one(), choice(&answer("a", &many(event(""), 257)))].join(",")),
                "has 257 events; the limit is 256",
            ),
            (chain(&[one(), choice(&many(answer("a", ""), 2))].join(",")), "a: is the name of a second answer"),
            (
                chain(&[one(), one().replace("sha256", "sha1").replacen(&"ab".repeat(12), "", 1)].join(",")),
                "it: has other banks",
            ),
            (chain(&one().replace("\"it\"", &format!("\"{}\"", "x".repeat((16 << 10) + 1)))), "... has 16385 bytes"),
        ];
        for (text, part) in table {
            let error = read(&text).unwrap_err();
            assert!(error.contains(part), "{part}: {error:.300}");
        }
        let twice = r#"{"pcr": 4, "parts": []}, {"pcr": 4, "parts""#;
        assert!(read(&good.replace("{\"pcr\": 4, \"parts\"", twice)).unwrap_err().contains("PCR 4: is given twice"));
        let two = good.replace("\"boots\": [", "\"boots\": [{\"name\": \"x.efi\", \"pcrs\": []}, ");
        assert!(read(&two).unwrap_err().contains("x.efi: is the name of a second alternative"));
    }
}

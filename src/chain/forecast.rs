//! What is expected of one PCR: its events, with alternatives where a machine decides, and the values that follow. The values
//! are a set. It is kept as the parts that it is made of: several questions in several PCRs would make a product without a bound.

use std::fmt::{self, Display};
use std::mem;

use serde::Serialize;

use super::event::Expected;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};

/// What a machine decides. Two PCRs that ask the same question have the same answer in one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// How many boot options the firmware tried in vain.
    FailedBootOptions,
    /// Whether the stub or the firmware loads the kernel.
    KernelLoader,
    /// Whether Secure Boot is on.
    SecureBoot,
    /// Which number GRUB gives to the disk.
    Disk,
    /// Whether a zero ends the command line in the boot option.
    LoadOptionsEnd,
    /// Whether the boot loader unpacks modules.
    PackedModules,
    /// How far the boot is.
    Phase,
}

impl Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A part of what is expected of a PCR.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The last byte of the value that PCR 0 starts with: the locality from which the TPM was started, or 4 for a hardware root of
    /// trust. The other PCRs here start with zeros.
    Locality(u8),
    /// This event.
    Event(Expected),
    /// The events of one of the answers.
    Choice(Choice),
}

/// The alternatives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// What decides.
    pub question: Question,
    /// What it can be.
    pub answers: Vec<Answer>,
}

/// One alternative.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Its name, for a person: it follows "if".
    pub name: String,
    /// What is measured then.
    pub events: Vec<Expected>,
}

impl Answer {
    pub(super) fn new(name: impl Into<String>, events: Vec<Expected>) -> Self {
        Self { name: name.into(), events }
    }
}

/// What is expected of a PCR.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Forecast {
    /// Its values follow from the files.
    Follows {
        /// The events, in their order.
        parts: Vec<Part>,
        /// What must be as usual on the machine.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        assumes: Vec<String>,
    },
    /// They do not follow.
    Open {
        /// The reason.
        why: String,
    },
}

/// A value of a PCR, and the answers that lead to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Value {
    /// The names of the answers. None if there is one value only.
    #[serde(rename = "if")]
    pub answers: Vec<String>,
    /// The PCR in each bank.
    pub pcr: Digests,
}

/// How many values of one PCR are listed at most. Parts have few alternatives, and a PCR few parts with alternatives.
pub(crate) const MOST_VALUES: usize = 256;

impl Forecast {
    /// The values of a PCR, one for each combination of its answers. `None` if they do not follow, or if they are too many: a list with
    /// some of them would refuse good boots. A bank that an event has no digest
    /// for has no value: the events of a log may have fewer banks than those of files.
    #[must_use]
    pub fn values(&self, banks: &[Bank]) -> Option<Vec<Value>> {
        let Self::Follows { parts, .. } = self else { return None };
        let zeros = banks.iter().map(|&bank| (bank, Digest::zero(bank))).collect();
        let mut values = vec![Value { answers: Vec::new(), pcr: zeros }];
        for part in parts {
            match part {
                Part::Locality(locality) => values.iter_mut().for_each(|value| value.start(*locality)),
                Part::Event(event) => values.iter_mut().for_each(|value| value.extend(event)),
                Part::Choice(Choice { answers, .. }) => {
                    let each = values.iter().flat_map(|value| answers.iter().map(move |answer| value.with(answer)));
                    values = each.take(MOST_VALUES + 1).collect();
                    if values.len() > MOST_VALUES {
                        return None;
                    }
                }
            }
        }
        Some(values)
    }
}

impl Value {
    fn start(&mut self, locality: u8) {
        for value in self.pcr.values_mut() {
            *value = value.clone().with_last_byte(locality);
        }
    }

    fn extend(&mut self, event: &Expected) {
        let extended = |(bank, value): (Bank, Digest)| Some((bank, value.extended(bank, event.digests.get(&bank)?)));
        self.pcr = mem::take(&mut self.pcr).into_iter().filter_map(extended).collect();
    }

    fn with(&self, answer: &Answer) -> Self {
        let mut value = self.clone();
        value.answers.push(answer.name.clone());
        answer.events.iter().for_each(|event| value.extend(event));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::event::IPL;

    const BANKS: [Bank; 1] = [Bank::Sha256];

    fn event(bytes: &[u8]) -> Expected {
        Expected::of(IPL, "it", None, &[bytes], &BANKS)
    }

    fn value(events: &[&[u8]]) -> Digest {
        let zero = Digest::zero(Bank::Sha256);
        events.iter().fold(zero, |value, bytes| value.extended(Bank::Sha256, &Bank::Sha256.digest(bytes)))
    }

    #[test]
    fn each_combination_of_answers_has_a_value_with_their_names() {
        let answers = vec![Answer::new("none", vec![]), Answer::new("two", vec![event(b"x"), event(b"y")])];
        let choice = |question| Part::Choice(Choice { question, answers: answers.clone() });
        let parts = vec![
            Part::Event(event(b"a")),
            choice(Question::SecureBoot),
            Part::Event(event(b"b")),
            choice(Question::Phase),
        ];
        let found = Forecast::Follows { parts, assumes: vec![] }.values(&BANKS).unwrap();
        let expected: [(&[&str], &[&[u8]]); 4] = [
            (&["none", "none"], &[b"a", b"b"]),
            (&["none", "two"], &[b"a", b"b", b"x", b"y"]),
            (&["two", "none"], &[b"a", b"x", b"y", b"b"]),
            (&["two", "two"], &[b"a", b"x", b"y", b"b", b"x", b"y"]),
        ];
        assert_eq!(found.len(), 4);
        for (found, (names, events)) in found.iter().zip(expected) {
            assert_eq!(
                (found.answers.as_slice(), &found.pcr[&Bank::Sha256]),
                (&names.map_to_owned()[..], &value(events))
            );
        }
    }

    #[test]
    fn a_pcr_without_events_stays_zero_and_one_with_a_reason_has_no_value() {
        let zero = Forecast::Follows { parts: vec![], assumes: vec![] }.values(&BANKS).unwrap();
        assert_eq!((zero.len(), &zero[0].pcr[&Bank::Sha256]), (1, &value(&[])));
        assert_eq!(Forecast::Open { why: "firmware".into() }.values(&BANKS), None);
    }

    #[test]
    fn too_many_values_are_none_and_not_some_of_them() {
        let answers = || vec![Answer::new("a", vec![event(b"a")]), Answer::new("b", vec![event(b"b")])];
        let choice = || Part::Choice(Choice { question: Question::Phase, answers: answers() });
        let values = |count| {
            let parts = (0..count).map(|_| choice()).collect();
            Forecast::Follows { parts, assumes: vec![] }.values(&BANKS).map(|values| values.len())
        };
        assert_eq!((values(8), values(9)), (Some(MOST_VALUES), None));
    }

    #[test]
    fn a_bank_without_a_digest_has_no_value_and_pcr_0_starts_with_the_locality() {
        let mut of_a_log = event(b"a");
        let of_a_file = Expected::of(IPL, "it", None, &[b"b"], &Bank::ALL);
        of_a_log.digests.retain(|&bank, _| bank == Bank::Sha256);
        let parts = vec![Part::Locality(3), Part::Event(of_a_log), Part::Event(of_a_file)];
        let found = Forecast::Follows { parts, assumes: vec![] }.values(&Bank::ALL).unwrap();
        let start = Digest::zero(Bank::Sha256).with_last_byte(3);
        let after =
            [b"a", b"b"].iter().fold(start, |value, bytes| value.extended(Bank::Sha256, &Bank::Sha256.digest(*bytes)));
        assert_eq!(found[0].pcr, [(Bank::Sha256, after)].into());
    }

    trait MapToOwned {
        fn map_to_owned(&self) -> Vec<String>;
    }

    impl MapToOwned for &[&str] {
        fn map_to_owned(&self) -> Vec<String> {
            self.iter().map(|&name| name.to_owned()).collect()
        }
    }
}

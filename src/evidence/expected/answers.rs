//! Finds the answers that lead to what was quoted. The same question has the same answer in all PCRs.
//!
//! The answers are tried in order, and an answer whose events are not the next ones of the log is dropped at once. So the work is about
//! that of reading the events, although the combinations of all answers are a product. For a PCR without a log, the value alone can
//! tell: then the tries have a limit, and no answers are found beyond it.

use super::chain::{ExpectedEvent, ExpectedPart, locality};
use super::held::Held;
use crate::hash::digest::{Digest, Digests};

/// How many events are compared. With a log, a boot needs some hundred. Without one, a PCR with five questions of five answers needs some
/// thousand for each event.
const MOST_STEPS: usize = 1 << 18;

/// A PCR with what is expected of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) held: &'a Held<'a>,
    pub(super) parts: &'a [ExpectedPart],
}

/// A question and its answer.
pub(super) type Answered<'a> = (&'a str, &'a str);

/// The answers with which all these PCRs are as expected. `None` if there are none, or if too many had to be tried.
pub(super) fn answers<'a>(pairs: &[Pair<'a>]) -> Option<Vec<Answered<'a>>> {
    let mut search = Search { pairs, steps: 0, answered: Vec::new() };
    search.is_reached_by_pair(0).then_some(search.answered)
}

struct Search<'a, 'b> {
    pairs: &'b [Pair<'a>],
    steps: usize,
    answered: Vec<Answered<'a>>,
}

/// How far a PCR is: the number of its events, or its value without a log.
#[derive(Clone)]
enum Place {
    Event(usize),
    Value(Digests),
}

impl Search<'_, '_> {
    fn is_reached_by_pair(&mut self, number: usize) -> bool {
        let Some(Pair { held, parts }) = self.pairs.get(number) else { return true };
        let locality = locality(parts);
        let start = || held.banks.iter().map(|&bank| (bank, Digest::zero(bank).with_last_byte(locality))).collect();
        let place = match &held.events {
            Some(_) if held.locality != locality => return false,
            Some(_) => Place::Event(0),
            None => Place::Value(start()),
        };
        self.is_reached_by_part(number, 0, place)
    }

    /// Whether the rest follows. The depth is that of the choices, which are bounded when a list is read.
    fn is_reached_by_part(&mut self, number: usize, first: usize, mut place: Place) -> bool {
        let Some(&Pair { held, parts }) = self.pairs.get(number) else { return true };
        for (at, part) in parts.iter().enumerate().skip(first) {
            match part {
                ExpectedPart::Locality(_) => {}
                ExpectedPart::Event(event) => match place.behind(event, held) {
                    Some(next) if self.has_steps(1) => place = next,
                    _ => return false,
                },
                ExpectedPart::Choice(choice) => {
                    let known = self.answered.iter().find(|(question, _)| *question == choice.question);
                    let known = known.map(|(_, answer)| *answer);
                    for answer in choice.answers.iter().filter(|answer| known.is_none_or(|known| known == answer.name))
                    {
                        if !self.has_steps(1 + answer.events.len()) {
                            return false;
                        }
                        let behind = |place: Place, event| place.behind(event, held);
                        let Some(next) = answer.events.iter().try_fold(place.clone(), behind) else { continue };
                        let before = self.answered.len();
                        if known.is_none() {
                            self.answered.push((&choice.question, &answer.name));
                        }
                        if self.is_reached_by_part(number, at + 1, next) {
                            return true;
                        }
                        self.answered.truncate(before);
                    }
                    return false;
                }
            }
        }
        place.is_end(held) && self.is_reached_by_pair(number + 1)
    }
}

impl Search<'_, '_> {
    /// Counts steps. False beyond the limit.
    fn has_steps(&mut self, count: usize) -> bool {
        self.steps += count;
        self.steps <= MOST_STEPS
    }
}

impl Place {
    /// The place behind the event. `None` if the log has another event here.
    fn behind(self, expected: &ExpectedEvent, held: &Held<'_>) -> Option<Self> {
        match (self, &held.events) {
            (Self::Event(at), Some(events)) => {
                let event = events.get(at)?;
                let is_equal =
                    |bank| event.digest(bank).is_some_and(|digest| expected.digests.get(&bank) == Some(digest));
                held.banks.iter().all(|&bank| is_equal(bank)).then_some(Self::Event(at + 1))
            }
            (Self::Value(values), _) => {
                let extend =
                    |(bank, value): (_, Digest)| Some((bank, value.extended(bank, expected.digests.get(&bank)?)));
                values.into_iter().map(extend).collect::<Option<_>>().map(Self::Value)
            }
            (Self::Event(_), None) => None,
        }
    }

    fn is_end(&self, held: &Held<'_>) -> bool {
        match self {
            Self::Event(at) => held.events.as_ref().is_some_and(|events| events.len() == *at),
            Self::Value(values) => *values == held.values,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::chain::{ExpectedAnswer, ExpectedChoice};
    use super::*;
    use crate::eventlog::EventType;
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;
    use crate::measure::pcr::Pcr;

    const BANKS: [Bank; 1] = [Bank::Sha256];

    fn choice(question: &str) -> ExpectedPart {
        let event = |bytes: &[u8]| {
            let (kind, what) = (EventType(0xD), "it".to_owned());
            ExpectedEvent { kind, what, from: None, digests: digests_of(&BANKS, bytes) }
        };
        let answer = |name: &str, bytes: &[u8]| ExpectedAnswer { name: name.to_owned(), events: vec![event(bytes)] };
        let answers = vec![answer("a", b"a"), answer("b", b"b")];
        ExpectedPart::Choice(ExpectedChoice { question: question.to_owned(), answers })
    }

    /// A PCR without a log, which these answers led to.
    fn held(pcr: u32, answers: &[&[u8]]) -> Held<'static> {
        let extend = |value: Digest, bytes: &&[u8]| value.extended(Bank::Sha256, &Bank::Sha256.digest(bytes));
        let value = answers.iter().fold(Digest::zero(Bank::Sha256), extend);
        let values = [(Bank::Sha256, value)].into();
        Held { pcr: Pcr::try_from(pcr).unwrap(), banks: BANKS.to_vec(), values, locality: 0, events: None }
    }

    #[test]
    fn an_answer_that_fits_one_pcr_alone_is_taken_back() {
        let (first, second) = ([choice("x"), choice("y")], [choice("y"), choice("x")]);
        for (four, nine, expected) in
            [([b"a", b"b"], [b"b", b"a"], Some(vec![("x", "a"), ("y", "b")])), ([b"a", b"b"], [b"a", b"b"], None)]
        {
            let (four, nine) = (held(4, &four.map(|one| &one[..])), held(9, &nine.map(|one| &one[..])));
            let pairs = [Pair { held: &four, parts: &first }, Pair { held: &nine, parts: &second }];
            assert_eq!(answers(&pairs), expected);
        }
        // The same question twice in one PCR.
        let twice = [choice("x"), choice("x")];
        for (bytes, is_found) in [([b"a", b"a"], true), ([b"a", b"b"], false)] {
            let held = held(4, &bytes.map(|one| &one[..]));
            assert_eq!(answers(&[Pair { held: &held, parts: &twice }]).is_some(), is_found);
        }
    }

    #[test]
    fn the_search_has_an_end() {
        // 2^40 combinations, of which none fits.
        let parts: Vec<_> = (0..40).map(|number| choice(&number.to_string())).collect();
        let (held, start) = (held(4, &[b"c"]), Instant::now());
        assert_eq!(answers(&[Pair { held: &held, parts: &parts }]), None);
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    }
}

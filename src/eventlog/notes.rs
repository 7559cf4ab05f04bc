//! What a reader of a log should know, though it is no error: which digests and which PCRs cannot be judged by it.

use std::collections::BTreeSet;

use super::event::Event;
use super::log::Log;
use crate::hash::bank::Bank;
#[cfg(feature = "cli")]
use crate::measure::pcr::Pcr;

/// The largest number of unknown hashes or PCRs that a note lists: a hostile log may name thousands.
const MOST: usize = 4;

impl Log {
    /// Notes about the file that the log was read from.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let unknown: BTreeSet<_> = self.events().iter().flat_map(|event| event.others.keys()).collect();
        let names = list(&unknown);
        let known = self.events().iter().any(|event| !event.digests.is_empty());
        let note = match (unknown.is_empty(), known) {
            (true, _) => None,
            (false, true) => {
                Some(format!("has digests of hashes that are not known here ({names}): they are not checked"))
            }
            (false, false) => Some(format!(
                "has only digests of hashes that are not known here ({names}): no value of a PCR can be computed"
            )),
        };
        let sha1 = self.is_sha1_only().then(|| "has only SHA-1 digests: such a log can be forged".to_owned());
        let wrong: BTreeSet<_> = self.events().iter().filter_map(|event| event.no_pcr).collect();
        let wrong = (!wrong.is_empty()).then(|| {
            let list = list(&wrong);
            format!("has events of PCRs that no TPM has ({list}): they extend nothing, and are not judged")
        });
        #[cfg(feature = "evidence")]
        let wrong = wrong.into_iter().chain(self.systemd_note());
        self.own_notes().iter().cloned().chain(note).chain(sha1).chain(wrong).collect()
    }

    /// Whether the log has digests, and all of them are SHA-1 digests. Such a log can be forged.
    #[must_use]
    pub fn is_sha1_only(&self) -> bool {
        let extending = || self.events().iter().filter(|event| event.extends().is_some());
        let is_sha1 = |event: &Event| event.others.is_empty() && event.digests.keys().all(|&bank| bank == Bank::Sha1);
        // A log without any digest has nothing that could be forged.
        extending().all(is_sha1) && extending().any(|event| !event.digests.is_empty())
    }

    /// For each PCR and bank whose value cannot be computed, though the log has digests for the bank: the index of the first event
    /// without a digest.
    #[cfg(feature = "cli")]
    pub(crate) fn gaps(&self) -> Vec<(Pcr, Bank, usize)> {
        let banks =
            Bank::ALL.into_iter().filter(|&bank| self.events().iter().any(|event| event.digest(bank).is_some()));
        let gap = |(pcr, bank)| {
            let lacks = |(_, event): &(usize, &Event)| event.digest(bank).is_none();
            self.events_of(pcr).find(lacks).map(|(index, _)| (pcr, bank, index))
        };
        banks.flat_map(|bank| Pcr::all().map(move |pcr| (pcr, bank))).filter_map(gap).collect()
    }
}

/// The first items, separated by commas.
fn list(items: &BTreeSet<impl ToString>) -> String {
    let more = (items.len() > MOST).then(|| "...".to_owned());
    items.iter().take(MOST).map(ToString::to_string).chain(more).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::cel;

    /// A log with an event for each of these lists of hashes.
    fn log(events: &[&[&str]]) -> Log {
        let digest = |name: &&str| {
            let length = Bank::ALL.iter().find(|bank| bank.name() == *name).map_or(32, |bank| bank.digest_len());
            format!(r#"{{"hashAlg":"{name}","digest":"{}"}}"#, "ab".repeat(length))
        };
        let event = |hashes: &&[&str]| {
            let digests = hashes.iter().map(digest).collect::<Vec<_>>().join(",");
            format!(r#"{{"pcr":8,"digests":[{digests}]}}"#)
        };
        cel::parse(format!("[{}]", events.iter().map(event).collect::<Vec<_>>().join(",")).as_bytes()).unwrap()
    }

    #[test]
    fn unknown_hashes_are_named_up_to_four() {
        let table: [(&[&[&str]], &str); 4] = [
            (&[&["sha256"]], ""),
            (&[&["sha256", "a"], &["b"]], "has digests of hashes that are not known here (a, b): they are not checked"),
            (&[&["sha256", "a", "b", "c", "d"]], "known here (a, b, c, d): they"),
            (&[&["e", "d", "c", "b", "a"]], "known here (a, b, c, d, ...): no value of a PCR can be computed"),
        ];
        for (events, part) in table {
            let notes = log(events).notes();
            assert!(notes.len() == usize::from(!part.is_empty()), "{notes:?}");
            assert!(notes.iter().all(|note| note.contains(part)), "{notes:?}");
        }
    }

    #[test]
    fn a_log_has_sha1_only_if_every_event_has() {
        let table: [(&[&[&str]], bool); 8] = [
            (&[&["sha1"], &["sha1"]], true),
            (&[&["sha1"], &[]], true),
            (&[&[]], false),
            (&[&["sha1"], &["sha1", "sha256"]], false),
            (&[&["sha256"], &["sha1"]], false),
            (&[&["sha1", "sm3_256"]], false),
            (&[&["sm3_256"]], false),
            (&[], false),
        ];
        for (events, is_sha1) in table {
            assert_eq!(log(events).is_sha1_only(), is_sha1, "{events:?}");
        }
    }

    #[cfg(feature = "cli")]
    #[test]
    fn the_first_event_without_a_digest_is_the_gap_of_a_bank() {
        let pcr = Pcr::try_from(8).unwrap();
        let gaps = log(&[&["sha256"], &["sha1"], &["sha1"]]).gaps();
        assert_eq!(gaps, [(pcr, Bank::Sha1, 0), (pcr, Bank::Sha256, 1)]);
    }
}

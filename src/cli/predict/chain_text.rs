//! What is measured before the agent, in words for a person. What all entries of a menu have in common is told once, before them.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::boot_report::{BootReport, Pcr};
use super::start::{MenuEntry, Start};
use crate::chain::event::Expected;
use crate::chain::forecast::{Answer, Forecast, MOST_VALUES, Part, Question, Value};
use crate::error::one_line;

/// The text about these boots.
pub(super) fn words(start: &Start, boots: &[BootReport<'_>]) -> String {
    let mut text = Text::default();
    text.line(0, start);
    for note in start.notes() {
        text.line(2, note);
    }
    for event in start.measured() {
        text.event(2, event);
        event.digests.iter().for_each(|(bank, digest)| text.line(4, format_args!("{bank:<6} {digest}")));
    }
    let shared = Shared::of(boots);
    text.shared(&shared);
    for (at, boot) in boots.iter().enumerate() {
        text.boot(boot, &boots[..at], &shared);
    }
    text.0
}

/// What several boots have in common. One boot alone has nothing in common with another.
#[derive(Default)]
struct Shared<'a> {
    unmeasured: Vec<&'a String>,
    pcrs: BTreeMap<u8, &'a Pcr<'a>>,
}

impl<'a> Shared<'a> {
    fn of(boots: &'a [BootReport<'a>]) -> Self {
        let [first, others @ ..] = boots else { return Self::default() };
        if others.is_empty() {
            return Self::default();
        }
        let have = |what: &&String| others.iter().all(|other| other.unmeasured.contains(*what));
        let have_same = |number: u8| others.iter().all(|other| other.has_same(first, number));
        let pcrs = first.pcrs.iter().filter(|(number, _)| have_same(**number));
        Self {
            unmeasured: first.unmeasured.iter().filter(have).collect(),
            pcrs: pcrs.map(|(&number, pcr)| (number, pcr)).collect(),
        }
    }
}

/// A PCR of an entry above. GRUB measures each command of the menu, so two entries have most of them in common.
#[derive(Clone, Copy)]
struct Model<'a> {
    entry: &'a MenuEntry,
    parts: &'a [Part],
}

impl<'a> Model<'a> {
    /// That of the first entry for which the PCR follows.
    fn of(earlier: &'a [BootReport<'_>], number: u8) -> Option<Self> {
        earlier.iter().find_map(|boot| match (boot.entry, boot.pcrs.get(&number)?.forecast) {
            (Some(entry), Forecast::Follows { parts, .. }) => Some(Self { entry, parts }),
            _ => None,
        })
    }

    /// With how many of these events its own answer begins.
    fn has(&self, question: Question, answer: &str, events: &[Expected]) -> usize {
        let answers = self.parts.iter().flat_map(|part| match part {
            Part::Choice(choice) if choice.question == question => &choice.answers[..],
            _ => &[],
        });
        let known = answers.filter(|known| known.name == answer);
        let same = |known: &Answer| known.events.iter().zip(events).take_while(|(one, other)| one == other).count();
        known.map(same).max().unwrap_or(0)
    }
}

/// Lines for a person. Each is one line, whatever names and command lines are in it.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, indent: usize, words: impl Display) {
        // Writing to a string does not fail.
        writeln!(self.0, "{:indent$}{}", "", one_line(&words)).ok();
    }

    /// What all entries have in common.
    fn shared(&mut self, shared: &Shared<'_>) {
        if shared.unmeasured.is_empty() && shared.pcrs.is_empty() {
            return;
        }
        self.line(0, "");
        self.line(0, "ALL ENTRIES");
        shared.unmeasured.iter().for_each(|what| self.unmeasured(what));
        shared.pcrs.iter().for_each(|(number, pcr)| self.pcr(*number, pcr, None));
    }

    /// What a boot has beside that. `earlier` are those above it: what one of them has is not told twice.
    fn boot(&mut self, boot: &BootReport<'_>, earlier: &[BootReport<'_>], shared: &Shared<'_>) {
        if let Some(entry) = boot.entry {
            self.line(0, "");
            self.line(0, entry);
        }
        boot.unmeasured.iter().filter(|what| !shared.unmeasured.contains(what)).for_each(|what| self.unmeasured(what));
        for (&number, pcr) in boot.pcrs.iter().filter(|(number, _)| !shared.pcrs.contains_key(number)) {
            let known = earlier.iter().find(|known| known.has_same(boot, number)).and_then(|known| known.entry);
            match known {
                Some(entry) => self.line(0, format_args!("PCR {number} is that of ENTRY {}", entry.name())),
                None => self.pcr(number, pcr, Model::of(earlier, number)),
            }
        }
    }

    fn unmeasured(&mut self, what: &str) {
        self.line(0, format_args!("NOT MEASURED: {what}"));
    }

    fn pcr(&mut self, number: u8, pcr: &Pcr<'_>, model: Option<Model<'_>>) {
        let (parts, assumes) = match pcr.forecast {
            Forecast::Open { why } => {
                return self.line(0, format_args!("PCR {number} does not follow from the files: {why}"));
            }
            Forecast::Follows { parts, assumes } => (parts, assumes),
        };
        self.line(0, format_args!("PCR {number}"));
        pcr.values.iter().flatten().for_each(|value| self.value(value));
        if pcr.values.is_none() {
            self.line(2, format_args!("it has more than {MOST_VALUES} values; its parts tell them"));
        }
        if parts.is_empty() {
            self.line(2, "nothing extends it");
        }
        for part in parts {
            self.part(part, model);
        }
        for what in assumes {
            self.line(2, format_args!("as long as {what}"));
        }
    }

    fn value(&mut self, Value { answers, pcr }: &Value) {
        if !answers.is_empty() {
            self.line(2, format_args!("if {}:", answers.join(", and ")));
        }
        for (bank, value) in pcr {
            self.line(4, format_args!("{bank:<6} {value}"));
        }
    }

    fn part(&mut self, part: &Part, model: Option<Model<'_>>) {
        match part {
            Part::Locality(4) => {
                self.line(2, "it starts at 0...4: a hardware root of trust measured before the TPM was started");
            }
            Part::Locality(locality) => self
                .line(2, format_args!("it starts at 0...{locality:x}: the TPM was started from locality {locality}")),
            Part::Event(event) => self.event(2, event),
            Part::Choice(choice) => {
                for Answer { name, events } in choice.answers.iter().filter(|answer| !answer.events.is_empty()) {
                    self.line(2, format_args!("if {name}:"));
                    let known = model.map(|model| (model.entry, model.has(choice.question, name, events)));
                    let known = known.filter(|(_, count)| *count > 1);
                    if let Some((entry, count)) = known {
                        self.line(4, format_args!("the first {count} events are those of ENTRY {}", entry.name()));
                    }
                    for event in events.iter().skip(known.map_or(0, |(_, count)| count)) {
                        self.event(4, event);
                    }
                }
            }
        }
    }

    fn event(&mut self, indent: usize, Expected { kind, what, from, .. }: &Expected) {
        let from = from.as_ref().map(|from| format!(" ({from})")).unwrap_or_default();
        self.line(indent, format_args!("{kind}: {what}{from}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::forecast::Choice;
    use crate::chain::forecasts::Forecasts;
    use crate::chain::root_image;
    use crate::cli::predict::boot::Boot;
    use crate::hash::digest::Digests;
    use crate::measure::pcr::PcrIndex;

    #[test]
    fn what_entries_have_in_common_is_told_once() {
        let boot = |(id, why): (&str, &str)| {
            let entry = MenuEntry { partition: None, id: id.to_owned(), title: None, default: false };
            let mut forecasts = Forecasts::of_unknown(why);
            forecasts.unmeasured = vec!["all".to_owned(), why.to_owned()];
            Boot { entry: Some(entry), forecasts, root: None }
        };
        let boots = [("a", "one"), ("b", "two"), ("c", "one")].map(boot);
        let start = Start::Esp { esp: "esp".to_owned(), loader: "a loader".to_owned(), notes: Vec::new() };
        let told = |boots: &[Boot]| {
            let reports: Vec<_> = boots.iter().map(|boot| BootReport::new(boot, &[])).collect();
            words(&start, &reports)
        };
        let text = told(&boots);
        let (shared, entries) = text.split_once("\n\nENTRY a\n").unwrap();
        assert!(
            shared.contains("\n\nALL ENTRIES\nNOT MEASURED: all\nPCR 0 does not follow from the files: "),
            "{text}"
        );
        assert!(!entries.contains("PCR 0") && !shared.contains("PCR 4"), "{text}");
        assert!(entries.starts_with("NOT MEASURED: one\nPCR 4 does not follow from the files: one\nPCR 8 "), "{text}");
        assert!(
            entries.contains("\n\nENTRY b\nNOT MEASURED: two\nPCR 4 does not follow from the files: two\n"),
            "{text}"
        );
        assert!(entries.contains("\n\nENTRY c\nNOT MEASURED: one\nPCR 4 is that of ENTRY a\n"), "{text}");
        // The events of an answer, too.
        let with = |id: &str, last: &str| {
            let event = |what: &str| {
                let mut forecasts = Forecasts::default();
                root_image::add(&mut forecasts, PcrIndex::DEFAULT, "file", &Digests::new());
                let Some(Forecast::Follows { parts, .. }) = forecasts.pcrs.remove(&13) else { panic!("PCR 13") };
                let [Part::Event(event)] = &parts[..] else { panic!("{parts:?}") };
                let mut event = event.clone();
                event.what = what.to_owned();
                event
            };
            let answer = Answer { name: "it is hd0".to_owned(), events: ["x", "y", last].map(event).to_vec() };
            let mut found = boot((id, "one"));
            let parts = vec![Part::Choice(Choice { question: Question::Disk, answers: vec![answer] })];
            found.forecasts.pcrs.insert(8, Forecast::Follows { parts, assumes: Vec::new() });
            found
        };
        let text = told(&[with("a", "last"), with("b", "other")]);
        let words = "  if it is hd0:\n    the first 2 events are those of ENTRY a\n    EV_EVENT_TAG: other (file)\n";
        assert!(
            text.contains("    EV_EVENT_TAG: y (file)\n    EV_EVENT_TAG: last (file)\n") && text.contains(words),
            "{text}"
        );
        // One entry alone has all.
        assert!(!told(&boots[..1]).contains("ALL ENTRIES"));
    }
}

//! What is measured before the agent, in words for a person. What all entries of a menu have in common is told once, before them.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::boot_report::{BootReport, Pcr};
use super::start::Start;
use crate::chain::event::Expected;
use crate::chain::forecast::{Answer, Forecast, MOST_VALUES, Part, Value};
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
        shared.pcrs.iter().for_each(|(number, pcr)| self.pcr(*number, pcr));
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
                None => self.pcr(number, pcr),
            }
        }
    }

    fn unmeasured(&mut self, what: &str) {
        self.line(0, format_args!("NOT MEASURED: {what}"));
    }

    fn pcr(&mut self, number: u8, pcr: &Pcr<'_>) {
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
            self.part(part);
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

    fn part(&mut self, part: &Part) {
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
                    for event in events {
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
    use crate::chain::forecasts::Forecasts;
    use crate::cli::predict::boot::Boot;
    use crate::cli::predict::start::MenuEntry;

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
        // One entry alone has all.
        assert!(!told(&boots[..1]).contains("ALL ENTRIES"));
    }
}

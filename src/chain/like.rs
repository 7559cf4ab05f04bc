//! A machine of a known kind: what the firmware measured in one good boot of it, it will measure again. Its PCRs come from the log
//! of that boot, event by event; what the files decide comes from the files.
//!
//! A log proves nothing by itself: whoever wrote it decides the values. So it must be compared with the TPM before it is used here.

use super::efi_variable::{SECURITY, Variable};
use super::efi_variables::EfiVariables;
use super::event::{APPLICATION, AUTHORITY, Expected, SEPARATOR, VARIABLE};
use super::forecast::{Forecast, Part};
use super::forecasts::Forecasts;
use super::frame::Frame;
use super::gpt_event;
use super::policy::Policy;
use super::secure_boot;
use crate::error::{Error, Result};
use crate::eventlog::event::Content;
use crate::eventlog::{self, Event, Log};
use crate::hash::bank::Bank;
use crate::measure::pcr::Pcr;

/// The PCRs that the firmware alone extends, and that the medium does not change.
const OWN: [u8; 5] = [0, 1, 2, 3, 6];
/// The PCRs in which the firmware's own events come before those of the medium.
const PROGRAMS: u8 = 4;
const POLICY: u8 = 7;
/// The data of the separator, in both byte orders, if the firmware had no error (TCG PC Client Platform Firmware Profile 1.06,
/// section 10.4.1).
const NO_ERROR: [[u8; 4]; 2] = [[0; 4], [0xFF; 4]];

const NO_PROGRAM: &str = "has no program that the firmware starts from a medium";
const HINT: &str = "give the firmware's log of a whole boot, /sys/kernel/security/tpm0/binary_bios_measurements";

/// The log of a good boot.
#[derive(Debug)]
pub struct Like {
    name: String,
    log: Log,
    frame: Option<Frame>,
}

impl Like {
    /// Reads a log. `name` is what events and errors call it.
    ///
    /// # Errors
    /// If it is malformed, or has no event of a firmware.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        let log = eventlog::parse(bytes).map_err(|error| error.on(name))?;
        if !log.events().iter().any(|event| event.extends().is_some_and(|pcr| pcr.get() == 0)) {
            return Err(Error::new(name, "has no event of PCR 0, which the firmware extends first").hint(HINT));
        }
        let frame = Frame::of(&log);
        Ok(Self { name: name.to_owned(), log, frame })
    }

    /// What a reader of the log should know.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.log.notes()
    }

    /// Those of `banks` that the log has no digests for: the PCRs that come from it have no values there.
    ///
    /// # Errors
    /// If it has none of them.
    pub fn missing(&self, banks: &[Bank]) -> Result<Vec<Bank>> {
        let has = |bank: &Bank| self.log.events().iter().any(|event| event.digest(*bank).is_some());
        let missing: Vec<_> = banks.iter().copied().filter(|bank| !has(bank)).collect();
        if missing.len() < banks.len() {
            return Ok(missing);
        }
        let own: Vec<_> = Bank::ALL.iter().filter(|bank| has(bank)).map(|bank| bank.name()).collect();
        let wanted: Vec<_> = banks.iter().map(|bank| bank.name()).collect();
        Err(Error::new(&self.name, format_args!("has no digests in {}", wanted.join(", ")))
            .hint(format_args!("it has {}", own.join(", "))))
    }

    /// Replaces what the log knows better than the files: the firmware's own PCRs, and the firmware's part of PCR 4 and 7.
    /// `variables` are those of the machine, if they are not those of the log.
    pub fn expect(&self, forecasts: &mut Forecasts, variables: Option<&EfiVariables>, banks: &[Bank]) {
        for pcr in OWN {
            let forecast = self.of_events(pcr, &self.events_of(pcr), banks);
            forecasts.pcrs.insert(pcr, forecast.unwrap_or_else(|why| Forecast::Open { why }));
        }
        match self.with_the_table(forecasts, banks) {
            Ok(forecast) => drop(forecasts.pcrs.insert(gpt_event::PCR, forecast)),
            Err(why) => forecasts.open(gpt_event::PCR, why),
        }
        // Before PCR 4 gets the programs of the log: these were judged then.
        match self.policy(variables, banks) {
            Ok(policy) => policy.expect(forecasts, banks),
            Err(why) => forecasts.open(POLICY, why),
        }
        self.expect_programs(forecasts, banks);
        forecasts.open_for_drivers();
    }

    /// PCR 5: the events of the log, with the partition table of the disk.
    fn with_the_table(&self, forecasts: &Forecasts, banks: &[Bank]) -> std::result::Result<Forecast, String> {
        let named = |why: String| format!("{}: {why}", self.name);
        // Without a program of a medium, the firmware measures no table.
        self.frame.as_ref().ok_or_else(|| format!("{} {NO_PROGRAM}", self.name))?;
        match self.of_events(gpt_event::PCR, &self.events_of(gpt_event::PCR), banks)? {
            Forecast::Follows { parts, mut assumes } => {
                let parts = forecasts.table.replaces(parts, forecasts.loader_conf.as_ref()).map_err(named)?;
                assumes.push("no boot option before it names a partition of another disk".to_owned());
                Ok(Forecast::Follows { parts, assumes })
            }
            open @ Forecast::Open { .. } => Ok(open),
        }
    }

    /// PCR 4: the events before the first program are those of the log.
    fn expect_programs(&self, forecasts: &mut Forecasts, banks: &[Bank]) {
        let Some(Forecast::Follows { parts, assumes }) = forecasts.pcrs.get_mut(&PROGRAMS) else { return };
        let is_program = |part: &Part| matches!(part, Part::Event(event) if event.kind == APPLICATION);
        let first = parts.iter().position(is_program).unwrap_or(parts.len());
        match self.before_the_medium(PROGRAMS, banks) {
            Ok(Forecast::Follows { parts: own, assumes: mut more }) => {
                drop(parts.splice(..first, own));
                assumes.append(&mut more);
            }
            Ok(open @ Forecast::Open { .. }) => drop(forecasts.pcrs.insert(PROGRAMS, open)),
            Err(why) => forecasts.open(PROGRAMS, why),
        }
    }

    /// PCR 7 before the medium: the variables, and what they allowed until then.
    fn policy(&self, variables: Option<&EfiVariables>, banks: &[Bank]) -> std::result::Result<Policy, String> {
        let (parts, assumes) = match self.before_the_medium(POLICY, banks)? {
            Forecast::Follows { parts, assumes } => (parts, assumes),
            Forecast::Open { why } => return Err(why),
        };
        let is_on = match variables {
            Some(variables) => variables.is_on(),
            None => self
                .is_secure_boot_on(banks)
                .ok_or_else(|| format!("{}: no event proves whether Secure Boot is on", self.name))?,
        };
        let mut policy = Policy { assumes, is_on, ..Policy::default() };
        let mut then = Vec::new();
        let own = self.own_events(POLICY)?.into_iter().map(|(_, event)| event);
        for (part, event) in parts.into_iter().zip(own) {
            let (Part::Event(mut expected), Content::Tcg { kind, data }) = (part, &event.content) else { continue };
            if *kind == AUTHORITY {
                policy.measured.push(data.clone());
            } else if let (VARIABLE, Some(variable)) = (*kind, Variable::parse(data)) {
                if !event.is_digest_of(data, &event.banks()) {
                    return Err(format!("{}: the digest of {} is that of another value", self.name, variable.name));
                }
                then.push(variable.clone());
                let Variable { vendor, name, value } = variable;
                match (vendor, name.as_str()) {
                    (SECURITY, "db") => policy.db = value.to_vec(),
                    (SECURITY, "dbx") => policy.dbx = value.to_vec(),
                    _ => {}
                }
                let newer = variables.and_then(|variables| variables.event(&vendor, &name, banks));
                expected = newer.unwrap_or(expected);
            }
            policy.events.push(expected);
        }
        if let Some(variables) = variables {
            if let Some(name) = variables.appeared_or_gone(&then) {
                return Err(format!("{}: the variable {name} was set or deleted after it", self.name));
            }
            policy.copies = Some(variables.copies());
            (policy.db, policy.dbx) = (variables.list("db"), variables.list("dbx"));
        }
        Ok(policy)
    }

    /// The firmware's own events of a PCR that the programs of the medium extend, too.
    fn before_the_medium(&self, pcr: u8, banks: &[Bank]) -> std::result::Result<Forecast, String> {
        self.of_events(pcr, &self.own_events(pcr)?, banks)
    }

    fn own_events(&self, pcr: u8) -> std::result::Result<Vec<(usize, &Event)>, String> {
        let frame = self.frame.as_ref().ok_or_else(|| format!("{} {NO_PROGRAM}", self.name))?;
        Ok(self.events_of(pcr).into_iter().filter(|(index, event)| frame.has(*index, event)).collect())
    }

    fn events_of(&self, pcr: u8) -> Vec<(usize, &Event)> {
        let number = Pcr::try_from(u32::from(pcr)).ok();
        number.into_iter().flat_map(|number| self.log.events_of(number)).collect()
    }

    /// What is expected of a PCR with these events. The error says why it does not follow.
    fn of_events(&self, pcr: u8, events: &[(usize, &Event)], banks: &[Bank]) -> std::result::Result<Forecast, String> {
        let mut separators = events.iter().filter(|(_, event)| is_separator(event));
        let (Some((_, separator)), None) = (separators.next(), separators.next()) else {
            return Err(format!(
                "{} does not have one separator for it: the log is cut, or of a wrong boot",
                self.name
            ));
        };
        if !NO_ERROR.iter().any(|data| separator.is_digest_of(data, &separator.banks())) {
            return Err(format!("{}: the firmware had an error, or the separator has a wrong digest", self.name));
        }
        let common = |bank: &Bank| events.iter().all(|(_, event)| event.digest(*bank).is_some());
        if !banks.iter().any(common) {
            return Err(format!("{}: no bank has a digest of each event", self.name));
        }
        let number = Pcr::try_from(u32::from(pcr)).map_err(|error| error.to_string())?;
        let start = self.log.start(number, Bank::Sha256);
        let start = start.as_bytes().last().copied().filter(|&last| last != 0).map(Part::Locality);
        let event = |(index, event): (usize, &Event)| self.expected(index, event, banks).map(Part::Event);
        let parts = start
            .into_iter()
            .map(Ok)
            .chain(events.iter().copied().map(event))
            .collect::<std::result::Result<_, _>>()?;
        let assumes = vec![format!("the firmware, its settings and the devices are those of {}", self.name)];
        Ok(Forecast::Follows { parts, assumes })
    }

    fn expected(&self, index: usize, event: &Event, banks: &[Bank]) -> std::result::Result<Expected, String> {
        let Content::Tcg { kind, .. } = event.content else {
            return Err(format!("{}: event {} is not the firmware's", self.name, index + 1));
        };
        let digest = |&bank: &Bank| Some((bank, event.digest(bank)?.clone()));
        Ok(Expected {
            kind,
            what: event.words_in(&event.banks()),
            from: Some(format!("{}, event {}", self.name, index + 1)),
            digests: banks.iter().filter_map(digest).collect(),
            judged: None,
        })
    }

    /// Whether Secure Boot is on. `None` if no digest proves it.
    fn is_secure_boot_on(&self, banks: &[Bank]) -> Option<bool> {
        let events = self.events_of(POLICY);
        let values = events.into_iter().filter_map(|(_, event)| secure_boot::of_event(event, banks));
        let mut states = values.map(|value| secure_boot::is_on(&value));
        states.next().flatten().filter(|_| states.next().is_none())
    }
}

fn is_separator(event: &Event) -> bool {
    matches!(event.content, Content::Tcg { kind: SEPARATOR, .. })
}

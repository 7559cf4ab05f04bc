//! The forecasts of all PCRs of one boot.

use std::collections::BTreeMap;

use super::either::Either;
use super::event::{APPLICATION, Expected};
use super::forecast::{Forecast, Part};
use super::gpt_event::MeasuredTable;
use super::linux;
use super::shim_policy::ShimPolicy;
use crate::measure::pcr::Pcr;

/// The PCRs of what firmware loads: drivers and applications.
const DRIVERS: [u8; 2] = [2, 4];

/// What is expected of each PCR, by its number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Forecasts {
    /// The forecasts.
    pub pcrs: BTreeMap<u8, Forecast>,
    /// What runs, or decides what runs, although no PCR that follows holds it.
    pub unmeasured: Vec<String>,
    /// Why PCR 13 has more than the agent's events: the stub measures extension images into it.
    pub(super) extensions: Option<String>,
    /// The command lines that the kernel may get, if they are known.
    pub(super) command_lines: Vec<String>,
    /// What firmware measures of the partition table.
    pub(super) table: MeasuredTable,
    /// What systemd-boot measures of its configuration, into the same PCR.
    pub(super) loader_conf: Option<Expected>,
    /// Why drivers may be started between the firmware and what follows: they extend more than PCR 4.
    pub(super) drivers: Option<String>,
    /// What depends on Secure Boot, without it and with it, as long as that is open.
    pub(super) either: Option<Box<Either>>,
    /// shim, if it starts the others: it judges them.
    pub(super) shim: Option<ShimPolicy>,
}

impl Forecasts {
    /// Those of a boot of which nothing is known but that firmware starts it: why each PCR does not follow from files.
    pub(super) fn of_firmware() -> Self {
        let machine = "the firmware and its settings decide; only a log of the machine tells it";
        let table = [
            (0, machine),
            (
                1,
                "it has the firmware's settings and its boot options, with their command lines; only a log of the machine tells it",
            ),
            (2, machine),
            (3, machine),
            (
                5,
                "it has the partition table of the disk and the firmware's boot manager; --disk and --like together tell them",
            ),
            (6, machine),
            (7, "it has the Secure Boot variables of the machine, and the certificate that allowed each program"),
            (10, "the kernel's IMA extends it, if the command line or the policy turns it on"),
            (13, "it has the root image, which was not given"),
            (15, "systemd extends it with the identity of the machine and of its disks"),
        ];
        let pcrs = table.map(|(pcr, why)| (pcr, Forecast::Open { why: why.to_owned() })).into();
        Self { pcrs, ..Self::default() }
    }

    /// Adds a command line that the kernel may get, and what it says against the measurement of the root image.
    pub(super) fn gets(&mut self, command_line: &str) {
        for what in linux::against_the_agent(command_line) {
            if !self.unmeasured.contains(&what) {
                self.unmeasured.push(what);
            }
        }
        self.command_lines.push(command_line.to_owned());
    }

    /// The command lines that the kernel may get. None if they do not follow.
    #[must_use]
    pub fn command_lines(&self) -> &[String] {
        &self.command_lines
    }

    /// Adds what is expected of a PCR.
    pub(super) fn follows(&mut self, pcr: u8, parts: Vec<Part>, assumes: &[&str]) {
        let assumes = assumes.iter().map(|&text| text.to_owned()).collect();
        self.pcrs.insert(pcr, Forecast::Follows { parts, assumes });
    }

    /// Adds an event before the others of a PCR, if it follows.
    pub(super) fn begins(&mut self, pcr: u8, first: Part) {
        if let Some(Forecast::Follows { parts, .. }) = self.pcrs.get_mut(&pcr) {
            parts.insert(0, first);
        }
    }

    /// Adds what must be as usual, if the PCR follows.
    pub(super) fn assumes(&mut self, pcr: u8, what: &str) {
        if let Some(Forecast::Follows { assumes, .. }) = self.pcrs.get_mut(&pcr) {
            assumes.push(what.to_owned());
        }
    }

    /// Adds a program that starts the first one: PCR 4 has it before that.
    pub(super) fn started_by(&mut self, program: Expected) {
        if let Some(Forecast::Follows { parts, .. }) = self.pcrs.get_mut(&4) {
            let is_program = |part: &Part| matches!(part, Part::Event(event) if event.kind == APPLICATION);
            let first = parts.iter().position(is_program).unwrap_or(parts.len());
            parts.insert(first, Part::Event(program));
        }
    }

    /// Adds a program that is started last.
    pub(super) fn started_last(&mut self, program: Expected) {
        if let Some(Forecast::Follows { parts, .. }) = self.pcrs.get_mut(&4) {
            parts.push(Part::Event(program));
        }
    }

    /// Those of a boot of which this alone is known: why nothing that a boot loader or a kernel measures follows.
    pub(crate) fn of_unknown(why: &str) -> Self {
        let mut forecasts = Self::of_firmware();
        for pcr in [4, 8, 9, 11, 12, 14] {
            forecasts.open(pcr, why);
        }
        forecasts
    }

    /// The same of a boot in which a program runs that is not known: it may start drivers.
    pub(crate) fn of_unknown_program(why: &str) -> Self {
        let mut forecasts = Self::of_unknown(why);
        forecasts.starts_drivers(why);
        forecasts
    }

    /// Adds why drivers may be started. Firmware measures a driver into PCR 2, and an application into PCR 4: the file decides (edk2,
    /// `DxeTpm2MeasureBootLib.c`, `Tcg2MeasurePeImage`). With Secure Boot, PCR 7 has what allowed it; it does not follow if PCR 4 does not.
    pub(super) fn starts_drivers(&mut self, why: &str) {
        for pcr in DRIVERS {
            self.open(pcr, why);
        }
        self.drivers = Some(why.to_owned());
    }

    /// Opens again what a log of the machine tells of these PCRs, if drivers may be started: that boot may have had other ones.
    pub(super) fn open_for_drivers(&mut self) {
        if let Some(why) = self.drivers.clone() {
            self.starts_drivers(&why);
        }
    }

    /// Expects nothing of a PCR, because the user says so.
    pub fn leave_out(&mut self, pcr: Pcr) {
        self.open(pcr.get(), "--leave-out says that nothing is expected of it");
    }

    /// Adds why a PCR does not follow.
    pub(super) fn open(&mut self, pcr: u8, why: impl Into<String>) {
        self.pcrs.insert(pcr, Forecast::Open { why: why.into() });
    }
}

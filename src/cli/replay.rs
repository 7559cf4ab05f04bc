//! `measureroot replay`: the PCRs that event logs lead to, compared with those of a TPM.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::input_file::Kinds;
use super::replay_rtmrs::RtmrReplay;
use super::stdout::{self, print_parts};
use super::tpm_device::{can_be_used, of_device, usual};
use super::{json, read_limited, tpm2_pcrread};
use crate::count::counted;
use crate::error::{Error, Result};
use crate::eventlog::compare::{Comparison, Difference};
use crate::eventlog::event::Content;
use crate::eventlog::{self, Event, Log, PcrValues, ccel, cel};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::Pcr;
use crate::measure::rtmr::RtmrIndex;
use crate::tpm::{self, EsysPcrs, Version12};

/// Replay event logs: print their events in words, and the PCRs that they lead to.
///
/// Reads TCG logs (/run/measureroot/eventlog.bin, the firmware's binary_bios_measurements), systemd's tpm2-measure.log,
/// CEL-JSON and CEL-TLV; and, alone, the log of a confidential machine (/run/measureroot/ccel.bin), which leads to RTMRs. Several logs are parts of one boot, in their order; an event that measureroot wrote into more than one counts
/// once. The PCRs are in the format of tpm2_pcrread, after the events as comments.
///
/// Exit codes: 0 the logs lead to the PCRs, or there was no comparison; 1 they do not; 2 a log, the PCRs or the arguments
/// cannot be read.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The logs.
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// The PCR values, printed by tpm2_pcrread or measureroot predict, or written by tpm2_quote --pcr. The logs must lead
    /// to each of them.
    #[arg(long, value_name = "FILE", conflicts_with = "tpm")]
    pcrs: Option<PathBuf>,
    /// Compare with this machine's TPM (/dev/tpmrm0, or /dev/tpm0 if it is a TPM 1.2): with each PCR that the logs have an event for.
    #[arg(long, value_name = "DEVICE", num_args = 0..=1, require_equals = true)]
    tpm: Option<Option<PathBuf>>,
    /// Compare with this machine's RTMRs: with each that the log of a confidential machine has an event for.
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true, default_missing_value = RTMRS,
        conflicts_with_all = ["pcrs", "tpm", "to"])]
    rtmrs: Option<PathBuf>,
    /// Convert the logs: print only their events, in this format.
    #[arg(long, value_name = "FORMAT")]
    to: Option<LogFormat>,
    /// Print JSON.
    #[arg(long, conflicts_with = "to")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// CEL-JSON, of the TCG's Canonical Event Log Format 1.0.
    Cel,
}

impl Replay {
    /// Replays and compares. `false` if the logs do not lead to the PCRs; an error if a log or the PCRs cannot be read.
    pub(super) fn run(self) -> Result<bool> {
        stdout::check()?;
        let files = self.logs.iter().map(|path| Ok((path.as_path(), read(path)?))).collect::<Result<Vec<_>>>()?;
        if let Some((path, bytes)) = files.iter().find(|(_, bytes)| ccel::is_ccel(bytes)) {
            return self.run_ccel(path, bytes);
        }
        if self.rtmrs.is_some() {
            return Err(Error::new("--rtmrs", "no log is that of a confidential machine (CCEL)"));
        }
        let logs = files.iter().map(|(path, bytes)| log(path, eventlog::parse(bytes)));
        let log = Log::join(logs.collect::<Result<Vec<_>>>()?)?;
        for (pcr, bank, index) in log.gaps() {
            let event = log.events().get(index).map(Event::describe).unwrap_or_default();
            log::warn!(
                "PCR {pcr}, {bank}: no value, because event {} ({event}) has no digest for this bank",
                index + 1
            );
        }
        if log.events().is_empty() {
            log::warn!("the logs have no event, so they lead to no PCR value");
        }
        let values = log.replay();
        let held = match (&self.pcrs, &self.tpm) {
            (Some(path), _) => Some(tpm2_pcrread::read(path)?),
            (None, Some(device)) => Some(tpm_values(device.as_deref().unwrap_or_else(|| usual()), &log)?),
            (None, None) => None,
        };
        let compared = held.as_ref().map(|held| log.compare(held));
        print_parts(|output| match (self.to, self.json) {
            (Some(LogFormat::Cel), _) => json::write(&cel::encode(&log), output),
            (None, true) => json::write(&as_json(&log, &values, held.as_ref(), compared.as_ref()), output),
            (None, false) => {
                write_events(&log, held.as_ref(), output)?;
                output.write_all(tpm2_pcrread::text(&values).as_bytes())
            }
        })?;
        let (Some(compared), Some(held)) = (compared, held) else { return Ok(true) };
        for difference in &compared.differences {
            log::error!("{}", difference.describe(&log));
        }
        if compared.agrees() {
            let count: usize = held.values().map(BTreeMap::len).sum();
            log::info!("the logs lead to each value that was compared ({})", counted(count, "PCR value"));
        }
        Ok(compared.agrees())
    }

    /// The same for the log of a confidential machine.
    fn run_ccel(&self, path: &Path, bytes: &[u8]) -> Result<bool> {
        let error = |cause: &str| Err(Error::new(path.display(), cause));
        if self.logs.len() > 1 {
            return error(
                "is the log of a confidential machine (CCEL): its registers are no PCRs, so it is replayed alone",
            );
        }
        if self.pcrs.is_some() || self.tpm.is_some() || self.to.is_some() {
            return error(
                "is the log of a confidential machine (CCEL): it leads to RTMRs, not to PCRs; --rtmrs compares with this machine's",
            );
        }
        let replay = RtmrReplay::of(log(path, ccel::parse(bytes))?);
        for rtmr in replay.without_value() {
            log::warn!("RTMR {rtmr}: no value, because an event has no digest for {}", RtmrIndex::BANK);
        }
        let held = self.rtmrs.as_ref().map(|folder| replay.held(folder)).transpose()?;
        let compared = held.as_ref().map(|held| replay.compare(held));
        print_parts(|output| {
            if self.json { json::write(&replay.as_json(compared.as_ref()), output) } else { replay.write_text(output) }
        })?;
        let (Some(held), Some(compared)) = (held, compared) else { return Ok(true) };
        let differences = replay.differences(&compared);
        for difference in &differences {
            log::error!("{difference}");
        }
        if differences.is_empty() {
            log::info!("the log leads to each value that was compared ({})", counted(held.len(), "RTMR value"));
        }
        Ok(differences.is_empty())
    }
}

/// What `replay --json` prints, in the order of its fields' names.
#[derive(Serialize)]
struct Replayed<'a, Events> {
    agrees: Option<bool>,
    differences: Option<Vec<Value>>,
    events: Events,
    pcrs: &'a PcrValues,
}

/// The folder of sysfs with the registers of a TDX guest (Linux 6.16).
const RTMRS: &str = "/sys/devices/virtual/misc/tdx_guest/measurements";

fn read(path: &Path) -> Result<Vec<u8>> {
    read_limited::read(path, read_limited::LOG, Kinds::Stream)
}

/// Reports what is noteworthy about a log.
fn log(path: &Path, parsed: Result<Log>) -> Result<Log> {
    let log = parsed.map_err(|error| error.on(path.display()))?;
    for note in log.notes() {
        log::warn!("{}: {note}", path.display());
    }
    Ok(log)
}

/// The banks by whose digests an event is described: those of the TPM, if its values are known.
fn banks(event: &Event, held: Option<&PcrValues>) -> Vec<Bank> {
    held.map_or_else(|| event.banks(), |held| held.keys().copied().collect())
}

/// The values in the TPM, for each PCR that the log has an event for.
fn tpm_values(device: &Path, log: &Log) -> Result<PcrValues> {
    can_be_used(device, "--tpm=DEVICE names another device, and --pcrs a file with the values")?;
    let mut read = reader(device).map_err(|error| of_device(error, device))?;
    let mut values = PcrValues::new();
    for pcr in Pcr::all().filter(|&pcr| log.events_of(pcr).next().is_some()) {
        for (bank, value) in read(pcr).map_err(|error| of_device(error, device))? {
            values.entry(bank).or_default().insert(pcr, value);
        }
    }
    if values.is_empty() {
        return Err(Error::new("event log", "no event extends a PCR, so there is nothing to compare"));
    }
    Ok(values)
}

/// What reads a PCR of this TPM, in each active bank.
fn reader(device: &Path) -> Result<Box<dyn FnMut(Pcr) -> Result<Digests>>> {
    if tpm::is_version12(device) {
        let tpm = Version12::open(device)?;
        return Ok(Box::new(move |pcr| Ok(Digests::from([(Bank::Sha1, tpm.value(pcr)?)]))));
    }
    let mut tpm = EsysPcrs::open(device)?;
    Ok(Box::new(move |pcr| {
        let banks = tpm.active_banks(pcr)?;
        tpm.values(pcr, &banks)
    }))
}

/// Writes the events as comments, to be followed by YAML.
fn write_events(log: &Log, held: Option<&PcrValues>, output: &mut dyn Write) -> io::Result<()> {
    for (place, event) in log.events().iter().enumerate() {
        let pcr = event.named_pcr().map_or_else(|| "-".to_owned(), |pcr| pcr.to_string());
        let banks = banks(event, held);
        let standing = event.standing(&banks).name();
        writeln!(output, "# event {}, PCR {pcr}, {standing}: {}", place + 1, event.describe_in(&banks))?;
    }
    Ok(())
}

fn as_json(log: &Log, values: &PcrValues, held: Option<&PcrValues>, compared: Option<&Comparison>) -> impl Serialize {
    let event = move |(place, event): (usize, &Event)| {
        let kind = match &event.content {
            Content::Tcg { kind, .. } => kind.to_string(),
            Content::Json { content_type, .. } => content_type.clone(),
        };
        let banks = banks(event, held);
        let others: BTreeMap<_, _> = event.others.iter().map(|(name, digest)| (name, hex::encode(digest))).collect();
        let digests = event.digests.iter().map(|(bank, digest)| (bank.name(), digest.to_string()));
        let digests: BTreeMap<_, _> =
            digests.chain(others.into_iter().map(|(name, digest)| (name.as_str(), digest))).collect();
        let proven = compared.map(|compared| compared.proven.binary_search(&place).is_ok());
        json!({ "event": place + 1, "pcr": event.named_pcr(), "type": kind, "digests": digests,
            "words": event.describe_in(&banks), "standing": event.standing(&banks).name(), "proven": proven })
    };
    let difference = |difference: &Difference| {
        json!({ "pcr": difference.pcr, "bank": difference.bank, "held": difference.held,
            "replayed": difference.replayed, "words": difference.describe(log) })
    };
    let differences = compared.map(|compared| compared.differences.iter().map(difference).collect());
    let events = json::Items(move || log.events().iter().enumerate().map(event));
    Replayed { agrees: compared.map(Comparison::agrees), differences, events, pcrs: values }
}

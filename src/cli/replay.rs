//! `measureroot replay`: what event logs lead to, and whether that is what a TPM holds.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{pcrs, print, read_limited};
use crate::error::{Context, Error, Result};
use crate::eventlog::{self, Compared, Content, Difference, Event, Log, PcrValues, cel};
use crate::measure::pcr::{Pcr, PcrIndex, Pcrs};
use crate::tpm::EsysPcrs;

/// Replay event logs: their events in words, and the PCRs they lead to.
///
/// A log is a TCG log (/run/measureroot/eventlog.bin, the firmware's binary_bios_measurements), systemd's
/// tpm2-measure.log, or CEL-JSON. Several are parts of one boot, in order; what measureroot wrote into more than one
/// counts once. The PCRs are printed as tpm2_pcrread does, with the events as comments before them.
///
/// Exit codes: 0 the PCRs are what the logs lead to, or were not compared; 1 they are not; 2 a log, the PCRs or the
/// arguments cannot be read.
#[derive(Debug, Args)]
pub struct Replay {
    /// The logs.
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// Compare with PCRs as tpm2_pcrread or `measureroot predict` printed them; the logs must explain each of them.
    #[arg(long, value_name = "FILE", conflicts_with = "tpm")]
    pcrs: Option<PathBuf>,
    /// Compare with this machine's TPM: those PCRs that the logs are about.
    #[arg(long, value_name = "DEVICE", num_args = 0..=1, require_equals = true, default_missing_value = "/dev/tpmrm0")]
    tpm: Option<PathBuf>,
    /// Print the events in another form, and nothing else.
    #[arg(long, value_name = "FORM")]
    to: Option<Form>,
    /// Print JSON.
    #[arg(long, conflicts_with = "to")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// CEL-JSON, of the TCG's Canonical Event Log Format.
    Cel,
}

impl Replay {
    /// Replays and compares; whether the PCRs are what the logs lead to.
    ///
    /// # Errors
    /// When a log or the PCRs cannot be read.
    pub fn run(self) -> Result<bool> {
        let logs = self.logs.iter().map(|path| log(path)).collect::<Result<Vec<_>>>()?;
        let log = Log::join(logs)?;
        let values = log.replay();
        let held = match (&self.pcrs, &self.tpm) {
            (Some(path), _) => Some(pcrs::read(path)?),
            (None, Some(device)) => Some(tpm_values(device, &log)?),
            (None, None) => None,
        };
        let compared = held.as_ref().map(|held| log.compare(held));
        let text = match (self.to, self.json) {
            (Some(Form::Cel), _) => serde_json::to_string_pretty(&cel::encode(&log)).about("JSON")? + "\n",
            (None, true) => {
                serde_json::to_string_pretty(&as_json(&log, &values, compared.as_ref())).about("JSON")? + "\n"
            }
            (None, false) => as_text(&log) + &pcrs::text(&values),
        };
        print(text.as_bytes())?;
        let (Some(compared), Some(held)) = (compared, held) else { return Ok(true) };
        for difference in &compared.differences {
            log::error!("{}", difference.words(&log));
        }
        if compared.agrees() {
            let count: usize = held.values().map(std::collections::BTreeMap::len).sum();
            log::info!("the logs lead to all {count} values of PCRs");
        }
        Ok(compared.agrees())
    }
}

fn log(path: &Path) -> Result<Log> {
    eventlog::parse(&read_limited::read(path, read_limited::LOG)?).map_err(|error| error.on(path.display()))
}

fn tpm_values(device: &Path, log: &Log) -> Result<PcrValues> {
    let mut tpm = EsysPcrs::open(device)?;
    let mut values = PcrValues::new();
    for pcr in Pcr::all().filter(|&pcr| log.about(pcr).next().is_some()) {
        let index = PcrIndex::try_from(pcr.get()).map_err(|error| error.hint("give the PCRs with --pcrs"))?;
        let banks = tpm.banks(index)?;
        for (bank, value) in tpm.read(index, &banks)? {
            values.entry(bank).or_default().insert(pcr, value);
        }
    }
    if values.is_empty() {
        return Err(Error::new("event log", "no event extends a PCR: there is nothing to compare"));
    }
    Ok(values)
}

/// The events as comments of the YAML that follows.
fn as_text(log: &Log) -> String {
    log.events().iter().enumerate().fold(String::new(), |mut text, (place, event)| {
        let pcr = event.pcr.map_or_else(|| "-".to_owned(), |pcr| pcr.to_string());
        // Writing to a string does not fail.
        writeln!(text, "# event {}, PCR {pcr}: {}", place + 1, event.words()).ok();
        text
    })
}

fn as_json(log: &Log, values: &PcrValues, compared: Option<&Compared>) -> Value {
    let event = |(place, event): (usize, &Event)| {
        let kind = match &event.content {
            Content::Tcg { kind, .. } => kind.to_string(),
            Content::Json { content_type, .. } => content_type.clone(),
        };
        let proven = compared.map(|compared| compared.proven.binary_search(&place).is_ok());
        json!({ "event": place + 1, "pcr": event.pcr, "type": kind, "digests": event.digests, "words": event.words(),
            "proven": proven })
    };
    let difference = |difference: &Difference| {
        json!({ "pcr": difference.pcr, "bank": difference.bank, "held": difference.held,
            "replayed": difference.replayed, "words": difference.words(log) })
    };
    let differences: Option<Vec<_>> = compared.map(|compared| compared.differences.iter().map(difference).collect());
    let events: Vec<_> = log.events().iter().enumerate().map(event).collect();
    json!({ "events": events, "pcrs": values, "agrees": compared.map(Compared::agrees), "differences": differences })
}

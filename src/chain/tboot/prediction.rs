//! What a launch with tboot leaves in PCR 17 to 19.

use super::acm::{self, Kind};
use super::image::Mle;
use super::launch_log::{LaunchLog, MLE_HASH};
use super::mapping::Mapping;
use super::module::{self, MEASUREMENT, Measured, Module};
use super::options::Extends;
use super::policy;
use crate::chain::event::Expected;
use crate::chain::forecast::{Forecast, Part};
use crate::chain::forecasts::Forecasts;
use crate::error::Result;
use crate::hash::bank::Bank;

/// The PCRs of a launch.
const ALL: [u8; 3] = [17, 18, 19];
/// How many measurements tboot keeps (`MAX_VL_HASHES`): it drops the others.
const MOST: usize = 32;

const LOADER: &str = "the boot loader that starts tboot decides it; tboot's own PCRs do not depend on it";
const NO_STUB: &str = "neither systemd-boot nor a stub of systemd is there: tboot starts the kernel";
const LAUNCHED: &str =
    "the launch succeeds: if it fails, tboot may start the kernel all the same, and PCR 17 to 19 keep other values";
const OWN_POLICY: &str =
    "tboot uses its own policy: the owner wrote none with tb_polgen into the TPM or a launch control policy";
const SINIT: &str = "SINIT extends it first, with the firmware's and Intel's modules and settings of the machine; only the log of a \
                     launch tells them (--launch-log)";
const LEGACY: &str = "SINIT extends it first, with Intel's modules and settings of the machine";

/// What a boot loader gives to tboot.
#[derive(Debug)]
pub struct Given<'a> {
    /// tboot.
    pub tboot: &'a Mle,
    /// tboot's command line, without the file's name.
    pub command_line: &'a str,
    /// The modules, the kernel first.
    pub modules: &'a [Module<'a>],
    /// Which PCR has what.
    pub mapping: Mapping,
    /// The log of a good launch.
    pub log: Option<&'a LaunchLog>,
}

/// What is measured.
#[derive(Debug)]
pub struct Prediction {
    /// What is expected of the PCRs.
    pub forecasts: Forecasts,
    /// What follows from the files, even if a PCR does not.
    pub measured: Vec<Expected>,
}

/// What tboot and SINIT measure of the files.
struct Launch {
    extends: Extends,
    mle: Expected,
    policy: Expected,
    modules: Vec<Measured>,
}

impl Given<'_> {
    /// What is expected of the PCRs.
    ///
    /// # Errors
    /// If tboot has no room for its command line.
    pub fn predict(&self, banks: &[Bank]) -> Result<Prediction> {
        // Too long a command line is wrong for any bank.
        self.tboot.digests(self.command_line, &[])?;
        let mut forecasts = Forecasts::of_unknown(LOADER);
        for pcr in [11, 12] {
            forecasts.follows(pcr, Vec::new(), &[NO_STUB]);
        }
        let kernel = self.modules.first();
        forecasts.gets(kernel.map(|kernel| kernel.command_line).unwrap_or_default());
        let measured = match self.launch(banks) {
            Err(why) => {
                for pcr in ALL {
                    forecasts.open(pcr, why.as_str());
                }
                Vec::new()
            }
            Ok(launch) => {
                for pcr in ALL {
                    let forecast = self.forecast(pcr, &launch).unwrap_or_else(|why| Forecast::Open { why });
                    forecasts.pcrs.insert(pcr, forecast);
                }
                let Launch { mle, policy, modules, .. } = launch;
                let modules = modules.into_iter().map(|module| module.as_it_is);
                [mle, policy].into_iter().chain(modules).collect()
            }
        };
        Ok(Prediction { forecasts, measured })
    }

    /// What is measured of the files. The error says why it does not follow.
    fn launch(&self, banks: &[Bank]) -> std::result::Result<Launch, String> {
        let extends = Extends::of(self.command_line, self.mapping, banks)?;
        let mut modules = Vec::new();
        for (number, module) in self.modules.iter().enumerate() {
            // `remove_txt_modules` looks at all but the first.
            match if number == 0 { Kind::Measured } else { acm::kind(&module.file.bytes) } {
                Kind::Sinit => {}
                Kind::PolicyData => {
                    return Err(format!("{} is policy data: it may have another policy for tboot", module.file.name));
                }
                Kind::Measured => modules.push(module.measured(&extends.banks)),
            }
        }
        if modules.len() + self.mapping.policy().len() > MOST {
            return Err("tboot does not measure so many modules".to_owned());
        }
        let event = |kind, what: &str, from: Option<&str>, digests| Expected {
            kind,
            what: what.to_owned(),
            from: from.map(str::to_owned),
            digests,
            judged: None,
        };
        let mle = self.tboot.digests(self.command_line, &extends.banks).map_err(|error| error.to_string())?;
        let what = format!("tboot (the MLE) with the command line {:?}", self.command_line);
        let mle = event(MLE_HASH, &what, Some(self.tboot.name()), mle);
        let policy = policy::digests(self.mapping, extends.policy, &extends.banks);
        let policy = event(MEASUREMENT, "tboot's own policy", None, policy);
        Ok(Launch { extends, mle, policy, modules })
    }

    /// What is expected of one of the PCRs. The error says why it does not follow.
    fn forecast(&self, pcr: u8, launch: &Launch) -> std::result::Result<Forecast, String> {
        let Launch { extends, mle, policy, modules } = launch;
        let mut assumes = vec![LAUNCHED.to_owned()];
        let mut parts = Vec::new();
        let (kernel, others) = modules.split_at(modules.len().min(1));
        let mut measured = if self.mapping.kernel() == pcr { kernel.to_vec() } else { Vec::new() };
        if self.mapping.others() == pcr {
            measured.extend_from_slice(others);
        }
        // A module that is wrong is named before a log that lacks.
        let measured = module::parts(&measured).map_err(|error| error.to_string())?;
        match (self.mapping, pcr) {
            (Mapping::Details, 17 | 18) => {
                let log = self.log.ok_or(SINIT)?;
                parts = log.before_tboot(pcr, (pcr == 17).then_some(mle), &extends.banks)?;
                assumes.push(log.assumption());
            }
            (Mapping::Legacy, 17) => return Err(LEGACY.to_owned()),
            (Mapping::Legacy, 18) => parts.push(Part::Event(mle.clone())),
            _ => {}
        }
        if self.mapping.policy().contains(&pcr) {
            parts.push(Part::Event(policy.clone()));
        }
        parts.extend(measured);
        assumes.push(OWN_POLICY.to_owned());
        Ok(Forecast::Follows { parts, assumes })
    }
}

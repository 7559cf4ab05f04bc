//! The prediction of what starts the agent, and with it of the root image.

use super::Predict;
use super::allow_entry::Entry;
use super::boot::Boot;
use super::chain_report::ChainReport;
use super::disk_roots::{Found, is_root_of};
use super::format::Format;
use super::root::Root;
use super::start::Start;
use super::starting_values::starting_values;
use super::subject::Subject;
use crate::chain::forecast::Forecast;
use crate::chain::root_image;
use crate::cli::stdout::print;
use crate::error::Result;
use crate::evidence::signer::Signer;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::measurement::{self, Report};
use crate::measure::pcr::PcrIndex;
use crate::measure::soft_pcrs::SoftPcrs;

impl Predict {
    /// Prints what is measured before the agent, and the root images that are on the same disk.
    pub(super) fn print_disk(
        &self,
        start: &Start,
        boots: &[Boot],
        format: Option<Format>,
        banks: &[Bank],
        key: Option<&dyn Signer>,
    ) -> Result<()> {
        let Found { roots, left_out, others } = Found::of(start, boots);
        self.allow.check_roots(&roots, &left_out)?;
        for (name, why) in left_out.iter().filter(|_| !self.allow.is_given()) {
            warn_of_no_image(name, PcrIndex::DEFAULT, why);
        }
        for (name, why) in &others {
            log::info!("{name}: no root image is measured: {why}");
        }
        let chain = |root: &Root| self.allow.chain(start, boots.iter().filter(|boot| is_root_of(root, boot)), root.pcr);
        let chains = roots.iter().map(chain).collect::<Result<Vec<_>>>()?;
        let report = ChainReport::new(start, self.chain.append(), None, boots, banks);
        let measured = |Root { pcr, digests, .. }: &Root| measured(*pcr, digests, banks);
        let images = roots.iter().map(measured).collect::<Result<Vec<_>>>()?;
        let entries = roots.iter().zip(&images).zip(chains).map(|((root, image), chain)| (&root.subject, image, chain));
        self.publish(&report, &entries.collect::<Vec<_>>(), format, banks, key)
    }

    /// Prints what is measured before the agent, and with it the root image that was given.
    pub(super) fn print_chain(
        &self,
        start: &Start,
        mut boots: Vec<Boot>,
        root: Option<&(Subject, Digests)>,
        format: Option<Format>,
        banks: &[Bank],
        key: Option<&dyn Signer>,
    ) -> Result<()> {
        if let Some((subject, digests)) = root {
            for boot in &mut boots {
                root_image::add(&mut boot.forecasts, self.pcr, &subject.name(), digests);
                if let Some(Forecast::Open { why }) = boot.forecasts.pcrs.get(&self.pcr.get()) {
                    warn_of_no_image(&boot.name(start), self.pcr, why);
                }
            }
            self.say_parameters();
        }
        let chain = self.allow.chain(start, boots.iter(), self.pcr)?;
        let subject = root.map(|(subject, _)| subject);
        let report = ChainReport::new(start, self.chain.append(), subject, &boots, banks);
        let image = root.map(|(_, digests)| measured(self.pcr, digests, banks)).transpose()?;
        let entry = subject.zip(image.as_ref()).map(|(subject, image)| (subject, image, chain));
        self.publish(&report, entry.as_slice(), format, banks, key)
    }

    /// Prints the report in a format, and adds its images to the list.
    fn publish(
        &self,
        report: &ChainReport,
        entries: &[Entry],
        format: Option<Format>,
        banks: &[Bank],
        key: Option<&dyn Signer>,
    ) -> Result<()> {
        self.allow.warn_of_sha1(banks);
        if format == Some(Format::InToto) {
            return self.allow.publish(entries, key, print);
        }
        print(report.text(format)?.as_bytes())?;
        // After an error, the list must not trust an image whose prediction nobody got.
        self.allow.add(entries)
    }
}

/// The measurement of an image after a boot that began with zeros.
fn measured(pcr: PcrIndex, digests: &Digests, banks: &[Bank]) -> Result<Report> {
    measurement::extend(&mut SoftPcrs::with(starting_values(banks, &[])?), pcr, digests)
}

/// Says that the PCR of the root image does not follow: the prediction goes on, and a reader could take it for complete.
fn warn_of_no_image(name: &str, pcr: PcrIndex, why: &str) {
    log::warn!("{name}: THE ROOT IMAGE IS NOT PREDICTED: PCR {pcr} does not follow: {why}");
}

//! The benchmark behind `test-vm/bench`: boots of user-mode Linux with a software TPM in it, timed from `/init` to the image's own
//! init. The script makes the kernel, the images and the archives; this module boots, checks the PCRs, and reports.

mod contestant;
mod figures;
mod host;
mod prepared;
mod record;
mod report;
mod uml;

use crate::{Result, ensure, scratch::Scratch};
use contestant::Contestant;
use record::Record;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use uml::Uml;

/// What the script made, and how much to measure.
#[derive(Debug)]
pub struct Bench {
    /// The folder with the products of the script: `target/bench`.
    pub products: PathBuf,
    /// The initramfs with the agent.
    pub agent: PathBuf,
    /// How many times each contestant boots.
    pub runs: usize,
    /// The size of the root image in MiB.
    pub mebibytes: u64,
}

impl Bench {
    /// Boots all contestants, and prints the report.
    pub fn run(&self) -> Result<()> {
        ensure!(self.runs > 0 && self.mebibytes >= 2, "at least one run, of an image of at least 2 MiB");
        let scratch = Scratch::new()?;
        let uml = Uml { products: &self.products, scratch: &scratch, limit: uml::limit(self.mebibytes) };
        let image = self.products.join(format!("image-{}/image", self.mebibytes));
        let contestants = Contestant::all(&self.products, &self.agent);
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let records = self.boots(&uml, &contestants, &image)?;
        let prepared = prepared::boots(self, &uml)?;
        progress("");
        println!(
            "{}; load when the boots began: {} (above 0.5, other programs disturb the figures)\n",
            host::processors()?,
            load.split(' ').next().unwrap_or_default()
        );
        report::sizes(&contestants)?;
        report::boots(&records, self)?;
        host::report(&image, &scratch)?;
        prepared::report(&prepared);
        Ok(())
    }

    // The contestants take turns, so that a slow minute of this machine affects all of them.
    fn boots(
        &self,
        uml: &Uml,
        contestants: &[Contestant],
        image: &std::path::Path,
    ) -> Result<Vec<(String, Vec<Record>)>> {
        // The host reads the image here. So it is in memory, and no boot waits for the disk.
        let expected = uml::extended_once(image)?;
        let mut records: Vec<_> = contestants.iter().map(|contestant| (contestant.title(), Vec::new())).collect();
        for run in 1..=self.runs {
            for (contestant, (title, of_it)) in contestants.iter().zip(&mut records) {
                progress(&format!("boot {run} of {}: {title}", self.runs));
                of_it.push(uml.boot(contestant, image, None, &expected)?);
            }
        }
        Ok(records)
    }
}

/// Shows a line of progress to a person.
fn progress(line: &str) {
    let mut to = std::io::stderr();
    if to.is_terminal() {
        // A terminal that is gone does not change the figures.
        write!(to, "\r{line:<70}{}", if line.is_empty() { "\r" } else { "" }).ok();
    }
}

//! The options that add a prediction to a list of trusted images.

use std::path::{Path, PathBuf};

use clap::Args;
use log::Level;

use super::boot::Boot;
use super::root::Root;
use super::start::Start;
use super::subject::Subject;
use crate::chain::expectation;
use crate::chain::forecast::{Forecast, Part};
use crate::cli::allow_file;
use crate::cli::replaced_file::check_inputs;
use crate::error::{Error, Result};
use crate::evidence::allow_list::{Added, AllowList};
use crate::evidence::expected::chain::ExpectedChain;
use crate::evidence::expiry::Expiry;
use crate::evidence::signer::Signer;
use crate::evidence::trusted_image::{self, TrustedImage};
use crate::hash::bank::Bank;
use crate::measure::measurement::Report;
use crate::measure::pcr::PcrIndex;

/// The list, and what its entry has beside the digests.
#[derive(Debug, Default, Args)]
pub(super) struct AllowEntry {
    /// Add the image to this list of trusted images, for measureroot verify --allow; with --uki, --kernel, --esp or --disk, together with what
    /// must have started the agent.
    #[arg(long = "allow-entry", value_name = "FILE")]
    list: Option<PathBuf>,
    /// The image's name in the list [default: the name that the list has for it, else the name of its file].
    #[arg(long, requires = "list", value_parser = trusted_image::name)]
    name: Option<String>,
    /// Trust the image until the end of this day (2027-01-31, in UTC) or until this moment (RFC 3339), whatever PCR and banks its entries are
    /// for; a day that is over revokes it [default: the earliest end that the list has for it, else without end].
    #[arg(long, value_name = "DATE", requires = "list")]
    until: Option<Expiry>,
}

/// What an entry is made of: the image, its measurement, and what must start the agent.
pub(super) type Entry<'a> = (&'a Subject, &'a Report, Option<ExpectedChain>);

impl AllowEntry {
    /// Checks that the list can be written, and that the entry has a name. `image` is the file that is predicted, if there is
    /// one, and `verity` an image with its tree. This is done before the image is read, which takes long.
    pub(super) fn check(&self, image: Option<&Path>, verity: &[PathBuf]) -> Result<()> {
        let Some(list) = &self.list else { return Ok(()) };
        check_inputs(list, verity.iter().map(PathBuf::as_path).chain(image))?;
        if let (None, Some(file)) = (&self.name, image.and_then(Path::file_name)) {
            let named = |error: Error| error.on(Path::new(file).display()).hint("give the image a name with --name");
            let text = file.to_str().ok_or_else(|| Error::new("name", "is not UTF-8, as a list has it"));
            text.and_then(trusted_image::name).map_err(named)?;
        }
        allow_file::check(list)
    }

    /// The banks that an image is hashed for, if these are predicted. With a list, all: it may have the image for others.
    pub(super) fn hashed(&self, banks: &[Bank]) -> Vec<Bank> {
        if self.is_given() { Bank::ALL.to_vec() } else { banks.to_vec() }
    }

    /// Whether the user names a list.
    pub(super) fn is_given(&self) -> bool {
        self.list.is_some()
    }

    /// What must start the agent, for the entry of an image that `boots` measure into `pcr`. `None` if there is no list.
    pub(super) fn chain<'a>(
        &self,
        start: &Start,
        boots: impl Iterator<Item = &'a Boot>,
        pcr: PcrIndex,
    ) -> Result<Option<ExpectedChain>> {
        let Some(list) = &self.list else { return Ok(None) };
        let (mut chain, mut left_out) = (ExpectedChain::default(), Vec::new());
        for boot in boots {
            let (name, forecasts) = (&boot.name(start), &boot.forecasts);
            if let Some(Forecast::Follows { parts, .. }) = forecasts.pcrs.get(&pcr.get())
                && !matches!(parts.as_slice(), [Part::Event(_)])
            {
                let cause = format!(
                    "what starts the agent is measured into PCR {pcr}, too: an entry has the image alone there"
                );
                return Err(Error::new(name, cause).hint("--pcr names another one, and rootimgpcr= at the boot"));
            }
            // No boot would have the PCR of the entry.
            if let Some(Forecast::Open { why }) = forecasts.pcrs.get(&pcr.get()) {
                return Err(Error::new(name, why));
            }
            if let Some(boot) = expectation::boot(name, forecasts)? {
                chain.boots.push(boot);
            } else {
                let level = if boot.starts_no_kernel().is_some() { Level::Info } else { Level::Warn };
                left_out.push((level, format!("{name}: {}", expectation::left_out(forecasts))));
            }
        }
        if chain.boots.is_empty() {
            let left_out: Vec<_> = left_out.into_iter().map(|(_, what)| what).collect();
            let cause = format!("nothing would vouch for what starts the agent: {}", left_out.join("; "));
            return Err(Error::new(list.display(), cause).hint("add the image without a chain, or mend that"));
        }
        for (level, what) in left_out {
            log::log!(level, "{}: leaves out {what}", list.display());
        }
        chain.check().map_err(|error| error.on(list.display()))?;
        Ok(Some(chain))
    }

    /// Checks that the disk has an image for an entry, and a name for each. `roots` are the images, `left_out` the boots without one.
    pub(super) fn check_roots(&self, roots: &[Root], left_out: &[(String, String)]) -> Result<()> {
        let Some(list) = &self.list else { return Ok(()) };
        match (roots, left_out) {
            ([], [(name, why), ..]) => return Err(Error::new(name, why).hint("--allow-entry needs a root image")),
            ([_, _, ..], _) if self.name.is_some() => {
                return Err(Error::new("--name", format_args!("the disk has {} root images", roots.len()))
                    .hint("leave it out: each has its own name then"));
            }
            _ => {}
        }
        for (name, why) in left_out {
            log::warn!("{}: leaves out {name}: {why}", list.display());
        }
        Ok(())
    }

    /// Says if the entry will have a digest that `verify` does not count.
    pub(super) fn warn_of_sha1(&self, banks: &[Bank]) {
        if let (Some(list), true) = (&self.list, banks.iter().all(|&bank| bank == Bank::Sha1)) {
            log::warn!(
                "{}: the entry has a digest of the sha1 bank alone; verify counts it only with --sha1",
                list.display()
            );
        }
    }

    /// Adds predictions to the list. `print` gets the list as it will be, as a statement of in-toto; with a key, it is signed. If the user names
    /// no list, it has the predictions alone. While it prints, no other program can change the list: otherwise, of two builds at the same time,
    /// the one that ends last could publish the older list.
    ///
    /// # Errors
    /// If the list cannot be read or written, if a statement cannot have it, or if it cannot be printed. In the last case, the list stays as it
    /// was.
    pub(super) fn publish(
        &self,
        entries: &[Entry],
        key: Option<&dyn Signer>,
        print: impl FnOnce(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let published = |list: &AllowList| match key {
            Some(key) => list.to_signed(key),
            None => Ok(list.to_statement()? + "\n"),
        };
        if self.list.is_some() {
            return self.append(entries, |list| print(published(list)?.as_bytes()));
        }
        let mut list = AllowList::default();
        for image in self.trusted(entries)? {
            list.add(&image, self.name.is_some());
        }
        print(published(&list)?.as_bytes())
    }

    /// Adds predictions to the list, if the user named one.
    ///
    /// # Errors
    /// If the list cannot be read or written.
    pub(super) fn add(&self, entries: &[Entry]) -> Result<()> {
        self.append(entries, |_| Ok(()))
    }

    /// The entries of these predictions.
    fn trusted(&self, entries: &[Entry]) -> Result<Vec<TrustedImage>> {
        let trusted = |(subject, report, chain): &Entry| {
            let name = trusted_image::name(&self.name.clone().unwrap_or_else(|| subject.name()))?;
            let (chain, others) = (chain.clone(), subject.digests());
            Ok(TrustedImage { chain, others, ..TrustedImage::of(&name, report, self.until.clone()) })
        };
        entries.iter().map(trusted).collect()
    }

    fn append(&self, entries: &[Entry], publish: impl FnOnce(&AllowList) -> Result<()>) -> Result<()> {
        let Some(list) = &self.list else { return Ok(()) };
        for (added, entry) in allow_file::append(list, &self.trusted(entries)?, self.name.is_some(), publish)? {
            let TrustedImage { name, expiry, chain, .. } = entry;
            let mut until = expiry.map_or("without end".to_owned(), |until| format!("until {until}"));
            if let Some(chain) = chain {
                let boots: Vec<_> = chain.boots.iter().map(|boot| boot.name.as_str()).collect();
                until.push_str(", started by ");
                until.push_str(&boots.join(" or "));
            }
            let list = list.display();
            match added {
                Added::New => log::info!("{list}: trusts {name} {until}"),
                Added::Renewed => log::info!("{list}: already had this image; now trusts it as {name} {until}"),
                Added::Known => log::info!("{list}: already trusts {name} {until}"),
            }
        }
        Ok(())
    }
}

//! The root images that the boots of a disk measure, if they are on this disk: what each command line names, read as the agent reads it.

use super::boot::Boot;
use super::disk::{DiskFile, ReadDisk};
use super::root::Root;
use super::start::Start;
use super::subject::Subject;
use super::{in_banks, root_hash};
use crate::chain::disk::Disk;
use crate::chain::forecast::Forecast;
use crate::chain::forecasts::Forecasts;
use crate::chain::root_image;
use crate::chain::root_on_disk::{self, RootOnDisk};
use crate::cli::explain::kept;
use crate::cli::image_file::progress_bar;
use crate::cmdline;
use crate::config::Config;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::hash::pass;
use crate::hash::tree_shape::TreeHash;
use crate::measure::image_format::ImageFormat;
use crate::measure::pcr::PcrIndex;

/// The images of a disk.
pub(super) struct DiskRoots<'a> {
    file: &'a DiskFile,
    disk: &'a Disk<'a>,
    banks: &'a [Bank],
    /// The banks that are hashed: these, and maybe more, which a list may have.
    hashed_banks: Vec<Bank>,
    /// What was hashed: each image is read once, however many boots have it.
    hashed: Vec<(Place, Digests)>,
}

/// What the boots of a disk measure, for messages and lists.
pub(super) struct Found {
    /// Each image once.
    pub(super) roots: Vec<Root>,
    /// The boots whose image is not known: the name of each, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// The entries of a menu that start no kernel: the name of each, and why. They are in `left_out` if there is nothing else.
    pub(super) others: Vec<(String, String)>,
}

impl Found {
    /// Those of these boots.
    pub(super) fn of(start: &Start, boots: &[Boot]) -> Self {
        let (mut roots, mut left_out, mut others): (Vec<Root>, Vec<_>, Vec<_>) = (Vec::new(), Vec::new(), Vec::new());
        for boot in boots {
            match (&boot.root, boot.forecasts.pcrs.get(&PcrIndex::DEFAULT.get())) {
                (Some(own), _) => match roots.iter_mut().find(|root| is_root_of(root, boot)) {
                    // The PCR does not tell two slots with the same image apart, so its entry has the names of both.
                    Some(root) => root.subject.is_also_at(&own.subject),
                    None => roots.push(own.clone()),
                },
                (None, Some(Forecast::Open { why })) => match boot.starts_no_kernel() {
                    Some(why) => others.push((boot.name(start), why.to_owned())),
                    None => left_out.push((boot.name(start), why.clone())),
                },
                _ => {}
            }
        }
        if roots.is_empty() && left_out.is_empty() {
            left_out.append(&mut others);
        }
        Self { roots, left_out, others }
    }
}

/// Whether a boot measures this image.
pub(super) fn is_root_of(root: &Root, boot: &Boot) -> bool {
    boot.root.as_ref().is_some_and(|own| (own.pcr, &own.digests) == (root.pcr, &root.digests))
}

/// The stretches of an image, and how many bytes are measured.
type Place = (Vec<(u64, u64)>, u64);

/// What a command line names.
struct Named<'a> {
    pcr: PcrIndex,
    format: ImageFormat,
    what: What<'a>,
    assumes: Vec<String>,
}

enum What<'a> {
    Image(RootOnDisk<'a>),
    RootHash(TreeHash),
}

/// Why the image of a command line is not known, and the PCR that it is measured into.
struct Unknown {
    pcr: PcrIndex,
    why: String,
}

impl<'a> DiskRoots<'a> {
    /// Those of a disk.
    pub(super) fn of(ReadDisk { file, disk }: &'a ReadDisk<'a>, banks: &'a [Bank]) -> Self {
        Self { file, disk, banks, hashed_banks: banks.to_vec(), hashed: Vec::new() }
    }

    /// The same, hashed for these banks.
    pub(super) fn hashed_for(self, hashed_banks: Vec<Bank>) -> Self {
        Self { hashed_banks, ..self }
    }

    /// Adds to each boot the image that it measures, or why it is not known.
    pub(super) fn add(&mut self, boots: &mut [Boot]) -> Result<()> {
        for Boot { forecasts, root, .. } in boots {
            match self.named(forecasts) {
                Ok(named) => {
                    let found = self.root(&named)?;
                    let from = found.subject.name();
                    root_image::add_found(forecasts, found.pcr, &from, &found.digests, &named.assumes);
                    *root = Some(found);
                }
                Err(Unknown { pcr, why }) => root_image::is_unknown(forecasts, pcr, &why),
            }
        }
        Ok(())
    }

    /// Says which boots measure another image than the one that the user gave. `digests` are those of that one.
    pub(super) fn warn_of_others(&mut self, start: &Start, boots: &[Boot], digests: &Digests) -> Result<()> {
        for boot in boots {
            let Ok(named) = self.named(&boot.forecasts) else { continue };
            let found = self.root(&named)?;
            if self.banks.iter().any(|bank| found.digests.get(bank) != digests.get(bank)) {
                log::warn!(
                    "{}: the command line names another image, {}: a boot measures that one, and the prediction is about the image that \
                     was given",
                    boot.name(start),
                    found.subject.name()
                );
            }
        }
        Ok(())
    }

    /// What the command lines of a boot name.
    fn named(&self, forecasts: &Forecasts) -> std::result::Result<Named<'a>, Unknown> {
        let unknown = |pcr, why: &str| Unknown { pcr, why: why.to_owned() };
        let mut found: Option<Named<'a>> = None;
        for line in forecasts.command_lines() {
            let next = self.named_by(line)?;
            if found.as_ref().is_some_and(|found| !found.is_same(&next)) {
                let why = "it has the root image, and the command lines that the kernel may get name different ones";
                return Err(unknown(next.pcr, why));
            }
            found = Some(next);
        }
        let why = "it has the root image, and the command line that names it does not follow";
        found.ok_or_else(|| unknown(PcrIndex::DEFAULT, why))
    }

    fn named_by(&self, line: &str) -> std::result::Result<Named<'a>, Unknown> {
        let unknown = |pcr, why: String| Unknown { pcr, why: format!("the root image is not known: {why}") };
        let (kept, cut) = kept::of(line.as_bytes());
        if let Some(cut) = cut {
            return Err(unknown(PcrIndex::DEFAULT, cut));
        }
        let config = Config::parse(&cmdline::parse(kept));
        let config = config
            .map_err(|error| unknown(PcrIndex::DEFAULT, format!("the agent refuses the command line: {error}")))?;
        let (pcr, format) = (config.pcr, config.format);
        if !config.measured {
            return Err(unknown(pcr, "with measureroot=off, the agent does not measure it".to_owned()));
        }
        let found = root_on_disk::find(self.disk, &config.source, config.image_request());
        let (what, assumes) = match (config.roothash, found) {
            // The root hash is measured, wherever the image is.
            (Some(roothash), Ok(_)) => (What::RootHash(roothash.hash), Vec::new()),
            (Some(roothash), Err(error)) => {
                let what = format!("the image is where the command line says, which is not on this disk: {error}");
                (What::RootHash(roothash.hash), vec![what])
            }
            (None, Ok(mut found)) => {
                let assumes = std::mem::take(&mut found.assumes);
                (What::Image(found), assumes)
            }
            (None, Err(error)) => return Err(unknown(pcr, error.to_string())),
        };
        Ok(Named { pcr, format, what, assumes })
    }

    /// Hashes the image.
    fn root(&mut self, Named { pcr, format, what, .. }: &Named<'a>) -> Result<Root> {
        let (subject, digests) = match what {
            What::RootHash(hash) => root_hash(hash, self.banks),
            What::Image(found) => {
                let (disk, place) = (self.file.name.clone(), found.place.clone());
                let digests = format.of(self.digests(found)?);
                let predicted = in_banks(&digests, self.banks);
                (Subject::OnDisk { disk, place, bytes: found.bytes, format: *format, digests }, predicted)
            }
        };
        Ok(Root { subject, pcr: *pcr, digests })
    }

    fn digests(&mut self, found: &RootOnDisk<'a>) -> Result<Digests> {
        let place = found.at();
        if let Some((_, digests)) = self.hashed.iter().find(|(hashed, _)| *hashed == place) {
            return Ok(digests.clone());
        }
        let name = format!("{}, {}", self.file.name, found.place);
        let bar = progress_bar(found.bytes);
        let mut blocks = found.stretches.blocks(&name, found.bytes)?;
        let digests = pass::digests(&mut blocks, &self.hashed_banks, None, &mut |done| bar.set_position(done))?;
        bar.finish_and_clear();
        self.hashed.push((place, digests.clone()));
        Ok(digests)
    }
}

impl Named<'_> {
    fn is_same(&self, other: &Self) -> bool {
        let is_same = match (&self.what, &other.what) {
            (What::Image(one), What::Image(other)) => one.at() == other.at(),
            (What::RootHash(one), What::RootHash(other)) => one == other,
            _ => false,
        };
        is_same && (self.pcr, self.format) == (other.pcr, other.format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::predict::start::MenuEntry;

    #[test]
    fn an_entry_that_starts_no_kernel_is_no_boot_whose_image_is_unknown() {
        let boot = |id: &str, why: &str| {
            let entry = MenuEntry { partition: None, id: id.to_owned(), title: None, default: false };
            Boot { entry: Some(entry), forecasts: Forecasts::of_unknown(why), root: None }
        };
        let settings = "grub/grub.cfg:9: fwsetup: starts the firmware's settings, and no kernel";
        let off = "grub/grub.cfg:9: halt: starts no kernel";
        let other = "grub/grub.cfg:9: chainloader: another boot loader is not predicted";
        let start = Start::Esp { esp: "esp".to_owned(), loader: "GRUB".to_owned(), notes: Vec::new() };
        let names = |all: &[(String, String)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let boots = [boot("a", settings), boot("b", other), boot("c", off)];
        let found = Found::of(&start, &boots);
        assert_eq!(
            (names(&found.left_out), names(&found.others)),
            (names(&[("b".to_owned(), String::new())]), vec!["a".to_owned(), "c".to_owned()])
        );
        assert_eq!(found.others[0].1, settings);
        // If nothing else is on the disk, a list gets no entry.
        let found = Found::of(&start, &boots[..1]);
        assert_eq!((found.left_out.len(), found.others.len()), (1, 0));
    }
}

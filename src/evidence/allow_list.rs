//! The list of trusted images: the provider of many images keeps it, and `predict --allow-entry` adds to it.

use super::same_image;
use super::trusted_image::TrustedImage;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;

/// What [`AllowList::add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It added the image.
    New,
    /// It changed or joined entries about the same boot.
    Renewed,
    /// The list already had the image, so nothing changed.
    Known,
}

/// The list of trusted images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    /// The images, oldest first.
    pub(crate) images: Vec<TrustedImage>,
}

impl AllowList {
    /// Adds what a user states about an image. All older entries about the same boot become one with it: if one of them
    /// stayed, an earlier end would revoke nothing. So an end that is stated is that of all entries about the image, also for other PCRs or
    /// values before. What the user does not state stays: the name, unless `named`, and the earliest end. Returns the entry, too.
    pub(crate) fn add(&mut self, stated: &TrustedImage, named: bool) -> (Added, TrustedImage) {
        let (old, mut entry) = (self.images.clone(), stated.clone());
        let (mut place, same) = (None, same_image::places(&self.images, &[stated]));
        if stated.expiry.is_some() {
            for at in same {
                self.images[at].expiry.clone_from(&stated.expiry);
            }
        } else if let Some(first) = same.iter().map(|&at| &self.images[at]).min_by(|one, other| one.ends_before(other))
        {
            entry.expiry.clone_from(&first.expiry);
        }
        while let Some(at) = self.images.iter().position(|known| known.is_same(&entry)) {
            let known = self.images.remove(at);
            entry.take_banks_of(&known);
            entry.take_chain_of(&known);
            if !named && place.is_none() {
                entry.name.clone_from(&known.name);
            }
            place = Some(place.map_or(at, |first: usize| first.min(at)));
        }
        let written = TrustedImage { others: Digests::new(), ..entry.clone() };
        self.images.insert(place.unwrap_or(self.images.len()), written);
        let added = match place {
            None => Added::New,
            Some(_) if self.images == old => Added::Known,
            Some(_) => Added::Renewed,
        };
        (added, entry)
    }

    /// The entries about the same image that are not this one.
    pub(crate) fn others_of(&self, entry: &TrustedImage) -> Vec<&TrustedImage> {
        let same = same_image::places(&self.images, &[entry]).into_iter().map(|at| &self.images[at]);
        same.filter(|image| !image.is_same(entry)).collect()
    }

    /// The banks of all entries.
    pub(crate) fn banks(&self) -> Vec<Bank> {
        Bank::ALL.into_iter().filter(|bank| self.images.iter().any(|image| image.digests.contains_key(bank))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::eventlog::EventType;
    use crate::evidence::expected::chain::{ExpectedBoot, ExpectedChain, ExpectedEvent, ExpectedPart};
    use crate::hash::digest::digests_of;
    use crate::measure::pcr::{Pcr, PcrIndex};

    fn image(name: &str, expiry: Option<&str>) -> TrustedImage {
        let digests = digests_of(&[Bank::Sha256], b"image");
        let expiry = expiry.map(|text| text.parse().unwrap());
        TrustedImage {
            name: name.to_owned(),
            pcr: PcrIndex::DEFAULT,
            digests,
            before: Digests::new(),
            expiry,
            chain: None,
            others: Digests::new(),
        }
    }

    #[test]
    fn images_with_the_same_measurement_have_one_entry() {
        let mut list = AllowList { images: vec![image("a", None)] };
        assert_eq!(list.add(&image("a", None), true).0, Added::Known);
        assert_eq!(list.add(&image("a", Some("2027-01-31")), true).0, Added::Renewed);
        assert_eq!(list.images, [image("a", Some("2027-01-31"))]);
    }

    /// The same image, with digests for other banks.
    fn in_banks(banks: &[Bank], expiry: Option<&str>) -> TrustedImage {
        TrustedImage { digests: digests_of(banks, b"image"), ..image("a", expiry) }
    }

    #[test]
    fn an_earlier_end_revokes_every_entry_about_the_image_whatever_its_banks_are() {
        let all = &Bank::ALL[..];
        let one = &[Bank::Sha256][..];
        let end = Some("2020-01-31");
        for (known, stated) in [(&[all][..], one), (&[one], all), (&[one, &[Bank::Sha1], &[Bank::Sha384]], all)] {
            let mut list = AllowList { images: known.iter().map(|banks| in_banks(banks, None)).collect() };
            assert_eq!(list.add(&in_banks(stated, end), true).0, Added::Renewed);
            assert_eq!(list.images, [in_banks(&[known.concat(), stated.to_vec()].concat(), end)], "{known:?}");
        }
        // Entries that only a third one connects.
        let mut list =
            AllowList { images: vec![in_banks(&[Bank::Sha1], None), in_banks(&[Bank::Sha1, Bank::Sha256], None)] };
        list.add(&in_banks(one, end), true);
        assert_eq!(list.images, [in_banks(&[Bank::Sha1, Bank::Sha256], end)]);
    }

    #[test]
    fn another_image_with_the_same_sha1_digest_is_another_image() {
        let mut forged = in_banks(&[Bank::Sha1, Bank::Sha256], None);
        forged.digests.insert(Bank::Sha256, Bank::Sha256.digest(b"forged"));
        let mut list = AllowList { images: vec![forged.clone()] };
        assert_eq!(list.add(&in_banks(&Bank::ALL, None), true).0, Added::New);
        assert_eq!(list.images, [forged, in_banks(&Bank::ALL, None)]);
    }

    #[test]
    fn an_entry_for_another_pcr_or_without_a_bank_in_common_is_about_another_boot() {
        let mut list = AllowList { images: vec![in_banks(&[Bank::Sha1], None)] };
        assert_eq!(list.add(&in_banks(&[Bank::Sha256], None), true).0, Added::New);
        let elsewhere = TrustedImage { pcr: PcrIndex::try_from(9).unwrap(), ..in_banks(&[Bank::Sha1], None) };
        assert_eq!(list.add(&elsewhere, true).0, Added::New);
        assert_eq!(list.images.len(), 3);
    }

    #[test]
    fn what_is_not_stated_stays() {
        let mut list = AllowList { images: vec![image("release 7", Some("2027-01-31"))] };
        assert_eq!(list.add(&image("rootfs", None), false), (Added::Known, image("release 7", Some("2027-01-31"))));
        list.add(&image("rootfs", Some("2027-02-28")), false);
        assert_eq!(list.images, [image("release 7", Some("2027-02-28"))]);
        list.add(&image("rootfs", None), true);
        assert_eq!(list.images, [image("rootfs", Some("2027-02-28"))]);
    }

    /// The same image, started by these files.
    fn started_by(files: &[(&str, &str)]) -> TrustedImage {
        let boot = |(name, bytes): &(&str, &str)| {
            let (kind, what) = (EventType(0xD), (*bytes).to_owned());
            let event =
                ExpectedEvent { kind, what, from: None, digests: digests_of(&[Bank::Sha256], bytes.as_bytes()) };
            let pcrs = BTreeMap::from([(Pcr::try_from(4).unwrap(), vec![ExpectedPart::Event(event)])]);
            ExpectedBoot { name: (*name).to_owned(), unmeasured: Vec::new(), pcrs }
        };
        let chain = Some(ExpectedChain { boots: files.iter().map(boot).collect() });
        TrustedImage { chain, ..image("a", None) }
    }

    #[test]
    fn a_chain_that_was_stated_stays_and_a_boot_of_the_same_name_is_renewed() {
        let mut list = AllowList { images: vec![image("a", None)] };
        for (stated, added, expected) in [
            (started_by(&[("x", "1")]), Added::Renewed, started_by(&[("x", "1")])),
            (image("a", None), Added::Known, started_by(&[("x", "1")])),
            (started_by(&[("x", "1")]), Added::Known, started_by(&[("x", "1")])),
            (started_by(&[("y", "1")]), Added::Renewed, started_by(&[("x", "1"), ("y", "1")])),
            (started_by(&[("x", "2")]), Added::Renewed, started_by(&[("y", "1"), ("x", "2")])),
        ] {
            assert_eq!(list.add(&stated, true).0, added);
            assert_eq!(list.images, [expected]);
        }
        let text = list.to_json().unwrap();
        assert_eq!(text.parse::<AllowList>().unwrap(), list);
        // A measureroot that does not know the field refuses the list, as this one refuses another field.
        let error = text.replace("\"chain\"", "\"chains\"").parse::<AllowList>().unwrap_err().to_string();
        assert!(error.contains("the field \"chains\" is not known"), "{error}");
        assert!(text.replace("\"version\": 1", "\"version\": 2").parse::<AllowList>().is_err());
    }
}

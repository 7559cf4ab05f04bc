//! Which entries of the list are about the same image: also those for other banks, other PCRs, or other values before the boot. An end that
//! somebody gave the image must hold for all of them. Otherwise, a machine with a revoked image would be trusted by the entry that nobody
//! thought of.

use super::trusted_image::TrustedImage;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::image_format::ImageFormat;

/// What tells an image: its digests, and those that stand for them with `measureroot.format=meta-measured`.
struct Forms([Digests; 2]);

impl Forms {
    fn of(image: &TrustedImage) -> Self {
        let mut plain = image.others.clone();
        plain.extend(image.digests.clone());
        let meta = ImageFormat::MetaMeasured.of(plain.clone());
        Self([plain, meta])
    }

    /// Whether both are forms of one image. Each may be in either format.
    fn share(&self, other: &Self) -> bool {
        let (Self([one, meta]), Self([other, other_meta])) = (self, other);
        share_digest(one, other) || share_digest(meta, other) || share_digest(one, other_meta)
    }
}

/// Whether both have a digest of the same image. SHA-1 alone does not tell two images apart that were made for it, if another bank does.
fn share_digest(one: &Digests, other: &Digests) -> bool {
    let common = || one.iter().filter_map(|(bank, own)| Some((*bank, own == other.get(bank)?)));
    common().any(|(bank, is_equal)| is_equal && bank != Bank::Sha1)
        || (common().next().is_some() && common().all(|(_, is_equal)| is_equal))
}

/// Where `all` has entries of the same images as `some`, also if only a third entry connects them.
pub(super) fn places(all: &[TrustedImage], some: &[&TrustedImage]) -> Vec<usize> {
    let mut rest: Vec<_> = all.iter().map(Forms::of).enumerate().collect();
    let mut next: Vec<_> = some.iter().map(|image| Forms::of(image)).collect();
    let mut places = Vec::new();
    while let Some(one) = next.pop() {
        let (found, left): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, other)| one.share(other));
        rest = left;
        for (place, forms) in found {
            places.push(place);
            next.push(forms);
        }
    }
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::allow_list::{Added, AllowList};
    use crate::hash::digest::digests_of;
    use crate::measure::pcr::PcrIndex;

    fn image(digests: Digests) -> TrustedImage {
        let (name, before, others) = ("a".to_owned(), Digests::new(), Digests::new());
        TrustedImage { name, pcr: PcrIndex::DEFAULT, digests, before, expiry: None, chain: None, others }
    }

    fn of(banks: &[Bank], bytes: &[u8]) -> TrustedImage {
        image(digests_of(banks, bytes))
    }

    #[test]
    fn one_digest_in_common_tells_the_image() {
        let (old, good, long) = (Bank::Sha1, Bank::Sha256, Bank::Sha384);
        let one = of(&[good], b"image");
        let elsewhere = TrustedImage { pcr: PcrIndex::try_from(14).unwrap(), ..one.clone() };
        let later = TrustedImage { before: digests_of(&[good], b"before"), ..one.clone() };
        let meta = image(ImageFormat::MetaMeasured.of(digests_of(&[good, long], b"image")));
        let known = TrustedImage { others: digests_of(&Bank::ALL, b"image"), ..of(&[long], b"image") };
        let mistyped =
            image([digests_of(&[good], b"image"), digests_of(&[long], b"imaeg")].into_iter().flatten().collect());
        let forged =
            image([digests_of(&[old], b"image"), digests_of(&[good], b"forged")].into_iter().flatten().collect());
        for (some, all, expected) in [
            (&one, vec![one.clone(), elsewhere, later, meta.clone()], vec![0, 1, 2, 3]),
            (&meta, vec![one.clone(), of(&[long], b"image"), of(&[long], b"other")], vec![0, 1]),
            (&one, vec![of(&[long], b"image")], vec![]),
            (&known, vec![one.clone(), of(&[old], b"image"), of(&[good], b"other")], vec![0, 1]),
            (&one, vec![of(&[long], b"image"), of(&[long, good], b"image")], vec![0, 1]),
            (&mistyped, vec![of(&[good, long], b"image")], vec![0]),
            // Somebody made another image with the same SHA-1 digest.
            (&forged, vec![of(&[old, good], b"image"), of(&[old, long], b"other")], vec![]),
            (&forged, vec![of(&[old], b"image")], vec![0]),
        ] {
            assert_eq!(places(&all, &[some]), expected, "{some:?} {all:?}");
        }
    }

    #[test]
    fn an_end_that_is_stated_is_that_of_all_entries_about_the_image() {
        let until = |image: TrustedImage, text: &str| TrustedImage { expiry: text.parse().ok(), ..image };
        let (end, late) = ("2020-01-31", "2099-12-31");
        let (good, long) = (&[Bank::Sha256][..], &[Bank::Sha384][..]);
        let known = |banks| TrustedImage { others: digests_of(&Bank::ALL, b"image"), ..of(banks, b"image") };
        let elsewhere = TrustedImage { pcr: PcrIndex::try_from(14).unwrap(), ..of(good, b"image") };
        let later = TrustedImage { before: digests_of(good, b"before"), ..of(good, b"image") };
        let other = until(of(good, b"other"), late);
        // Without a bank in common, they become one.
        let mut list = AllowList { images: vec![until(of(good, b"image"), late)] };
        assert_eq!(list.add(&until(known(long), end), true).0, Added::Renewed);
        assert_eq!(list.images, [until(of(&[Bank::Sha256, Bank::Sha384], b"image"), end)]);
        // Those of other PCRs and other values before stay, with the new end.
        let mut list = AllowList { images: vec![until(elsewhere.clone(), late), later.clone(), other.clone()] };
        let (added, entry) = list.add(&until(known(long), end), true);
        let (elsewhere, later) = (until(elsewhere, end), until(later, end));
        assert_eq!(added, Added::New);
        assert_eq!(list.images, [elsewhere.clone(), later.clone(), other.clone(), until(of(long, b"image"), end)]);
        assert_eq!(list.others_of(&entry), [&elsewhere, &later]);
        // A new entry without an end does not undo that; a later end that is stated does.
        list.add(&TrustedImage { pcr: PcrIndex::try_from(9).unwrap(), ..known(good) }, true);
        assert!(list.images[4].pcr.get() == 9 && list.images[4].expiry == later.expiry);
        list.add(&until(known(good), late), true);
        assert!(list.images.iter().all(|image| image.expiry == other.expiry), "{list:?}");
        assert_eq!(list.banks(), [Bank::Sha256, Bank::Sha384]);
    }
}

//! What is measured, and into which PCR. The boot and the prediction both come through here, so they cannot drift apart.

use std::collections::BTreeMap;
use std::fs::File;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests, digests_of};
use crate::hash::file_blocks::FileBlocks;
use crate::hash::pass::{self, Tee};
use crate::hash::tree_shape::TreeHash;
use crate::measure::pcr::{PcrIndex, Pcrs};
use crate::measure::session::Session;
use crate::sys::block_device;

/// What the PCR is extended with when a boot fails: the digest of this text in each bank.
pub const FAILED: &str = "measureroot: failed";
/// What it is extended with before an image runs that nobody measured.
pub const UNMEASURED: &str = "measureroot: unmeasured";

/// What stands for all of a prepared image: `measureroot: roothash=` and 64 lower-case hex digits, without a newline. The
/// words in front keep it apart from whatever else can be measured.
#[must_use]
pub fn root_hash_text(root_hash: &TreeHash) -> String {
    format!("measureroot: roothash={}", hex::encode(root_hash))
}

/// The digests of that text.
#[must_use]
pub fn root_hash(root_hash: &TreeHash, banks: &[Bank]) -> Digests {
    digests_of(banks, root_hash_text(root_hash).as_bytes())
}

/// One bank's part of an extend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extension {
    /// What the PCR was extended with.
    pub digest: Digest,
    /// The PCR before.
    pub before: Digest,
    /// The PCR after, as read back: H(before || digest).
    pub after: Digest,
}

/// What was measured. Only this module makes one, and switching root wants one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether the image was measured; if not, the PCR says so by [`UNMEASURED`].
    pub measured: bool,
    /// The PCR that was extended.
    pub pcr: PcrIndex,
    /// What protected the extend on its way to a TPM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The extends, by bank; empty only in an unmeasured boot without a TPM.
    pub banks: BTreeMap<Bank, Extension>,
}

/// The bytes of an image.
#[derive(Debug, Clone, Copy)]
pub struct ImageBytes<'a> {
    /// The image's file or block device.
    pub file: &'a File,
    /// What errors call it.
    pub name: &'a str,
    /// How many bytes are hashed, from its start.
    pub bytes: u64,
    /// How many bytes it had when it was opened. If it has more or less when it was hashed, the medium was exchanged or somebody
    /// writes to it, and nobody knows which bytes were hashed.
    pub opened_bytes: u64,
}

/// Hashes the image once for all banks: the plain hash of its first `bytes` bytes, as sha256sum gives it for the file.
/// `tee` is given the same bytes; `progress` is told how many were hashed so far.
///
///
/// # Errors
/// When the image cannot be read to its end, or did not keep its size.
pub fn image(
    source: ImageBytes,
    banks: &[Bank],
    tee: Option<&mut dyn Tee>,
    progress: &mut dyn FnMut(u64),
) -> Result<Digests> {
    let ImageBytes { file, name, bytes, opened_bytes } = source;
    let digests = pass::digests(&mut FileBlocks::new(file, name, bytes)?, banks, tee, progress)?;
    let size = block_device::size(file).ok_or_else(|| Error::new(name, "has no size"))?;
    if size != opened_bytes {
        let cause = format!("had {opened_bytes} bytes when it was opened, and {size} when it was hashed");
        return Err(Error::new(name, cause).hint("was the medium changed, or does somebody write to it?"));
    }
    Ok(digests)
}

/// Extends `pcr` with the image's digests, in all banks at once, and reads back that this is what happened.
///
/// # Errors
/// When the TPM does not do just that.
pub fn extend(pcrs: &mut dyn Pcrs, pcr: PcrIndex, digests: &Digests) -> Result<Report> {
    Ok(Report { measured: true, pcr, session: pcrs.session(), banks: extend_checked(pcrs, pcr, digests)? })
}

/// Marks a boot that goes on unmeasured, where there is a TPM that could be mistaken.
///
/// # Errors
/// When there is one and it cannot be marked.
pub fn extend_unmeasured(pcrs: Option<&mut (dyn Pcrs + '_)>, pcr: PcrIndex) -> Result<Report> {
    let session = pcrs.as_ref().and_then(|pcrs| pcrs.session());
    let banks = pcrs.map_or(Ok(BTreeMap::new()), |pcrs| extend_text(pcrs, pcr, UNMEASURED))?;
    Ok(Report { measured: false, pcr, session, banks })
}

/// Marks a boot that failed: from here on the PCR cannot have the value of any image. There is no [`Report`] of that: with
/// one, the boot could go on.
///
/// # Errors
/// When it cannot be marked.
pub fn extend_failed(pcrs: &mut dyn Pcrs, pcr: PcrIndex) -> Result<BTreeMap<Bank, Extension>> {
    extend_text(pcrs, pcr, FAILED)
}

fn extend_text(pcrs: &mut dyn Pcrs, pcr: PcrIndex, text: &str) -> Result<BTreeMap<Bank, Extension>> {
    let banks = pcrs.banks(pcr)?;
    extend_checked(pcrs, pcr, &digests_of(&banks, text.as_bytes()))
}

fn extend_checked(pcrs: &mut dyn Pcrs, pcr: PcrIndex, digests: &Digests) -> Result<BTreeMap<Bank, Extension>> {
    let banks: Vec<_> = digests.keys().copied().collect();
    if banks.is_empty() {
        return Err(Error::new(format!("PCR {pcr}"), "no bank to extend"));
    }
    let before = pcrs.read(pcr, &banks)?;
    pcrs.extend(pcr, digests)?;
    let after = pcrs.read(pcr, &banks)?;
    let mut extensions = BTreeMap::new();
    for (&bank, digest) in digests {
        // A bus between us and the TPM may drop an extend, and a resource manager may slip in another.
        let (Some(before), Some(after)) = (before.get(&bank), after.get(&bank)) else {
            return Err(Error::new(format!("PCR {pcr}"), format!("the TPM gave no value for its {bank} bank")));
        };
        let wanted = before.extended(bank, digest);
        if *after != wanted {
            let cause = format!("its {bank} bank reads {after} after the extend, not {wanted}");
            return Err(
                Error::new(format!("PCR {pcr}"), cause).hint("who else extends it, or sits between us and the TPM?")
            );
        }
        extensions.insert(bank, Extension { digest: digest.clone(), before: before.clone(), after: after.clone() });
    }
    Ok(extensions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::pcr::SoftPcrs;

    /// Hashes the first 3 MiB of `size` bytes, with a file that is given another size when so many were hashed.
    fn resized(size: u64, when: u64, to: u64) -> Result<Digests> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        let mut resize = |done| {
            if done == when {
                file.set_len(to).unwrap();
            }
        };
        image(
            ImageBytes { file: &file, name: "image", bytes: 3 << 20, opened_bytes: size },
            &[Bank::Sha256],
            None,
            &mut resize,
        )
    }

    #[test]
    fn an_image_that_does_not_keep_its_size_is_an_error() {
        const MIB: u64 = 1 << 20;
        // A size is changed when a block was read: one of 1 MiB.
        let table = [
            (3 * MIB, 2 * MIB, MIB),
            (3 * MIB, 2 * MIB, 3 * MIB + 1),
            (3 * MIB, 3 * MIB, 3 * MIB - 1),
            (3 * MIB, 3 * MIB, 3 * MIB + 1),
            (3 * MIB, 3 * MIB, 0),
            (4 * MIB, 2 * MIB, 3 * MIB),
            (4 * MIB, 3 * MIB, 5 * MIB),
        ];
        for (size, when, to) in table {
            let error = resized(size, when, to).unwrap_err();
            assert_eq!(error.object(), "image", "{size} to {to} at {when}: {error}");
            assert!(resized(size, when, size).is_ok(), "{size} at {when}");
        }
        let error = resized(4 * MIB, 3 * MIB, 3 * MIB).unwrap_err().to_string();
        assert!(error.contains("4194304") && error.contains("3145728"), "{error}");
    }

    const PCR: PcrIndex = PcrIndex::DEFAULT;

    /// A TPM that lies in one way or another.
    struct Liar(SoftPcrs, &'static str);

    impl Pcrs for Liar {
        fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
            self.0.banks(pcr)
        }
        fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
            let mut values = self.0.read(pcr, banks)?;
            if self.1 == "withholds a bank" {
                values.remove(&Bank::Sha256);
            }
            Ok(values)
        }
        fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
            let mut digests = digests.clone();
            match self.1 {
                "drops the extend" => digests.clear(),
                "drops a bank" => drop(digests.remove(&Bank::Sha1)),
                "extends twice" => self.0.extend(pcr, &digests)?,
                _ => {}
            }
            self.0.extend(pcr, &digests)
        }
    }

    #[test]
    fn an_extend_that_did_not_happen_as_asked_is_an_error() {
        let digests = digests_of(&[Bank::Sha1, Bank::Sha256], b"image");
        for lie in ["withholds a bank", "drops the extend", "drops a bank", "extends twice"] {
            let mut tpm = Liar(SoftPcrs::zero(&Bank::ALL), lie);
            assert!(extend(&mut tpm, PCR, &digests).is_err(), "{lie}");
        }
        let report = extend(&mut Liar(SoftPcrs::zero(&Bank::ALL), "is honest"), PCR, &digests).unwrap();
        let sha1 = &report.banks[&Bank::Sha1];
        assert_eq!(sha1.after, Bank::Sha1.digest(&[[0; 20].as_slice(), sha1.digest.as_bytes()].concat()));
        assert!(report.measured);
    }

    #[test]
    fn no_bank_is_no_measurement() {
        assert!(extend(&mut SoftPcrs::zero(&[]), PCR, &Digests::new()).is_err());
        assert!(extend_failed(&mut SoftPcrs::zero(&[]), PCR).is_err());
    }

    #[test]
    fn an_unmeasured_boot_is_marked() {
        let mut tpm = SoftPcrs::zero(&[Bank::Sha256]);
        let report = extend_unmeasured(Some(&mut tpm), PCR).unwrap();
        assert!(!report.measured);
        assert_eq!(report.banks[&Bank::Sha256].digest, Bank::Sha256.digest(b"measureroot: unmeasured"));
        assert!(extend_unmeasured(None, PCR).unwrap().banks.is_empty());
    }
}

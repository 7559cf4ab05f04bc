//! A measurement register that the kernel shows as a file (Linux 6.16, drivers/virt/coco/guest/tsm-mr.c;
//! Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest).

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};

use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::rtmr::RtmrIndex;

/// The file of an RTMR. To read it gives the value; to write a digest into it extends it.
pub(crate) struct TsmRegister {
    name: String,
    file: File,
}

impl TsmRegister {
    /// The register of this file, which is open for reading and writing.
    ///
    /// # Errors
    /// When the file has not the length of a value, or nobody may write to it: then it is no register that a program can extend.
    pub(crate) fn new(name: String, file: File) -> Result<Self> {
        let found = file.metadata().about(&name)?;
        let length = RtmrIndex::BANK.digest_len();
        if found.len() != length as u64 {
            return Err(Error::new(name, format_args!("has {} bytes, not the {length} of an RTMR", found.len())));
        }
        // Root opens a file of sysfs for writing, whatever its mode is. The kernel gives a register that can be extended the mode 0644.
        if found.permissions().mode() & 0o200 == 0 {
            return Err(Error::new(name, "the kernel lets no program extend it"));
        }
        Ok(Self { name, file })
    }
}

impl Pcrs for TsmRegister {
    fn banks(&mut self, _: PcrIndex) -> Result<Vec<Bank>> {
        Ok(vec![RtmrIndex::BANK])
    }

    fn read(&mut self, _: PcrIndex, _: &[Bank]) -> Result<Digests> {
        let mut value = [0; 64];
        let length = self.file.read_at(&mut value, 0).about(&self.name)?;
        let value = Digest::from_bytes(RtmrIndex::BANK, value.get(..length).unwrap_or_default());
        let mut values = Digests::new();
        values.insert(RtmrIndex::BANK, value.map_err(|error| error.renamed(&self.name))?);
        Ok(values)
    }

    /// The kernel extends the register with a whole digest, or not at all (`tm_digest_write`).
    fn extend(&mut self, _: PcrIndex, digests: &Digests) -> Result<()> {
        let Some(digest) = digests.get(&RtmrIndex::BANK) else {
            return Err(Error::new(&self.name, "there is no digest to extend it with"));
        };
        match self.file.write_at(digest.as_bytes(), 0).about(&self.name)? {
            written if written == digest.as_bytes().len() => Ok(()),
            written => Err(Error::new(&self.name, format_args!("the kernel took {written} bytes of a digest"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::path::Path;

    use super::*;
    use crate::hash::digest::digests_of;
    use crate::measure::measurement::extend;

    const PCR: PcrIndex = PcrIndex::DEFAULT;

    /// A file of this length and mode. It is no register: what is written into it replaces the value.
    fn register(folder: &Path, length: usize, mode: u32) -> Result<TsmRegister> {
        let path = folder.join("rtmr2:sha384");
        fs::write(&path, vec![7; length]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let file =
            if mode & 0o200 == 0 { File::open(&path) } else { File::options().read(true).write(true).open(&path) };
        TsmRegister::new("rtmr2:sha384".to_owned(), file.unwrap())
    }

    #[test]
    fn a_file_that_is_no_writable_register_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (length, mode, cause) in [
            (47, 0o644, Some("has 47 bytes, not the 48 of an RTMR")),
            (64, 0o644, Some("has 64 bytes, not the 48 of an RTMR")),
            (0, 0o644, Some("has 0 bytes, not the 48 of an RTMR")),
            (48, 0o444, Some("the kernel lets no program extend it")),
            (48, 0o644, None),
        ] {
            let error = register(folder.path(), length, mode).err().map(|error| error.to_string());
            assert_eq!(error, cause.map(|cause| format!("rtmr2:sha384: {cause}")), "{length}, {mode:o}");
            fs::remove_file(folder.path().join("rtmr2:sha384")).unwrap();
        }
    }

    #[test]
    fn the_digest_is_written_at_the_start_and_the_value_is_read_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut register = register(folder.path(), 48, 0o644).unwrap();
        assert_eq!(register.banks(PCR).unwrap(), [Bank::Sha384]);
        let held = |register: &mut TsmRegister| register.read(PCR, &[Bank::Sha384]).unwrap()[&Bank::Sha384].clone();
        assert_eq!(held(&mut register).as_bytes(), [7; 48]);
        let digests = digests_of(&Bank::ALL, b"image");
        for _ in 0..2 {
            register.extend(PCR, &digests).unwrap();
            assert_eq!(held(&mut register), digests[&Bank::Sha384]);
        }
        assert_eq!(fs::metadata(folder.path().join("rtmr2:sha384")).unwrap().len(), 48);
        assert!(register.extend(PCR, &digests_of(&[Bank::Sha1, Bank::Sha256], b"image")).is_err());
        // A value that is not H(before || digest) is found by whoever extends it.
        let error = extend(&mut register, PCR, &digests_of(&[Bank::Sha384], b"image")).unwrap_err().to_string();
        assert!(error.contains("after the extend, not"), "{error}");
    }

    #[test]
    fn a_value_of_another_length_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut register = register(folder.path(), 48, 0o644).unwrap();
        for length in [0, 47, 49, 100] {
            register.file.set_len(length).unwrap();
            assert!(register.read(PCR, &[Bank::Sha384]).is_err(), "{length}");
        }
    }
}

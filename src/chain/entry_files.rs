//! The files that entries of type 1 name. Entries often share a kernel and its initrds, and differ in the command line: what the entry
//! before has, too, is neither read nor hashed again. Only the files of one entry are in memory.

use std::borrow::Cow;

use super::boot_entry::{BootEntry, on_volume};
use super::kernel::{Hashed, Named};
use super::volume::{PROGRAM, Volume};
use crate::error::{Error, Result};

/// The files of the last entry.
#[derive(Debug, Default)]
pub(super) struct EntryFiles {
    path: Option<String>,
    program: Option<Vec<u8>>,
    paths: Option<Vec<String>>,
    initrds: Vec<Named<'static>>,
    hashed: Hashed,
}

impl EntryFiles {
    /// Reads the program of an entry, unless it is there. Says whether it is on the partition.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read_program(&mut self, entry: &BootEntry, volume: &dyn Volume) -> Result<bool> {
        let path = on_volume(&entry.program);
        if self.path.as_ref() != Some(&path) {
            *self = Self::default();
            self.program = volume.read(&path, PROGRAM)?;
            self.path = Some(path);
        }
        Ok(self.program.is_some())
    }

    /// Reads the initrds of the same entry, unless they are there.
    ///
    /// # Errors
    /// If one is not there, or cannot be read.
    pub(super) fn read_initrds(&mut self, entry: &BootEntry, volume: &dyn Volume) -> Result<()> {
        if self.paths.as_ref() != Some(&entry.initrds) {
            (self.paths, self.initrds) = (None, Vec::new());
            self.hashed.initrds.take();
            self.initrds = initrds(entry, volume)?;
            self.paths = Some(entry.initrds.clone());
        }
        Ok(())
    }

    /// The program.
    pub(super) fn program(&self) -> &[u8] {
        self.program.as_deref().unwrap_or_default()
    }

    /// The initrds.
    pub(super) fn initrds(&self) -> &[Named<'static>] {
        &self.initrds
    }

    /// What is known of their digests.
    pub(super) fn hashed(&self) -> &Hashed {
        &self.hashed
    }
}

/// The entries, by their numbers, in an order in which those with the same files stand one behind the other.
pub(super) fn by_files(entries: &[BootEntry]) -> Vec<usize> {
    let mut order: Vec<_> = (0..entries.len()).collect();
    order.sort_by_key(|&at| entries.get(at).map(|entry| (&entry.program, &entry.initrds)));
    order
}

/// The initrds of an entry. The error says which one is not there: the entry does not boot then.
fn initrds(entry: &BootEntry, volume: &dyn Volume) -> Result<Vec<Named<'static>>> {
    let read = |path: &String| {
        let bytes = volume.read(&on_volume(path), PROGRAM)?;
        let bytes = bytes.ok_or_else(|| Error::new(path, "is not on the partition, so the entry does not boot"))?;
        Ok(Named { name: on_volume(path), bytes: Cow::Owned(bytes) })
    };
    entry.initrds.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::super::esp::Esp;
    use super::super::made_files::GOOD;
    use super::super::made_pe::MadePe;
    use super::super::volume::tests::Made;
    use super::*;
    use crate::hash::bank::Bank;

    /// Counts how often each file is read.
    #[derive(Debug)]
    struct Counting(Made, RefCell<BTreeMap<String, usize>>);

    impl Volume for Counting {
        fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
            *self.1.borrow_mut().entry(path.to_ascii_lowercase()).or_default() += 1;
            self.0.read(path, limit)
        }

        fn names(&self, folder: &str) -> Result<Vec<String>> {
            self.0.names(folder)
        }

        fn has_folder(&self, path: &str) -> Result<bool> {
            self.0.has_folder(path)
        }
    }

    #[test]
    fn each_file_is_read_once_however_many_entries_have_it() {
        let entry = |kernel: &str, options: &str| format!("linux /{kernel}\ninitrd /initrd.img\noptions {options}\n");
        // The entries of two kernels, one between the others.
        let made = GOOD
            .menu()
            .with("loader/entries/b.conf", entry("other", "ro"))
            .with("loader/entries/c.conf", entry("vmlinuz", "ro single"))
            .with("loader/entries/d.conf", entry("other", "ro single"))
            .with("other", MadePe::new().linux("6.1.1").exact(b".text", b"other").bytes());
        let volume = Counting(made, RefCell::default());
        let esp = Esp::of(&volume, &[Bank::Sha256]).unwrap();
        assert_eq!(
            esp.entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(),
            ["a.conf", "b.conf", "c.conf", "d.conf"]
        );
        let reads = volume.1.borrow();
        // The initrd belongs to two kernels: it is read once for each of them.
        let most = |path: &str| if path == "initrd.img" { 2 } else { 1 };
        assert!(reads.iter().all(|(path, &count)| count <= most(path)) && reads.len() > 6, "{reads:?}");
        // Each has the values that it has alone.
        let values = |at: usize| esp.entries[at].forecasts.pcrs[&9].values(&[Bank::Sha256]).unwrap();
        let one = GOOD.entry();
        assert_eq!(values(0), one.pcrs[&9].values(&[Bank::Sha256]).unwrap());
        assert!(values(0) != values(2) && values(1) != values(3));
        assert_eq!(esp.entries[1].forecasts.pcrs[&4], esp.entries[3].forecasts.pcrs[&4]);
        assert_ne!(esp.entries[0].forecasts.pcrs[&4], esp.entries[1].forecasts.pcrs[&4]);
    }
}

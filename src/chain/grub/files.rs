//! The files that GRUB opens, which measures them, or only looks for.

use std::borrow::Cow;

use super::machine::Machine;
use super::memdisk;
use super::stop::{Run, Stop};
use super::volumes::{self, Seen};
use crate::chain::authenticode::digests_of_parts;
use crate::chain::volume::{CONFIGURATION, PROGRAM};

/// What the root of a GRUB from grub-mkstandalone is called.
const MEMDISK: &str = "memdisk";

impl<'a> Machine<'a> {
    /// The file system and the path of a file. `None` for the file system: the memory disk.
    fn place(&self, name: &str) -> Run<(Option<usize>, String)> {
        let (device, path) = match name.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((device, path)) => (device, path),
            None => (self.environment.get("root"), name),
        };
        let number = if device == MEMDISK { None } else { Some(volumes::by_name(self.world.seen, device)?) };
        Ok((number, volumes::path(path)?))
    }

    /// Opens a file, which measures it. Where it is; `None` if it is not there.
    pub(super) fn open(&mut self, what: &str, name: &str) -> Run<Option<(Option<usize>, String)>> {
        let (number, path) = self.place(name)?;
        let Some(number) = number else {
            return Ok(self.memdisk(&path)?.map(|_| (None, path)));
        };
        let key = (number, path);
        let found = self.world.digested.borrow().get(&key).cloned();
        let digests = if let Some(digests) = found {
            digests
        } else {
            let Some(bytes) = self.bytes(number, &key.1, PROGRAM)? else { return Ok(None) };
            let digests = digests_of_parts(&[&bytes], self.world.banks);
            self.world.digested.borrow_mut().insert(key.clone(), digests.clone());
            digests
        };
        if !self.measured.file(what, &key.1, &digests) {
            return Err(Stop::new("the configuration measures too many files"));
        }
        Ok(Some((Some(number), key.1)))
    }

    /// Whether there is a file that GRUB can open, without measuring it.
    pub(super) fn is_there(&self, name: &str) -> Run<bool> {
        let (number, path) = self.place(name)?;
        let Some(number) = number else { return Ok(self.memdisk(&path)?.is_some()) };
        Ok(self.bytes(number, &path, PROGRAM)?.is_some())
    }

    /// Opens a file and reads it. `None` if it is not there.
    pub(super) fn read(&mut self, what: &str, name: &str) -> Run<Option<(String, Vec<u8>)>> {
        let bytes = match self.open(what, name)? {
            None => return Ok(None),
            Some((None, path)) => self.memdisk(&path)?.map(|bytes| (format!("(memdisk)/{path}"), bytes.into_owned())),
            Some((Some(number), path)) => self.bytes(number, &path, CONFIGURATION)?.map(|bytes| (path, bytes)),
        };
        Ok(bytes)
    }

    /// A file system that GRUB can read now.
    fn seen(&self, number: usize) -> Run<&'a Seen<'a>> {
        let seen = self.world.seen.get(number).ok_or_else(|| Stop::new("a disk was not given"))?;
        match seen.module {
            Some(module) if !self.has_module(module) => {
                Err(Stop::new(format!("GRUB has not loaded its module {module}, with which it reads the file system")))
            }
            _ => Ok(seen),
        }
    }

    /// The bytes of a file, without measuring them.
    pub(super) fn bytes(&self, number: usize, path: &str, limit: u64) -> Run<Option<Vec<u8>>> {
        self.seen(number)?.files.read(path, limit).map_err(|error| Stop::new(error.to_string()))
    }

    fn memdisk(&self, path: &str) -> Run<Option<Cow<'a, [u8]>>> {
        let file = memdisk::file(&self.world.image.memdisk, path)?;
        self.spend(file.as_ref().map_or(0, |file| file.len()))?;
        Ok(file)
    }

    /// Whether a file is there. A test of the command `test` measures nothing.
    pub(super) fn has(&self, name: &str) -> Run<bool> {
        let (number, path) = self.place(name)?;
        let Some(number) = number else { return Ok(self.memdisk(&path)?.is_some()) };
        let seen = self.seen(number)?;
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
        let names = seen.files.names(folder).map_err(|error| Stop::new(error.to_string()))?;
        if names.iter().any(|name| name == file) {
            return Ok(true);
        }
        // The file system decides whether capital letters matter.
        let is_similar = names.iter().any(|name| name.eq_ignore_ascii_case(file));
        Ok(is_similar && self.bytes(number, &path, PROGRAM)?.is_some())
    }

    /// Whether a folder is there.
    pub(super) fn has_folder(&self, name: &str) -> Run<bool> {
        let (number, path) = self.place(name)?;
        let Some(number) = number else { return memdisk::has_folder(&self.world.image.memdisk, &path) };
        self.seen(number)?.files.has_folder(&path).map_err(|error| Stop::new(error.to_string()))
    }
}

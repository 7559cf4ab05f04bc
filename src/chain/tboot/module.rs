//! A module that the boot loader hands to tboot: the kernel first, then the initrds. Its digest is H(H(command line) | H(file))
//! (`hash_module`). The command line is what the boot loader hands over: GRUB 2 leaves out the file's name, older loaders do not,
//! and tboot from 1.9.4 on measures what it gets.

use super::unpacked;
use crate::chain::authenticode::digests_of_parts;
use crate::chain::event::Expected;
use crate::chain::forecast::{Answer, Choice, Part, Question};
use crate::chain::kernel::Named;
use crate::error::{Error, Result};
use crate::eventlog::EventType;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};

/// The type that tboot's own events have in a log (`EVTTYPE_TB_MEASUREMENT`).
pub(super) const MEASUREMENT: EventType = EventType(0x501);
/// The most bytes that a module has after GRUB unpacked it: 1 GiB. tboot wants it below 4 GiB.
const LIMIT: u64 = 1 << 30;

/// GRUB's `module2` unpacks what is compressed with gzip (`grub-core/loader/multiboot.c`): its module `normal` loads `gzio`.
const UNPACKED: &str = "the boot loader unpacks modules that are compressed with gzip, as GRUB's module2 does";
const AS_THEY_ARE: &str = "the boot loader hands the modules over as they are, as module2 --nounzip does";

/// A module with its command line.
#[derive(Debug)]
pub struct Module<'a> {
    /// The file.
    pub file: &'a Named<'a>,
    /// What the boot loader hands over with it.
    pub command_line: &'a str,
    /// What it is, in words.
    pub what: &'a str,
}

/// A module as tboot measures it.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// The file as it is.
    pub(super) as_it_is: Expected,
    /// The file that GRUB unpacked, or why it is not known.
    unpacked: Result<Option<Expected>>,
}

impl Module<'_> {
    /// What tboot measures of it.
    pub(super) fn measured(&self, banks: &[Bank]) -> Measured {
        let bytes = self.file.bytes.as_ref();
        let event = |what: &str, bytes: &[u8]| Expected {
            kind: MEASUREMENT,
            what: format!("{what} with the command line {:?}", self.command_line),
            from: Some(self.file.name.clone()),
            digests: digests(self.command_line, bytes, banks),
            judged: None,
        };
        let inside = unpacked::is_packed(bytes).then(|| unpacked::unpacked(bytes, LIMIT)).transpose();
        let inside = inside.map_err(|error| error.on(&self.file.name));
        let unpacked = inside.map(|inside| inside.map(|inside| event(&format!("{}, unpacked,", self.what), &inside)));
        Measured { as_it_is: event(self.what, bytes), unpacked }
    }
}

fn digests(command_line: &str, file: &[u8], banks: &[Bank]) -> Digests {
    let files = digests_of_parts(&[file], banks);
    let with_line = |(bank, file): (Bank, Digest)| {
        let line = bank.digest(command_line.as_bytes());
        (bank, bank.digest(&[line.as_bytes(), file.as_bytes()].concat()))
    };
    files.into_iter().map(with_line).collect()
}

/// The events of modules that one PCR has.
///
/// # Errors
/// If one of them is compressed, and does not tell with what it is unpacked to.
pub(super) fn parts(modules: &[Measured]) -> Result<Vec<Part>> {
    let as_they_are = modules.iter().map(|module| module.as_it_is.clone());
    let (mut unpacked, mut is_packed) = (Vec::new(), false);
    for Measured { as_it_is, unpacked: own } in modules {
        let own = own.as_ref().map_err(Error::clone)?;
        is_packed |= own.is_some();
        unpacked.push(own.as_ref().unwrap_or(as_it_is).clone());
    }
    if !is_packed {
        return Ok(as_they_are.map(Part::Event).collect());
    }
    let answers = vec![Answer::new(UNPACKED, unpacked), Answer::new(AS_THEY_ARE, as_they_are.collect())];
    Ok(vec![Part::Choice(Choice { question: Question::PackedModules, answers })])
}

//! A kernel that firmware starts by its own EFI stub: firmware -> the kernel's EFI stub -> the agent. There is no stub of systemd,
//! so who measures the command line and the initrd is the kernel alone.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::command_line::CommandLine;
use super::event::{EVENT_TAG, Expected};
use super::forecast::{Answer, Choice, Part, Question};
use super::forecasts::Forecasts;
use super::linux::{self, Linux};
use super::pe::PeFile;
use super::{doubts, firmware};
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// Where a kernel that unpacks itself in the firmware has its mark (kernel, drivers/firmware/efi/libstub/zboot-header.S).
const ZBOOT: (usize, &[u8]) = (4, b"zimg");
/// Who else could measure.
const NO_STUB: &str = "neither systemd-boot nor a stub of systemd starts it";
const NO_LOADER: &str = "no boot loader such as shim or GRUB starts it";

/// A file with its name.
#[derive(Debug, Clone)]
pub struct Named<'a> {
    /// What events and errors call it.
    pub name: String,
    /// Its bytes.
    pub bytes: Cow<'a, [u8]>,
}

/// What a kernel gets.
#[derive(Debug, Default)]
pub struct Given<'a> {
    /// The command line.
    pub command_line: Option<&'a str>,
    /// The file that the command line comes from, if it is known.
    pub from: Option<&'a str>,
    /// Whether a boot loader hands it over, which ends it with a zero. In a boot option of the firmware, it may lack.
    pub is_from_a_loader: bool,
    /// Whether the boot loader does not end it so.
    pub is_without_zero: bool,
    /// What LoadFile2 hands over, one behind the other.
    pub initrds: &'a [Named<'a>],
    /// The events of the same kernel and of the same initrds, if another boot had them. Then the initrds need no bytes.
    pub hashed: Option<&'a Hashed>,
}

/// The events that do not depend on the command line. To hash a file takes longer than all the rest.
#[derive(Debug, Default)]
pub struct Hashed {
    pub(super) kernel: OnceCell<Expected>,
    pub(super) initrds: OnceCell<Expected>,
}

/// A kernel with an EFI stub.
#[derive(Debug)]
pub struct Kernel<'a> {
    name: String,
    bytes: &'a [u8],
    linux: Linux,
}

impl<'a> Kernel<'a> {
    /// Reads a kernel. `name` is what events and errors call it.
    ///
    /// # Errors
    /// If the bytes are no program for UEFI.
    pub fn parse(name: &str, bytes: &'a [u8]) -> Result<Self> {
        let file = PeFile::parse(bytes).map_err(|error| error.on(name))?;
        // It starts a kernel itself, and measures other things.
        if file.sections().iter().any(|section| section.name_bytes() == b".linux") {
            return Err(Error::new(name, "is no kernel alone: it has a section .linux")
                .hint("--uki predicts a unified kernel image"));
        }
        Ok(Self { name: name.to_owned(), bytes, linux: Linux::of(&file) })
    }

    /// Which Linux it is.
    #[must_use]
    pub(crate) fn linux(&self) -> &Linux {
        &self.linux
    }

    /// What is expected of the PCRs, if firmware starts it and it gets this.
    ///
    /// # Errors
    /// If it is too old to take an initrd from LoadFile2.
    pub fn forecasts(&self, given: &Given<'_>, banks: &[Bank]) -> Result<Forecasts> {
        if !given.initrds.is_empty() && !self.linux.takes_initrd() {
            return Err(Error::new(&self.name, format_args!("{} takes no initrd from LoadFile2", self.linux))
                .hint("name the initrd in the command line with initrd=, and leave it out here"));
        }
        let mut forecasts = Forecasts::of_firmware();
        for pcr in [8, 14] {
            forecasts.follows(pcr, Vec::new(), &[NO_LOADER]);
        }
        for pcr in [11, 12] {
            forecasts.follows(pcr, Vec::new(), if given.is_from_a_loader { &[] } else { &[NO_STUB] });
        }
        if self.bytes.get(ZBOOT.0..).is_some_and(|bytes| bytes.starts_with(ZBOOT.1)) {
            let why = "it unpacks itself (zboot); the version decides whether the firmware measures what is in it";
            forecasts.open(4, format!("{}: {why}", self.name));
        } else {
            let mut programs = firmware::before_a_program(banks);
            let own = if let Some(known) = given.hashed.and_then(|hashed| hashed.kernel.get()) {
                known.clone()
            } else {
                let own = firmware::program(self.bytes, "the kernel", &self.name, banks)?;
                doubts::warn_of_a_changed_program(&own);
                if let Some(hashed) = given.hashed {
                    hashed.kernel.get_or_init(|| own.clone());
                }
                own
            };
            programs.push(Part::Event(own));
            forecasts.follows(4, programs, &[]);
        }
        match self.measured(given, banks) {
            Ok(parts) => forecasts.follows(9, parts, self.linux.assumption().as_slice()),
            Err(why) => forecasts.open(9, why),
        }
        forecasts.unmeasured = self.unmeasured(given);
        forecasts.gets(given.command_line.unwrap_or_default());
        Ok(forecasts)
    }

    /// PCR 9: the command line, then the initrd. The error says why they are not known.
    fn measured(&self, given: &Given<'_>, banks: &[Bank]) -> std::result::Result<Vec<Part>, &'static str> {
        let (append, initrds) = (given.command_line.unwrap_or_default(), given.initrds);
        if append.chars().any(|c| c.len_utf16() > 1) {
            return Err("who writes the command line decides what becomes of characters that need two units of UTF-16");
        }
        if !initrds.is_empty() && append.split_whitespace().any(|word| word == "noinitrd") {
            return Err("the command line has noinitrd, with which the kernel takes no initrd");
        }
        let mut parts = Vec::new();
        if self.linux.measures_command_line() {
            let lines = command_lines(append, given.from);
            let event = |line: &CommandLine| line.of_kernel(banks);
            match &lines {
                _ if append.is_empty() && !given.is_from_a_loader => {}
                [_, without_zero] if given.is_without_zero => parts.extend(event(without_zero).map(Part::Event)),
                [with_zero, _] if given.is_from_a_loader => parts.extend(event(with_zero).map(Part::Event)),
                lines => {
                    let answer = |line: &CommandLine| Answer::new(line.name, event(line).into_iter().collect());
                    let answers = lines.iter().map(answer).collect();
                    parts.push(Part::Choice(Choice { question: Question::LoadOptionsEnd, answers }));
                }
            }
        }
        // The kernel measures no initrd without bytes.
        let bytes: Vec<_> = initrds.iter().map(|initrd| initrd.bytes.as_ref()).collect();
        let was_hashed = given.hashed.is_some_and(|hashed| hashed.initrds.get().is_some());
        if (was_hashed || bytes.iter().any(|bytes| !bytes.is_empty())) && self.linux.measures_initrd() {
            let names: Vec<_> = initrds.iter().map(|initrd| initrd.name.as_str()).collect();
            let event = || Expected::of(EVENT_TAG, "the initrd", Some(&names.join(", ")), &bytes, banks);
            let event = given.hashed.map_or_else(event, |hashed| hashed.initrds.get_or_init(event).clone());
            parts.push(Part::Event(event));
        }
        Ok(parts)
    }

    /// What runs or decides, and is in no PCR that follows.
    fn unmeasured(&self, given: &Given<'_>) -> Vec<String> {
        let (append, initrds) = (given.command_line.unwrap_or_default(), given.initrds);
        let mut unmeasured = Vec::new();
        if initrds.is_empty() && linux::names_initrd(append) {
            unmeasured.push(linux::NAMED_INITRD.to_owned());
        } else if initrds.is_empty() {
            doubts::warn_of_no_initrd(&self.name);
        }
        if !initrds.is_empty() && !self.linux.measures_initrd() {
            unmeasured.push(format!("the initrd: {} does not measure it, 5.17 and later do", self.linux));
        }
        if !append.is_empty() && !self.linux.measures_command_line() {
            unmeasured.push(format!("the command line: {} does not measure it, 6.1 and later do", self.linux));
        }
        unmeasured
    }
}

/// The command line as the boot option may have it: efibootmgr writes no zero behind the words, UEFI's shell and boot managers do.
fn command_lines(append: &str, from: Option<&str>) -> [CommandLine; 2] {
    let units = |end: &[u16]| append.encode_utf16().chain(end.iter().copied()).flat_map(u16::to_le_bytes).collect();
    [("a zero ends the load options", &[0][..]), ("no zero ends the load options", &[])].map(|(name, end)| {
        CommandLine {
            name,
            text: append.to_owned(),
            measured: units(end),
            from: from.map(str::to_owned),
            is_from_outside: true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::forecast::Forecast;
    use crate::chain::made_pe::MadePe;
    use crate::hash::digest::Digest;

    const BANK: Bank = Bank::Sha256;

    fn forecasts(made: &MadePe, append: Option<&str>, initrds: &[&[u8]]) -> Result<Forecasts> {
        let bytes = made.bytes();
        let initrds: Vec<_> =
            initrds.iter().map(|bytes| Named { name: "initrd".into(), bytes: Cow::Borrowed(*bytes) }).collect();
        let given = Given { command_line: append, initrds: &initrds, ..Given::default() };
        Kernel::parse("vmlinuz", &bytes).unwrap().forecasts(&given, &[BANK])
    }

    fn values(forecasts: &Forecasts, pcr: u8) -> Vec<Digest> {
        let values = forecasts.pcrs[&pcr].values(&[BANK]).unwrap();
        values.into_iter().map(|mut value| value.pcr.remove(&BANK).unwrap()).collect()
    }

    fn extended(events: &[&[u8]]) -> Digest {
        events.iter().fold(Digest::zero(BANK), |value, bytes| value.extended(BANK, &BANK.digest(bytes)))
    }

    #[test]
    fn each_version_measures_its_part_of_the_command_line_and_the_initrd() {
        let (with, without): (&[u8], &[u8]) = (b"r\0o\0\0\0", b"r\0o\0");
        let both = vec![extended(&[with, b"initrd"]), extended(&[without, b"initrd"])];
        let table = [
            (MadePe::new().linux("5.10.0"), vec![extended(&[])], 2, false),
            (MadePe::new().linux("5.17.0"), vec![extended(&[b"initrd"])], 1, false),
            (MadePe::new().linux("6.1.0"), both.clone(), 0, false),
            (MadePe::new().image_version(3), both.clone(), 0, false),
            (MadePe::new(), both, 0, true),
        ];
        for (made, expected, unmeasured, assumes) in table {
            let found = forecasts(&made, Some("ro"), &[b"ini", b"trd"]).unwrap();
            assert_eq!(values(&found, 9), expected, "{made:?}");
            assert_eq!(found.unmeasured.len(), unmeasured, "{:?}", found.unmeasured);
            let Forecast::Follows { assumes: found, .. } = &found.pcrs[&9] else { panic!("PCR 9") };
            assert_eq!(!found.is_empty(), assumes);
        }
        let error = forecasts(&MadePe::new().linux("5.4.0"), None, &[b"initrd"]).unwrap_err().to_string();
        assert!(error.starts_with("vmlinuz: Linux 5.4.0 takes no initrd from LoadFile2"), "{error}");
    }

    #[test]
    fn what_is_not_given_is_not_measured() {
        let kernel = MadePe::new().linux("6.12");
        for (append, initrds) in [(None, &[][..]), (Some(""), &[b"".as_slice()])] {
            let found = forecasts(&kernel, append, initrds).unwrap();
            assert_eq!((values(&found, 9), found.unmeasured), (vec![extended(&[])], vec![]));
        }
        let found = forecasts(&kernel, Some("ro initrd=\\a.img"), &[]).unwrap();
        assert!(found.unmeasured[0].starts_with("the initrd that initrd= names"), "{:?}", found.unmeasured);
        // LoadFile2 comes first, and is measured.
        let found = forecasts(&kernel, Some("ro initrd=\\a.img"), &[b"x"]).unwrap();
        assert_eq!((values(&found, 9).len(), found.unmeasured), (2, vec![]));
    }

    #[test]
    fn pcr_4_has_the_kernel_and_nothing_of_a_boot_loader_follows() {
        let found = forecasts(&MadePe::new().linux("6.12"), None, &[]).unwrap();
        assert_eq!(values(&found, 4).len(), 5);
        for pcr in [8, 11, 12, 14] {
            assert_eq!(values(&found, pcr), [extended(&[])], "PCR {pcr}");
        }
    }

    #[test]
    fn what_does_not_follow_has_a_reason() {
        let kernel = MadePe::new().linux("6.12");
        let table = [
            (kernel.clone(), "\u{1f600}", 9, "two units of UTF-16"),
            (kernel.clone(), "ro noinitrd", 9, "noinitrd"),
            (kernel.at(4, b"zimg"), "ro", 4, "vmlinuz: it unpacks itself (zboot)"),
        ];
        for (made, append, pcr, part) in table {
            let found = forecasts(&made, Some(append), &[b"x"]).unwrap();
            assert!(matches!(&found.pcrs[&pcr], Forecast::Open { why } if why.contains(part)), "{found:?}");
        }
        assert!(Kernel::parse("vmlinuz", b"none").unwrap_err().to_string().starts_with("vmlinuz: PE file: "));
    }
}

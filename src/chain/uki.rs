//! A unified kernel image that firmware starts: firmware -> systemd's stub -> the kernel's EFI stub -> the agent.

use std::borrow::Cow;

use super::command_line::CommandLine;
use super::event::{EVENT_TAG, Expected, IPL};
use super::forecast::{Answer, Choice, Part, Question};
use super::forecasts::Forecasts;
use super::pe::{PeFile, Section};
use super::stub::{KernelStart, Stub};
use super::{firmware, initrd, phase, stub_text};
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// What the stub takes from places that a prediction from this file alone cannot see.
const NOTHING_BESIDE: &str =
    "no addon, credential or extension of the stub is beside the file, and no text of SMBIOS for it";
/// The kernel's EFI stub measures what it is given (kernel, drivers/firmware/efi/libstub/efi-stub-helper.c). That of Debian's 6.1
/// was seen to do it.
const KERNEL: &str = "the kernel's EFI stub measures its command line and its initrd, as Linux 6.1 and later do";

/// A unified kernel image.
#[derive(Debug)]
pub struct Uki<'a> {
    name: String,
    file: PeFile<'a>,
    bytes: &'a [u8],
    stub: Stub,
    kernel: Cow<'a, [u8]>,
}

impl<'a> Uki<'a> {
    /// Reads a unified kernel image. `name` is what events and errors call it.
    ///
    /// # Errors
    /// If the bytes are none.
    pub fn parse(name: &str, bytes: &'a [u8]) -> Result<Self> {
        let file = PeFile::parse(bytes).map_err(|error| error.on(name))?;
        let stub = Stub::of(&file).map_err(|error| error.on(name))?;
        let kernel = stub.find(&file, ".linux").ok_or_else(|| {
            Error::new(name, "has no kernel in a section .linux").hint("is it an addon, or the stub alone?")
        })?;
        let kernel = kernel.in_memory().map_err(|error| error.on(name))?;
        Ok(Self { name: name.to_owned(), file, bytes, stub, kernel })
    }

    /// The stub, with its version.
    #[must_use]
    pub fn stub(&self) -> &Stub {
        &self.stub
    }

    /// What is expected of the PCRs, if firmware starts it with a boot option that gives it the command line `append`.
    ///
    /// # Errors
    /// If the image or its kernel is no program, or if a section is too long.
    pub fn forecasts(&self, append: Option<&str>, banks: &[Bank]) -> Result<Forecasts> {
        let mut forecasts = Forecasts::of_firmware();
        forecasts.follows(4, self.programs(banks)?, &[]);
        for pcr in [8, 14] {
            forecasts.follows(pcr, Vec::new(), &["no boot loader such as shim or GRUB starts it"]);
        }
        if self.has(".profile") || self.has(".dtbauto") {
            let why =
                format!("{} has several profiles or device trees; which one is taken is not predicted", self.name);
            for pcr in [9, 11, 12] {
                forecasts.open(pcr, &why);
            }
            return Ok(forecasts);
        }
        match self.stub.measured() {
            Ok(names) => forecasts.follows(11, self.sections(names, banks)?, &[]),
            Err(why) => forecasts.open(11, why),
        }
        if self.stub.is_known() {
            self.command_line_and_initrd(append, &mut forecasts, banks)?;
        } else {
            for pcr in [9, 12] {
                forecasts
                    .open(pcr, format!("what {} gives the kernel is not known here (252, 257 and 262 are)", self.stub));
            }
        }
        Ok(forecasts)
    }

    fn has(&self, name: &str) -> bool {
        self.stub.is_257() && self.stub.find(&self.file, name).is_some()
    }

    fn from(&self, section: &str) -> String {
        format!("{}, {section}", self.name)
    }

    /// PCR 4.
    fn programs(&self, banks: &[Bank]) -> Result<Vec<Part>> {
        let mut parts = firmware::before_a_program(banks);
        parts.push(Part::Event(firmware::program(self.bytes, "the unified kernel image", &self.name, banks)?));
        let kernel = || firmware::program(&self.kernel, "the kernel", &self.from(".linux"), banks);
        match self.stub.kernel_start() {
            KernelStart::LoadImage => parts.push(Part::Event(kernel()?)),
            KernelStart::Itself => {}
            KernelStart::Unknown => parts.push(Part::Choice(Choice {
                question: Question::KernelLoader,
                answers: vec![
                    Answer::new("the firmware loads the kernel", vec![kernel()?]),
                    Answer::new("the stub loads the kernel", Vec::new()),
                ],
            })),
        }
        Ok(parts)
    }

    /// PCR 11: the name and the content of each section, then the phases.
    fn sections(&self, names: &[&str], banks: &[Bank]) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for name in names {
            let Some(section) = self.stub.find(&self.file, name) else { continue };
            let content = section.in_memory().map_err(|error| error.on(&self.name))?;
            let from = self.from(name);
            let event = |what: &str, part: &[&[u8]]| Part::Event(Expected::of(IPL, what, Some(&from), part, banks));
            parts.push(event(&format!("the name {name}"), &[name.as_bytes(), &[0]]));
            parts.push(event(&format!("the content of {name}"), &[&content]));
        }
        parts.push(phase::phases(banks));
        Ok(parts)
    }

    /// PCR 12, the command line from outside, and PCR 9, what the kernel gets.
    fn command_line_and_initrd(&self, append: Option<&str>, forecasts: &mut Forecasts, banks: &[Bank]) -> Result<()> {
        let command_lines = match self.command_lines(append) {
            Ok(command_lines) => command_lines,
            Err(why) => {
                for pcr in [9, 12] {
                    forecasts.open(pcr, why);
                }
                return Ok(());
            }
        };
        let parts = initrd::parts(&self.file, &self.stub).map_err(|error| error.on(&self.name))?;
        let parts: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
        let initrd = Expected::of(EVENT_TAG, "the initrd", Some(&self.name), &parts, banks);
        let initrd = (!parts.is_empty()).then_some(Part::Event(initrd));

        let mut assumes = vec![KERNEL, NOTHING_BESIDE];
        let has_console = command_lines.iter().all(|line| line.text.contains("console="));
        if self.stub.is_after_257() {
            assumes.push("the machine has no boot secret of systemd-stub, which would be in the initrd");
        }
        let question = |event: fn(&CommandLine, &[Bank]) -> Option<Expected>| match &command_lines[..] {
            [line] => event(line, banks).map(Part::Event),
            lines => {
                let answer = |line: &CommandLine| Answer::new(line.name, event(line, banks).into_iter().collect());
                let answers = lines.iter().map(answer).collect();
                Some(Part::Choice(Choice { question: Question::SecureBoot, answers }))
            }
        };
        forecasts.follows(12, question(CommandLine::of_stub).into_iter().collect(), &[NOTHING_BESIDE]);
        if self.stub.is_after_257() && !has_console {
            forecasts
                .open(9, format!("{} adds a console of the machine to a command line without console=", self.stub));
        } else {
            forecasts.follows(9, question(CommandLine::of_kernel).into_iter().chain(initrd).collect(), &assumes);
        }
        Ok(())
    }

    /// The command lines that the kernel may get: one, or one for each state of Secure Boot. The error says why they are not known.
    fn command_lines(&self, append: Option<&str>) -> std::result::Result<Vec<CommandLine>, &'static str> {
        let is_257 = self.stub.is_257();
        let section = self.stub.find(&self.file, ".cmdline").map(Section::in_memory).transpose();
        let section = section.map_err(|_| "the section .cmdline is much longer in memory than in the file")?;
        let inside = match &section {
            None => "",
            Some(bytes) => stub_text::of_section(bytes).ok_or("the section .cmdline is not UTF-8")?,
        };
        let line = |name, text: &str, from: Option<String>| {
            let text = stub_text::mangled(text, is_257);
            let measured = stub_text::measured(&text, is_257);
            if measured.is_none() && !text.is_empty() {
                return Err("the command line has characters that systemd-stub drops");
            }
            let is_from_outside = from.is_none();
            Ok(CommandLine { name, text, measured: measured.unwrap_or_default(), from, is_from_outside })
        };
        let inside = |name| line(name, inside, Some(self.from(".cmdline")));
        // A boot option without a text, or with a control character at its start, counts as none.
        let Some(append) = append.filter(|text| text.starts_with(|c| c > '\x1F')) else { return Ok(vec![inside("")?]) };
        if is_257 && append.starts_with('@') {
            return Err("the command line from outside chooses a profile");
        }
        let outside = line("Secure Boot is off", append, None)?;
        match &section {
            // 257 falls back to the section if nothing is left of the text.
            _ if outside.text.is_empty() && is_257 => Ok(vec![inside("")?]),
            Some(_) => Ok(vec![outside, inside("Secure Boot is on")?]),
            None => Ok(vec![outside]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::forecast::{Forecast, Value};
    use crate::chain::made_pe::MadePe;
    use crate::hash::digest::Digest;

    const BANK: Bank = Bank::Sha256;

    fn made(version: &str) -> MadePe {
        let magic = format!("#### LoaderInfo: systemd-stub {version} ####");
        MadePe::new()
            .exact(b".sdmagic", magic.as_bytes())
            .exact(b".linux", &MadePe::new().exact(b".text", b"kernel").bytes())
    }

    fn forecast(made: &MadePe, append: Option<&str>, pcr: u8) -> Forecast {
        let bytes = made.bytes();
        Uki::parse("x.efi", &bytes).unwrap().forecasts(append, &[BANK]).unwrap().pcrs.remove(&pcr).unwrap()
    }

    fn values(made: &MadePe, append: Option<&str>, pcr: u8) -> Vec<(String, Digest)> {
        let value = |mut value: Value| (value.answers.join(", "), value.pcr.remove(&BANK).unwrap());
        forecast(made, append, pcr).values(&[BANK]).unwrap().into_iter().map(value).collect()
    }

    fn extended(events: &[&[u8]]) -> Digest {
        events.iter().fold(Digest::zero(BANK), |value, bytes| value.extended(BANK, &BANK.digest(bytes)))
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn pcr_11_has_the_sections_that_the_version_knows_in_its_order() {
        let linux = MadePe::new().exact(b".text", b"kernel").bytes();
        let with =
            |version| made(version).exact(b".uname", b"6").exact(b".osrel", b"ID=a").section(b".cmdline", b"ro", 3);
        let old: &[&[u8]] = &[b".linux\0", &linux, b".osrel\0", b"ID=a", b".cmdline\0", b"ro\0"];
        let new = [old, &[b".uname\0", b"6"]].concat();
        for (version, events) in [("252", old), ("257", &new)] {
            let found = values(&with(version), None, 11);
            assert_eq!(found[0], ("systemd has reached no phase".to_owned(), extended(events)), "{version}");
            let ready = [events, &[b"sysinit", b"ready"]].concat();
            assert_eq!(found[2], ("systemd has reached ready".to_owned(), extended(&ready)), "{version}");
        }
        let Forecast::Open { why } = forecast(&with("255"), None, 11) else { panic!("255 is not known") };
        assert!(why.contains("255"), "{why}");
    }

    #[test]
    fn pcr_4_has_the_kernel_if_the_firmware_loads_it() {
        for (version, names) in [("252", 1), ("257", 1), ("259", 2), ("262", 1)] {
            let found = values(&made(version), None, 4);
            // Five numbers of boot options that failed.
            assert_eq!(found.len(), 5 * names, "{version}");
        }
        let last = |version| match forecast(&made(version), None, 4) {
            Forecast::Follows { parts, .. } => parts.last().cloned().unwrap(),
            Forecast::Open { why } => panic!("{why}"),
        };
        let from = |part| if let Part::Event(event) = part { event.from.unwrap() } else { panic!("{part:?}") };
        assert_eq!((from(last("257")), from(last("262"))), ("x.efi, .linux".to_owned(), "x.efi".to_owned()));
    }

    #[test]
    fn a_command_line_from_outside_counts_unless_secure_boot_protects_that_of_the_section() {
        let inside = made("257").exact(b".cmdline", b"in console=ttyS0");
        let (own, other) = (utf16("in console=ttyS0"), utf16("out"));
        assert_eq!(values(&inside, None, 9), [(String::new(), extended(&[&own]))]);
        assert_eq!(values(&inside, None, 12), [(String::new(), extended(&[]))]);
        let (off, on) = ("Secure Boot is off".to_owned(), "Secure Boot is on".to_owned());
        let both = [(off.clone(), extended(&[&other])), (on.clone(), extended(&[&own]))];
        assert_eq!(values(&inside, Some("out"), 9), both);
        assert_eq!(values(&inside, Some("out"), 12), [(off, extended(&[&other])), (on, extended(&[]))]);
        for pcr in [9, 12] {
            assert_eq!(values(&made("257"), Some("out"), pcr), [(String::new(), extended(&[&other]))]);
            assert_eq!(values(&made("257"), Some(""), pcr), [(String::new(), extended(&[]))]);
            assert_eq!(values(&made("257"), Some(" "), pcr), [(String::new(), extended(&[]))]);
        }
    }

    #[test]
    fn what_does_not_follow_has_a_reason() {
        let table = [
            (made("257").exact(b".profile", b"ID=x"), None, vec![9, 11, 12], "has several profiles"),
            (made("257").exact(b".dtbauto", b"x"), None, vec![9, 11, 12], "device trees"),
            (made("257"), Some("@1 a"), vec![9, 12], "chooses a profile"),
            (made("257"), Some("\u{1f600}"), vec![9, 12], "characters that systemd-stub drops"),
            (made("257").exact(b".cmdline", b"\xFF"), None, vec![9, 12], "is not UTF-8"),
            (made("262").exact(b".cmdline", b"ro"), None, vec![9], "adds a console"),
            (made("259"), None, vec![9, 12], "what systemd-stub 259 gives the kernel"),
            (made("252"), None, vec![0, 1, 2, 3, 5, 6, 7, 10, 13, 15], ""),
        ];
        for (made, append, pcrs, part) in table {
            for pcr in pcrs {
                let forecast = forecast(&made, append, pcr);
                assert!(matches!(&forecast, Forecast::Open { why } if why.contains(part)), "PCR {pcr}: {forecast:?}");
            }
        }
    }

    #[test]
    fn another_program_is_refused_by_name() {
        let magic = b"#### LoaderInfo: systemd-stub 257 ####";
        for (bytes, part) in [
            (b"no program".to_vec(), "x.efi: PE file: "),
            (MadePe::new().bytes(), "x.efi: .sdmagic: the file has no such section"),
            (MadePe::new().exact(b".sdmagic", magic).bytes(), "x.efi: has no kernel in a section .linux"),
        ] {
            let error = Uki::parse("x.efi", &bytes).unwrap_err().to_string();
            assert!(error.starts_with(part), "{error}");
        }
        let bytes = MadePe::new().exact(b".sdmagic", magic).exact(b".linux", b"no kernel").bytes();
        let error = Uki::parse("x.efi", &bytes).unwrap().forecasts(None, &[BANK]).unwrap_err().to_string();
        assert!(error.starts_with("x.efi, .linux: PE file: "), "{error}");
    }
}

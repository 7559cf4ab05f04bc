//! A unified kernel image that firmware starts: firmware -> systemd's stub -> the kernel's EFI stub -> the agent.

use std::borrow::Cow;

use super::command_line::CommandLine;
use super::event::{EVENT_TAG, Expected, IPL};
use super::forecast::{Answer, Choice, Part, Question};
use super::forecasts::Forecasts;
use super::linux::{self, Linux};
use super::pe::{PeFile, Section};
use super::stub::{KernelStart, Stub};
use super::{doubts, firmware, initrd, phase, secure_boot, stub_text};
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// What the stub takes from places that a prediction from this file alone cannot see.
const NOTHING_BESIDE: &str =
    "no addon, credential or extension of the stub is beside the file, and no text of SMBIOS for it";

/// A unified kernel image.
#[derive(Debug)]
pub struct Uki<'a> {
    name: String,
    file: PeFile<'a>,
    bytes: &'a [u8],
    stub: Stub,
    kernel: Cow<'a, [u8]>,
    linux: Linux,
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
        let linux = PeFile::parse(&kernel).map_or(Linux::Unknown, |file| Linux::of(&file));
        Ok(Self { name: name.to_owned(), file, bytes, stub, kernel, linux })
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

    /// The section with the command line. The error says why it is not known.
    pub(super) fn command_line(&self) -> std::result::Result<Option<Cow<'a, [u8]>>, &'static str> {
        let section = self.stub.find(&self.file, ".cmdline").map(Section::in_memory).transpose();
        section.map_err(|_| "the section .cmdline is much longer in memory than in the file")
    }

    fn has(&self, name: &str) -> bool {
        self.stub.is_257() && self.stub.find(&self.file, name).is_some()
    }

    /// How events call a section.
    pub(super) fn from(&self, section: &str) -> String {
        format!("{}, {section}", self.name)
    }

    /// PCR 4.
    fn programs(&self, banks: &[Bank]) -> Result<Vec<Part>> {
        let mut parts = firmware::before_a_program(banks);
        let own = firmware::program(self.bytes, "the unified kernel image", &self.name, banks)?;
        doubts::warn_of_a_changed_program(&own);
        parts.push(Part::Event(own));
        let kernel = || firmware::program(&self.kernel, "the kernel", &self.from(".linux"), banks);
        match self.stub.kernel_start() {
            // With Secure Boot, the stub vouches for the section instead of the firmware, which measures nothing then (`security_hook`).
            KernelStart::LoadImage => parts.push(Part::Choice(Choice {
                question: Question::SecureBoot,
                answers: vec![Answer::new(secure_boot::OFF, vec![kernel()?]), Answer::new(secure_boot::ON, Vec::new())],
            })),
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
        if parts.is_empty() && command_lines.iter().any(|line| linux::names_initrd(&line.text)) {
            forecasts.unmeasured.push(linux::NAMED_INITRD.to_owned());
        } else if parts.is_empty() {
            doubts::warn_of_no_initrd(&self.name);
        }
        for line in &command_lines {
            forecasts.gets(&line.text);
        }
        let initrd = Expected::of(EVENT_TAG, "the initrd", Some(&self.name), &parts, banks);
        let is_measured = !parts.is_empty() && self.linux.measures_initrd();
        let initrd = is_measured.then_some(Part::Event(initrd));

        let mut assumes: Vec<_> = self.linux.assumption().into_iter().chain([NOTHING_BESIDE]).collect();
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
            let command_line = question(CommandLine::of_kernel).filter(|_| self.linux.measures_command_line());
            forecasts.follows(9, command_line.into_iter().chain(initrd).collect(), &assumes);
        }
        Ok(())
    }

    /// The command lines that the kernel may get: one, or one for each state of Secure Boot. The error says why they are not known.
    fn command_lines(&self, append: Option<&str>) -> std::result::Result<Vec<CommandLine>, &'static str> {
        let is_257 = self.stub.is_257();
        let section = self.command_line()?;
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
        let outside = line(secure_boot::OFF, append, None)?;
        match &section {
            // 257 falls back to the section if nothing is left of the text.
            _ if outside.text.is_empty() && is_257 => Ok(vec![inside("")?]),
            Some(_) => Ok(vec![outside, inside(secure_boot::ON)?]),
            None => Ok(vec![outside]),
        }
    }
}

//! The command line: does it mean what is meant?

use super::entry::entries;
use super::finding::Finding;
use crate::chain::linux;
use crate::cli::explain::{kept, notes};
use crate::cmdline::tokens::{self, Token};
use crate::config::Config;
use crate::measure::pcr::PcrIndex;
use crate::measure::session::SessionChoice;
use crate::media::image_source::ImageSource;
use crate::seal::choice::SealChoice;

entries! {
    CLEAR = "command-line-accepted", Ok, "A boot accepts this command line, and measures the image.", "";
    REFUSED = "command-line-refused", Fail,
        "A boot with this command line fails before it looks for the image: a parameter is unknown, misspelt or malformed, or parameters \
         contradict each other.",
        "correct the word; docs/parameters.md has them all";
    CUT = "command-line-cut", Fail,
        "The command line is longer than the kernel keeps, so its end is lost.",
        "leave out words";
    WITHOUT_AGENT = "command-line-without-agent", Fail,
        "With this word, the kernel may not start measureroot, or not first. Then nothing is measured, and the running system can extend the \
         PCR with the digest of any image.",
        "remove the word";
    OFF = "command-line-unmeasured", Fail,
        "The command line switches the measurement off (measureroot=off). The boot marks the PCR, and no verifier trusts it.",
        "remove measureroot=off";
    RESUMES = "command-line-resume", Warn,
        "With resume=, the kernel resumes a system that hibernated, before measureroot starts. Nothing is measured then.",
        "remove resume=, or add noresume";
    NO_SEAL = "command-line-no-seal", Warn,
        "The command line asks for no seal: a disk that lies can answer later reads with bytes that were not measured.",
        "remove measureroot.seal=none";
    NO_SESSION = "command-line-no-session", Warn,
        "The command line asks for no session: an attacker on the bus to the TPM can change the extend unnoticed.",
        "remove measureroot.session=none";
    SEARCHED = "command-line-search", Warn,
        "Without root=, the boot mounts every device in turn to look for the file of rootimg=. A flaw in one of the kernel's file systems is \
         then open to every disk that is plugged in.",
        "name the device of the image with root=";
    OTHER_PCR = "command-line-other-pcr", Note,
        "The image is measured into another PCR than 13. PCR 13 stays free, and the running system can extend it with any digest.",
        "let the verifier judge this PCR (verify --pcr)";
    NOTED = "command-line-word", Note,
        "A word of the command line does not do what people use it for in other systems, or is for another program. \
         `measureroot explain` prints the whole explanation.",
        "run measureroot explain with the command line";
}

/// What is said about the command line, and what it asks for.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) found: Vec<Finding>,
    /// `None` if a boot refuses it.
    pub(super) config: Option<Config>,
}

impl Judged {
    /// The PCR of the image.
    pub(super) fn pcr(&self) -> PcrIndex {
        self.config.as_ref().map_or(PcrIndex::DEFAULT, |config| config.pcr)
    }

    /// The seal that is chosen on the boot; `None` for a prepared or unmeasured image.
    pub(super) fn seal(&self) -> Option<SealChoice> {
        match &self.config {
            Some(config) => (config.measured && config.roothash.is_none()).then_some(config.seal),
            None => Some(SealChoice::default()),
        }
    }

    /// Whether the image is a file on a medium.
    pub(super) fn is_in_file(&self) -> bool {
        let source = self.config.as_ref().map(|config| &config.source);
        source.is_some_and(|source| matches!(source, ImageSource::File(..) | ImageSource::Search(_)))
    }
}

/// Judges a command line.
pub(super) fn judge(line: &[u8]) -> Judged {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (line, cut) = kept::of(line);
    let tokens = tokens::parse(line);
    let mut found: Vec<_> = cut.iter().map(|why| Finding::new(&CUT, why)).collect();
    found.extend(linux::without_the_agent(&tokens).iter().map(|why| Finding::new(&WITHOUT_AGENT, why)));
    let config = match Config::parse(&tokens) {
        Ok(config) => Some(config),
        Err(error) => {
            found.push(Finding::new(&REFUSED, error));
            None
        }
    };
    found.extend(config.as_ref().map(asked).unwrap_or_default());
    found.extend(of_words(&tokens, config.as_ref()));
    if found.iter().all(|finding| [&OTHER_PCR, &NOTED].contains(&finding.entry)) {
        found.push(Finding::new(&CLEAR, "a boot accepts this command line"));
    }
    Judged { found, config }
}

/// What a command line that is accepted asks for.
fn asked(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if !config.measured {
        found.push(Finding::new(&OFF, "measureroot=off"));
        return found;
    }
    if config.roothash.is_none() && config.seal == SealChoice::None {
        found.push(Finding::new(&NO_SEAL, "measureroot.seal=none"));
    }
    if config.session == SessionChoice::None {
        found.push(Finding::new(&NO_SESSION, "measureroot.session=none"));
    }
    if let ImageSource::Search(path) = &config.source {
        found.push(Finding::new(&SEARCHED, format_args!("rootimg=/{path} without root=")));
    }
    if config.pcr != PcrIndex::DEFAULT {
        found.push(Finding::new(&OTHER_PCR, format_args!("rootimgpcr={}", config.pcr)));
    }
    found
}

/// What is to say about single words.
fn of_words(tokens: &[Token], config: Option<&Config>) -> Vec<Finding> {
    let notes = notes::of(tokens, config);
    let entry = |note: &str| if note.starts_with("resume=") { &RESUMES } else { &NOTED };
    notes.iter().map(|note| Finding::new(entry(note), note)).collect()
}

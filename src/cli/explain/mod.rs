//! `measureroot explain`: what a boot with a command line would do.

use clap::Args;

use super::stdout::print;
use crate::boot::step::{Failure, Step};
use crate::cmdline::dialects;
use crate::cmdline::tokens;
use crate::config::Config;
use crate::config::failure_policy::{FailureAction, FailurePolicy};
use crate::error::Result;
use crate::eventlog::journal;
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement;
use crate::measure::session;
use crate::media::image_source::Source;
use crate::root::overlay;
use crate::root::switch_root;
use crate::seal::choice::SealChoice;
use crate::seal::dm_verity::OnCorrupt;
use crate::seal::prepared_root_hash::RootHash;
use crate::sys::mounts::{Mount, kernel_filesystems};

/// Say what a boot with a kernel command line would do, step by step, without touching anything.
#[derive(Debug, Args)]
pub struct Explain {
    /// The command line, as one argument.
    #[arg(value_name = "CMDLINE")]
    line: String,
}

impl Explain {
    /// Explains.
    ///
    /// # Errors
    /// The error that the boot would end with.
    pub fn run(self) -> Result<()> {
        let tokens = tokens::parse(self.line.as_bytes());
        let policy = on_failure(&FailurePolicy::of(&tokens));
        match Config::parse(&tokens) {
            Ok(config) => print(format!("{}\non any failure\n  {policy}\n", steps(&config)).as_bytes()),
            Err(error) => {
                let words = dialects::translate(&tokens).map(|ours| ours.words).unwrap_or_default();
                let failure = Failure { step: Step::CommandLine, error: error.clone() }.to_string();
                let lines: Vec<_> = std::iter::once(failure).chain(words).chain([policy]).collect();
                print(format!("{}\n", lines.join("\n  ")).as_bytes())?;
                Err(error)
            }
        }
    }
}

fn steps(config: &Config) -> String {
    let mut lines = Vec::new();
    for &step in Step::ALL {
        let actions = actions(step, config);
        if !actions.is_empty() {
            lines.push(step.name().to_owned());
            lines.extend(actions.iter().map(|action| format!("  {action}")));
        }
    }
    lines.join("\n")
}

fn actions(step: Step, config: &Config) -> Vec<String> {
    let shell = |mounts: &[Mount]| mounts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let seconds = |limit: Option<std::time::Duration>| {
        limit.map_or("for ever".to_owned(), |limit| format!("for at most {} s", limit.as_secs()))
    };
    match step {
        Step::Mounts => shell(&kernel_filesystems()),
        Step::CommandLine => {
            std::iter::once("/proc/cmdline".to_owned()).chain(config.translated.iter().cloned()).collect()
        }
        Step::Modules => {
            let given =
                config.module_parameters.iter().map(|(module, setting)| format!("{module} with {setting}, if carried"));
            std::iter::once("all that the initramfs carries, each behind what it needs".to_owned())
                .chain(given)
                .collect()
        }
        Step::Devices => {
            let tpm = format!("/dev/tpm0, {}", seconds(Some(config.timeout)));
            let delay = (!config.root_wait.delay.is_zero())
                .then(|| format!("pause for {} s", config.root_wait.delay.as_secs()));
            let root = match &config.source {
                Source::Device(device) | Source::File(device, _) => {
                    Some(format!("{device}, {}", seconds(config.root_wait.limit)))
                }
                Source::Search(_) => None,
            };
            let tree = config.roothash.as_ref().and_then(|roothash| roothash.tree.as_ref());
            let tree = tree.map(|tree| format!("{tree}, for the Merkle tree, {}", seconds(config.root_wait.limit)));
            [tpm, session(config.session).to_owned()].into_iter().chain(delay).chain(root).chain(tree).collect()
        }
        Step::Image => image(config, &seconds(config.root_wait.limit)),
        Step::Seal => vec![seal(config)],
        Step::Banks if config.measured => vec!["a bank whose hash is unknown here is an error".to_owned()],
        Step::Hash if config.measured => vec![match &config.roothash {
            None => "once, for every active bank of the TPM".to_owned(),
            Some(_) => "the root hash stands for the image: none of it is read".to_owned(),
        }],
        Step::Banks | Step::Hash => Vec::new(),
        Step::Extend if config.measured => {
            let digest = match &config.roothash {
                None if config.format == ImageFormat::MetaMeasured => {
                    "the digest of the hex digits of the image's digest (measureroot.format=meta-measured)".to_owned()
                }
                None => "the image's digest".to_owned(),
                Some(roothash) => format!("the digest of \"{}\"", measurement::root_hash_text(&roothash.hash)),
            };
            vec![format!("PCR {} with {digest} in each bank, in one command; read back", config.pcr)]
        }
        Step::Extend => vec![
            "THE IMAGE IS NOT MEASURED (measureroot=off)".to_owned(),
            format!("PCR {} with the digest of \"{}\", if there is a TPM", config.pcr, measurement::UNMEASURED),
        ],
        Step::MountImage => vec![format!("read-only on {}", overlay::LOWER)],
        Step::Overlay => shell(&overlay::plan(&config.overlay_size, config.writable)),
        Step::Log => [journal::OWN, journal::WHOLE, journal::SYSTEMD].map(|name| format!("/run/{name}")).to_vec(),
        Step::Status => vec!["/run/measureroot/status.json".to_owned()],
        Step::MoveMounts => shell(&switch_root::moves(overlay::ROOT)),
        Step::SwitchRoot => {
            vec!["delete the initramfs' files".to_owned(), Mount::moving(overlay::ROOT, "/").to_string()]
        }
        Step::Init => vec![config.init.clone().unwrap_or_else(|| switch_root::INITS.join(", or else "))],
    }
}

fn session(wanted: session::SessionChoice) -> &'static str {
    match wanted {
        session::SessionChoice::Auto => "an HMAC session with it, salted with a key of its null hierarchy, if it can",
        session::SessionChoice::Hmac => "an HMAC session with it, salted with a key of its null hierarchy, or an error",
        session::SessionChoice::None => "no session: whoever sits on the bus to it is believed",
    }
}

fn image(config: &Config, patience: &str) -> Vec<String> {
    let types = match config.fstypes.as_slice() {
        [] => String::new(),
        list => format!(", which must be {}", list.join(" or ")),
    };
    let options = match config.flags.data(&[]).as_str() {
        "" => String::new(),
        options => format!(", mounted with {options}"),
    };
    vec![match &config.source {
        Source::Device(device) if config.roothash.is_some() => {
            format!("{device}{types}{options}, which is not read yet")
        }
        Source::Device(device) => format!("{device}{types}{options}: as many bytes as its file system has"),
        Source::File(device, path) => format!("the file /{path} on {device}{types}{options}"),
        Source::Search(path) => format!("the file /{path} on any block device{types}{options}, {patience}"),
    }]
}

fn seal(config: &Config) -> String {
    let effect = match config.on_corrupt {
        OnCorrupt::Error => "dm-verity fails every later read",
        OnCorrupt::Restart => "dm-verity restarts the machine at a read",
        OnCorrupt::Panic => "dm-verity panics at a read",
    };
    let verity = format!("a Merkle tree in RAM; {effect} that does not agree with it");
    if let Some(RootHash { tree, offset, .. }) = &config.roothash {
        let place = tree.as_ref().map_or("the image's own device or file".to_owned(), ToString::to_string);
        return format!("the Merkle tree at byte {offset} of {place}; {effect} that does not agree with roothash=");
    }
    match config.seal {
        SealChoice::Auto => format!("{verity}; without dm-verity a copy in RAM, if it fits; else an error"),
        SealChoice::Verity => verity,
        SealChoice::Ram => "a copy in RAM, if it fits".to_owned(),
        SealChoice::None if config.measured => {
            "none: a medium that answers a second read differently is believed".to_owned()
        }
        SealChoice::None => "none, for nothing was measured".to_owned(),
    }
}

fn on_failure(policy: &FailurePolicy) -> String {
    let action = match policy.action {
        FailureAction::Reboot => "reboot",
        FailureAction::PowerOff => "power off",
        FailureAction::Halt => "halt",
    };
    let pause =
        policy.pause.map_or("wait for ever".to_owned(), |pause| format!("after {} s {action}", pause.as_secs()));
    format!("extend PCR {} with the digest of \"{}\", and {pause}", policy.pcr, measurement::FAILED)
}

//! Configured choices, in words that say what they do.

use std::time::Duration;

use crate::cmdline::tokens::Token;
use crate::config::Config;
use crate::config::failure_policy::{FailureAction, FailurePolicy};
use crate::measure::image_digest;
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement;
use crate::measure::pcr::PcrIndex;
use crate::measure::rtmr::RtmrIndex;
use crate::measure::rtmr_choice::RtmrChoice;
use crate::measure::session::SessionChoice;
use crate::measure::tpm_version::TpmChoice;
use crate::media::image_source::ImageSource;
use crate::seal::choice::SealChoice;
use crate::seal::dm_verity::OnCorrupt;
use crate::seal::prepared_root_hash::RootHash;

/// The longest time that a step waits; `None` has no limit.
pub(super) fn limit(limit: Option<Duration>) -> String {
    limit.map_or("for ever".to_owned(), |limit| format!("for at most {} s", limit.as_secs()))
}

/// What protects the commands to the TPM.
pub(super) fn session(choice: SessionChoice) -> &'static str {
    match choice {
        SessionChoice::Auto => {
            "an HMAC session, salted with a key of the TPM's null hierarchy; no session if the TPM answers that it supports none, or is a TPM 1.2"
        }
        SessionChoice::Hmac => {
            "an HMAC session, salted with a key of the TPM's null hierarchy; an error if the TPM supports none, as a TPM 1.2"
        }
        SessionChoice::None => {
            "no session: an attacker on the bus to the TPM can change commands and answers unnoticed"
        }
    }
}

/// The TPM that the boot waits for.
pub(super) fn tpm(config: &Config) -> String {
    let version = match config.tpm {
        // An unmeasured boot marks every TPM.
        _ if !config.measured => "",
        TpmChoice::Any => "",
        TpmChoice::V2_0 => " (a TPM 2.0; a TPM 1.2 alone is an error)",
    };
    format!("/dev/tpm0{version}, {}", limit(Some(config.timeout)))
}

/// Which register of a confidential machine is extended.
pub(super) fn rtmr(choice: RtmrChoice) -> String {
    let index = choice.index();
    match choice {
        RtmrChoice::Always(_) => {
            format!(
                "if this is a TDX guest: RTMR {index}, beside the TPM or alone; an error if the kernel shows no RTMR"
            )
        }
        RtmrChoice::Optional => {
            format!("if this is a TDX guest whose kernel shows it: RTMR {index}, beside the TPM or alone")
        }
    }
}

/// What the PCR is extended with.
pub(super) fn digest(config: &Config) -> String {
    match &config.roothash {
        None if config.format == ImageFormat::MetaMeasured => {
            format!("the digest of the hex digits of the image's digest (measureroot.format={})", config.format)
        }
        None => "the image's digest".to_owned(),
        Some(roothash) => format!("the digest of \"{}\"", image_digest::root_hash_text(&roothash.hash)),
    }
}

/// What an unmeasured boot extends.
pub(super) fn unmeasured(pcr: PcrIndex) -> String {
    let default = if pcr == PcrIndex::DEFAULT { String::new() } else { format!("{} and ", PcrIndex::DEFAULT) };
    let text = measurement::UNMEASURED;
    format!(
        "PCR {default}{pcr} with the digest of \"{text}\", if the machine has a TPM; a TPM that the firmware names must appear; the RTMRs \
         of a TDX guest get it, too"
    )
}

/// What is extended in a TDX guest.
pub(super) fn extended_rtmr(choice: RtmrChoice) -> String {
    let (index, default) = (choice.index(), RtmrIndex::DEFAULT);
    let free = if index == default {
        String::new()
    } else {
        format!("; RTMR {default} stays free, so a verifier must judge RTMR {index}")
    };
    format!("in a TDX guest: RTMR {index} with the same in SHA-384{free}")
}

/// What a boot with another PCR leaves open.
pub(super) fn default_is_free(pcr: PcrIndex) -> String {
    let default = PcrIndex::DEFAULT;
    format!(
        "PCR {default} stays free: the running system can extend it with any digest, so a verifier must judge PCR {pcr}"
    )
}

/// The place of the image, and the bytes of it that are measured.
pub(super) fn image(config: &Config, time: &str) -> Vec<String> {
    let types = match config.fstypes.as_slice() {
        [] => String::new(),
        list => format!(", which must be {}", list.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")),
    };
    let options = match config.flags.to_string().as_str() {
        "" => String::new(),
        options => format!(", mounted with {options}"),
    };
    vec![match &config.source {
        ImageSource::Device(device) if config.roothash.is_some() => {
            format!("{device}{types}{options}, which is not read yet")
        }
        ImageSource::Device(device) => format!("{device}{types}{options}: as many bytes as its file system has"),
        ImageSource::File(device, path) => format!("the file /{path} on {device}{types}{options}"),
        ImageSource::Search(path) => format!("the file /{path} on any block device{types}{options}, {time}"),
    }]
}

/// The protection against a later read that gets other bytes than the measured ones.
pub(super) fn seal(config: &Config) -> String {
    let effect = match config.on_corrupt {
        OnCorrupt::Error => "dm-verity fails every later read",
        OnCorrupt::Restart => "dm-verity restarts the machine at the first read",
        OnCorrupt::Panic => "dm-verity panics at the first read",
    };
    let verity = format!("a Merkle tree in RAM; {effect} that does not match it");
    if let Some(RootHash { tree, offset, .. }) = &config.roothash {
        let place = tree.as_ref().map_or("the image's own device or file".to_owned(), ToString::to_string);
        return format!("the Merkle tree at byte {offset} of {place}; {effect} that does not match roothash=");
    }
    match config.seal {
        SealChoice::Auto => {
            format!("{verity}; if dm-verity is impossible, a copy in RAM; if that does not fit, an error")
        }
        SealChoice::Verity => verity,
        SealChoice::Ram => "a copy in RAM; if it does not fit, an error".to_owned(),
        SealChoice::None if config.measured => {
            "none: the medium can answer later reads differently, unnoticed".to_owned()
        }
        SealChoice::None => "none, because nothing is measured".to_owned(),
    }
}

/// What the init gets from behind `--`, whatever it is called. It is the last line of the last step.
pub(super) fn init_arguments(tokens: &[Token]) -> Option<String> {
    let words: Vec<_> = tokens.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| format!("  with the arguments behind --: {}", words.join(" ")))
}

/// What happens if a step fails.
pub(super) fn on_failure(policy: &FailurePolicy) -> String {
    let action = match policy.action {
        FailureAction::Reboot => "reboot",
        FailureAction::PowerOff => "power off",
        FailureAction::Halt => "halt",
    };
    let pause =
        policy.pause.map_or("wait for ever".to_owned(), |pause| format!("after {} s {action}", pause.as_secs()));
    format!("extend PCR {} with the digest of \"{}\", and {pause}", policy.pcr, measurement::FAILED)
}

//! Reads the tokens of the command line into a [`Config`]. This happens once; only the failure policy is read separately.

pub(crate) mod failure_policy;
pub(crate) mod module_choice;
mod parameters;
mod source;

use std::time::Duration;

use crate::cmdline::choice::Choice;
use crate::cmdline::dialects::{self, Translation};
use crate::cmdline::parameter::{parsed, seconds};
use crate::cmdline::tokens::Token;
use crate::config::failure_policy::FailureAction;
use crate::config::module_choice::ModuleChoice;
use crate::error::Result;
use crate::measure::image_format::ImageFormat;
use crate::measure::pcr::PcrIndex;
use crate::measure::rtmr_choice::RtmrChoice;
use crate::measure::session::SessionChoice;
use crate::measure::tpm_version::TpmChoice;
use crate::media::image_request::ImageRequest;
use crate::media::image_source::ImageSource;
use crate::media::rootflags::RootFlags;
use crate::media::superblock::FileSystem;
use crate::media::wait::Wait;
use crate::root::overlay_size::OverlaySize;
use crate::seal::choice::SealChoice;
use crate::seal::dm_verity::OnCorrupt;
use crate::seal::prepared_root_hash::RootHash;
use crate::tpm::TpmRequest;

/// Everything the command line decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The parameters of other live systems, each with its meaning here.
    pub translated: Vec<String>,
    /// Whether the image is measured: `measureroot=off` was not given.
    pub measured: bool,
    /// Where the image is.
    pub source: ImageSource,
    /// `roothash=`: the image was prepared, and its root hash is measured.
    pub roothash: Option<RootHash>,
    /// `measureroot.format=`: which digest stands for the image in the PCR.
    pub format: ImageFormat,
    /// The PCR that is extended with the image.
    pub pcr: PcrIndex,
    /// `measureroot.rtmr=`: the RTMR of a confidential machine that is extended, too.
    pub rtmr: RtmrChoice,
    /// `rootfstype=`: the file systems that the device of `root=` may have, without those that it cannot have; empty for any.
    pub fstypes: Vec<FileSystem>,
    /// `rootflags=`: mount options for that device.
    pub flags: RootFlags,
    /// Whether the overlay is mounted writable.
    pub writable: bool,
    /// How long to wait for the TPM.
    pub timeout: Duration,
    /// How long to wait for the root device; without a limit if `rootwait` has no value.
    pub root_wait: Wait,
    /// How long a device may not answer after it was found.
    pub read_limit: Duration,
    /// `measureroot.seal=`.
    pub seal: SealChoice,
    /// `measureroot.oncorrupt=`.
    pub on_corrupt: OnCorrupt,
    /// `measureroot.session=`.
    pub session: SessionChoice,
    /// `measureroot.tpm=`.
    pub tpm: TpmChoice,
    /// `init=`.
    pub init: Option<String>,
    /// `measureroot.overlaysize=`.
    pub overlay_size: OverlaySize,
    /// Whether `debug` was given.
    pub debug: bool,
    /// What is said about kernel modules.
    pub modules: ModuleChoice,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A SCSI disk that recovers still boots: the kernel asks it six times, and waits 30 s each time (drivers/scsi/sd.h, `SD_TIMEOUT`
/// and `SD_MAX_RETRIES`). The last minute is for the resets between.
const DEFAULT_READ_LIMIT: Duration = Duration::from_secs(6 * 30 + 60);
/// No read gets less time than this: a disk may have to start to spin.
const SHORTEST_READ_LIMIT: Duration = Duration::from_secs(10);

impl Config {
    /// Reads the parameters.
    ///
    /// # Errors
    /// For a token that has our prefix and is unknown, that is malformed, or that conflicts with another.
    pub fn parse(tokens: &[Token]) -> Result<Self> {
        parameters::refuse_open_quote(tokens)?;
        parameters::refuse_unknown(tokens)?;
        let Translation { tokens, words } = dialects::translate(tokens)?;
        let tokens = &tokens;
        parsed(tokens, "measureroot.onfail", FailureAction::parse)?;
        let timeout = seconds(tokens, "measureroot.timeout")?;
        let rootwait = parameters::rootwait(tokens)?;
        let roothash = RootHash::of(tokens)?;
        let source = source::source(tokens, roothash.as_ref())?;
        Ok(Self {
            translated: words,
            measured: parameters::measured(tokens)?,
            pcr: parsed(tokens, "rootimgpcr", str::parse)?.unwrap_or(PcrIndex::DEFAULT),
            rtmr: parsed(tokens, "measureroot.rtmr", RtmrChoice::of)?.unwrap_or_default(),
            fstypes: parameters::fstypes(tokens, &source)?,
            source,
            flags: parsed(tokens, "rootflags", RootFlags::parse)?.unwrap_or_default(),
            writable: tokens.iter().rev().find_map(parameters::access).unwrap_or(true),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            root_wait: Wait {
                delay: seconds(tokens, "rootdelay")?.unwrap_or_default(),
                limit: timeout.or(rootwait.unwrap_or(Some(DEFAULT_TIMEOUT))),
            },
            read_limit: timeout.map_or(DEFAULT_READ_LIMIT, |timeout| timeout.max(SHORTEST_READ_LIMIT)),
            seal: parameters::seal(tokens, roothash.is_some())?,
            format: parameters::format(tokens, roothash.is_some())?,
            roothash,
            on_corrupt: parsed(tokens, "measureroot.oncorrupt", OnCorrupt::parse)?.unwrap_or_default(),
            session: parsed(tokens, "measureroot.session", SessionChoice::parse)?.unwrap_or_default(),
            tpm: parsed(tokens, "measureroot.tpm", TpmChoice::parse)?.unwrap_or_default(),
            init: parameters::init(tokens)?,
            overlay_size: parsed(tokens, "measureroot.overlaysize", OverlaySize::parse)?.unwrap_or_default(),
            debug: tokens.iter().any(|token| token.key == b"debug" && token.value.is_none()),
            modules: ModuleChoice::of(tokens),
        })
    }

    /// The part that opening the TPMs needs.
    #[must_use]
    pub(crate) fn tpm_request(&self) -> TpmRequest {
        TpmRequest { patience: self.timeout, session: self.session, version: self.tpm }
    }

    /// The part that finding the image needs.
    #[must_use]
    pub fn image_request(&self) -> ImageRequest<'_> {
        ImageRequest {
            prepared: self.roothash.is_some(),
            fstypes: &self.fstypes,
            flags: &self.flags,
            wait: self.root_wait,
        }
    }
}

#[cfg(test)]
mod tests;

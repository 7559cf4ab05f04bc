//! Tokens to [`Config`], once: nobody reads the command line again.

pub mod failure_policy;
mod source;

use std::time::Duration;

use crate::cmdline::choice::Choice;
use crate::cmdline::dialects::{self, Translation};
use crate::cmdline::own_names;
use crate::cmdline::parameter::{parsed, seconds, value};
use crate::cmdline::tokens::Token;
use crate::config::failure_policy::FailureAction;
use crate::error::{Error, Result};
use crate::measure::image_format::ImageFormat;
use crate::measure::pcr::PcrIndex;
use crate::measure::session;
use crate::media::image_request::ImageRequest;
use crate::media::image_source::ImageSource;
use crate::media::rootflags::RootFlags;
use crate::media::wait::Wait;
use crate::seal::choice::SealChoice;
use crate::seal::dm_verity::OnCorrupt;
use crate::seal::prepared_root_hash::RootHash;

/// Everything the command line decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The words of other systems, each with what it means here.
    pub translated: Vec<String>,
    /// `measureroot=off` was not given.
    pub measured: bool,
    /// Where the image is.
    pub source: ImageSource,
    /// `roothash=`: the image was prepared, and is not hashed.
    pub roothash: Option<RootHash>,
    /// `measureroot.format=`: what stands for the image in the PCR.
    pub format: ImageFormat,
    /// The PCR that is extended with the image.
    pub pcr: PcrIndex,
    /// `rootfstype=`: the file systems the device of `root=` may have; empty where any will do.
    pub fstypes: Vec<String>,
    /// `rootflags=`: options for mounting that device.
    pub flags: RootFlags,
    /// The union starts writable.
    pub writable: bool,
    /// How long to wait for the TPM.
    pub timeout: Duration,
    /// How long to wait for the root device; for ever with `rootwait` alone.
    pub root_wait: Wait,
    /// `measureroot.seal=`.
    pub seal: SealChoice,
    /// `measureroot.oncorrupt=`.
    pub on_corrupt: OnCorrupt,
    /// `measureroot.session=`.
    pub session: session::SessionChoice,
    /// `init=`.
    pub init: Option<String>,
    /// The size of the overlay's tmpfs, in tmpfs's own words.
    pub overlay_size: String,
    /// `debug` was given.
    pub debug: bool,
    /// `module.parameter[=value]`, which modprobe would hand to the module.
    pub module_parameters: Vec<(String, String)>,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl Config {
    /// Reads the parameters.
    ///
    /// # Errors
    /// For the first token that is unknown under our prefix, malformed, or in conflict with another.
    pub fn parse(tokens: &[Token]) -> Result<Self> {
        refuse_unknown(tokens)?;
        let Translation { tokens, words } = dialects::translate(tokens)?;
        let tokens = &tokens;
        parsed(tokens, "measureroot.onfail", FailureAction::parse)?;
        let timeout = seconds(tokens, "measureroot.timeout")?;
        let rootwait = rootwait(tokens)?;
        let roothash = RootHash::of(tokens)?;
        Ok(Self {
            translated: words,
            measured: measured(tokens)?,
            source: source::source(tokens, roothash.as_ref())?,
            pcr: parsed(tokens, "rootimgpcr", str::parse)?.unwrap_or(PcrIndex::DEFAULT),
            fstypes: fstypes(tokens)?,
            flags: parsed(tokens, "rootflags", RootFlags::parse)?.unwrap_or_default(),
            writable: tokens.iter().rev().find_map(access).unwrap_or(true),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            root_wait: Wait {
                delay: seconds(tokens, "rootdelay")?.unwrap_or_default(),
                limit: timeout.or(rootwait.unwrap_or(Some(DEFAULT_TIMEOUT))),
            },
            seal: seal(tokens, roothash.is_some())?,
            format: format(tokens, roothash.is_some())?,
            roothash,
            on_corrupt: parsed(tokens, "measureroot.oncorrupt", OnCorrupt::parse)?.unwrap_or_default(),
            session: parsed(tokens, "measureroot.session", session::SessionChoice::parse)?.unwrap_or_default(),
            init: init(tokens)?,
            overlay_size: parsed(tokens, "measureroot.overlaysize", overlay_size)?.unwrap_or_else(|| "50%".to_owned()),
            debug: tokens.iter().any(|token| token.key == b"debug" && token.value.is_none()),
            module_parameters: tokens.iter().filter_map(module_parameter).collect(),
        })
    }

    /// The part of it that finding the image needs.
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

fn refuse_unknown(tokens: &[Token]) -> Result<()> {
    let unknown = tokens.iter().find(|token| {
        token.key.starts_with(b"measureroot.") && !token.key().is_some_and(|key| own_names::ALL.contains(&key))
    });
    match unknown {
        Some(token) => {
            Err(Error::new(token, "unknown parameter").hint(format!("known are {}", own_names::ALL.join(", "))))
        }
        None => Ok(()),
    }
}

fn measured(tokens: &[Token]) -> Result<bool> {
    let ours: Vec<_> = tokens.iter().filter(|token| token.key == b"measureroot").collect();
    match ours.iter().map(|token| token.value.as_deref()).collect::<Vec<_>>().as_slice() {
        [rest @ .., last] if rest.iter().any(|value| value != last) => {
            Err(Error::new(ours[0], "given twice with different values").hint("measuring cannot be both on and off"))
        }
        [] | [.., None] => Ok(true),
        [.., Some(b"off")] => Ok(false),
        [.., Some(_)] => Err(Error::new(ours[0], "malformed value").hint("write measureroot, or measureroot=off")),
    }
}

/// `rootwait` waits for ever, `rootwait=N` for N seconds (kernel, init/do_mounts.c); `None` where there is neither.
fn rootwait(tokens: &[Token]) -> Result<Option<Option<Duration>>> {
    if tokens.iter().any(|token| token.key == b"rootwait" && token.value.is_none()) {
        return Ok(Some(None));
    }
    Ok(seconds(tokens, "rootwait")?.map(Some))
}

/// An image that nobody measures cannot be held to what was measured, and one that is prepared has its seal.
fn seal(tokens: &[Token], prepared: bool) -> Result<SealChoice> {
    let wanted = parsed(tokens, "measureroot.seal", SealChoice::parse)?;
    if prepared && matches!(wanted, Some(SealChoice::Ram | SealChoice::None)) {
        return Err(
            Error::new("measureroot.seal", "conflicts with roothash=").hint("it makes dm-verity check every read")
        );
    }
    if measured(tokens)? {
        return Ok(wanted.unwrap_or_default());
    }
    match wanted {
        None | Some(SealChoice::None) => Ok(SealChoice::None),
        Some(_) => {
            Err(Error::new("measureroot.seal", "goes with a measured boot only").hint("measureroot=off is given"))
        }
    }
}

/// A prepared image is measured by its root hash, of which there is one form only.
fn format(tokens: &[Token], prepared: bool) -> Result<ImageFormat> {
    match parsed(tokens, "measureroot.format", ImageFormat::parse)?.unwrap_or_default() {
        ImageFormat::MetaMeasured if prepared => {
            Err(Error::new("measureroot.format", "conflicts with roothash=")
                .hint("it is measured in place of the image"))
        }
        format => Ok(format),
    }
}

fn access(token: &Token) -> Option<bool> {
    match (token.key.as_slice(), &token.value) {
        (b"ro", None) => Some(false),
        (b"rw", None) => Some(true),
        _ => None,
    }
}

fn fstypes(tokens: &[Token]) -> Result<Vec<String>> {
    let Some(list) = value(tokens, "rootfstype")? else { return Ok(Vec::new()) };
    let types: Vec<_> = list.split(',').map(str::to_owned).collect();
    let well_formed = |name: &String| {
        !name.is_empty() && name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    if types.iter().all(well_formed) {
        Ok(types)
    } else {
        Err(Error::new(format!("rootfstype={list}"), "malformed value")
            .hint("names of file systems with commas between"))
    }
}

/// The last one counts, as in the kernel.
fn init(tokens: &[Token]) -> Result<Option<String>> {
    let Some(token) = tokens.iter().rev().find(|token| token.key == b"init") else { return Ok(None) };
    match token.value.as_deref().map(std::str::from_utf8) {
        Some(Ok(path)) if path.starts_with('/') && !path.contains('\0') => Ok(Some(path.to_owned())),
        _ => Err(Error::new(token, "malformed value").hint("the absolute path of a program in the root image")),
    }
}

/// tmpfs's `size=` (tmpfs(5)): bytes with an optional k, m or g, or a percentage of the RAM.
fn overlay_size(text: &str) -> Result<String> {
    let (digits, percent) = match text.as_bytes().last() {
        Some(b'%') => (&text[..text.len() - 1], true),
        Some(b'k' | b'K' | b'm' | b'M' | b'g' | b'G') => (&text[..text.len() - 1], false),
        _ => (text, false),
    };
    let number: Option<u64> = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    match number {
        Some(1..=100) if percent => Ok(text.to_owned()),
        Some(1..) if !percent => Ok(text.to_owned()),
        _ => Err(Error::new(text, "malformed value").hint("as tmpfs takes it: 50%, 512m, 2g")),
    }
}

fn module_parameter(token: &Token) -> Option<(String, String)> {
    let key = token.key()?;
    let (module, parameter) = key.split_once('.').filter(|(module, _)| *module != "measureroot")?;
    let setting = match &token.value {
        Some(value) => format!("{parameter}=\"{}\"", std::str::from_utf8(value).ok()?),
        None => parameter.to_owned(),
    };
    Some((module.replace('-', "_"), setting))
}

#[cfg(test)]
mod tests;

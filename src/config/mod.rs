//! Tokens to [`Config`], once: nobody reads the command line again.

pub mod failure_policy;

use std::time::Duration;

use crate::cmdline::dialects::{self, Translation};
use crate::cmdline::own_names;
use crate::cmdline::parameter::{parsed, seconds, value};
use crate::cmdline::tokens::Token;
use crate::config::failure_policy::FailureAction;
use crate::error::{Error, Result};
use crate::measure::image_format::ImageFormat;
use crate::measure::pcr::PcrIndex;
use crate::measure::session;
use crate::media::image_source::Source;
use crate::media::rootflags::RootFlags;
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
    pub source: Source,
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
    /// `rootdelay=`: a pause before devices are looked at.
    pub delay: Duration,
    /// How long to wait for the TPM.
    pub timeout: Duration,
    /// How long to wait for the root device; `None`, for ever, with `rootwait` alone.
    pub root_timeout: Option<Duration>,
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
            source: Source::of(tokens, roothash.as_ref())?,
            pcr: parsed(tokens, "rootimgpcr", str::parse)?.unwrap_or(PcrIndex::DEFAULT),
            fstypes: fstypes(tokens)?,
            flags: parsed(tokens, "rootflags", RootFlags::parse)?.unwrap_or_default(),
            writable: tokens.iter().rev().find_map(access).unwrap_or(true),
            delay: seconds(tokens, "rootdelay")?.unwrap_or_default(),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            root_timeout: timeout.or(rootwait.unwrap_or(Some(DEFAULT_TIMEOUT))),
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
    match parsed(tokens, "measureroot.format", str::parse)?.unwrap_or_default() {
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
mod tests {
    use super::*;
    use crate::cmdline::tokens;
    use crate::media::device_name::DeviceName;

    fn config(line: &str) -> Result<Config> {
        Config::parse(&tokens::parse(line.as_bytes()))
    }

    #[test]
    fn defaults() {
        let config = config("root=/dev/vda quiet BOOT_IMAGE=/vmlinuz panic=5").unwrap();
        assert!(config.measured && config.writable);
        assert_eq!(config.source, Source::Device(DeviceName::Node("/dev/vda".into())));
        assert_eq!((config.pcr.get(), config.overlay_size.as_str()), (13, "50%"));
        assert_eq!((config.timeout, config.root_timeout), (DEFAULT_TIMEOUT, Some(DEFAULT_TIMEOUT)));
        assert_eq!((config.init, config.delay), (None, Duration::ZERO));
    }

    #[test]
    fn each_parameter_has_its_effect() {
        let seconds = Duration::from_secs;
        let of = |words: &str| config(&format!("root=/dev/vda {words}")).unwrap();
        assert_eq!(of("rootimgpcr=9").pcr.get(), 9);
        assert!(!of("ro").writable && of("ro rw").writable && !of("rw ro").writable);
        assert_eq!(of("rootwait").root_timeout, None);
        assert_eq!(of("rootwait=7").root_timeout, Some(seconds(7)));
        assert_eq!(of("rootwait measureroot.timeout=3").root_timeout, Some(seconds(3)));
        assert_eq!((of("rootwait").timeout, of("measureroot.timeout=3").timeout), (DEFAULT_TIMEOUT, seconds(3)));
        assert_eq!(of("rootdelay=2").delay, seconds(2));
        assert_eq!(of("init=/bin/a init=/bin/b").init.as_deref(), Some("/bin/b"));
        assert_eq!(of("rootfstype=ext4,erofs").fstypes, ["ext4", "erofs"]);
        assert_eq!(of("rootflags=threads=multi").flags.data(&[]), "threads=multi");
        assert_eq!(of("measureroot.overlaysize=512m").overlay_size, "512m");
        assert!(of("measureroot").measured && !of("measureroot=off").measured && of("debug").debug);
        assert_eq!(
            of("loop.max_loop=3 virtio-blk.x").module_parameters,
            [("loop".to_owned(), "max_loop=\"3\"".to_owned()), ("virtio_blk".to_owned(), "x".to_owned())]
        );
        assert_eq!((of("").seal, of("measureroot.seal=verity").seal), (SealChoice::Auto, SealChoice::Verity));
        assert_eq!(
            (of("measureroot.seal=toram").seal, of("measureroot=off").seal),
            (SealChoice::Ram, SealChoice::None)
        );
        assert_eq!(of("measureroot.oncorrupt=panic").on_corrupt, OnCorrupt::Panic);
        assert_eq!((of("").format, of("measureroot.format=plain").format), (ImageFormat::Plain, ImageFormat::Plain));
        assert_eq!(of("measureroot.format=meta-measured").format, ImageFormat::MetaMeasured);
        assert_eq!(
            (of("").session, of("measureroot.session=none").session),
            (session::SessionChoice::Auto, session::SessionChoice::None)
        );
        assert_eq!(of("measureroot.session=hmac").session, session::SessionChoice::Hmac);
        assert_eq!(config("rootimg=/a").unwrap().source, Source::Search("a".into()));
        assert_eq!(
            config("rootimg=a root=LABEL=x").unwrap().source,
            Source::File(DeviceName::Label("x".into()), "a".into())
        );
    }

    #[test]
    fn an_error_names_its_token() {
        let table = [
            ("", "command line"),
            ("root", "root"),
            ("root=", "root="),
            ("root=/dev/vda root=/dev/vdb", "root=/dev/vdb"),
            ("root=/dev/disk/by-id/x", "root=/dev/disk/by-id/x"),
            ("root=nfs", "root=nfs"),
            ("rootimg=../x", "rootimg=../x"),
            ("root=/dev/vda rootimgpcr=16", "rootimgpcr=16"),
            ("root=/dev/vda rootimgpcr=x", "rootimgpcr=x"),
            ("root=/dev/vda rootimgpcr=13 rootimgpcr=14", "rootimgpcr=14"),
            ("root=/dev/vda rootflags=rw", "rootflags=rw"),
            ("root=/dev/vda rootfstype=", "rootfstype="),
            ("root=/dev/vda rootfstype=a/b", "rootfstype=a/b"),
            ("root=/dev/vda rootdelay=-1", "rootdelay=-1"),
            ("root=/dev/vda rootwait=x", "rootwait=x"),
            ("root=/dev/vda init=sh", "init=sh"),
            ("root=/dev/vda measureroot.timeout=1m", "measureroot.timeout=1m"),
            ("root=/dev/vda measureroot.timeout=86401", "measureroot.timeout=86401"),
            ("root=/dev/vda measureroot.onfail=shell", "measureroot.onfail=shell"),
            ("root=/dev/vda measureroot.overlaysize=101%", "measureroot.overlaysize=101%"),
            ("root=/dev/vda measureroot.overlaysize=5,mode=0", "measureroot.overlaysize=5,mode=0"),
            ("root=/dev/vda measureroot.shell", "measureroot.shell"),
            ("root=/dev/vda measureroot.", "measureroot."),
            ("root=/dev/vda measureroot.seal=tape", "measureroot.seal=tape"),
            ("root=/dev/vda measureroot.oncorrupt=ignore", "measureroot.oncorrupt=ignore"),
            ("root=/dev/vda measureroot.session=password", "measureroot.session=password"),
            ("root=/dev/vda measureroot=off measureroot.seal=ram", "measureroot.seal"),
            ("root=/dev/vda measureroot.format=sha1", "measureroot.format=sha1"),
            ("root=/dev/vda measureroot=no", "measureroot=no"),
            ("root=/dev/vda roothash=12", "roothash=12"),
            (&format!("root=/dev/vda roothash={} measureroot.seal=ram", "0".repeat(64)), "measureroot.seal"),
            (
                &format!("root=/dev/vda roothash={} measureroot.format=meta-measured", "0".repeat(64)),
                "measureroot.format",
            ),
            ("root=/dev/vda measureroot measureroot=off", "measureroot"),
        ];
        for (line, object) in table {
            assert_eq!(config(line).unwrap_err().object(), object, "{line}");
        }
    }

    #[test]
    fn what_comes_twice_alike_or_belongs_to_others_is_taken() {
        for words in
            ["root=/dev/vda", "rootovl=1 measureroots=1", "-- measureroot.x", "systemd.unit=a", "\u{e0}=\u{e0}"]
        {
            assert!(config(&format!("root=/dev/vda {words}")).is_ok(), "{words}");
        }
    }

    #[test]
    fn a_translated_command_line_is_a_configuration() {
        for (theirs, _) in dialects::tests::TRANSLATED {
            config(theirs).unwrap();
        }
    }

    #[test]
    fn two_words_of_one_meaning_that_differ_are_a_conflict() {
        let table = [
            ("root=/dev/sda live-media=/dev/sdb", "root=/dev/sdb"),
            ("boot=live rootimg=/x live-media-path=y", "rootimg=y/filesystem.squashfs"),
            ("boot=live root=live:/dev/sda", "root=live:/dev/sda"),
            ("root=/dev/sda boot=live rd.live.dir=a", "rd.live.dir=a"),
            ("rootimage=a rootimg=b", "rootimg=b"),
            ("toram measureroot.seal=verity rootimg=a", "measureroot.seal=verity"),
            ("root=live:/dev/sda rd.live.dir=a rd.live.dir=b", "rd.live.dir=b"),
            ("root=live:LABEL=", "root=/dev/disk/by-label/"),
            ("boot=live overlay-size=x", "measureroot.overlaysize=x"),
        ];
        for (line, object) in table {
            let error = config(line).unwrap_err();
            assert!(error.object().starts_with(object), "{line}: {error}");
        }
    }
}

//! Single parameters of the command line that take more than one line to read.

use std::time::Duration;

use crate::cmdline::choice::Choice;
use crate::cmdline::own_names;
use crate::cmdline::parameter::{parsed, seconds, value};
use crate::cmdline::tokens::Token;
use crate::error::{Error, Result};
use crate::measure::image_format::ImageFormat;
use crate::media::image_source::ImageSource;
use crate::media::superblock::FileSystem;
use crate::media::superblock_reader;
use crate::seal::choice::SealChoice;

/// Checks that each parameter with our prefix is known, and that no parameter is a misspelt one of ours.
pub(super) fn refuse_unknown(tokens: &[Token]) -> Result<()> {
    for token in tokens {
        let hint = match own_names::meant(&token.key) {
            Some(name) => format!("did you mean {name}?"),
            None if token.key.starts_with(b"measureroot.") && !own_names::ALL.iter().any(|name| token.is(name)) => {
                format!("known are {}", own_names::ALL.join(", "))
            }
            None => continue,
        };
        return Err(Error::new(token, "unknown parameter").hint(hint));
    }
    Ok(())
}

/// Checks that no quote that is not closed takes a parameter in. The kernel obeys the rest of such a line as little as the agent, but
/// its author relies on it.
pub(super) fn refuse_open_quote(tokens: &[Token]) -> Result<()> {
    let Some(token) = tokens.iter().find(|token| token.open) else { return Ok(()) };
    let mut swallowed = token.swallowed().peekable();
    let is_cut = swallowed.peek().is_some() && own_names::is_obeyed(&token.key);
    if is_cut || swallowed.any(own_names::is_obeyed) {
        return Err(
            Error::new(token, "a quote is not closed").hint("all behind it is one word: write the second quote")
        );
    }
    Ok(())
}

/// `measureroot`, or `measureroot=off`.
pub(super) fn measured(tokens: &[Token]) -> Result<bool> {
    let ours: Vec<_> = tokens.iter().filter(|token| token.key == b"measureroot").collect();
    match ours.iter().map(|token| token.value.as_deref()).collect::<Vec<_>>().as_slice() {
        [rest @ .., last] if rest.iter().any(|value| value != last) => {
            Err(Error::new(ours[0], "given twice with different values").hint("the image is either measured or not"))
        }
        [] | [.., None] => Ok(true),
        [.., Some(b"off")] => Ok(false),
        [.., Some(_)] => Err(Error::new(ours[0], "malformed value").hint("write measureroot, or measureroot=off")),
    }
}

/// `rootwait` waits for ever, `rootwait=N` for N seconds (kernel, init/do_mounts.c); `None` if neither is given. Both together are
/// a conflict, like any two different values.
pub(super) fn rootwait(tokens: &[Token]) -> Result<Option<Option<Duration>>> {
    let mut given = tokens.iter().filter(|token| token.key == b"rootwait");
    match given.next() {
        None => Ok(None),
        Some(Token { value: None, .. }) if given.all(|token| token.value.is_none()) => Ok(Some(None)),
        // `value` reports the conflict.
        Some(_) => Ok(seconds(tokens, "rootwait")?.map(Some)),
    }
}

/// The seal. Without a measurement there is nothing that a seal can preserve, and a prepared image has its own seal.
pub(super) fn seal(tokens: &[Token], prepared: bool) -> Result<SealChoice> {
    let choice = parsed(tokens, "measureroot.seal", SealChoice::parse)?;
    if prepared && matches!(choice, Some(SealChoice::Ram | SealChoice::None)) {
        return Err(Error::new("measureroot.seal", "conflicts with roothash=")
            .hint("with roothash=, dm-verity checks every read"));
    }
    if measured(tokens)? {
        return Ok(choice.unwrap_or_default());
    }
    match choice {
        None | Some(SealChoice::None) => Ok(SealChoice::None),
        Some(_) => Err(Error::new("measureroot.seal", "needs a measured boot").hint("measureroot=off is given")),
    }
}

/// The format. A prepared image is measured by its root hash, which has one format only.
pub(super) fn format(tokens: &[Token], prepared: bool) -> Result<ImageFormat> {
    match parsed(tokens, "measureroot.format", ImageFormat::parse)?.unwrap_or_default() {
        ImageFormat::MetaMeasured if prepared => Err(Error::new("measureroot.format", "conflicts with roothash=")
            .hint("the root hash is measured in place of the image")),
        format => Ok(format),
    }
}

/// `ro` or `rw`: whether the overlay is writable.
pub(super) fn access(token: &Token) -> Option<bool> {
    match (token.key.as_slice(), &token.value) {
        (b"ro", None) => Some(false),
        (b"rw", None) => Some(true),
        _ => None,
    }
}

/// `rootfstype=`: the file systems of the list that the device of `root=` can have, empty for any. The others are ignored, as by the
/// kernel (init/do_mounts.c, `mount_root_generic`), unless nothing else is in the list.
pub(super) fn fstypes(tokens: &[Token], source: &ImageSource) -> Result<Vec<FileSystem>> {
    let Some(list) = value(tokens, "rootfstype")? else { return Ok(Vec::new()) };
    // As for mount(8) and dracut, `auto` is any type; in a list, too.
    if list.split(',').any(|name| name == "auto") {
        return Ok(Vec::new());
    }
    let is_image = matches!(source, ImageSource::Device(_));
    let types = list.split(',').filter_map(FileSystem::called).filter(|kind| kind.is_image() || !is_image);
    let types: Vec<_> = types.collect();
    if !types.is_empty() {
        return Ok(types);
    }
    let (cause, hint) = if is_image {
        (
            "no root image has this type",
            "an image is squashfs, erofs or ext4; it can be a file on a vfat or iso9660, then rootimg= names it",
        )
    } else {
        ("no medium has this type", superblock_reader::MEDIUM)
    };
    Err(Error::new(format_args!("rootfstype={list}"), cause).hint(hint))
}

/// The last `init=` counts, as in the kernel.
pub(super) fn init(tokens: &[Token]) -> Result<Option<String>> {
    let Some(token) = tokens.iter().rev().find(|token| token.key == b"init") else { return Ok(None) };
    match token.value.as_deref().map(std::str::from_utf8) {
        Some(Ok(path)) if path.starts_with('/') && !path.contains('\0') => Ok(Some(path.to_owned())),
        _ => Err(Error::new(token, "malformed value").hint("the absolute path of a program in the root image")),
    }
}

//! Translates the parameters of other live systems into ours. If a parameter asks for something that this program does
//! not do, it is refused, because the author of the command line relies on it.

mod rules;

use crate::cmdline::tokens::Token;
use crate::error::{Error, Result, one_line};
use rules::{Meaning, Ours};

/// The command line with our parameters.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    /// The parameters.
    pub(crate) tokens: Vec<Token>,
    /// Each translation, as `theirs: ours`.
    pub(crate) words: Vec<String>,
}

/// Translates the parameters of other live systems. All other parameters stay as they are.
///
/// # Errors
/// For a parameter that asks for something that this program does not do.
pub(crate) fn translate(tokens: &[Token]) -> Result<Translation> {
    let mut ours = Translation::default();
    let (mut file, mut folder, mut name) = (FilePart::default(), FilePart::default(), FilePart::default());
    let boot = boot(tokens);
    let is_live = tokens.iter().any(|token| meaning(token, boot).is_some_and(Meaning::is_live));
    for token in tokens {
        let Some(meaning) = meaning(token, boot) else {
            if is_live && (token.is("ro") || token.is("rw")) && token.value.is_none() {
                ours.note(token, "nothing to do: it is for the medium of a live system");
            } else {
                ours.tokens.push(token.clone());
            }
            continue;
        };
        match meaning {
            Meaning::Refused(why) => return Err(Error::new(token, "is not supported").hint(why)),
            Meaning::Nothing | Meaning::Overlay => ours.note(token, "nothing to do"),
            Meaning::Ours(parameter, rest) => ours.push(token, parameter, rest),
            Meaning::OursAndFile(parameter, rest, default) => {
                file.set(default, token)?;
                ours.push(token, parameter, rest);
            }
            // The file that results from these is noted below.
            Meaning::File(default) => file.set(default, token)?,
            Meaning::Folder(path, default) => {
                folder.set_unless_empty(path, token)?;
                file.set(default, token)?;
            }
            Meaning::Name(text, default) => {
                name.set_unless_empty(text, token)?;
                file.set(default, token)?;
            }
        }
    }
    let has_rootimg = ours.tokens.iter().any(|token| token.key == b"rootimg");
    let elsewhere = folder.0.is_none() && name.0.is_none() && has_rootimg;
    if let Some((file, token)) = file.0.filter(|_| !elsewhere) {
        let (own_folder, own_name) = file.path();
        let folder = folder.0.map_or(own_folder, |(folder, _)| folder).trim_end_matches('/');
        let name = name.0.map_or(own_name, |(name, _)| name);
        ours.push(token, Ours::RootImg, &format!("{folder}/{name}"));
    }
    Ok(ours)
}

/// A part of the path of the image's file, and the token that gave it. No other token may give a different one.
struct FilePart<'a, T>(Option<(T, &'a Token)>);

impl<T> Default for FilePart<'_, T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'a, T: PartialEq> FilePart<'a, T> {
    fn set(&mut self, said: T, token: &'a Token) -> Result<()> {
        match &self.0 {
            Some((other, first)) if *other != said => {
                Err(Error::new(token, format_args!("conflicts with {first}")).hint("give one of them only"))
            }
            _ => {
                self.0 = Some((said, token));
                Ok(())
            }
        }
    }
}

impl<'a> FilePart<'a, &'a str> {
    fn set_unless_empty(&mut self, said: &'a str, token: &'a Token) -> Result<()> {
        if said.is_empty() { Ok(()) } else { self.set(said, token) }
    }
}

impl Translation {
    fn note(&mut self, theirs: &Token, ours: impl std::fmt::Display) {
        self.words.push(one_line(&format_args!("{theirs}: {ours}")));
    }

    fn push(&mut self, theirs: &Token, parameter: Ours, rest: &str) {
        let token = parameter.token(rest);
        self.note(theirs, &token);
        self.tokens.push(token);
    }
}

impl Ours {
    /// Our parameter, completed with the rest of the dialect's value.
    fn token(self, rest: &str) -> Token {
        let (key, before, after) = match self {
            Self::ReadOnly => return Token { key: b"ro".to_vec(), value: None, open: false },
            Self::SealRam => {
                return Token { key: b"measureroot.seal".to_vec(), value: Some(b"ram".to_vec()), open: false };
            }
            Self::Root => ("root", "", ""),
            Self::RootUuid => ("root", "UUID=", ""),
            Self::RootDev => ("root", "/dev/", ""),
            Self::RootByLabel => ("root", "/dev/disk/by-label/", ""),
            Self::RootByPartLabel => ("root", "/dev/disk/by-partlabel/", ""),
            Self::RootPartUuid => ("root", "PARTUUID=", ""),
            Self::RootImg => ("rootimg", "", ""),
            Self::RootWait => ("rootwait", "", ""),
            Self::OverlaySize => ("measureroot.overlaysize", "", ""),
            Self::OverlaySizeMib => ("measureroot.overlaysize", "", "m"),
        };
        Token { key: key.into(), value: Some([before, rest, after].concat().into_bytes()), open: false }
    }
}

/// The live system that `boot=` names: live-boot or casper. Empty if it names none of them.
fn boot(tokens: &[Token]) -> &[u8] {
    let mut values = tokens.iter().filter(|token| token.is("boot")).filter_map(|token| token.value.as_deref());
    values.find(|value| matches!(*value, b"live" | b"casper")).unwrap_or_default()
}

/// The meaning of a parameter; `None` if it belongs to no dialect.
fn meaning<'a>(token: &'a Token, boot: &[u8]) -> Option<Meaning<'a>> {
    let value = token.value.as_deref().map(|value| std::str::from_utf8(value).unwrap_or("\u{fffd}"));
    rules::meaning(token.key()?, value, boot)
}

#[cfg(test)]
pub(crate) mod tests;

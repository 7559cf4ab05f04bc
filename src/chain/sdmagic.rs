//! The version of a program of systemd, which its section `.sdmagic` names: `#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####`
//! (systemd, src/boot/stub.c and src/boot/boot.c).

use super::pe::PeFile;
use crate::error::{Error, Result};

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// The whole text: `257.13-1~deb13u1`.
    pub(super) text: String,
    /// 257.
    pub(super) major: u32,
    /// 13; 0 if there is none.
    pub(super) minor: u32,
}

/// The version that the file names as one of `program`.
///
/// # Errors
/// If it names none.
pub(super) fn version(file: &PeFile<'_>, program: &str) -> Result<Version> {
    let error = |cause: String| Error::new(".sdmagic", cause);
    let section = file.sections().iter().find(|section| section.name_bytes() == b".sdmagic");
    let bytes = section.ok_or_else(|| error("the file has no such section".to_owned()))?.in_memory()?;
    let text = str::from_utf8(&bytes).unwrap_or_default().trim_end_matches('\0');
    let text = text.strip_prefix("#### LoaderInfo: ").and_then(|text| text.strip_suffix(" ####"));
    let text = text.and_then(|text| text.strip_prefix(program)).and_then(|text| text.strip_prefix(' '));
    let text = text.ok_or_else(|| error(format!("does not name the version of {program}")))?;
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next().and_then(|digits| digits.parse().ok());
    let major = major.ok_or_else(|| error("its version does not begin with a number".to_owned()))?;
    // Only a dot separates them: 258~rc1 is 258.
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let minor = rest.strip_prefix('.').and_then(|_| numbers.next()).and_then(|digits| digits.parse().ok());
    Ok(Version { text: text.to_owned(), major, minor: minor.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::made_pe::MadePe;

    #[test]
    fn the_version_is_that_of_the_program() {
        let table: [(&str, Option<(u32, u32)>); 7] = [
            ("#### LoaderInfo: systemd-boot 252.39-1~deb12u2 ####\0", Some((252, 39))),
            ("#### LoaderInfo: systemd-boot 257 ####", Some((257, 0))),
            ("#### LoaderInfo: systemd-boot 258~rc1-1 ####", Some((258, 0))),
            ("#### LoaderInfo: systemd-boot 258.x ####", Some((258, 0))),
            ("#### LoaderInfo: systemd-stub 257 ####", None),
            ("#### LoaderInfo: systemd-boot git ####", None),
            ("#### LoaderInfo: systemd-boot 99999999999 ####", None),
        ];
        for (magic, expected) in table {
            let bytes = MadePe::new().exact(b".sdmagic", magic.as_bytes()).bytes();
            let found = version(&PeFile::parse(&bytes).unwrap(), "systemd-boot");
            assert_eq!(found.as_ref().ok().map(|found| (found.major, found.minor)), expected, "{magic}: {found:?}");
        }
    }
}

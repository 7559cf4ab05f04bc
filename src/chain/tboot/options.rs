//! tboot's own command line (`tboot/common/cmdline.c`), as far as it decides what is measured.

use super::mapping::Mapping;
use crate::hash::bank::Bank;

/// The options of tboot that decide it: the algorithm, and whether another module than SINIT is started.
const ALGORITHM: &str = "extpol";
const REVOCATION: &str = "call_racm";

/// Which banks tboot extends, and with which algorithm it hashes its policy.
#[derive(Debug, PartialEq)]
pub(super) struct Extends {
    /// The banks, of those that are asked for.
    pub(super) banks: Vec<Bank>,
    /// The algorithm of the policy's hash, in all banks.
    pub(super) policy: Bank,
}

impl Extends {
    /// What follows from a command line. The error says why it does not follow.
    pub(super) fn of(command_line: &str, mapping: Mapping, banks: &[Bank]) -> Result<Self, String> {
        if value(command_line, REVOCATION)?.is_some_and(|value| value != "false") {
            return Err(format!("{REVOCATION}= starts a module that revokes others, and no kernel"));
        }
        if mapping == Mapping::Legacy {
            // `tpm12_init`: the option does not count.
            return Self::alone(Bank::Sha1, "with the legacy mapping, the TPM is a 1.2, which has sha1 alone", banks);
        }
        let value = value(command_line, ALGORITHM)?.unwrap_or("sha256");
        let one = match value {
            // All banks of the TPM, with the same arithmetic: by the TPM (until 1.10.5), or by tboot.
            "agile" | "embedded" => return Ok(Self { banks: banks.to_vec(), policy: Bank::Sha256 }),
            "sha1" => Bank::Sha1,
            "sha256" => Bank::Sha256,
            "sha384" => Bank::Sha384,
            "sha512" => Bank::Sha512,
            _ => return Err(format!("{ALGORITHM}={value} on tboot's command line is not predicted")),
        };
        Self::alone(one, &format!("with {ALGORITHM}={value}, tboot extends {one} alone"), banks)
    }

    fn alone(bank: Bank, why: &str, banks: &[Bank]) -> Result<Self, String> {
        if banks.contains(&bank) { Ok(Self { banks: vec![bank], policy: bank }) } else { Err(why.to_owned()) }
    }
}

/// The value of an option: the last one that is not empty. tboot looks for the first option that *begins* with the name that was
/// given, so a part of a name may set it, or another option: such a word is refused.
fn value<'a>(command_line: &'a str, name: &str) -> Result<Option<&'a str>, String> {
    let mut found = None;
    for word in command_line.split(' ') {
        let Some((given, value)) = word.trim_start().split_once('=') else { continue };
        if given.is_empty() || value.is_empty() || !name.starts_with(given) {
            continue;
        }
        if given != name {
            return Err(format!("{given}= on tboot's command line is a part of a name, such as {name}="));
        }
        found = Some(value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_algorithm_is_that_of_the_last_option() {
        let one = |bank| Ok(Extends { banks: vec![bank], policy: bank });
        let all = || Ok(Extends { banks: Bank::ALL.to_vec(), policy: Bank::Sha256 });
        let table = [
            ("", one(Bank::Sha256)),
            ("logging=serial extpol=sha1", one(Bank::Sha1)),
            ("extpol=sha1  extpol=sha384", one(Bank::Sha384)),
            ("extpol=sha512 extpol= extpol", one(Bank::Sha512)),
            ("\textpol=embedded", all()),
            ("extpol=agile call_racm=false", all()),
            ("extpolx=sha1 xextpol=sha1 =sha1", one(Bank::Sha256)),
        ];
        for (line, expected) in table {
            assert_eq!(Extends::of(line, Mapping::Details, &Bank::ALL), expected, "{line}");
        }
        assert_eq!(Extends::of("extpol=sha256", Mapping::Legacy, &Bank::ALL), one(Bank::Sha1));
    }

    #[test]
    fn what_does_not_follow_has_a_reason() {
        let table = [
            ("extpol=sm3", Mapping::Details, "extpol=sm3"),
            ("extp=sha1", Mapping::Details, "a part of a name"),
            ("e=1", Mapping::Legacy, ""),
            ("call_racm=true", Mapping::Legacy, "call_racm="),
            ("call_racm=check", Mapping::Details, "call_racm="),
            ("c=true", Mapping::Details, "a part of a name"),
            ("extpol=sha384", Mapping::Details, "extends sha384 alone"),
        ];
        for (line, mapping, part) in table {
            let found = Extends::of(line, mapping, &[Bank::Sha1, Bank::Sha256]);
            assert_eq!(found.is_err(), !part.is_empty(), "{line}");
            assert!(found.err().unwrap_or_default().contains(part), "{line}");
        }
        assert!(Extends::of("", Mapping::Legacy, &[Bank::Sha256]).unwrap_err().contains("sha1 alone"));
        assert!(Extends::of("extpol=embedded", Mapping::Details, &[Bank::Sha384]).is_ok());
    }
}

//! `measureroot.format=`: which digest stands for the image in the PCR.

use serde::{Deserialize, Serialize};

use crate::cmdline::choice::Choice;
use crate::error::{Error, Result};
use crate::hash::digest::{Digests, collected};

/// Which digest of an image the PCR is extended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// The digest of the image itself.
    #[default]
    Plain,
    /// The digest of the image digest's lower-case hex digits, without a newline. The initramfs of OpenEmbedded's meta-measured
    /// extends with it: it pipes `sha1sum | awk | tr -d '\n'` into a program that hashes its input
    /// (recipes-tpm/initrdscripts/files/init-boot-tpm.sh, `measure_file`). meta-measured knows SHA-1 only. Here each other
    /// bank gets the same with its own hash: software that runs later could extend a bank that was left out.
    MetaMeasured,
}

impl Choice for ImageFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("plain", Self::Plain), ("meta-measured", Self::MetaMeasured)];
}

impl ImageFormat {
    /// Every format.
    #[cfg(feature = "cli")]
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::MetaMeasured];

    /// The digests that the PCR is extended with, from `digests` of the image itself.
    #[must_use]
    pub fn of(self, digests: Digests) -> Digests {
        match self {
            Self::Plain => digests,
            Self::MetaMeasured => {
                collected(digests.into_iter().map(|(bank, digest)| (bank, bank.digest(digest.to_string().as_bytes()))))
            }
        }
    }
}

impl std::str::FromStr for ImageFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl std::fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;

    /// `printf abc | sha1sum | awk '{ print $1 }' | tr -d '\n' | sha1sum`, and the same with sha256sum, sha384sum, sha512sum.
    const OF_ABC: [&str; 4] = [
        "9ef2bdeea2b1bae79b9ddb930427d0b2c880bdac",
        "dfe7a23fefeea519e9bbfdd1a6be94c4b2e4529dd6b7cbea83f9959c2621b13c",
        "85d6cd054844139abd9b7adc01606404e8bb76db97241346667bd43cee42a179da39523a2df11121b6b610d6d1d092b9",
        "ee02b3dd5b2c06e4e61888d141998abac194d57692f77ae7a28d748fdf9b9f28f756d980687f7290f1306857edf3fe01f8ebf4626880d49a33e029399cb2d700",
    ];

    #[test]
    fn digests_are_those_that_coreutils_compute() {
        let digests = ImageFormat::MetaMeasured.of(digests_of(&Bank::ALL, b"abc"));
        assert_eq!(digests.values().map(ToString::to_string).collect::<Vec<_>>(), OF_ABC);
        assert_eq!(ImageFormat::Plain.of(digests.clone()), digests);
    }

    #[test]
    fn each_word_is_read_and_written_alike() {
        for &(name, format) in ImageFormat::WORDS {
            assert_eq!(name.parse::<ImageFormat>().unwrap(), format);
            assert_eq!(format.to_string(), name);
            assert_eq!((format.name(), serde_json::to_value(format).unwrap()), (name, name.into()));
        }
        assert!("".parse::<ImageFormat>().is_err() && "Plain".parse::<ImageFormat>().is_err());
    }
}

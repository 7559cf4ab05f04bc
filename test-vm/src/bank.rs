//! PCR banks, and their arithmetic by coreutils: it checks measureroot's own arithmetic.

use crate::{Result, tool};
use serde::Deserialize;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A bank of PCRs.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Bank {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Bank {
    /// All the banks that swtpm supports.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its name for swtpm, the kernel, tpm2-tools and measureroot.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// `TPM_ALG_ID` (TCG Algorithm Registry, table 3).
    #[must_use]
    pub fn algorithm(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000B,
            Self::Sha384 => 0x000C,
            Self::Sha512 => 0x000D,
        }
    }

    /// The value of a PCR into which nothing was extended, in hex.
    #[must_use]
    pub fn zeros(self) -> String {
        let bits = match self {
            Self::Sha1 => 160,
            Self::Sha256 => 256,
            Self::Sha384 => 384,
            Self::Sha512 => 512,
        };
        "0".repeat(bits / 4)
    }

    /// The digest of a whole file, in hex.
    pub fn of_file(self, file: &Path) -> Result<String> {
        let file = File::open(file).map_err(|cause| format!("{}: {cause}", file.display()))?;
        self.sum(file.into())
    }

    /// The digest of `bytes`, in hex.
    pub fn of(self, bytes: &[u8]) -> Result<String> {
        let scratch = crate::scratch::Scratch::new()?;
        std::fs::write(scratch.path("bytes"), bytes)?;
        self.of_file(&scratch.path("bytes"))
    }

    /// The PCR's value after `digest` was extended onto `before`: H(before || digest), all in hex.
    pub fn extend(self, before: &str, digest: &str) -> Result<String> {
        self.of(&bytes(&format!("{before}{digest}"))?)
    }

    fn sum(self, input: Stdio) -> Result<String> {
        let mut sum = tool::limited(Duration::from_secs(300), format!("{}sum", self.name()));
        let done = sum.stdin(input).stderr(Stdio::inherit()).output()?;
        let line = String::from_utf8(done.stdout)?;
        Ok(line.split(' ').next().ok_or("no digest")?.to_owned())
    }
}

/// Bytes in hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]));
    bytes.iter().flat_map(digits).collect()
}

/// The bytes of a hex string.
pub fn bytes(hex: &str) -> Result<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&hex[at..at + 2], 16)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_abc_is_the_one_in_fips_180() -> Result<()> {
        assert_eq!(Bank::Sha1.of(b"abc")?, "a9993e364706816aba3e25717850c26c9cd0d89d");
        Ok(())
    }
}

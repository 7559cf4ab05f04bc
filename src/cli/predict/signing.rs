//! The option that signs a prediction.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::format::Format;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};
use crate::evidence::signing_key::SigningKey;

/// The limit for a key in bytes: 16 KiB. A key on P-384 in PEM has some 300 bytes.
const MAX_BYTES: u64 = 16 << 10;

/// The private key that signs.
#[derive(Debug, Args)]
pub(super) struct Signing {
    /// Sign --format in-toto or corim with this private key: PEM without a password, P-256, P-384 or Ed25519. A pipe, such as <(openssl
    /// pkey -in KEY), gives one that has a password.
    #[arg(long = "sign", value_name = "KEY")]
    key: Option<PathBuf>,
}

impl Signing {
    /// Checks that the format can be signed.
    ///
    /// # Errors
    /// If it cannot, and a key is given: its reader would take the values for signed.
    pub(super) fn check(&self, format: Option<Format>) -> Result<()> {
        if self.key.is_none() || format.is_some_and(Format::can_be_signed) {
            return Ok(());
        }
        Err(Error::new("--sign", "this format has no place for a signature")
            .hint("--format in-toto and corim have one"))
    }

    /// Reads the key, if one is given.
    ///
    /// # Errors
    /// If the file cannot be read, or has no key that signs.
    pub(super) fn read(&self) -> Result<Option<SigningKey>> {
        let Some(path) = &self.key else { return Ok(None) };
        let bytes = Zeroizing::new(read_limited::read(path, MAX_BYTES, Kinds::Stream)?);
        SigningKey::parse(&bytes).map(Some).map_err(|error| error.on(path.display()))
    }
}

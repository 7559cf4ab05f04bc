//! The option that signs a prediction.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::format::Format;
use super::token_key::{self, TokenKey};
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};
use crate::evidence::signer::Signer;
use crate::evidence::signing_key::SigningKey;

/// The limit for a key in bytes: 16 KiB. A key on P-384 in PEM has some 300 bytes.
const MAX_BYTES: u64 = 16 << 10;

/// The private key that signs.
#[derive(Debug, Args)]
pub(super) struct Signing {
    /// Sign --format in-toto or corim with this private key: PEM without a password, P-256, P-384 or Ed25519. A pipe, such as <(openssl
    /// pkey -in KEY), gives one that has a password. A URI names a key on a token, with which openssl signs:
    /// pkcs11:token=NAME;object=NAME?pin-source=file:/PATH.
    #[arg(long = "sign", value_name = "KEY")]
    key: Option<PathBuf>,
}

impl Signing {
    /// Checks that the format can be signed, and that the key is named in a safe way.
    ///
    /// # Errors
    /// If a key is given for another format, whose reader would take the values for signed, or if the PIN of a token is given.
    pub(super) fn check(&self, format: Option<Format>) -> Result<()> {
        self.token().map_or(Ok(()), token_key::check)?;
        if self.key.is_none() || format.is_some_and(Format::can_be_signed) {
            return Ok(());
        }
        Err(Error::new("--sign", "this format has no place for a signature")
            .hint("--format in-toto and corim have one"))
    }

    /// The key on a token that the argument names, if it does.
    fn token(&self) -> Option<&str> {
        self.key.as_deref()?.to_str().filter(|text| TokenKey::is_uri(text))
    }

    /// Finds the key, if one is given.
    ///
    /// # Errors
    /// If the file cannot be read, or has no key that signs; or as for [`TokenKey::find`].
    pub(super) fn read(&self) -> Result<Option<Box<dyn Signer>>> {
        let Some(path) = &self.key else { return Ok(None) };
        if let Some(uri) = self.token() {
            return Ok(Some(Box::new(TokenKey::find(uri)?)));
        }
        let bytes = Zeroizing::new(read_limited::read(path, MAX_BYTES, Kinds::Stream)?);
        let key = SigningKey::parse(&bytes).map_err(|error| error.on(path.display()))?;
        Ok(Some(Box::new(key)))
    }
}

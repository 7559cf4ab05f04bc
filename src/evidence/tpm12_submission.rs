//! What a machine with a TPM 1.2 submits to a verifier, and the checks of its signature. All other checks are those of a TPM 2.0.

use super::check::{Broken, Check, Checked};
use super::key::{Key, Origin};
use super::quote::Quote;
use super::scheme::Scheme;
use super::signature::Signature;
use super::submission::{Submission, named};
use super::tpm12_key;
use super::tpm12_quote::{self, Tpm12Quote};
use super::tpm12_values;
use crate::count::counted;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

impl Submission<'_> {
    /// The quote of a TPM 1.2, which its key signed: that of the values for the nonce.
    pub(super) fn signed_by_tpm12(&self) -> std::result::Result<(Quote, Key, Scheme), Broken> {
        let text = self.values.and_then(|values| std::str::from_utf8(values).ok());
        let missing = "without a quote, PCR values as tpm_getquote -p writes them are needed: the quote of a TPM 1.2 follows from them";
        let no_text =
            || Error::new("PCR values", missing).hint("give that file as --pcrs; for a TPM 2.0, give --quote");
        let values = text.filter(|text| tpm12_values::is_form_of(text)).ok_or_else(no_text).checked(Check::Values)?;
        let values = tpm12_values::parse(values).checked(Check::Values)?.remove(&Bank::Sha1).unwrap_or_default();
        if !self.sha1 {
            let error = Error::new(
                "signature",
                "is that of a TPM 1.2, which has only SHA-1: an attacker can make two images with the same digest",
            );
            return Err(Broken { check: Check::Signature, error: error.hint("accept it with --sha1") });
        }
        let nonce = self.nonce_of_tpm12().checked(Check::Nonce)?;
        let key = self.key()?;
        // A TPM 2.0's key signs what a program gives it, if it does not begin as the TPM's own structures do (TPM 2.0 Library, Part 3,
        // TPM2_Sign): also what a TPM 1.2 would have signed.
        if let Origin::Tpm20(_) = key.origin {
            let error = Error::new("key", "is that of a TPM 2.0, so it cannot have signed the quote of a TPM 1.2");
            return Err(Broken { check: Check::Key, error: error.hint("give the TPM 2.0's quote as --quote") });
        }
        let signature =
            Signature::of_tpm12(self.signature, &key).map_err(named(self.signature)).checked(Check::Signature)?;
        let quote = Tpm12Quote { values: &values, nonce };
        if quote.messages().iter().any(|message| signature.is_of_tpm12(&key, message)) {
            return Ok((quote.quote(), key, tpm12_key::SCHEME));
        }
        let error = Error::new("signature", "is not that of this key for a quote of these PCR values and this nonce");
        let hint = "one of the four was changed, is from another machine, or has another selection of PCRs";
        Err(Broken { check: Check::Signature, error: error.hint(hint) })
    }

    /// The nonce that a TPM 1.2 signed: without it, the signature cannot be checked.
    fn nonce_of_tpm12(&self) -> Result<[u8; tpm12_quote::NONCE]> {
        let nonce = self
            .nonce
            .ok_or_else(|| Error::new("nonce", "is needed: a TPM 1.2 signs it, and tpm_getquote does not write it"));
        let hint = "give --nonce the first 20 bytes of tpm_getquote's nonce file: \"$(head --bytes=20 nonce | basenc --base16)\"";
        let nonce = nonce.map_err(|error| error.hint(hint))?;
        let longer = "tpm_getquote took the first 20 bytes of its file: give --nonce these, \"$(head --bytes=20 nonce | basenc --base16)\"";
        let shorter = "tpm_getquote takes no shorter file, so this is not the nonce of the quote: head --bytes=20 /dev/urandom > nonce makes a new one";
        let hint = if nonce.len() > tpm12_quote::NONCE { longer } else { shorter };
        nonce.try_into().map_err(|_| {
            let cause = format!("has {}, but a TPM 1.2 signs {}", counted(nonce.len(), "byte"), tpm12_quote::NONCE);
            Error::new("nonce", cause).hint(hint)
        })
    }
}

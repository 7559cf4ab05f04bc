//! What a machine submits to a verifier, and the checks of it.

use super::check::{Broken, Check, Checked};
use super::freshness::Freshness;
use super::key::Key;
use super::log_prefix;
use super::proof::Proof;
use super::quote::Quote;
use super::quoted_values;
use super::scheme::Scheme;
use super::signature::Signature;
use crate::error::{Error, Result};
use crate::eventlog::compare::Divergence;
use crate::eventlog::encoded_text;
use crate::eventlog::{self, Log, PcrValues};
use crate::hash::bank::Bank;
use crate::measure::pcr::{Pcr, PcrIndex};

/// The largest number of differences that an error lists. Usually one difference causes all others.
const MOST_DIFFERENCES: usize = 4;

/// The files that a machine submitted, and what the verifier demands of them.
#[derive(Debug)]
pub struct Submission<'a> {
    /// The quote of a TPM 2.0. `None` for a TPM 1.2: what it signed follows from the nonce and the values.
    pub quote: Option<&'a [u8]>,
    /// Its signature.
    pub signature: &'a [u8],
    /// The key. The verifier must know that it belongs to the machine: no check here can find this out.
    pub key: &'a [u8],
    /// The nonce that the verifier sent, if any.
    pub nonce: Option<&'a [u8]>,
    /// The values of the quoted PCRs, which `tpm2_quote --pcr` or `tpm_getquote -p` wrote, if they were sent.
    pub values: Option<&'a [u8]>,
    /// The logs, each with its name, in the order of the boot.
    pub logs: &'a [(String, Vec<u8>)],
    /// The PCR that the quote must have.
    pub pcr: PcrIndex,
    /// Whether the sha1 bank counts. An attacker can make two images with the same SHA-1 digest.
    pub sha1: bool,
}

impl Submission<'_> {
    /// Makes all checks.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check(&self) -> std::result::Result<Proof, Broken> {
        let (quote, key, scheme) = match self.quote {
            Some(quote) => self.signed_by_tpm20(quote)?,
            None => self.signed_by_tpm12()?,
        };
        // From here on the quote comes from the owner of the key: a TPM, if the key is an attestation key.
        self.check_nonce(&quote)?;
        let pcr = self.pcr.into();
        let banks = self.banks(&quote, pcr)?;
        let values =
            self.values.map(|values| quoted_values::parse(values, &quote)).transpose().checked(Check::Values)?;
        let (log, notes) = self.log()?;
        let unlogged = values.as_ref().map(|values| log_prefix::unlogged(&log, values, pcr)).unwrap_or_default();
        let Some(proven) = log_prefix::longest(&log, &quote, &unlogged) else {
            return Err(Broken { check: Check::Log, error: logs_error(&log, values.as_ref(), &unlogged) });
        };
        Ok(Proof {
            quote,
            key,
            scheme,
            fresh: Freshness::of(self.nonce),
            pcr,
            banks,
            sha1: self.sha1,
            log,
            proven,
            unlogged,
            notes,
        })
    }

    /// The quote of a TPM 2.0, which its key signed.
    fn signed_by_tpm20(&self, bytes: &[u8]) -> std::result::Result<(Quote, Key, Scheme), Broken> {
        let quote = Quote::parse(bytes).map_err(named(bytes)).checked(Check::Quote)?;
        let key = self.key()?;
        key.is_no_tpm12().checked(Check::Key)?;
        let signature = Signature::parse(self.signature, &key).map_err(named(self.signature));
        let signature = signature.checked(Check::Signature)?;
        let scheme = signature.check(&key, Quote::message(bytes), quote.hash).checked(Check::Signature)?;
        same_name_hash(&key, &quote).checked(Check::Key)?;
        Ok((quote, key, scheme))
    }

    /// The key.
    pub(super) fn key(&self) -> std::result::Result<Key, Broken> {
        Key::parse(self.key).map_err(named(self.key)).checked(Check::Key)
    }

    /// Checks that the quote has the verifier's nonce, if there is one.
    fn check_nonce(&self, quote: &Quote) -> std::result::Result<(), Broken> {
        match self.nonce {
            Some(nonce) if nonce != quote.nonce => {
                let cause = format!("the quote has {:?}, not {:?}", hex::encode(&quote.nonce), hex::encode(nonce));
                let error = Error::new("nonce", cause).hint("is it an old quote, or one for another verifier?");
                Err(Broken { check: Check::Nonce, error })
            }
            _ => Ok(()),
        }
    }

    /// The quoted banks of the PCR that count. There must be one.
    fn banks(&self, quote: &Quote, pcr: Pcr) -> std::result::Result<Vec<Bank>, Broken> {
        let all = quote.selection.banks(pcr);
        let error = |cause: &str, hint: &str| {
            let error = Error::new(format!("PCR {pcr}"), cause).hint(hint);
            Err(Broken { check: Check::Selection, error })
        };
        if all.is_empty() {
            let hint = match quote.attested {
                Some(_) => format!("tpm2_quote --pcr-list sha256:{pcr}"),
                None => format!("tpm_getquote -p PCRVALS UUID NONCE QUOTE {pcr}"),
            };
            return error("is not in the quote", &hint);
        }
        let banks: Vec<_> = all.into_iter().filter(|&bank| self.sha1 || bank != Bank::Sha1).collect();
        if banks.is_empty() {
            return error(
                "is quoted in its sha1 bank alone: an attacker can make two images with the same SHA-1 digest",
                "quote another bank too, or accept the sha1 bank with --sha1",
            );
        }
        Ok(banks)
    }

    /// The log of the whole boot, and the notes about its files.
    fn log(&self) -> std::result::Result<(Log, Vec<String>), Broken> {
        let mut notes = Vec::new();
        let mut read = |(name, bytes): &(String, Vec<u8>)| {
            let log = eventlog::parse(bytes).map_err(|error| error.on(name))?;
            if log.is_sha1_only() && !self.sha1 {
                let error = Error::new(name, "has only SHA-1 digests: such a log can be forged");
                return Err(error.hint("accept it with --sha1, or give a log with better digests"));
            }
            notes.extend(log.notes().iter().map(|note| format!("{name}: {note}")));
            Ok(log)
        };
        let logs = self.logs.iter().map(&mut read).collect::<Result<Vec<_>>>();
        let log = logs.and_then(Log::join).checked(Check::Log)?;
        Ok((log, notes))
    }
}

/// Adds to the error about a file what to do if it is text: then the form is the reason.
pub(super) fn named(bytes: &[u8]) -> impl Fn(Error) -> Error {
    let hint = encoded_text::hint(bytes);
    move |error| match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The error of logs that do not lead to the quote. Only with the quoted values can it name the PCRs.
fn logs_error(log: &Log, values: Option<&PcrValues>, unlogged: &PcrValues) -> Error {
    let differences = values.map(|values| log.compare(values).differences).unwrap_or_default();
    // Later events in a log do not cause this error, nor do PCRs without a log.
    let causes = differences.iter().filter(|one| {
        let is_unlogged = unlogged.get(&one.bank).is_some_and(|values| values.contains_key(&one.pcr));
        !is_unlogged && !matches!(one.divergence, Divergence::AtStart | Divergence::After(_))
    });
    let causes: Vec<_> = causes.map(|difference| difference.describe(log)).take(MOST_DIFFERENCES).collect();
    let error = Error::new("logs", "do not lead to the quoted PCRs at any of their events");
    match causes.as_slice() {
        [] => error.hint(
            "a log is missing, was changed, or is from another boot; with --pcrs, verify names the PCR, and needs no log for a \
             PCR such as 10, whose log only Linux's IMA has",
        ),
        causes => error.hint(causes.join("; ")),
    }
}

/// Checks that the key's name and the signer's qualified name begin with the same hash algorithm (TPM 2.0 Library, Part 1,
/// section 16). The rest of a qualified name depends on the key's parents, which are not known here.
fn same_name_hash(key: &Key, quote: &Quote) -> Result<()> {
    match (key.name(), &quote.attested) {
        (Some(name), Some(attested)) if name.get(..2) != attested.signer.get(..2) => {
            Err(Error::new("key", "its name has another hash than the name of the quote's signer"))
        }
        _ => Ok(()),
    }
}

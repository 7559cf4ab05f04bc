//! What a quote proves, of which a log tells how it came about. Nothing here says whether that is good.

use std::fmt::{self, Display};

use serde::Serialize;

use super::key::Key;
use super::log_prefix;
use super::quote::Quote;
use super::quoted_values;
use super::scheme::Scheme;
use super::signature::Signature;
use crate::error::Error;
use crate::eventlog::compare::Divergence;
use crate::eventlog::{self, Event, Log, PcrValues};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::{Pcr, PcrIndex};

/// As many differences are told; mostly one is the cause of all.
const MOST_DIFFERENCES: usize = 4;

/// What a machine sent, and what it was asked.
#[derive(Debug)]
pub struct Given<'a> {
    /// The quote.
    pub quote: &'a [u8],
    /// Its signature.
    pub signature: &'a [u8],
    /// The key, which is known to be the machine's: nothing here looks into that.
    pub key: &'a [u8],
    /// What was asked with, if anything was.
    pub nonce: Option<&'a [u8]>,
    /// The values of the quoted PCRs: what `tpm2_quote --pcr` wrote, if that is there.
    pub values: Option<&'a [u8]>,
    /// The logs, each with its name, in the order of the boot.
    pub logs: &'a [(String, Vec<u8>)],
    /// The PCR that must be in the quote.
    pub pcr: PcrIndex,
    /// Whether SHA-1 alone will do.
    pub sha1: bool,
}

/// What did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// The quote itself.
    Quote,
    /// The key itself.
    Key,
    /// Whether the key signed the quote.
    Signature,
    /// Whether it is the answer to what was asked.
    Nonce,
    /// Whether the PCR is in it.
    Selection,
    /// Whether the values that were sent with it are those that are quoted.
    Values,
    /// The logs, and whether they lead to what is quoted.
    Log,
}

impl Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Evidence that proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What did not hold.
    pub check: Check,
    /// Why.
    pub error: Error,
}

trait Checked<T> {
    fn checked(self, check: Check) -> Result<T, Broken>;
}

impl<T> Checked<T> for crate::error::Result<T> {
    fn checked(self, check: Check) -> Result<T, Broken> {
        self.map_err(|error| Broken { check, error })
    }
}

/// A quote that was checked, with the log of what led to it.
#[derive(Debug)]
pub struct Proof {
    /// The quote.
    pub quote: Quote,
    /// The key that signed it.
    pub key: Key,
    /// How it signed.
    pub scheme: Scheme,
    /// Whether it is the answer to a nonce, and so not an old one.
    pub fresh: bool,
    /// The PCR.
    pub pcr: Pcr,
    /// The banks of the PCR that count.
    pub banks: Vec<Bank>,
    log: Log,
    proven: usize,
}

impl Given<'_> {
    /// Checks all of it.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self) -> Result<Proof, Broken> {
        let quote = Quote::parse(self.quote).checked(Check::Quote)?;
        let key = Key::parse(self.key).checked(Check::Key)?;
        let signature = Signature::parse(self.signature, &key).checked(Check::Signature)?;
        // From here on the quote is what a TPM said, or at least the key's owner.
        let scheme = signature.check(&key, self.quote, quote.hash).checked(Check::Signature)?;
        named_alike(&key, &quote).checked(Check::Key)?;
        self.answers(&quote)?;
        let pcr = self.pcr.into();
        let banks = self.banks(&quote, pcr)?;
        let values =
            self.values.map(|values| quoted_values::quoted(values, &quote)).transpose().checked(Check::Values)?;
        let log = self.log()?;
        let Some(proven) = log_prefix::longest(&log, &quote) else {
            return Err(Broken { check: Check::Log, error: parted(&log, values.as_ref()) });
        };
        Ok(Proof { quote, key, scheme, fresh: self.nonce.is_some(), pcr, banks, log, proven })
    }

    fn answers(&self, quote: &Quote) -> Result<(), Broken> {
        match self.nonce {
            Some(nonce) if nonce != quote.nonce => {
                let cause = format!("the quote has {:?}, not {:?}", hex::encode(&quote.nonce), hex::encode(nonce));
                let error = Error::new("nonce", cause).hint("an old quote, or the answer to somebody else");
                Err(Broken { check: Check::Nonce, error })
            }
            _ => Ok(()),
        }
    }

    fn banks(&self, quote: &Quote, pcr: Pcr) -> Result<Vec<Bank>, Broken> {
        let all = quote.selection.banks(pcr);
        let error = |cause: &str, hint: &str| {
            let error = Error::new(format!("PCR {pcr}"), cause).hint(hint);
            Err(Broken { check: Check::Selection, error })
        };
        if all.is_empty() {
            return error("is not in the quote", &format!("tpm2_quote --pcr-list sha256:{pcr}"));
        }
        let banks: Vec<_> = all.into_iter().filter(|&bank| self.sha1 || bank != Bank::Sha1).collect();
        if banks.is_empty() {
            return error(
                "is quoted in its sha1 bank alone, where a second image can be found for a digest",
                "quote another bank too; --sha1 takes it all the same",
            );
        }
        Ok(banks)
    }

    fn log(&self) -> Result<Log, Broken> {
        let read = |(name, bytes): &(String, Vec<u8>)| eventlog::parse(bytes).map_err(|error| error.on(name));
        let logs = self.logs.iter().map(read).collect::<crate::error::Result<Vec<_>>>();
        logs.and_then(Log::join).checked(Check::Log)
    }
}

/// Where log and quote part: nobody knows, but with the values.
fn parted(log: &Log, values: Option<&PcrValues>) -> Error {
    let differences = values.map(|values| log.compare(values).differences).unwrap_or_default();
    // A log that goes on behind the quote is none.
    let real = differences.iter().filter(|one| !matches!(one.divergence, Divergence::AtStart | Divergence::After(_)));
    let words: Vec<_> = real.map(|difference| difference.describe(log)).take(MOST_DIFFERENCES).collect();
    let error = Error::new("logs", "do not lead to the PCRs that are quoted, at none of their events");
    match words.as_slice() {
        [] => error.hint("a log is missing, was changed, or is of another boot; --pcrs lets me say of which PCR"),
        words => error.hint(words.join("; ")),
    }
}

/// The name of the key and that of the quote's signer, which has the names of the keys above it in it too, begin with the
/// same hash (TPM 2.0 Library, Part 1, section 16).
fn named_alike(key: &Key, quote: &Quote) -> crate::error::Result<()> {
    match &key.name {
        Some(name) if name.get(..2) != quote.signer.get(..2) => {
            Err(Error::new("key", "its name has another hash than that of the quote's signer"))
        }
        _ => Ok(()),
    }
}

impl Proof {
    /// The events that extended the PCR, in their order. Their digests are proven; their words are not.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events_of(self.pcr)
    }

    fn events_of(&self, pcr: Pcr) -> impl Iterator<Item = &Event> {
        self.log.events_of(pcr).take_while(|(place, _)| *place < self.proven).map(|(_, event)| event)
    }

    /// The value of a PCR that is quoted.
    #[must_use]
    pub fn value(&self, bank: Bank, pcr: Pcr) -> Option<Digest> {
        let extend = |value: Digest, event: &Event| Some(value.extended(bank, event.digests.get(&bank)?));
        self.quote.selection.iter().find(|one| *one == (bank, pcr))?;
        self.events_of(pcr).try_fold(self.log.start(pcr, bank), extend)
    }

    /// The PCR's value in each bank that counts.
    pub fn values(&self) -> impl Iterator<Item = (Bank, Digest)> {
        self.banks.iter().filter_map(|&bank| Some((bank, self.value(bank, self.pcr)?)))
    }

    /// How many events the logs have behind the quote.
    #[must_use]
    pub fn unproven(&self) -> usize {
        self.log.events().len() - self.proven
    }

    /// The other PCRs that are quoted.
    #[must_use]
    pub fn others(&self) -> Vec<Pcr> {
        let mut others: Vec<_> =
            self.quote.selection.iter().map(|(_, pcr)| pcr).filter(|&pcr| pcr != self.pcr).collect();
        others.sort_unstable();
        others.dedup();
        others
    }
}

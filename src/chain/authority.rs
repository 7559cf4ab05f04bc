//! What of the variable db allows a program to start while Secure Boot is on. The decision is that of edk2
//! (`DxeImageVerificationLib.c`, `DxeImageVerificationHandler`); the signature is checked.

use super::authenticode;
use super::certificate::Certificate;
use super::certificate_table;
use super::pe::PeFile;
use super::signature_list::{Entry, Kind, entries};
use super::signed_data::SignedData;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};

/// The hashes by which firmware compares a program without a signature, in this order. Those with SHA-1 do not count any more.
const ORDER: [Bank; 3] = [Bank::Sha512, Bank::Sha384, Bank::Sha256];

/// A program, as far as Secure Boot judges it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    /// Its Authenticode digests.
    pub(super) digests: Digests,
    /// Its certificate table.
    pub(super) table: Option<Vec<u8>>,
    /// The generations of its components, which shim compares (shim, SBAT.md).
    pub(super) sbat: Option<Vec<u8>>,
}

/// Why it is not known what allows a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Firmware does not start it.
    Refused(String),
    /// It is not predicted whether firmware starts it.
    Unknown(String),
}

use Refusal::{Refused, Unknown};

/// The most certificates of db or of dbx. Real ones have about five.
const MOST: usize = 128;

impl Judged {
    /// Reads what Secure Boot judges, and the digests in `banks`. There is none if the certificate table is not within the file.
    pub(super) fn of(file: &PeFile<'_>, banks: &[Bank]) -> Result<(Option<Self>, Digests)> {
        let table = certificate_table::of(file);
        let signatures = table.as_ref().and_then(Option::as_deref).and_then(certificate_table::signatures);
        let parsed = signatures.unwrap_or_default().into_iter().filter_map(|bytes| SignedData::parse(bytes).ok());
        let mut all: Vec<_> = banks.iter().copied().chain([Bank::Sha256]).chain(parsed.map(|data| data.bank)).collect();
        all.sort_unstable();
        all.dedup();
        let digests = authenticode::digests(file, &all)?;
        let measured =
            digests.iter().filter(|(bank, _)| banks.contains(bank)).map(|(&bank, digest)| (bank, digest.clone()));
        let measured = measured.collect();
        let sbat = file.sections().iter().find(|section| section.name_bytes() == b".sbat");
        let sbat = sbat.and_then(|section| section.in_memory().ok()).map(std::borrow::Cow::into_owned);
        let judged = match table {
            None => Some(Self { digests, table: None, sbat }),
            Some(table) => table.map(|table| Self { digests, table: Some(table), sbat }),
        };
        Ok((judged, measured))
    }

    /// Whether a signature is about this program, or none can be read. Who made it, is another question.
    pub(super) fn has_a_fitting_signature(&self) -> bool {
        let signatures = self.table.as_deref().and_then(certificate_table::signatures).unwrap_or_default();
        let mut parsed = signatures.into_iter().filter_map(|bytes| SignedData::parse(bytes).ok()).peekable();
        parsed.peek().is_none() || parsed.any(|signature| signature.fits(&self.digests))
    }

    /// The entries of db that allow it, as firmware measures them: owner, then certificate or digest.
    pub(super) fn allowed_by(&self, db: &[u8], dbx: &[u8]) -> std::result::Result<Vec<Vec<u8>>, Refusal> {
        let read = |bytes, name: &str| entries(bytes).map_err(|error| Unknown(format!("{name}: {error}")));
        let lists = (read(db, "db")?, read(dbx, "dbx")?);
        let lists = Lists { db: &lists.0, dbx: &lists.1 };
        if [lists.db, lists.dbx]
            .iter()
            .any(|list| list.iter().filter(|entry| entry.kind == Kind::Certificate).count() > MOST)
        {
            return Err(Unknown(format!("db or dbx: more than {MOST} certificates")));
        }
        let found = match &self.table {
            None => self.by_digest(&lists)?,
            Some(table) => vec![self.by_signature(table, &lists)?],
        };
        Ok(found.into_iter().map(|entry| entry.whole.to_vec()).collect())
    }

    fn by_digest<'a>(&self, lists: &Lists<'a, '_>) -> std::result::Result<Vec<Entry<'a>>, Refusal> {
        let mut found = Vec::new();
        for bank in ORDER {
            self.is_forbidden(bank, lists)?;
            found.extend(self.find(bank, lists.db)?);
        }
        if found.is_empty() {
            Err(Refused("it has no signature, and db has no digest of it".to_owned()))
        } else {
            Ok(found)
        }
    }

    fn by_signature<'a>(&self, table: &[u8], lists: &Lists<'a, '_>) -> std::result::Result<Entry<'a>, Refusal> {
        let signatures = certificate_table::signatures(table);
        let signatures = signatures
            .ok_or_else(|| Refused("its certificate table is damaged, or has too many signatures".to_owned()))?;
        let mut allowed = None;
        let mut fits = signatures.is_empty();
        for bytes in signatures {
            let signature = SignedData::parse(bytes).map_err(|error| Unknown(error.to_string()))?;
            fits |= signature.fits(&self.digests);
            for certificate in certificates(lists.dbx) {
                if signature.is_by(&certificate?.1, &self.digests) {
                    return Err(Refused("dbx forbids the certificate of its signature".to_owned()));
                }
            }
            lists.none_is_revoked(signature.certificates())?;
            if allowed.is_none() {
                allowed = self.allowed_signature(&signature, lists)?;
            }
            self.is_forbidden(signature.bank, lists)?;
            if allowed.is_none() {
                allowed = self.find(signature.bank, lists.db)?;
            }
        }
        allowed.ok_or_else(|| {
            let why = if fits {
                "no certificate in db vouches for its signature"
            } else {
                "its signature does not fit the file, which was changed after it was signed"
            };
            Refused(format!("{why}, and db has no digest of it"))
        })
    }

    fn allowed_signature<'a>(
        &self,
        signature: &SignedData<'_>,
        lists: &Lists<'a, '_>,
    ) -> std::result::Result<Option<Entry<'a>>, Refusal> {
        for certificate in certificates(lists.db) {
            let (entry, certificate) = certificate?;
            if signature.is_by(&certificate, &self.digests) {
                return lists.none_is_revoked(&[certificate]).map(|()| Some(entry));
            }
        }
        Ok(None)
    }

    fn is_forbidden(&self, bank: Bank, lists: &Lists<'_, '_>) -> std::result::Result<(), Refusal> {
        match self.find(bank, lists.dbx)? {
            Some(_) => Err(Refused(format!("dbx has its {bank} digest"))),
            None => Ok(()),
        }
    }

    /// The entry with the program's digest.
    fn find<'a>(&self, bank: Bank, list: &[Entry<'a>]) -> std::result::Result<Option<Entry<'a>>, Refusal> {
        let mut of_bank = list.iter().filter(|entry| entry.kind == Kind::Program(bank)).peekable();
        match self.digests.get(&bank).map(Digest::as_bytes) {
            Some(digest) => Ok(of_bank.find(|entry| entry.data() == digest).copied()),
            None if of_bank.peek().is_none() => Ok(None),
            None => Err(Unknown(format!("db or dbx has {bank} digests, with which the program was not compared"))),
        }
    }
}

/// The entries of the two variables.
struct Lists<'a, 'b> {
    db: &'b [Entry<'a>],
    dbx: &'b [Entry<'a>],
}

impl Lists<'_, '_> {
    /// Whether dbx names a certificate by its digest. Then the time decides when it was signed, which is not judged here.
    fn none_is_revoked(&self, certificates: &[Certificate<'_>]) -> std::result::Result<(), Refusal> {
        for entry in self.dbx {
            let Kind::CertificateDigest(bank) = entry.kind else { continue };
            if certificates.iter().any(|certificate| entry.data().starts_with(certificate.digest(bank).as_bytes())) {
                return Err(Unknown("dbx has the digest of a certificate of its signature".to_owned()));
            }
        }
        Ok(())
    }
}

/// The certificates of a list, with their entries.
fn certificates<'a>(
    list: &[Entry<'a>],
) -> impl Iterator<Item = std::result::Result<(Entry<'a>, Certificate<'a>), Refusal>> {
    list.iter().filter(|entry| entry.kind == Kind::Certificate).map(|entry| {
        let certificate = Certificate::parse(entry.data());
        certificate.map(|certificate| (*entry, certificate)).map_err(|error| Unknown(format!("db or dbx: {error}")))
    })
}

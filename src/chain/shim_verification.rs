//! What shim lets run with Secure Boot, and which entry of its lists allows it (shim 16.1, verify.c, `verify_buffer_authenticode`).

use super::authority::{Judged, Refusal};
use super::certificate::Certificate;
use super::certificate_table;
use super::efi_variable::SECURITY;
use super::mok::Mok;
use super::shim_lists::{SHIM_LOCK, ShimLists, measured};
use super::signature_list::{Entry, Kind, entries};
use super::signed_data::SignedData;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;

use Refusal::{Refused, Unknown};

/// The hash by which shim compares programs with its lists, besides SHA-1.
const HASH: Bank = Bank::Sha256;
/// What marks a certificate for modules of the kernel alone, 1.3.6.1.4.1.2312.16.1.2 in DER (shim, include/guid.h, `OID_EKU_MODSIGN`).
const FOR_MODULES: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x92, 0x08, 0x10, 0x01, 0x02];
/// The most certificates of the lists. Real ones have about five.
const MOST: usize = 128;

/// The lists of a machine.
pub(super) struct Lists<'a> {
    pub(super) built_in: &'a ShimLists,
    pub(super) mok: &'a Mok,
}

/// The entry that allows a program, and the variable as which shim measures it.
#[derive(Debug, PartialEq)]
pub(super) struct Allowed {
    pub(super) vendor: [u8; 16],
    pub(super) variable: &'static str,
    pub(super) entry: Vec<u8>,
}

/// A list that allows or forbids programs.
struct List<'a> {
    vendor: [u8; 16],
    variable: &'static str,
    /// Whether shim also looks for SHA-1 digests in it.
    has_sha1: bool,
    entries: Vec<Entry<'a>>,
}

impl Lists<'_> {
    /// The entry that allows a program, in the order in which shim looks (`check_allowlist`): by its digest, then by each of its
    /// signatures.
    pub(super) fn allowed_by(&self, judged: &Judged) -> Result<Allowed, Refusal> {
        // MokListRT has the built-in list, too. A list with a name of its own comes before it.
        let moks = measured(&self.built_in.allowed, &self.mok.list);
        let vendor_db = if self.built_in.is_vendor_db { self.built_in.allowed.as_slice() } else { &[] };
        let allowed = [
            List::of(SECURITY, "db", &self.mok.db, true)?,
            List::of(SECURITY, "vendor_db", vendor_db, false)?,
            List::of(SHIM_LOCK, "MokListRT", &moks, false)?,
        ];
        let forbidden = [
            List::of(SECURITY, "shim's dbx", &self.built_in.forbidden, true)?,
            List::of(SECURITY, "dbx", &self.mok.dbx, true)?,
            List::of(SHIM_LOCK, "MokListX", &self.mok.list_x, false)?,
        ];
        let all = allowed.iter().chain(&forbidden).flat_map(|list| &list.entries);
        if all.filter(|entry| entry.kind == Kind::Certificate).count() > MOST {
            return Err(Unknown(format!("the lists have more than {MOST} certificates")));
        }
        for list in &forbidden {
            if list.by_digest(judged)?.is_some() {
                return Err(Refused(format!("{} has its digest", list.variable)));
            }
        }
        for list in &allowed {
            if let Some(entry) = list.by_digest(judged)? {
                return Ok(list.measured(entry));
            }
        }
        by_signature(judged, &allowed, &forbidden)
    }
}

/// The entry whose certificate vouches for a signature of the program.
fn by_signature(judged: &Judged, allowed: &[List<'_>], forbidden: &[List<'_>]) -> Result<Allowed, Refusal> {
    let table = judged.table.as_deref().ok_or_else(|| Refused("it has no signature".to_owned()))?;
    let signatures = certificate_table::signatures(table);
    let signatures = signatures.ok_or_else(|| Refused("its certificate table is damaged".to_owned()))?;
    let (mut found, mut is_forbidden) = (None, false);
    for bytes in signatures {
        let signature = SignedData::parse(bytes).map_err(|error| Unknown(error.to_string()))?;
        if signature.bank != HASH {
            return Err(Unknown(format!("its signature has {}, which is not predicted", signature.bank)));
        }
        // A signature that is forbidden leaves the others (`verify_buffer_authenticode`).
        let by = |list: &List<'_>| list.by_certificate(&signature, judged).map(|entry| entry.is_some());
        if forbidden.iter().map(by).collect::<Result<Vec<_>, _>>()?.contains(&true) {
            is_forbidden = true;
            continue;
        }
        for list in allowed {
            if let Some(entry) = list.by_certificate(&signature, judged)? {
                // Each signature that shim accepts is measured, and real programs have one.
                if found.replace(list.measured(entry)).is_some() {
                    return Err(Unknown("it has several signatures that count".to_owned()));
                }
                break;
            }
        }
    }
    match found {
        // shim measures the entry that forbids, too (`check_db_cert_in_ram`).
        Some(_) if is_forbidden => {
            Err(Unknown("one of its signatures is forbidden, and another one counts".to_owned()))
        }
        Some(found) => Ok(found),
        None if is_forbidden => Err(Refused("a list forbids the certificate of its signature".to_owned())),
        None => Err(Refused("no certificate that it trusts vouches for the signature".to_owned())),
    }
}

impl<'a> List<'a> {
    fn of(vendor: [u8; 16], variable: &'static str, bytes: &'a [u8], has_sha1: bool) -> Result<Self, Refusal> {
        let entries = entries(bytes).map_err(|error| Unknown(format!("{variable}: {error}")))?;
        Ok(Self { vendor, variable, has_sha1, entries })
    }

    fn measured(&self, entry: &Entry<'_>) -> Allowed {
        Allowed { vendor: self.vendor, variable: self.variable, entry: entry.whole.to_vec() }
    }

    /// The entry with the program's digest.
    fn by_digest(&self, judged: &Judged) -> Result<Option<&Entry<'a>>, Refusal> {
        let is = |entry: &Entry<'_>, bank| {
            let digest = judged.digests.get(&bank).map(Digest::as_bytes);
            digest.is_some_and(|digest| entry.data() == digest)
        };
        let found = self.entries.iter().find(|entry| entry.kind == Kind::Program(HASH) && is(entry, HASH));
        let mut old = self.entries.iter().filter(|entry| self.has_sha1 && entry.kind == Kind::OldProgram).peekable();
        if found.is_none() && old.peek().is_some() && !judged.digests.contains_key(&Bank::Sha1) {
            return Err(Unknown(format!(
                "{} has SHA-1 digests, with which the program was not compared: --bank sha1 does it",
                self.variable
            )));
        }
        Ok(found.or_else(|| old.find(|entry| is(entry, Bank::Sha1))))
    }

    /// The entry whose certificate vouches for a signature. shim looks at the first certificate of each list alone.
    fn by_certificate(&self, signature: &SignedData<'_>, judged: &Judged) -> Result<Option<&Entry<'a>>, Refusal> {
        for entry in self.entries.iter().filter(|entry| entry.kind == Kind::Certificate && entry.is_first) {
            let certificate = Certificate::parse(entry.data()).map_err(|error| Unknown(error.to_string()))?;
            let is_for_modules = entry.data().windows(FOR_MODULES.len()).any(|part| part == FOR_MODULES);
            if !is_for_modules && signature.is_by(&certificate, &judged.digests) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

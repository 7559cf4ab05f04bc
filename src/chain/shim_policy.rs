//! What shim measures into PCR 7 and 14, and what it lets run with Secure Boot (shim 16.1: mok.c, `import_mok_state`; verify.c).

use super::authority::{Judged, Refusal};
use super::certificate::Certificate;
use super::certificate_table;
use super::efi_variable::{SECURITY, Variable};
use super::event::{AUTHORITY, Expected, IPL};
use super::forecast::Part;
use super::mok::Mok;
use super::shim_lists::{SHIM_LOCK, ShimLists, measured};
use super::signature_list::{Entry, Kind, entries};
use super::signed_data::SignedData;
use crate::eventlog::words_of;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;

use Refusal::{Refused, Unknown};

/// The hash by which shim compares programs with lists, besides SHA-1.
const HASH: Bank = Bank::Sha256;
/// The least versions without Secure Boot (shim, include/sbat_var_defs.h, `SBAT_VAR_ORIGINAL`).
const ORIGINAL: &[u8] = b"sbat,1,2021030218\n";
/// What marks a certificate for modules of the kernel alone, 1.3.6.1.4.1.2312.16.1.2 in DER (shim, include/guid.h, `OID_EKU_MODSIGN`).
const FOR_MODULES: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x92, 0x08, 0x10, 0x01, 0x02];
/// The most certificates of a list. Real ones have about five.
const MOST: usize = 128;

/// shim, as far as it judges programs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ShimPolicy {
    /// Its name with its version.
    pub(super) name: String,
    /// What is built into it.
    pub(super) lists: ShimLists,
}

/// What shim does with the variables of a machine.
pub(super) struct ShimOnMachine<'a> {
    policy: &'a ShimPolicy,
    mok: Mok,
    is_secure: bool,
    level: Vec<u8>,
    /// What shim has measured of variables: each of them once.
    done: Vec<Vec<u8>>,
}

impl ShimPolicy {
    /// PCR 14: the lists.
    pub(super) fn pcr_14(&self, mok: &Mok, banks: &[Bank]) -> Vec<Part> {
        let event = |name: &str, bytes: &[u8]| {
            let what = format!("{name}, the list of {} with that of the machine's owner", self.name);
            Part::Event(Expected::of(IPL, &what, None, &[bytes], banks))
        };
        let mut parts = vec![
            event("MokList", &measured(&self.lists.allowed, &mok.list)),
            event("MokListX", &measured(&self.lists.forbidden, &mok.list_x)),
        ];
        let states = [("MokSBState", &mok.state), ("MokListTrusted", &mok.trusted), ("MokPolicy", &mok.policy)];
        for (name, value) in states {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                let what = format!("{name}, which {} reads", self.name);
                parts.push(Part::Event(Expected::of(IPL, &what, None, &[value], banks)));
            }
        }
        parts
    }

    /// shim on a machine with these variables.
    pub(super) fn on(&self, mok: Mok, is_secure: bool) -> Result<ShimOnMachine<'_>, Refusal> {
        if mok.is_lenient() {
            let why = format!("{}: the machine's owner told it not to check programs, or not by db", self.name);
            return Err(Refused(why));
        }
        let level = match &mok.level {
            _ if !is_secure => ORIGINAL.to_vec(),
            Some(level) if is_newer(level, &self.lists.level) => level.clone(),
            _ => self.lists.level.clone(),
        };
        Ok(ShimOnMachine { policy: self, mok, is_secure, level, done: Vec::new() })
    }
}

/// Whether shim keeps a level instead of its own (shim, sbat.c, `preserve_sbat_uefi_variable`).
fn is_newer(level: &[u8], own: &[u8]) -> bool {
    let fields = |level: &[u8]| -> Option<(String, String)> {
        let text = str::from_utf8(level).ok()?;
        let mut fields = text.lines().next()?.strip_prefix("sbat,")?.split(',');
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    };
    match (fields(level), fields(own)) {
        (Some((version, date)), Some((own_version, own_date))) => {
            let later = version.len().cmp(&own_version.len()).then_with(|| version.cmp(&own_version));
            later.is_gt() || date >= own_date
        }
        _ => false,
    }
}

impl ShimOnMachine<'_> {
    /// The variables that shim measures into PCR 7 when it starts.
    pub(super) fn at_start(&mut self, banks: &[Bank]) -> Vec<Expected> {
        let state = self.mok.state.clone().unwrap_or_default();
        let level = self.level.clone();
        let variables = [("MokSBState", state), ("SbatLevel", level)];
        let found = variables.into_iter().filter(|(_, value)| !value.is_empty());
        found.filter_map(|(name, value)| self.measures(SHIM_LOCK, name, &value, "", banks)).collect()
    }

    /// Judges a program that shim loads. The event of PCR 7 is what allows it, if it was not measured yet.
    pub(super) fn allow(&mut self, program: &Expected, banks: &[Bank]) -> Result<Option<Expected>, Refusal> {
        if !self.is_secure {
            return Ok(None);
        }
        let name = program.from.as_deref().unwrap_or(&program.what).to_owned();
        let judged = program.judged.as_ref();
        let judged = judged.ok_or_else(|| Unknown(format!("{name}: what Secure Boot judges is not known")))?;
        let (vendor, variable, entry) = self.allowed_by(judged).map_err(|refusal| match refusal {
            Unknown(why) => Unknown(format!("{name}: {why}")),
            Refused(why) => {
                Refused(format!("Secure Boot is on, and {} does not let {name} run: {why}", self.policy.name))
            }
        })?;
        Ok(self.measures(vendor, variable, &entry, &format!(", which allows {name}"), banks))
    }

    fn measures(&mut self, vendor: [u8; 16], name: &str, value: &[u8], more: &str, banks: &[Bank]) -> Option<Expected> {
        let data = Variable { vendor, name: name.to_owned(), value }.measured();
        if self.done.contains(&data) {
            return None;
        }
        let event = Expected::of(AUTHORITY, &format!("{}{more}", words_of(AUTHORITY, &data)), None, &[&data], banks);
        self.done.push(data);
        Some(event)
    }

    /// The entry that allows a program, in the order in which shim looks (verify.c, `check_allowlist`): by its digest, then by each
    /// of its signatures.
    fn allowed_by(&self, judged: &Judged) -> Result<([u8; 16], &'static str, Vec<u8>), Refusal> {
        let own = [measured(&self.policy.lists.allowed, &self.mok.list), self.policy.lists.forbidden.clone()];
        let read = |bytes, name: &str| entries(bytes).map_err(|error| Unknown(format!("{name}: {error}")));
        let (db, moks) = (read(&self.mok.db, "db")?, read(&own[0], "MokList")?);
        let (dbx, built_in, mok_x) =
            (read(&self.mok.dbx, "dbx")?, read(&own[1], "shim's dbx")?, read(&self.mok.list_x, "MokListX")?);
        let allowed = [(SECURITY, "db", db), (SHIM_LOCK, "MokListRT", moks)];
        let forbidden = [built_in, dbx, mok_x];
        let all = allowed.iter().map(|(.., list)| list).chain(&forbidden).flatten();
        if all.filter(|entry| entry.kind == Kind::Certificate).count() > MOST {
            return Err(Unknown(format!("the lists have more than {MOST} certificates")));
        }
        let digest = judged.digests.get(&HASH).map(Digest::as_bytes).unwrap_or_default();
        let has_digest = |entry: &&Entry<'_>| entry.kind == Kind::Program(HASH) && entry.data() == digest;
        if forbidden.iter().flatten().any(|entry| has_digest(&entry)) {
            return Err(Refused("a list has its digest, which forbids it".to_owned()));
        }
        for (vendor, name, list) in &allowed {
            if let Some(entry) = list.iter().find(has_digest) {
                return Ok((*vendor, *name, entry.whole.to_vec()));
            }
        }
        let table = judged.table.as_deref().ok_or_else(|| Refused("it has no signature".to_owned()))?;
        let signatures = certificate_table::signatures(table);
        let signatures = signatures.ok_or_else(|| Refused("its certificate table is damaged".to_owned()))?;
        let mut found = None;
        for bytes in signatures {
            let signature = SignedData::parse(bytes).map_err(|error| Unknown(error.to_string()))?;
            if signature.bank != HASH {
                return Err(Unknown(format!("its signature has {}, which is not predicted", signature.bank)));
            }
            let forbids = |list: &Vec<Entry<'_>>| by(&signature, judged, list).map(|entry| entry.is_some());
            if forbidden.iter().map(forbids).collect::<Result<Vec<_>, _>>()?.contains(&true) {
                continue;
            }
            for (vendor, name, list) in &allowed {
                if let Some(entry) = by(&signature, judged, list)? {
                    // Each signature that shim accepts is measured, and real programs have one.
                    if found.replace((*vendor, *name, entry)).is_some() {
                        return Err(Unknown("it has several signatures that count".to_owned()));
                    }
                    break;
                }
            }
        }
        let found =
            found.ok_or_else(|| Refused("no certificate that it trusts vouches for the signature".to_owned()))?;
        self.is_new_enough(judged)?;
        Ok(found)
    }

    /// Whether the versions of a program are those that shim wants (sbat.c, `verify_sbat_section`). A kernel has none.
    fn is_new_enough(&self, judged: &Judged) -> Result<(), Refusal> {
        let rows = |text: &[u8]| -> Vec<(String, u64)> {
            let text = String::from_utf8_lossy(text).into_owned();
            let row = |line: &str| {
                let mut fields = line.split(',');
                Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
            };
            text.lines().filter_map(row).collect()
        };
        let own = rows(judged.sbat.as_deref().unwrap_or_default());
        for (component, least) in rows(&self.level) {
            if own.iter().any(|(name, version)| *name == component && *version < least) {
                return Err(Refused(format!("its generation of {component} is below {least} (SBAT)")));
            }
        }
        Ok(())
    }
}

/// The entry of a list whose certificate vouches for a signature. shim looks at the first certificate of each list alone, and real
/// lists have one.
fn by(signature: &SignedData<'_>, judged: &Judged, list: &[Entry<'_>]) -> Result<Option<Vec<u8>>, Refusal> {
    for entry in list.iter().filter(|entry| entry.kind == Kind::Certificate) {
        let certificate = Certificate::parse(entry.data()).map_err(|error| Unknown(error.to_string()))?;
        if entry.data().windows(FOR_MODULES.len()).any(|part| part == FOR_MODULES) {
            continue;
        }
        if signature.is_by(&certificate, &judged.digests) {
            return Ok(Some(entry.whole.to_vec()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_stays_if_it_is_not_older() {
        for (level, is_kept) in [
            ("sbat,1,2025021800\nshim,4\n", true),
            ("sbat,1,2025051000\n", true),
            ("sbat,1,2024010900\n", false),
            ("sbat,2,2021030218\n", true),
            ("sbat,1", false),
            ("x,1,2025051000\n", false),
            ("", false),
        ] {
            assert_eq!(is_newer(level.as_bytes(), b"sbat,1,2025021800\nshim,4\ngrub,5\n"), is_kept, "{level}");
        }
    }
}

//! Tests of what shim lets run. The truth of each row is shim's source (verify.c: `check_denylist`, `check_allowlist`,
//! `verify_buffer_authenticode`). tests/signed has the signatures.

use super::authority::{Judged, Refusal};
use super::efi_variable::SECURITY;
use super::made_pe::MadePe;
use super::mok::Mok;
use super::pe::PeFile;
use super::shim_lists::{SHIM_LOCK, ShimLists};
use super::shim_verification::{Allowed, Lists};
use super::signature_list::{Kind, entries, tests::list};
use crate::hash::bank::Bank;

macro_rules! signed {
    ($file:literal) => {
        include_bytes!(concat!("../../tests/signed/", $file)).as_slice()
    };
}

const EXPIRED: (&[u8], &[u8]) = (signed!("expired.der"), signed!("expired.table"));
const OTHER: (&[u8], &[u8]) = (signed!("other.der"), signed!("other.table"));
const MODULES: (&[u8], &[u8]) = (signed!("modules.der"), signed!("modules.table"));
const SHA256: Kind = Kind::Program(Bank::Sha256);

/// The program with these certificate tables.
fn program(tables: &[&[u8]], banks: &[Bank]) -> Judged {
    let behind = [0; 0x200 - MadePe::table(0)];
    let program = MadePe::new().headers_end(0x200).behind(&behind).certificates(&tables.concat()).bytes();
    Judged::of(&PeFile::parse(&program).unwrap(), banks).unwrap().0.unwrap()
}

fn digest(bank: Bank) -> Vec<u8> {
    program(&[], &[bank]).digests[&bank].as_bytes().to_vec()
}

/// A list with one certificate.
fn certificate((certificate, _): (&[u8], &[u8])) -> Vec<u8> {
    list(Kind::Certificate, &[certificate])
}

/// What decides.
#[derive(Clone, Default)]
struct Case<'a> {
    tables: &'a [&'a [u8]],
    built_in: ShimLists,
    db: Vec<u8>,
    dbx: Vec<u8>,
    moks: Vec<u8>,
    moks_x: Vec<u8>,
}

impl Case<'_> {
    fn decided(&self, banks: &[Bank]) -> Result<Allowed, Refusal> {
        let Self { tables, built_in, db, dbx, moks, moks_x } = self.clone();
        let mok = Mok { db, dbx, list: moks, list_x: moks_x, ..Mok::untouched() };
        Lists { built_in: &built_in, mok: &mok }.allowed_by(&program(tables, banks))
    }

    /// The variable and the data of the entry that allows the program, or why none does.
    fn words(&self) -> (String, Vec<u8>) {
        match self.decided(&[Bank::Sha1]) {
            Ok(Allowed { vendor, variable, entry }) => {
                let is_shims = variable == "MokListRT";
                assert_eq!(vendor, if is_shims { SHIM_LOCK } else { SECURITY });
                (variable.to_owned(), entry[16..].to_vec())
            }
            Err(Refusal::Refused(why)) => (format!("refused: {why}"), Vec::new()),
            Err(Refusal::Unknown(why)) => (format!("unknown: {why}"), Vec::new()),
        }
    }
}

#[test]
fn what_allows_a_program_is_what_shims_source_says() {
    let none = Case::default;
    let by_other = || Case { tables: &[OTHER.1], ..none() };
    let (own, sha1) =
        (list(SHA256, &[&[1; 32], &digest(Bank::Sha256)]), list(Kind::OldProgram, &[&digest(Bank::Sha1)]));
    let (other, expired) = (certificate(OTHER), certificate(EXPIRED));
    let cert = |allowed: &[u8]| ShimLists { allowed: allowed.to_vec(), ..ShimLists::default() };
    let vendor_db = |allowed: &[u8]| ShimLists { is_vendor_db: true, ..cert(allowed) };
    let vendor_dbx = |forbidden: &[u8]| ShimLists { forbidden: forbidden.to_vec(), ..ShimLists::default() };
    // A list whose second certificate is the right one. Both have the same length.
    let not_first = {
        // The name of its subject, which is behind that of its issuer, is another one.
        let mut first = OTHER.0.to_vec();
        let subject = first.windows(5).rposition(|part| part == b"other").unwrap();
        first[subject] = b'a';
        list(Kind::Certificate, &[&first, OTHER.0])
    };
    let digest = digest(Bank::Sha256);
    let sha1_digest = self::digest(Bank::Sha1);
    for (number, (case, words, data)) in [
        // Nothing allows it.
        (none(), "refused: it has no signature", &b""[..]),
        (by_other(), "refused: no certificate that it trusts vouches for the signature", b""),
        (Case { tables: &[b"damaged table"], ..none() }, "refused: its certificate table is damaged", b""),
        // db, by digest and by certificate. The digest is looked for first, in all lists.
        (Case { db: own.clone(), ..none() }, "db", &digest),
        (Case { db: own.clone(), ..by_other() }, "db", &digest),
        (Case { db: sha1.clone(), ..none() }, "db", &sha1_digest),
        (Case { db: other.clone(), ..by_other() }, "db", OTHER.0),
        (Case { db: other.clone(), moks: own.clone(), ..by_other() }, "MokListRT", &digest),
        // The time of a certificate does not count.
        (Case { tables: &[EXPIRED.1], db: expired.clone(), ..none() }, "db", EXPIRED.0),
        // A certificate for modules does not count, and shim looks at the first one of each list alone.
        (
            Case { tables: &[MODULES.1], db: certificate(MODULES), ..none() },
            "refused: no certificate that it trusts vouches for the signature",
            b"",
        ),
        (
            Case { db: not_first.clone(), ..by_other() },
            "refused: no certificate that it trusts vouches for the signature",
            b"",
        ),
        (Case { db: other.clone(), dbx: not_first, ..by_other() }, "db", OTHER.0),
        // The list of the machine's owner, with what is built in, and the built-in list with a name of its own.
        (Case { moks: other.clone(), ..by_other() }, "MokListRT", OTHER.0),
        (Case { moks: own.clone(), ..none() }, "MokListRT", &digest),
        (Case { moks: sha1.clone(), ..none() }, "refused: it has no signature", b""),
        (Case { built_in: cert(&other), ..by_other() }, "MokListRT", OTHER.0),
        (Case { built_in: vendor_db(&other), ..by_other() }, "vendor_db", OTHER.0),
        (Case { built_in: vendor_db(&own), ..none() }, "vendor_db", &digest),
        (Case { built_in: vendor_db(&other), db: other.clone(), ..by_other() }, "db", OTHER.0),
        (Case { built_in: vendor_db(&other), moks: own.clone(), ..by_other() }, "MokListRT", &digest),
        // A list forbids its digest.
        (Case { dbx: own.clone(), db: own.clone(), ..by_other() }, "refused: dbx has its digest", b""),
        (Case { dbx: sha1.clone(), db: other.clone(), ..by_other() }, "refused: dbx has its digest", b""),
        (Case { moks_x: own.clone(), db: own.clone(), ..none() }, "refused: MokListX has its digest", b""),
        (Case { moks_x: sha1.clone(), db: own.clone(), ..none() }, "db", &digest),
        (
            Case { built_in: vendor_dbx(&own), db: other.clone(), ..by_other() },
            "refused: shim's dbx has its digest",
            b"",
        ),
        (Case { built_in: vendor_dbx(&sha1), db: own.clone(), ..none() }, "refused: shim's dbx has its digest", b""),
        // A list forbids the certificate of its signature. The digest in db counts all the same.
        (
            Case { dbx: other.clone(), db: other.clone(), ..by_other() },
            "refused: a list forbids the certificate of its signature",
            b"",
        ),
        (
            Case { moks_x: other.clone(), db: other.clone(), ..by_other() },
            "refused: a list forbids the certificate of its signature",
            b"",
        ),
        (
            Case { built_in: vendor_dbx(&other), moks: other.clone(), ..by_other() },
            "refused: a list forbids the certificate of its signature",
            b"",
        ),
        (Case { dbx: other.clone(), db: own.clone(), ..by_other() }, "db", &digest),
        (Case { dbx: expired.clone(), db: other.clone(), ..by_other() }, "db", OTHER.0),
        // Several signatures: each is judged alone, and measured if it counts.
        (Case { tables: &[EXPIRED.1, OTHER.1], db: other.clone(), ..none() }, "db", OTHER.0),
        (
            Case { tables: &[EXPIRED.1, OTHER.1], db: [other.clone(), expired.clone()].concat(), ..none() },
            "unknown: it has several signatures that count",
            b"",
        ),
        (
            Case { tables: &[EXPIRED.1, OTHER.1], db: other.clone(), dbx: expired.clone(), ..none() },
            "unknown: one of its signatures is forbidden, and another one counts",
            b"",
        ),
        // What is not judged.
        (Case { db: vec![1, 2], ..by_other() }, "unknown: db: signature list", b""),
        (Case { moks_x: vec![1, 2], ..by_other() }, "unknown: MokListX: signature list", b""),
        (Case { db: list(Kind::Certificate, &[b"no certificate"]), ..by_other() }, "unknown: certificate", b""),
    ]
    .into_iter()
    .enumerate()
    {
        let (found, entry) = case.words();
        assert!(found.starts_with(words) && entry == data, "row {number}: {found}, not {words}");
    }
    // Without the SHA-1 digest, lists that have such digests decide nothing.
    let with_sha1 = Case { dbx: sha1, db: other, ..by_other() };
    assert!(matches!(with_sha1.decided(&[]), Err(Refusal::Unknown(why)) if why.starts_with("dbx has SHA-1 digests")));
}

#[test]
fn more_certificates_than_real_lists_have_are_not_compared() {
    let case = |count| Case { tables: &[OTHER.1], db: certificate(OTHER).repeat(count), ..Case::default() };
    assert!(case(128).decided(&[]).is_ok());
    assert!(matches!(case(129).decided(&[]), Err(Refusal::Unknown(why)) if why.contains("more than 128")));
    assert_eq!(entries(&case(129).db).unwrap().len(), 129);
}

//! Forged evidence: if one field of quote, signature, nonce, key or log is changed, the evidence is refused for that reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use std::collections::BTreeSet;

use evidence::{Machine, Measured, log};
use measureroot::internal::eventlog::{EventType, PcrValues};
use measureroot::internal::evidence::{Accepted, AcceptedStart, Broken, Check, Submission, TrustedImage, Verdict};
use measureroot::internal::hash::{Bank, Digests, digests_of};
use measureroot::internal::measure::PcrIndex;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey;
use time::OffsetDateTime;

const NONCE: &[u8] = &[0, 0xC0, 0xFF, 0xEE, 0, 0xC0, 0xFF, 0xEE];

/// Evidence that holds. The tests change it.
#[derive(Clone)]
struct Sent {
    quote: Vec<u8>,
    signature: Vec<u8>,
    key: Vec<u8>,
    nonce: Vec<u8>,
    log: Vec<u8>,
}

impl Sent {
    /// The evidence of a machine that booted the image.
    fn by_a_machine(events: &[Measured]) -> Self {
        let machine = Machine::booted(events);
        machine.key("ecc256:ecdsa-sha256");
        machine.quote("sha256:4,13+sha1:4,13+sha384:4,13+sha512:4,13", &hex::encode(NONCE), "ecdsa-sha256");
        let [quote, signature, key] = ["quote", "signature.tss", "ak.tss"].map(|name| machine.read(name));
        Self { quote, signature, key, nonce: NONCE.to_vec(), log: log(events) }
    }

    /// Signs the quote again. The key of this signature replaces the machine's key.
    fn signed(mut self) -> Self {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        self.key = key.verifying_key().to_public_key_der().unwrap().into_vec();
        let signature: Signature = key.sign(&self.quote);
        self.signature = signature.to_der().as_bytes().to_vec();
        self
    }

    fn judged(&self) -> Result<Verdict, Broken> {
        let logs = [("log".to_owned(), self.log.clone())];
        let given = Submission {
            quote: Some(&self.quote),
            signature: &self.signature,
            key: &self.key,
            nonce: Some(&self.nonce),
            values: None,
            logs: &logs,
            pcr: PcrIndex::DEFAULT,
            sha1: false,
        };
        let digests = digests_of(&Bank::ALL, b"image");
        let (name, pcr, before, others) = ("image".into(), PcrIndex::DEFAULT, Digests::new(), Digests::new());
        let image = TrustedImage { name, pcr, digests, before, expiry: None, chain: None, others };
        let accepted = Accepted { start: AcceptedStart::All, key_is_trusted: true, any_nonce: false };
        Ok(given.check()?.judge(&[image], &PcrValues::new(), accepted, OffsetDateTime::UNIX_EPOCH)?.verdict)
    }

    /// The check that fails, and its message.
    fn broken(&self, name: &str) -> (Check, String) {
        match self.judged() {
            Err(Broken { check, error }) => (check, error.to_string()),
            Ok(verdict) => panic!("{name}: {verdict:?}"),
        }
    }
}

fn events() -> Vec<Measured> {
    vec![Measured::other(4, "boot loader"), Measured::other(4, "kernel"), Measured::image(b"image")]
}

#[test]
fn no_byte_of_quote_signature_or_nonce_can_be_changed() {
    let good = Sent::by_a_machine(&events());
    assert!(matches!(good.judged(), Ok(Verdict::Trusted(_))), "{:?}", good.judged());
    for at in 0..good.quote.len() {
        let mut sent = good.clone();
        sent.quote[at] ^= 1 << (at % 8);
        let (check, why) = sent.broken(&format!("quote, byte {at}"));
        assert!(check == Check::Signature || check == Check::Quote, "quote, byte {at}: {check} {why}");
    }
    for at in 0..good.signature.len() {
        let mut sent = good.clone();
        sent.signature[at] ^= 1 << (at % 8);
        assert_eq!(sent.broken(&format!("signature, byte {at}")).0, Check::Signature);
    }
    for at in 0..good.nonce.len() {
        let mut sent = good.clone();
        sent.nonce[at] ^= 1 << (at % 8);
        assert_eq!(sent.broken(&format!("nonce, byte {at}")).0, Check::Nonce);
    }
    for nonce in [&[][..], &NONCE[..2], &[NONCE, &[0]].concat()] {
        let sent = Sent { nonce: nonce.to_vec(), ..good.clone() };
        assert_eq!(sent.broken("nonce").0, Check::Nonce);
    }
}

type Part = fn(&mut Sent) -> &mut Vec<u8>;
type Change = fn(&mut Vec<Measured>);

#[test]
fn missing_and_additional_bytes_are_refused() {
    let good = Sent::by_a_machine(&events());
    let parts: [(&str, Part, Check); 3] = [
        ("quote", |sent| &mut sent.quote, Check::Quote),
        ("signature", |sent| &mut sent.signature, Check::Signature),
        ("key", |sent| &mut sent.key, Check::Key),
    ];
    for (name, part, check) in parts {
        for length in 0..part(&mut good.clone()).len() {
            let mut sent = good.clone();
            part(&mut sent).truncate(length);
            assert_eq!(sent.broken(name).0, check, "{name} of {length} bytes");
        }
        let mut sent = good.clone();
        part(&mut sent).push(0);
        let (found, why) = sent.broken(name);
        assert!(found == check && why.contains("1 byte too many") || name == "key", "{name}: {why}");
    }
}

/// The offsets of the fields of a quote, in bytes. Its key is an ECC key with a SHA-256 name, and its nonce has eight bytes.
mod at {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const KIND: usize = 4;
    pub(crate) const NONCE: usize = 6 + 2 + 34 + 2;
    pub(crate) const SAFE: usize = NONCE + 8 + 16;
    pub(crate) const BANKS: usize = SAFE + 1 + 8;
    pub(crate) const FIRST_BANK: usize = BANKS + 4;
    pub(crate) const FIRST_BITMAP: usize = FIRST_BANK + 3;
    pub(crate) const DIGEST: usize = FIRST_BANK + 4 * 6;
}

#[test]
fn a_changed_field_of_a_quote_is_refused_even_if_it_is_signed() {
    let good = Sent::by_a_machine(&events()).signed();
    assert!(matches!(good.judged(), Ok(Verdict::Trusted(_))), "{:?}", good.judged());
    let table: [(&str, usize, &[u8], Check, &str); 17] = [
        ("not by a TPM", at::MAGIC, &[0], Check::Quote, "begins with 0x00544347"),
        ("another statement", at::KIND, &[0x80, 0x17], Check::Quote, "is of the type 0x8017"),
        ("a signer without end", at::KIND + 2, &[0xFF], Check::Quote, "at most 66 fit"),
        ("another nonce", at::NONCE, &[1], Check::Nonce, "the quote has \"01c0ffee00c0ffee\", not \"00c0ffee"),
        ("a longer nonce", at::NONCE - 1, &[9], Check::Quote, ""),
        ("neither safe nor not", at::SAFE, &[2], Check::Quote, "\"safe\" is 2"),
        ("banks without end", at::BANKS, &[0xFF], Check::Quote, "at most 16"),
        ("no bank", at::BANKS, &[0, 0, 0, 0], Check::Quote, "is of no known hash"),
        ("an unknown bank", at::FIRST_BANK, &[0, 0x12], Check::Quote, "a bank 0x0012 that is not known"),
        ("the banks in another order", at::FIRST_BANK, &[0, 0x0C], Check::Log, "do not lead to"),
        ("a bitmap without end", at::FIRST_BANK + 2, &[0xFF], Check::Quote, "too early"),
        ("a PCR more", at::FIRST_BITMAP, &[0x11], Check::Log, "do not lead to"),
        ("a PCR less", at::FIRST_BITMAP, &[0], Check::Log, "do not lead to"),
        ("another PCR", at::FIRST_BITMAP, &[0x20], Check::Log, "do not lead to"),
        ("other PCRs in a digest", at::DIGEST + 2, &[0x55, 0xAA], Check::Log, "do not lead to"),
        ("a shorter digest", at::DIGEST + 1, &[20], Check::Quote, "12 bytes too many"),
        ("no digest", at::DIGEST + 1, &[0], Check::Quote, "0 bytes is of no known hash"),
    ];
    for (name, place, bytes, check, part) in table {
        let mut sent = good.clone();
        sent.quote[place..place + bytes.len()].copy_from_slice(bytes);
        let (found, why) = sent.signed().broken(name);
        assert!(found == check && why.contains(part), "{name}: {found} {why}");
    }
    // A quote without the PCR.
    let mut sent = good.clone();
    for bank in 0..4 {
        sent.quote[at::FIRST_BITMAP + 6 * bank + 1] = 0;
    }
    let (check, why) = sent.signed().broken("without the PCR");
    assert!(check == Check::Selection && why.contains("PCR 13: is not in the quote"), "{why}");
}

/// The offsets of the fields of an ECC key's `TPM2B_PUBLIC`, in bytes.
mod key {
    pub(crate) const KIND: usize = 2;
    pub(crate) const NAME: usize = 4;
    pub(crate) const ATTRIBUTES: usize = 6;
    pub(crate) const SYMMETRIC: usize = 12;
    pub(crate) const SCHEME: usize = 14;
    pub(crate) const HASH: usize = 16;
    pub(crate) const CURVE: usize = 18;
    pub(crate) const KDF: usize = 20;
    pub(crate) const X: usize = 24;
}

#[test]
fn a_changed_field_of_a_key_is_refused() {
    let good = Sent::by_a_machine(&events());
    let table: [(&str, usize, &[u8], Check, &str); 19] = [
        ("a key of another type", key::KIND, &[0, 8], Check::Key, "neither RSA nor ECC"),
        ("an RSA key", key::KIND, &[0, 1], Check::Key, "its signature scheme does not fit its type"),
        ("a name of an unknown hash", key::NAME, &[0, 9], Check::Key, "unknown hash 0x0009"),
        ("a name of another hash", key::NAME, &[0, 0x0C], Check::Key, "another hash"),
        ("does not sign", key::ATTRIBUTES + 1, &[0x01], Check::Key, "sign is not set"),
        ("not restricted", key::ATTRIBUTES + 1, &[0x04], Check::Key, "restricted is not set"),
        ("decrypts", key::ATTRIBUTES + 1, &[0x07], Check::Key, "decrypt is set"),
        ("not fixed", key::ATTRIBUTES + 3, &[0x70], Check::Key, "fixedTPM is not set"),
        ("not fixed to its parent", key::ATTRIBUTES + 3, &[0x62], Check::Key, "fixedParent is not set"),
        ("from outside", key::ATTRIBUTES + 3, &[0x52], Check::Key, "sensitiveDataOrigin is not set"),
        ("with copies", key::ATTRIBUTES + 2, &[0x08], Check::Key, "encryptedDuplication is set"),
        ("a policy without end", key::ATTRIBUTES + 4, &[0xFF], Check::Key, "at most 64 fit"),
        ("a cipher", key::SYMMETRIC, &[0, 6], Check::Key, "storage key"),
        ("another scheme", key::SCHEME, &[0, 0x1A], Check::Key, "0x001a"),
        ("another hash", key::HASH, &[0, 0x0C], Check::Signature, "only signs with ECDSA with sha384"),
        ("another curve", key::CURVE, &[0, 5], Check::Key, "neither P-256 nor P-384"),
        ("the other curve", key::CURVE, &[0, 4], Check::Key, "P-384"),
        ("a key derivation", key::KDF, &[0, 0x20], Check::Key, "derives keys"),
        ("another point", key::X, &[0x55, 0xAA, 0x55], Check::Key, "point on P-256"),
    ];
    for (name, place, bytes, check, part) in table {
        let mut sent = good.clone();
        sent.key[place..place + bytes.len()].copy_from_slice(bytes);
        let (found, why) = sent.broken(name);
        assert!(found == check && why.contains(part), "{name}: {found} {why}");
    }
    let mut sent = good.clone();
    sent.key = Sent::by_a_machine(&events()).key;
    let (check, why) = sent.broken("another machine's key");
    assert!(check == Check::Signature && why.contains("is not that of this key"), "{why}");
}

#[test]
fn no_measured_byte_of_an_event_can_be_changed() {
    let good = Sent::by_a_machine(&events());
    let unproven = unproven(&good.log);
    for at in 0..good.log.len() {
        let mut sent = good.clone();
        sent.log[at] ^= 1 << (at % 8);
        match sent.judged() {
            Err(Broken { check: Check::Log, .. }) => {}
            Ok(Verdict::Trusted(_)) if unproven.contains(&at) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

/// The bytes of a log that no digest covers: its header, the types of other programs' events, and all descriptions.
fn unproven(log: &[u8]) -> BTreeSet<usize> {
    let mut unproven: BTreeSet<_> = (0..self::log(&[]).len()).collect();
    let mut start = unproven.len();
    for event in events() {
        let description = start + 4 + 4 + 4 + (2 + 20) + (2 + 32) + (2 + 48) + (2 + 64) + 4;
        if event.pcr != 13 {
            unproven.extend(start + 4..start + 8);
        }
        start = description + event.data.len();
        unproven.extend(description..start);
    }
    assert_eq!(start, log.len());
    unproven
}

#[test]
fn order_type_and_number_of_the_events_cannot_be_changed() {
    let good = Sent::by_a_machine(&events());
    let altered: [(&str, Change); 9] = [
        ("another order", |events| events.swap(0, 1)),
        ("one left out", |events| drop(events.remove(1))),
        ("ours left out", |events| drop(events.pop())),
        ("one twice", |events| events.insert(0, events[0].clone())),
        ("ours before it was measured", |events| events[1].pcr = 13),
        ("an event that measures nothing", |events| events[1].kind = EventType::NO_ACTION),
        ("ours measures nothing", |events| events[2].kind = EventType::NO_ACTION),
        ("ours is called another's", |events| events[2].kind = EventType(0xD)),
        ("ours is called a failure", |events| events[2].data = Measured::failed().data),
    ];
    for (name, alter) in altered {
        let mut events = events();
        alter(&mut events);
        let sent = Sent { log: log(&events), ..good.clone() };
        assert_eq!(sent.broken(name).0, Check::Log, "{name}");
    }
    // Another image's log does not lead to this machine's PCR.
    let other = log(&[Measured::other(4, "boot loader"), Measured::other(4, "kernel"), Measured::image(b"other")]);
    assert_eq!(Sent { log: other, ..good }.broken("another image").0, Check::Log);
}

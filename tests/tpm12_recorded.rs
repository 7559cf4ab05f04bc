//! A recorded quote of a TPM 1.2: it is judged, and each change of it is refused for its reason. tests/evidence/README.md says how it was
//! made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

use std::fs;

use measureroot::internal::eventlog::PcrValues;
use measureroot::internal::evidence::{Accepted, AcceptedStart, Broken, Check, Submission, TrustedImage, Verdict};
use measureroot::internal::hash::{Bank, Digest, Digests};
use measureroot::internal::measure::PcrIndex;
use time::OffsetDateTime;

fn file(name: &str) -> Vec<u8> {
    fs::read(format!("{}/tests/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What a machine sent. The tests change it.
#[derive(Clone)]
struct Sent {
    quote: Option<Vec<u8>>,
    signature: Vec<u8>,
    key: Vec<u8>,
    nonce: Option<Vec<u8>>,
    values: Option<Vec<u8>>,
    sha1: bool,
}

fn recorded() -> Sent {
    Sent {
        quote: None,
        signature: file("evidence/tpm12.sig"),
        key: file("evidence/tpm12.aik.blob"),
        nonce: hex::decode("00112233445566778899aabbccddeeff00112233").ok(),
        values: Some(file("evidence/tpm12.pcrs")),
        sha1: true,
    }
}

impl Sent {
    fn judged(&self) -> Result<Verdict, Broken> {
        let logs = [("log".to_owned(), file("eventlog/sha1-only.bin"))];
        let submission = Submission {
            quote: self.quote.as_deref(),
            signature: &self.signature,
            key: &self.key,
            nonce: self.nonce.as_deref(),
            values: self.values.as_deref(),
            logs: &logs,
            pcr: PcrIndex::DEFAULT,
            sha1: self.sha1,
        };
        // The image that tests/evidence/trusted.json trusts.
        let digest = hex::decode("3a71bd7d93d2bc405d7735df4205f1d94a49ce8d").unwrap();
        let digests = Digests::from([(Bank::Sha1, Digest::from_bytes(Bank::Sha1, &digest).unwrap())]);
        let (pcr, before, others) = (PcrIndex::DEFAULT, Digests::new(), Digests::new());
        let image = TrustedImage { name: "image".into(), pcr, digests, before, expiry: None, chain: None, others };
        let accepted = Accepted { start: AcceptedStart::All, ..Accepted::default() };
        let judgement = submission.check()?.judge(&[image], &PcrValues::new(), accepted, OffsetDateTime::UNIX_EPOCH)?;
        Ok(judgement.verdict)
    }

    fn is_trusted(&self) -> bool {
        matches!(self.judged(), Ok(Verdict::Trusted(_)))
    }

    /// The check that fails, and its message.
    fn broken(&self, name: &str) -> (Check, String) {
        match self.judged() {
            Err(Broken { check, error }) => (check, error.to_string()),
            Ok(verdict) => panic!("{name}: {verdict:?}"),
        }
    }
}

const OTHER: &str = "is not that of this key for a quote of these PCR values and this nonce";

#[test]
fn no_byte_of_signature_nonce_or_value_can_be_changed() {
    let good = recorded();
    assert!(good.is_trusted(), "{:?}", good.judged());
    for at in 0..good.signature.len() {
        let mut sent = good.clone();
        sent.signature[at] ^= 1 << (at % 8);
        assert_eq!(sent.broken(&format!("signature, byte {at}")).0, Check::Signature);
    }
    for at in 0..20 {
        let mut sent = good.clone();
        sent.nonce.as_mut().unwrap()[at] ^= 1 << (at % 8);
        assert_eq!(sent.broken(&format!("nonce, byte {at}")).0, Check::Signature);
    }
    let values = good.values.clone().unwrap();
    for at in 0..values.len() {
        let changed = |byte: u8| {
            let mut values = values.clone();
            values[at] = byte;
            Sent { values: Some(values), ..good.clone() }
        };
        let digit = if values[at] == b'0' { b'1' } else { b'0' };
        let (check, why) = changed(digit).broken(&format!("values, byte {at}"));
        assert!(check == Check::Signature || check == Check::Values, "{at}: {check} {why}");
        assert_eq!(changed(0xFF).broken(&format!("values, byte {at}")).0, Check::Values);
    }
}

#[test]
fn other_pcrs_are_not_the_signed_ones() {
    let good = recorded();
    let text = String::from_utf8(good.values.clone().unwrap()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let zero = "0".repeat(40);
    let swapped = lines.iter().rev().copied().collect::<Vec<_>>().join("\n");
    let other = |text: &str| Sent { values: Some(text.into()), ..good.clone() };
    for (name, text, expected) in [
        ("one less", lines[1..].join("\n"), Check::Signature),
        ("one more", format!("{text}8={zero}\n"), Check::Signature),
        ("one more, that a TPM has in any case", format!("{text}23={zero}\n"), Check::Signature),
        ("another PCR with the value", text.replace("13=", "14="), Check::Signature),
        ("a PCR twice", format!("{text}{}", lines[0]), Check::Values),
        ("a PCR that no TPM has", text.replace("13=", "24="), Check::Values),
        ("a longer value", text.replace("13=", "13=00"), Check::Values),
        ("no value", String::new(), Check::Values),
        ("the form of tpm2_pcrread", format!("sha1:\n  13: 0x{zero}\n"), Check::Values),
    ] {
        assert_eq!(other(&text).broken(name).0, expected, "{name}");
    }
    // The order and the case of the digits are the file's, and not the TPM's.
    assert!(other(&swapped).is_trusted() && other(&text.to_lowercase()).is_trusted());
}

#[test]
fn each_other_fault_has_its_reason() {
    let good = recorded();
    let tpm2 = |name: &str| file(&format!("evidence/hcrtm.{name}"));
    let long = [good.signature.clone(), vec![0]].concat();
    for (name, sent, check, part) in [
        ("SHA-1 is not accepted", Sent { sha1: false, ..good.clone() }, Check::Signature, "accept it with --sha1"),
        ("no nonce", Sent { nonce: None, ..good.clone() }, Check::Nonce, "is needed: a TPM 1.2 signs it"),
        (
            "a short nonce",
            Sent { nonce: Some(vec![0; 8]), ..good.clone() },
            Check::Nonce,
            "has 8 bytes, but a TPM 1.2 signs 20",
        ),
        ("no values", Sent { values: None, ..good.clone() }, Check::Values, "give that file as --pcrs"),
        (
            "values of a TPM 2.0",
            Sent { values: Some(tpm2("pcrs")), ..good.clone() },
            Check::Values,
            "for a TPM 2.0, give --quote",
        ),
        (
            "a longer signature",
            Sent { signature: long, ..good.clone() },
            Check::Signature,
            "has 257 bytes, but one of this key has 256",
        ),
        (
            "a signature in hex",
            Sent { signature: hex::encode(&good.signature).into_bytes(), ..good.clone() },
            Check::Signature,
            "this is text in hex",
        ),
        ("no signature", Sent { signature: Vec::new(), ..good.clone() }, Check::Signature, "has 0 bytes"),
        ("another key", Sent { key: file("evidence/tpm12.other.blob"), ..good.clone() }, Check::Signature, OTHER),
        ("a key of a TPM 2.0", Sent { key: tpm2("ak.pub"), ..good.clone() }, Check::Key, "is that of a TPM 2.0"),
        ("no key", Sent { key: b"key".to_vec(), ..good.clone() }, Check::Key, "key"),
        (
            "the signature as the quote",
            Sent { quote: Some(good.signature.clone()), ..good.clone() },
            Check::Quote,
            "leave --quote out",
        ),
        (
            "a quote of a TPM 2.0 with this key",
            Sent { quote: Some(tpm2("quote")), signature: tpm2("sig"), ..good.clone() },
            Check::Key,
            "is that of a TPM 1.2, so it cannot have signed the quote of a TPM 2.0",
        ),
    ] {
        let (failed, why) = sent.broken(name);
        assert!(failed == check && why.contains(part), "{name}: {failed}: {why}");
    }
}

#[test]
fn a_public_key_is_trusted_only_by_name() {
    let sent = Sent { key: file("evidence/tpm12.aik.pub"), ..recorded() };
    match sent.judged() {
        Ok(Verdict::NotTrusted(why)) => assert!(why.contains("the key does not say that it belongs to a TPM"), "{why}"),
        other => panic!("{other:?}"),
    }
}

//! Reads the input as a quote, a signature, a key, quoted values, a list of trusted images, signed or not, and the keys of a signer.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use measureroot::internal::evidence::{
    AllowList, Key, Quote, Signature, Signer as _, SignerKey, SigningKey, quoted_values,
};
use measureroot::internal::hash::Bank;

/// A key of each type that a TPM made.
static KEYS: LazyLock<[Key; 3]> = LazyLock::new(|| {
    let keys: [&[u8]; 3] = [
        include_bytes!("../corpus/evidence/key-rsa-tss"),
        include_bytes!("../corpus/evidence/key-p256-tss"),
        include_bytes!("../corpus/evidence/key-p384-der"),
    ];
    keys.map(|key| Key::parse(key).unwrap())
});
static QUOTE: LazyLock<Quote> =
    LazyLock::new(|| Quote::parse(include_bytes!("../corpus/evidence/quote-p256")).unwrap());

/// The key that signed the corpus's list `signed`.
static SIGNER: LazyLock<SignerKey> =
    LazyLock::new(|| SignerKey::parse(include_bytes!("../corpus/evidence/signer")).unwrap());
/// Another key.
static OTHER: LazyLock<SignerKey> =
    LazyLock::new(|| SignerKey::parse(include_bytes!("../corpus/evidence/key-p256-pem")).unwrap());

fuzz_target!(|bytes: &[u8]| {
    if let Ok(quote) = Quote::parse(bytes) {
        // Each selected PCR takes a bit.
        assert!(
            quote.selection.iter().count() <= 8 * bytes.len() && quote.selection.iter().all(|(_, pcr)| pcr.get() < 24)
        );
        assert!(quote.nonce.len() <= 66 && quote.attested.as_ref().is_some_and(|attested| attested.signer.len() <= 66));
        assert!(quoted_values::parse(bytes, &quote).is_err());
    }
    assert!(quoted_values::parse(bytes, &QUOTE).is_err());
    let own = Key::parse(bytes);
    for key in KEYS.iter().chain(own.as_ref()) {
        if let Ok(signature) = Signature::parse(bytes, key) {
            // No key signed this message.
            for hash in Bank::ALL {
                assert!(signature.check(key, b"not signed", hash).is_err());
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(list) = AllowList::of_signed(text, &SIGNER) {
            assert!(list.to_statement().is_ok());
        }
        assert!(AllowList::of_signed(text, &OTHER).is_err());
    }
    if let Ok(key) = SigningKey::parse(bytes) {
        let _ = key.public();
    }
    let _ = SignerKey::parse(bytes);
    if let Some(list) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<AllowList>().ok()) {
        assert_eq!(list.to_json().unwrap().parse::<AllowList>().unwrap(), list);
    }
});

//! Attackers on the bus to the TPM, and the messages that they forge.

use measureroot::internal::hash::{Bank, Digest};

use super::bus::{CREATE_PRIMARY, GET_CAPABILITY, Interposer, PCR_EXTEND, PCR_READ, answer, code};

/// The bank that is attacked.
pub(crate) const BANK: Bank = Bank::Sha256;
/// `TPM_ST_SESSIONS`, `TPM_ST_NO_SESSIONS` and `TPM_RS_PW` (TPM 2.0 Library, Part 2, sections 6.9 and 7.4).
pub(crate) const SESSIONS: u16 = 0x8002;
pub(crate) const NO_SESSIONS: u16 = 0x8001;
pub(crate) const PASSWORD: [u8; 4] = [0x40, 0, 0, 9];

/// The PCR after these texts were extended.
pub(crate) fn after(texts: &[&str]) -> Digest {
    texts.iter().fold(Digest::zero(BANK), |pcr, text| pcr.extended(BANK, &BANK.digest(text.as_bytes())))
}

/// A message in which `to` replaces `from` everywhere. Both have the same length.
pub(crate) fn swapped(message: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    for place in 0..=message.len().saturating_sub(from.len()) {
        if message[place..].starts_with(from) {
            message[place..place + to.len()].copy_from_slice(to);
        }
    }
    message
}

/// The answer to an extend that the TPM never gets. An attacker without the session's key can forge no better one.
pub(crate) fn forged(extend: &[u8]) -> Vec<u8> {
    // The session follows the header, the PCR and the length of the authorizations.
    let authorization = if extend[18..22] == PASSWORD {
        vec![0, 0, 1, 0, 0]
    } else {
        [&[0, 32][..], &[0x5a; 32], &[0x81, 0, 32], &[0xa5; 32]].concat()
    };
    answer(SESSIONS, 0, &[&[0; 4], authorization.as_slice()].concat())
}

/// Extends the digest of another image, and reports the value that measureroot expects.
pub(crate) fn another_image() -> Interposer {
    let (image, evil) = (BANK.digest(b"image"), BANK.digest(b"evil"));
    let (reported, actual) = (after(&["image"]), after(&["evil"]));
    Box::new(move |command, tpm| match code(command) {
        PCR_EXTEND => tpm(&swapped(command, image.as_bytes(), evil.as_bytes())),
        PCR_READ => swapped(&tpm(command), actual.as_bytes(), reported.as_bytes()),
        _ => tpm(command),
    })
}

/// Drops the extend, and reports the value that measureroot expects.
pub(crate) fn no_extend() -> Interposer {
    let (reported, actual) = (after(&["image"]), after(&[]));
    let mut dropped = false;
    Box::new(move |command, tpm| match code(command) {
        PCR_EXTEND => {
            dropped = true;
            forged(command)
        }
        PCR_READ if dropped => swapped(&tpm(command), actual.as_bytes(), reported.as_bytes()),
        _ => tpm(command),
    })
}

/// Extends twice, and reports the value that measureroot expects.
pub(crate) fn a_second_extend() -> Interposer {
    let (reported, actual) = (after(&["image"]), after(&["image", "image"]));
    Box::new(move |command, tpm| match code(command) {
        PCR_EXTEND => {
            tpm(command);
            tpm(command)
        }
        PCR_READ => swapped(&tpm(command), actual.as_bytes(), reported.as_bytes()),
        _ => tpm(command),
    })
}

/// Hides the bank, so that measureroot does not extend it.
pub(crate) fn a_hidden_bank() -> Interposer {
    Box::new(move |command, tpm| match code(command) {
        // TPM_ALG_SHA256, and the bitmap of its 24 active PCRs.
        GET_CAPABILITY => swapped(&tpm(command), &[0, 0x0b, 3, 0xff, 0xff, 0xff], &[0, 0x0b, 3, 0, 0, 0]),
        _ => tpm(command),
    })
}

/// Replaces the salt key by the attacker's key, and the name by the name of that key. The attacker's key is the generator of
/// P-256, whose private key is 1.
pub(crate) fn another_key() -> Interposer {
    Box::new(|command, tpm| {
        let answer = tpm(command);
        if code(command) != CREATE_PRIMARY {
            return answer;
        }
        // The public area follows the header, the handle and the parameters' length. The point is its last field.
        let area = 20..20 + usize::from(u16::from_be_bytes([answer[18], answer[19]]));
        let old = BANK.digest(&answer[area.clone()]);
        let point = hex::decode(
            "00206b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
             00204fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        )
        .unwrap();
        let mut answer = answer;
        answer[area.end - point.len()..area.end].copy_from_slice(&point);
        let new = BANK.digest(&answer[area]);
        swapped(&answer, old.as_bytes(), new.as_bytes())
    })
}

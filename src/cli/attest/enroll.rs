//! `attest --enroll` and `attest --activate`: how a register of machines learns that the attestation key is in a TPM that its maker certified.

use std::path::Path;

use super::held_key::{with, with_attestation_key};
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};
use crate::evidence::enrolment::{Challenge, Enrolment};
use crate::tpm::EsysPcrs;
use crate::tpm::key_templates::KeyKind;

/// The limit for a challenge, in bytes: it has some 400.
const CHALLENGE: u64 = 4 << 10;

/// The kinds of endorsement keys that have a certificate, with it, in the order of preference.
fn certified(tpm: &mut EsysPcrs) -> Result<Option<(KeyKind, Vec<u8>)>> {
    for kind in KeyKind::ENDORSEMENT {
        if let Some(certificate) = tpm.endorsement_certificate(kind)? {
            return Ok(Some((kind, certificate)));
        }
    }
    Ok(None)
}

/// What the register needs. The endorsement key is RSA, which each TPM of a PC has, unless only another one has a certificate.
pub(super) fn enroll(tpm: &mut EsysPcrs, handle: Option<u32>) -> Result<Vec<u8>> {
    let key = with_attestation_key(tpm, handle, |_, key| Ok(key.public.clone()))?;
    let (kind, certificate) = match certified(tpm)? {
        Some((kind, certificate)) => (kind, Some(certificate)),
        None => (KeyKind::EndorsementRsa, None),
    };
    if certificate.is_none() {
        log::warn!(
            "measureroot: the TPM has no certificate of its endorsement key: the register cannot see that it is a TPM, unless it knows the key"
        );
    }
    let endorsement = tpm.endorsement_key(kind);
    let endorsement = with(tpm, endorsement, |_, key| Ok(key.public.clone()))?;
    Ok(Enrolment::new(&key, &endorsement, certificate.as_deref())?.to_json()?.into_bytes())
}

/// The secret in a challenge of the register.
pub(super) fn activate(tpm: &mut EsysPcrs, handle: Option<u32>, path: &Path) -> Result<Vec<u8>> {
    let bytes = read_limited::read(path, CHALLENGE, Kinds::Stream)?;
    let challenge = Challenge::parse(&bytes).map_err(|error| error.on(path.display()))?;
    let kind = addressed(tpm, challenge.secret.len()).map_err(|error| error.on(path.display()))?;
    with_attestation_key(tpm, handle, |tpm, key| {
        let endorsement = tpm.endorsement_key(kind);
        with(tpm, endorsement, |tpm, endorsement| tpm.activate(key, endorsement, challenge.blob, challenge.secret))
    })
}

/// The endorsement key for which a secret of this length is: of those with this length, the one of `--enroll`.
fn addressed(tpm: &mut EsysPcrs, length: usize) -> Result<KeyKind> {
    let fits = |kind: &KeyKind| kind.secret_length() == Some(length);
    let Some(first) = KeyKind::ENDORSEMENT.into_iter().find(fits) else {
        let cause = format!("its secret has {length} bytes, as for no endorsement key that attest makes");
        return Err(Error::new("challenge", cause)
            .hint("make it for the endorsement_key of --enroll: RSA 2048 or 3072, P-256 or P-384"));
    };
    // A certificate that cannot be read is no reason not to answer: the register has it from elsewhere.
    let certified = certified(tpm).ok().flatten();
    Ok(certified.map(|(kind, _)| kind).filter(fits).unwrap_or(first))
}

//! `attest --enroll` and `attest --activate`: how a register of machines learns that the attestation key is in a TPM that its maker certified.

use std::path::Path;

use super::held_key::{with, with_attestation_key};
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::Result;
use crate::evidence::enrolment::{Challenge, Enrolment};
use crate::tpm::EsysPcrs;
use crate::tpm::key_templates::KeyKind;

/// The limit for a challenge, in bytes: it has some 400.
const CHALLENGE: u64 = 4 << 10;

/// What the register needs. The endorsement key is RSA, which each TPM of a PC has, unless only the other one has a certificate.
pub(super) fn enroll(tpm: &mut EsysPcrs, handle: Option<u32>) -> Result<Vec<u8>> {
    let key = with_attestation_key(tpm, handle, |_, key| Ok(key.public.clone()))?;
    let rsa = tpm.endorsement_certificate(KeyKind::EndorsementRsa)?;
    let (kind, certificate) = match rsa {
        Some(certificate) => (KeyKind::EndorsementRsa, Some(certificate)),
        None => match tpm.endorsement_certificate(KeyKind::EndorsementEcc)? {
            Some(certificate) => (KeyKind::EndorsementEcc, Some(certificate)),
            None => (KeyKind::EndorsementRsa, None),
        },
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
    let kind = if challenge.is_for_rsa() { KeyKind::EndorsementRsa } else { KeyKind::EndorsementEcc };
    with_attestation_key(tpm, handle, |tpm, key| {
        let endorsement = tpm.endorsement_key(kind);
        with(tpm, endorsement, |tpm, endorsement| tpm.activate(key, endorsement, challenge.blob, challenge.secret))
    })
}

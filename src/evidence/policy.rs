//! The policy that binds a secret to the value of a PCR.

use super::selection;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::PcrIndex;

/// `TPM_CC_PolicyPCR` (TPM 2.0 Library, Part 2, section 6.5.2).
const POLICY_PCR: u32 = 0x0000_017f;
/// The hash algorithm of the policy session, the one that tpm2-tools and systemd-cryptenroll use.
const SESSION: Bank = Bank::Sha256;

/// The policy digest after one `TPM2_PolicyPCR` for `values` of `pcr`: H(zeros || code || selection || H(values)), with the
/// values in the order of the selection (TPM 2.0 Library, Part 3, section 23.7).
///
/// # Errors
/// If there is no value: such a policy would always be satisfied.
pub(crate) fn pcr(pcr: PcrIndex, values: &Digests) -> Result<Digest> {
    if values.is_empty() {
        return Err(Error::new(format!("policy for PCR {pcr}"), "no bank"));
    }
    let banks: Vec<_> = values.keys().copied().collect();
    let mut held = SESSION.hasher();
    for value in values.values() {
        held.update(value.as_bytes());
    }
    let mut policy = SESSION.hasher();
    policy.update(Digest::zero(SESSION).as_bytes());
    policy.update(&POLICY_PCR.to_be_bytes());
    policy.update(&selection::encode_one(pcr, &banks));
    policy.update(held.finish().as_bytes());
    Ok(policy.finish())
}

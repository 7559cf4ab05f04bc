//! tboot's own policy, which counts if the owner wrote none with `tb_polgen` into the TPM (`tboot/common/policy.c`, `_def_policy_da`
//! and `_def_policy_12`; `include/tb_policy.h` has the structures).

use super::mapping::Mapping;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digests, digests_of};

/// `TB_POLCTL_EXTEND_PCR17`: the hash of the policy is measured, too.
const CONTROL: u32 = 1;
/// `TB_POL_PCR_NONE`, `TB_POL_MOD_NUM_ANY`, `TB_POL_MOD_NUM_NV_RAW`.
const NO_PCR: u8 = 255;
const ANY_MODULE: u8 = 129;
const NV_INDEX: u8 = 131;
/// The NV index of the last entry, and its PCR.
const GEO_TAG: (u32, u8) = (0x4000_0010, 22);

/// The digests of the policy's event: H(control | H(policy)). `policy` is the algorithm of the inner hash (`verify_g_policy`).
pub(super) fn digests(mapping: Mapping, policy: Bank, banks: &[Bank]) -> Digests {
    let hash = policy.digest(&bytes(mapping));
    digests_of(banks, &[CONTROL.to_le_bytes().as_slice(), hash.as_bytes()].concat())
}

/// The policy as it is in memory: `tb_policy_t` with three entries, packed.
fn bytes(mapping: Mapping) -> Vec<u8> {
    // The algorithm of hashes in the policy, of which there are none: `TB_HALG_SHA256` or `TB_HALG_SHA1`.
    let algorithm = match mapping {
        Mapping::Details => Bank::Sha256,
        Mapping::Legacy => Bank::Sha1,
    };
    let [algorithm, _] = algorithm.algorithm().to_le_bytes();
    // version, policy_type (TB_POLTYPE_CONT_NON_FATAL), hash_alg; policy_control; reserved; num_entries.
    let mut bytes = vec![2, 0, algorithm];
    bytes.extend(CONTROL.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.push(3);
    for (module, pcr, index) in [(0, NO_PCR, 0), (ANY_MODULE, mapping.others(), 0), (NV_INDEX, GEO_TAG.1, GEO_TAG.0)] {
        // mod_num, pcr, hash_type (TB_HTYPE_ANY); nv_index; num_hashes.
        bytes.extend([module, pcr, 0]);
        bytes.extend(index.to_le_bytes());
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log of a machine with TXT and a TPM 2.0, under tboot 1.10 (mailing list tboot-devel, "PCR17 Replay Issue", 2021-12-01),
    /// has these digests for the policy, in PCR 17 and 18.
    #[test]
    fn the_digests_are_those_of_a_machine() {
        let found = digests(Mapping::Details, Bank::Sha256, &[Bank::Sha1, Bank::Sha256]);
        assert_eq!(found[&Bank::Sha1].to_string(), "0afc07618e3739481f4c2abaf703ca4e35507e6e");
        assert_eq!(
            found[&Bank::Sha256].to_string(),
            "71be5852a14eabefebf0df0e1acc5da291883b6d4c5ab20914ed987c1daf3f91"
        );
    }

    #[test]
    fn the_mapping_and_the_algorithm_change_the_policy() {
        let [details, legacy] = [Mapping::Details, Mapping::Legacy].map(bytes);
        assert_eq!((details.len(), legacy.len()), (36, 36));
        assert_eq!((details[2], details[12 + 8 + 1], legacy[2], legacy[12 + 8 + 1]), (0xB, 17, 4, 19));
        let of = |mapping, policy| digests(mapping, policy, &[Bank::Sha1]);
        assert_ne!(of(Mapping::Legacy, Bank::Sha1), of(Mapping::Legacy, Bank::Sha256));
    }
}

//! The public areas from which a TPM 2.0 derives the keys of `measureroot attest`. The same area under the same hierarchy gives the same
//! key at any time, until the owner of the platform changes the seed of the endorsement hierarchy (TPM 2.0 Library, Part 1, "Primary Seed
//! Properties"; Part 3, `TPM2_CreatePrimary`). So no key has to be stored: the root of the machine may lose all files at each boot.

/// What every attestation key here has: restricted, it signs only what the TPM made; fixedTPM and fixedParent, it cannot leave the TPM;
/// sensitiveDataOrigin, the TPM made it; userWithAuth with an empty value, each program that may use the TPM can quote; noDA, the failures
/// of other programs do not lock it (TPM 2.0 Library, Part 2, section 8.3).
const SIGNS: [u8; 4] = [0x00, 0x05, 0x04, 0x72];

/// What an endorsement key has: restricted, decrypt, adminWithPolicy, fixedTPM, fixedParent, sensitiveDataOrigin.
const DECRYPTS: [u8; 4] = [0x00, 0x03, 0x00, 0xb2];

/// The policy of endorsement keys: TPM2_PolicySecret with the endorsement hierarchy (TCG EK Credential Profile 2.4, "PolicyA").
const POLICY: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7,
    0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// What an endorsement key of the high range has: the same, and userWithAuth with an empty value. So its use needs no policy; its policy is for
/// what changes the key.
const DECRYPTS_HIGH: [u8; 4] = [0x00, 0x03, 0x00, 0xf2];

/// The policies of endorsement keys of the high range: the one above, or that of an NV index (TCG EK Credential Profile 2.4, "PolicyB"), with
/// SHA-256 and with SHA-384.
const POLICY_HIGH_256: [u8; 32] = [
    0xca, 0x3d, 0x0a, 0x99, 0xa2, 0xb9, 0x39, 0x06, 0xf7, 0xa3, 0x34, 0x24, 0x14, 0xef, 0xcf, 0xb3, 0xa3, 0x85, 0xd4,
    0x4c, 0xd1, 0xfd, 0x45, 0x90, 0x89, 0xd1, 0x9b, 0x50, 0x71, 0xc0, 0xb7, 0xa0,
];
const POLICY_HIGH_384: [u8; 48] = [
    0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a, 0x07, 0x41, 0x48,
    0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca, 0xcb, 0x47, 0xba, 0x09, 0x69, 0x96,
    0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12,
];

/// The types of keys, and the hash of their names (TCG Algorithm Registry 1.34, table 3).
const RSA: [u8; 4] = [0x00, 0x01, 0x00, 0x0b];
const ECC: [u8; 4] = [0x00, 0x23, 0x00, 0x0b];
const RSA_SHA384: [u8; 4] = [0x00, 0x01, 0x00, 0x0c];
const ECC_SHA384: [u8; 4] = [0x00, 0x23, 0x00, 0x0c];
/// AES of 128 or 256 bits in the mode CFB, which encrypts what is for the key.
const CIPHER: [u8; 6] = [0x00, 0x06, 0x00, 0x80, 0x00, 0x43];
const CIPHER_256: [u8; 6] = [0x00, 0x06, 0x01, 0x00, 0x00, 0x43];
/// TPM_ALG_NULL.
const NULL: [u8; 2] = [0x00, 0x10];
/// 2048 bits, and the default exponent.
const RSA_2048: [u8; 6] = [0x08, 0x00, 0x00, 0x00, 0x00, 0x00];
const RSA_3072: [u8; 6] = [0x0c, 0x00, 0x00, 0x00, 0x00, 0x00];
/// TPM_ECC_NIST_P256 and TPM_ECC_NIST_P384, and no key derivation.
const P256: [u8; 4] = [0x00, 0x03, 0x00, 0x10];
const P384: [u8; 4] = [0x00, 0x04, 0x00, 0x10];

/// A key of the endorsement hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// Signs quotes: ECDSA on P-256 with SHA-256.
    AttestationEcc,
    /// Signs quotes, if the TPM has no ECC: RSASSA of 2048 bits with SHA-256.
    AttestationRsa,
    /// The endorsement key of 2048 bits (TCG EK Credential Profile 2.4, template L-1).
    EndorsementRsa,
    /// The endorsement key on P-256 (template L-2).
    EndorsementEcc,
    /// The same of the high range, 2048 bits (template H-1).
    HighRsa2048,
    /// On P-256 (template H-2).
    HighP256,
    /// On P-384 (template H-3).
    HighP384,
    /// 3072 bits (template H-6).
    HighRsa3072,
}

impl KeyKind {
    /// The endorsement keys, in the order in which their certificates are looked for. The RSA key of the low range comes first: each TPM of a PC
    /// has it.
    pub(crate) const ENDORSEMENT: [Self; 6] = [
        Self::EndorsementRsa,
        Self::EndorsementEcc,
        Self::HighRsa2048,
        Self::HighP256,
        Self::HighP384,
        Self::HighRsa3072,
    ];

    /// `TPMT_PUBLIC` (TPM 2.0 Library, Part 2, section 12.2.4).
    pub(super) fn template(self) -> Vec<u8> {
        let (no_policy, none): (&[u8], &[u8]) = (&[0, 0], &[0, 0]);
        let policy = [&[0, 32], &POLICY[..]].concat();
        let parts: Vec<&[u8]> = match self {
            // ECDSA, RSASSA with SHA-256. Nothing is unique, so that `tpm2_createprimary` makes the same key.
            Self::AttestationEcc => vec![&ECC, &SIGNS, no_policy, &NULL, &[0x00, 0x18, 0x00, 0x0b], &P256, none, none],
            Self::AttestationRsa => vec![&RSA, &SIGNS, no_policy, &NULL, &[0x00, 0x14, 0x00, 0x0b], &RSA_2048, none],
            Self::EndorsementRsa => {
                vec![&RSA, &DECRYPTS, &policy, &CIPHER, &NULL, &RSA_2048, &[0x01, 0x00], &[0; 256]]
            }
            Self::EndorsementEcc => {
                vec![&ECC, &DECRYPTS, &policy, &CIPHER, &NULL, &P256, &[0x00, 32], &[0; 32], &[0x00, 32], &[0; 32]]
            }
            // Of the high range, nothing is unique.
            Self::HighRsa2048 => {
                vec![&RSA, &DECRYPTS_HIGH, &[0, 32], &POLICY_HIGH_256, &CIPHER, &NULL, &RSA_2048, none]
            }
            Self::HighP256 => {
                vec![&ECC, &DECRYPTS_HIGH, &[0, 32], &POLICY_HIGH_256, &CIPHER, &NULL, &P256, none, none]
            }
            Self::HighP384 => {
                vec![&ECC_SHA384, &DECRYPTS_HIGH, &[0, 48], &POLICY_HIGH_384, &CIPHER_256, &NULL, &P384, none, none]
            }
            Self::HighRsa3072 => {
                vec![&RSA_SHA384, &DECRYPTS_HIGH, &[0, 48], &POLICY_HIGH_384, &CIPHER_256, &NULL, &RSA_3072, none]
            }
        };
        parts.concat()
    }

    /// The NV index with the certificate of an endorsement key (TCG EK Credential Profile 2.4, section 2.2.1.4).
    pub(super) fn certificate_index(self) -> Option<u32> {
        match self {
            Self::EndorsementRsa => Some(0x01c0_0002),
            Self::EndorsementEcc => Some(0x01c0_000a),
            Self::HighRsa2048 => Some(0x01c0_0012),
            Self::HighP256 => Some(0x01c0_0014),
            Self::HighP384 => Some(0x01c0_0016),
            Self::HighRsa3072 => Some(0x01c0_001c),
            Self::AttestationEcc | Self::AttestationRsa => None,
        }
    }

    /// The length of a secret that is encrypted to the key: the modulus of RSA, or a point, whose two numbers have their lengths in front (TPM 2.0
    /// Library, Part 2, section 11.4.3). `None` of a key to which nothing is encrypted.
    pub(crate) fn secret_length(self) -> Option<usize> {
        match self {
            Self::AttestationEcc | Self::AttestationRsa => None,
            Self::EndorsementRsa | Self::HighRsa2048 => Some(256),
            Self::HighRsa3072 => Some(384),
            Self::EndorsementEcc | Self::HighP256 => Some(2 * (2 + 32)),
            Self::HighP384 => Some(2 * (2 + 48)),
        }
    }

    /// Whether the key is used by its policy, and not by its value, which is empty.
    pub(super) fn is_used_by_policy(self) -> bool {
        matches!(self, Self::EndorsementRsa | Self::EndorsementEcc)
    }

    /// The name in errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AttestationEcc | Self::AttestationRsa => "TPM2_CreatePrimary of the attestation key",
            _ => "TPM2_CreatePrimary of the endorsement key",
        }
    }
}

#[cfg(test)]
mod tests {
    use tss_esapi::structures::Public;
    use tss_esapi::traits::{Marshall, UnMarshall};

    use super::*;
    use crate::hash::bank::Bank;

    #[test]
    fn each_template_is_a_whole_public_area() {
        let attestation = [KeyKind::AttestationEcc, KeyKind::AttestationRsa];
        for kind in attestation.into_iter().chain(KeyKind::ENDORSEMENT) {
            let template = kind.template();
            assert_eq!(Public::unmarshall(&template).unwrap().marshall().unwrap(), template, "{kind:?}");
            let is_ek = KeyKind::ENDORSEMENT.contains(&kind);
            assert_eq!((kind.certificate_index().is_some(), kind.secret_length().is_some()), (is_ek, is_ek));
        }
    }

    /// A step of a policy: the hash of the policy before, and of this text in hex (TPM 2.0 Library, Part 3, section 23).
    fn step(bank: Bank, before: &[u8], text: &str) -> Vec<u8> {
        bank.digest(&[before, &hex::decode(text).unwrap()].concat()).as_bytes().to_vec()
    }

    #[test]
    fn each_policy_is_made_of_its_commands() {
        // PolicyC of the profile: TPM2_PolicyAuthorizeNV with the index 0x01c07f01 or 0x01c07f02.
        for (bank, other, policy) in [
            (Bank::Sha256, "3767e2edd43ff45a3a7e1eaefcef78643dca964632e7aad82c673a30d8633fde", &POLICY_HIGH_256[..]),
            (
                Bank::Sha384,
                "d6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165",
                &POLICY_HIGH_384,
            ),
        ] {
            let zero = vec![0; policy.len()];
            // TPM2_PolicySecret with TPM_RH_ENDORSEMENT and no reference, then TPM2_PolicyOR.
            let secret = step(bank, &step(bank, &zero, "000001514000000b"), "");
            assert!(bank != Bank::Sha256 || secret == POLICY);
            assert_eq!(step(bank, &zero, &format!("00000171{}{other}", hex::encode(secret))), policy, "{bank}");
        }
    }
}

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

/// The types of keys, and the hash of their names (TCG Algorithm Registry 1.34, table 3).
const RSA: [u8; 4] = [0x00, 0x01, 0x00, 0x0b];
const ECC: [u8; 4] = [0x00, 0x23, 0x00, 0x0b];
/// AES of 128 bits in the mode CFB, which encrypts what is for the key.
const CIPHER: [u8; 6] = [0x00, 0x06, 0x00, 0x80, 0x00, 0x43];
/// TPM_ALG_NULL.
const NULL: [u8; 2] = [0x00, 0x10];
/// 2048 bits, and the default exponent.
const RSA_2048: [u8; 6] = [0x08, 0x00, 0x00, 0x00, 0x00, 0x00];
/// TPM_ECC_NIST_P256, and no key derivation.
const P256: [u8; 4] = [0x00, 0x03, 0x00, 0x10];

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
}

impl KeyKind {
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
        };
        parts.concat()
    }

    /// The NV index with the certificate of an endorsement key (TCG EK Credential Profile 2.4, section 2.2.1.4).
    pub(super) fn certificate_index(self) -> Option<u32> {
        match self {
            Self::EndorsementRsa => Some(0x01c0_0002),
            Self::EndorsementEcc => Some(0x01c0_000a),
            Self::AttestationEcc | Self::AttestationRsa => None,
        }
    }

    /// The name in errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AttestationEcc | Self::AttestationRsa => "TPM2_CreatePrimary of the attestation key",
            Self::EndorsementRsa | Self::EndorsementEcc => "TPM2_CreatePrimary of the endorsement key",
        }
    }
}

#[cfg(test)]
mod tests {
    use tss_esapi::structures::Public;
    use tss_esapi::traits::{Marshall, UnMarshall};

    use super::*;

    #[test]
    fn each_template_is_a_whole_public_area() {
        for kind in [KeyKind::AttestationEcc, KeyKind::AttestationRsa, KeyKind::EndorsementRsa, KeyKind::EndorsementEcc]
        {
            let template = kind.template();
            assert_eq!(Public::unmarshall(&template).unwrap().marshall().unwrap(), template, "{kind:?}");
            let is_ek = matches!(kind, KeyKind::EndorsementRsa | KeyKind::EndorsementEcc);
            assert_eq!(kind.certificate_index().is_some(), is_ek);
        }
    }
}

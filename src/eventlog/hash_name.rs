//! The name of the hash of a digest, as logs write it.

use serde_json::Value;

use crate::hash::bank::Bank;

/// A hash that a log names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HashName {
    /// A hash that is known here.
    Known(Bank),
    /// Another one. Its digests are kept, but no PCR value can be computed with them.
    Other(String),
}

impl HashName {
    /// The hash of a `TPM_ALG_ID`. Those that a TPM may have and that are not known here get their names (TCG Algorithm
    /// Registry 1.34, table 3), every other one gets its number in hex.
    pub(super) fn of_algorithm(id: u16) -> Self {
        Bank::of_algorithm(id).map_or_else(
            || match id {
                0x0012 => Self::Other("sm3_256".to_owned()),
                0x0027 => Self::Other("sha3_256".to_owned()),
                0x0028 => Self::Other("sha3_384".to_owned()),
                0x0029 => Self::Other("sha3_512".to_owned()),
                _ => Self::Other(format!("{id:#06x}")),
            },
            Self::Known,
        )
    }

    /// The hash of a field `hashAlg`: a number, a number as text (decimal or hex), or a name, which programs write in several
    /// ways (`sha256`, `SHA-256`, `TPM_ALG_SHA256`). `None` if it is neither text nor a `TPM_ALG_ID`.
    pub(super) fn of_json(field: &Value) -> Option<Self> {
        let Some(text) = field.as_str() else {
            return field.as_u64().and_then(|id| u16::try_from(id).ok()).map(Self::of_algorithm);
        };
        let name = text.to_ascii_lowercase();
        let number = match name.strip_prefix("0x") {
            Some(digits) => u16::from_str_radix(digits, 16).ok(),
            None => name.parse().ok(),
        };
        let plain: String = name.trim_start_matches("tpm_alg_").chars().filter(|c| !matches!(c, '-' | '_')).collect();
        let bank = || Bank::ALL.into_iter().find(|bank| bank.name() == plain).map(Self::Known);
        let named = || bank().unwrap_or_else(|| Self::Other(text.to_owned()));
        Some(number.map_or_else(named, Self::of_algorithm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_hash_may_be_named_in_several_ways() {
        for name in [json!("sha256"), json!("SHA256"), json!("SHA-256"), json!("TPM_ALG_SHA256"), json!("0x000B")] {
            assert_eq!(HashName::of_json(&name), Some(HashName::Known(Bank::Sha256)), "{name}");
        }
        assert_eq!(HashName::of_json(&json!(11)), Some(HashName::Known(Bank::Sha256)));
        assert_eq!(HashName::of_json(&json!("11")), Some(HashName::Known(Bank::Sha256)));
        for (name, other) in [
            (json!("sha265"), "sha265"),
            (json!("sm3_256"), "sm3_256"),
            (json!(0x12), "sm3_256"),
            (json!(0x27), "sha3_256"),
            (json!(0x28), "sha3_384"),
            (json!(0x29), "sha3_512"),
        ] {
            assert_eq!(HashName::of_json(&name), Some(HashName::Other(other.to_owned())), "{name}");
        }
        assert_eq!(HashName::of_json(&json!("0x0f00")), Some(HashName::Other("0x0f00".to_owned())));
        for wrong in [json!(null), json!(65536), json!(-1), json!(1.5), json!(["sha1"])] {
            assert_eq!(HashName::of_json(&wrong), None, "{wrong}");
        }
    }
}

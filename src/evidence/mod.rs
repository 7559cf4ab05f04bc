//! Evidence of a boot for a verifier: quotes, keys, lists of trusted images, verdicts. This runs on the verifier's or the
//! builder's machine. None of it is in the agent.

// Without the commands only the fuzz targets use this room, and they use a part of it.
#![cfg_attr(not(feature = "cli"), allow(dead_code))]

pub(crate) mod accepted;
pub(crate) mod allow_list;
mod bank_texts;
mod candidate;
mod certificate;
pub(crate) mod chain_judgement;
pub(crate) mod check;
mod closest;
mod dsse;
mod elsewhere;
pub(crate) mod enrolment;
pub(crate) mod evidence_file;
pub(crate) mod expected;
pub(crate) mod expiry;
pub(crate) mod freshness;
mod json_list;
mod json_object;
pub(crate) mod key;
mod key_material;
pub(crate) mod library_words;
mod log_prefix;
mod other_banks;
pub(crate) mod pcr_result;
mod pcr_texts;
mod pem;
pub(crate) mod policy;
pub(crate) mod proof;
mod public;
mod qualified_name;
pub(crate) mod quote;
pub mod quoted_values;
mod same_image;
mod scheme;
mod selection;
pub mod serialized_pcrs;
pub(crate) mod signature;
pub(crate) mod signer;
pub(crate) mod signer_key;
pub(crate) mod signing_key;
mod statement;
pub(crate) mod submission;
mod systemd_reason;
mod tpm12_key;
mod tpm12_quote;
mod tpm12_submission;
pub mod tpm12_values;
pub(crate) mod trusted_image;
pub(crate) mod unchecked;
pub(crate) mod verdict;
mod vouched_banks;

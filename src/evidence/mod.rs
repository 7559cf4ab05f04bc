//! What others take for evidence of a boot: quotes, keys, policies. For a person's machine; none of it is in the agent.

pub mod allow;
pub mod attest;
pub mod key;
pub mod policy;
pub mod prefix;
pub mod proof;
pub mod public;
pub mod scheme;
pub mod selection;
pub mod signature;
pub mod until;
pub mod values;
pub mod verdict;
pub mod wire;

//! What others take for evidence of a boot: quotes, keys, policies. For a person's machine; none of it is in the agent.

pub mod allow;
pub mod expiry;
pub mod key;
pub mod log_prefix;
pub mod policy;
pub mod proof;
pub mod public;
pub mod quote;
pub mod quoted_values;
pub mod scheme;
pub mod selection;
pub mod signature;
pub mod verdict;

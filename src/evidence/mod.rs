//! What others take for evidence of a boot: quotes, keys, policies. For a person's machine; none of it is in the agent.

pub mod allow;
pub mod policy;
pub mod selection;
pub mod until;

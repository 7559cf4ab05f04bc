//! What an entry of the list of trusted images expects of the PCRs that are extended before the agent, and how a boot differs from it.
//!
//! `chain` has the parts of each PCR, with alternatives where a machine decides; `json` is its form in the list; `answers` finds the
//! answers that lead to what was quoted; `alignment` finds the events that differ; `difference` puts them into words.

mod alignment;
mod answers;
pub(crate) mod chain;
mod command_line;
pub(in crate::evidence) mod comparison;
pub(crate) mod difference;
pub(in crate::evidence) mod held;
pub(crate) mod json;

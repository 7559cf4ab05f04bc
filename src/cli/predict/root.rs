//! A root image that a boot measures.

use super::subject::Subject;
use crate::hash::digest::Digests;
use crate::measure::pcr::PcrIndex;

/// The image.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// What is measured.
    pub(super) subject: Subject,
    /// Into which PCR.
    pub(super) pcr: PcrIndex,
    /// What the PCR is extended with.
    pub(super) digests: Digests,
}

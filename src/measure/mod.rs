//! What is measured, into which PCR, and which digest stands for an image.

pub mod image_digest;
pub(crate) mod image_format;
pub mod measurement;
pub(crate) mod pcr;
pub(crate) mod pcrs;
pub(crate) mod rtmr;
pub(crate) mod rtmr_choice;
pub(crate) mod session;
#[cfg(any(test, feature = "cli"))]
pub(crate) mod soft_pcrs;
pub(crate) mod tpm_version;

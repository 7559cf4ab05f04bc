//! What is measured, into which PCR, and which digest stands for an image.

pub mod image_digest;
pub mod image_format;
pub mod measurement;
pub mod pcr;
pub mod pcrs;
pub mod session;
#[cfg(any(test, feature = "cli"))]
pub(crate) mod soft_pcrs;

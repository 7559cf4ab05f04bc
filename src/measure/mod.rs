//! What is measured and into which PCR, and what an image counts as.

pub mod image_format;
pub mod measurement;
pub mod pcr;
pub mod session;

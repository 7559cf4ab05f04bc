//! tboot: a dynamic launch with Intel TXT. A boot loader (multiboot 2) starts tboot, which has the processor start Intel's SINIT
//! module. SINIT measures tboot, the MLE (measured launch environment), into PCRs that only a launch resets; tboot measures the
//! kernel and the initrds, and starts the kernel.
//!
//! The source is tboot 1.10, Debian's version (`tboot/common/policy.c`, `tboot/txt/txt.c`, `lcptools-v2/mlehash.c`, and the section
//! "PCR Usage" of `docs/howto_use.md`); for what SINIT measures, Intel's "TXT Software Development Guide" (the MLE guide). No machine
//! with TXT was at hand: nothing here was compared with a boot.

mod acm;
mod header;
mod image;
pub(crate) mod kernel;
pub mod launch_log;
mod mapping;
mod module;
mod options;
mod policy;
pub mod prediction;
#[cfg(test)]
mod tests;
mod unpacked;

pub use image::Mle;
pub use mapping::Mapping;
pub use module::Module;

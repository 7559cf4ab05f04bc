//! tpm2-tss (marshalling, system API, enhanced system API), compiled from its sources and linked statically, so that a boot
//! program needs no shared library and `tss-esapi` finds its symbols in every target.
//!
//! The crate has no functions: a program that uses `tss-esapi` needs the line `use tss2_static as _;`. Without it, rustc drops
//! the unused crate with its library, and linking fails with undefined `Esys_*` symbols.
//!
//! Left out on purpose:
//! - every TCTI: `tss2_tcti` reaches the TPM through the kernel's device;
//! - the backends over OpenSSL and mbedTLS: `tss2_crypto` has what a salted HMAC session needs.

use tss2_crypto as _;
pub use tss2_tcti as tcti;

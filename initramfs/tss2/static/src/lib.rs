//! tpm2-tss (marshalling, system API, enhanced system API, and the device TCTI), compiled from its sources and linked
//! statically, so that a boot program needs no shared library and `tss-esapi` finds its symbols in every target.
//!
//! There is nothing to call here: a program that uses `tss-esapi` says `use tss2_static as _;`. Without that line rustc
//! sees an unused crate, drops it with its library, and the link fails with undefined `Esys_*` symbols.
//!
//! What is left out, on purpose:
//! - every TCTI but `device`: an agent in an initramfs has a kernel, and the kernel has the TPM;
//! - the backends over OpenSSL and mbedTLS: `tss2_crypto` has what a salted HMAC session needs.

use tss2_crypto as _;

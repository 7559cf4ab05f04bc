//! tpm2-tss (marshalling, system API, enhanced system API, and the device TCTI), compiled from its sources and linked
//! statically, so that a boot program needs no shared library and `tss-esapi` finds its symbols in every target.
//!
//! There is nothing to call here: a program that uses `tss-esapi` says `use tss2_static as _;`. Without that line rustc
//! sees an unused crate, drops it with its library, and the link fails with undefined `Esys_*` symbols.
//!
//! What is left out, on purpose:
//! - every TCTI but `device`: an agent in an initramfs has a kernel, and the kernel has the TPM;
//! - the crypto backend: only sessions that salt, encrypt or use HMAC need one, and extending or reading a PCR takes a
//!   plain password session. ESYS answers `0x00070011` to a program that asks for more.

//! The way of tpm2-tss to the TPM (its TCTI): the kernel's device, with a limit for each wait.
//!
//! tpm2-tss has a TCTI for the device, too. It is not used, for three reasons:
//!
//! * ESYS lets it wait without a limit, and a limit would not help: poll(2) waits for the lock that the kernel holds while the
//!   TPM works (Linux, drivers/char/tpm/tpm-dev-common.c, `tpm_common_poll`).
//! * When it opens the device, it sends TPM2_GetRandom, and gives up if the answer takes more than a second. A TPM that tests
//!   itself at that time takes longer.
//! * It returns one code for every failure. [`line::Line`] keeps the cause.

pub mod answer;
pub mod asked;
pub mod exports;
pub mod family;
pub mod line;
pub mod shape;

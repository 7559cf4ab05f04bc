//! The crypto backend of ESYS: as much of it as a session takes that is salted with a P-256 key, has SHA-256 HMACs and
//! encrypts no parameter. OpenSSL would be eight times the agent, and mbedTLS a second implementation of the same hash.
//!
//! tpm2-tss is compiled to call mbedTLS' backend (`-DMBED`, see tss2-static) and finds these functions in its place:
//! `Esys_SetCryptoCallbacks` cannot be reached, for tss-esapi keeps its `ESYS_CONTEXT` to itself. What is not here says
//! `NOT_IMPLEMENTED`, which ESYS hands through to its caller.

pub mod ecdh;
pub mod exports;
pub mod hash;

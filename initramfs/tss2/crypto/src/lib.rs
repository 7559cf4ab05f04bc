//! The crypto backend of ESYS, for one kind of session: salted with a P-256 key, with SHA-256 HMACs, without encrypted
//! parameters. OpenSSL would be eight times as large as the agent, and mbedTLS a second implementation of the same hash.
//!
//! tpm2-tss is compiled to call mbedTLS' backend (`-DMBED`, see tss2-static), and these functions take its place:
//! `Esys_SetCryptoCallbacks` cannot be called, because tss-esapi keeps its `ESYS_CONTEXT` private. Everything else returns
//! `NOT_IMPLEMENTED`, and ESYS passes that to its caller.

pub mod ecdh;
pub mod exports;
pub mod hash;

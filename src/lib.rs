//! measureroot: measure a root image into a TPM 2.0 PCR, then make it the root.

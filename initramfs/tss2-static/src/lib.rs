//! tpm2-tss, compiled from its sources and linked statically.

//! PCRs of a TPM 2.0, through the TPM 2.0 software stack (ESYS). The only folder that names tss-esapi.

mod command_error;
mod esys;
mod every_tpm;
mod leftovers;
mod pcrs;
mod request;
mod salted;

pub use esys::EsysPcrs;
pub(crate) use every_tpm::EveryTpm;
pub(crate) use request::TpmRequest;

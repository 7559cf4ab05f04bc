//! PCRs of a TPM 2.0, through the TPM 2.0 software stack (ESYS), and of a TPM 1.2, without one. The only folder that names tss-esapi.

mod asked_version;
mod command_error;
mod esys;
mod every_tpm;
mod leftovers;
mod open_line;
mod pcrs;
mod request;
mod salted;
mod version12;
mod version12_answer;

pub use asked_version::is_version12;
pub use esys::EsysPcrs;
pub(crate) use every_tpm::EveryTpm;
pub(crate) use request::TpmRequest;
pub use version12::Version12;

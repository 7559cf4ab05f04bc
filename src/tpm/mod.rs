//! The registers of the machine: the PCRs of a TPM 2.0, through the TPM 2.0 software stack (ESYS), and of a TPM 1.2, without one; the RTMRs
//! that the kernel shows. The only folder that names tss-esapi.

mod asked_version;
#[cfg(feature = "cli")]
pub(crate) mod attestation;
mod command_error;
mod esys;
mod every_tpm;
#[cfg(test)]
mod every_tpm_tests;
#[cfg(test)]
mod fake_pcrs;
#[cfg(feature = "cli")]
pub(crate) mod key_templates;
mod leftovers;
#[cfg(feature = "cli")]
mod nv_index;
mod one_tpm;
mod open_line;
mod pcrs;
mod request;
mod salted;
mod tsm_register;
mod version12;
mod version12_answer;
mod with_rtmrs;

pub use asked_version::is_version12;
pub use esys::EsysPcrs;
pub(crate) use every_tpm::EveryTpm;
pub(crate) use request::TpmRequest;
pub(crate) use tsm_register::TsmRegister;
pub use version12::Version12;
pub(crate) use with_rtmrs::WithRtmrs;

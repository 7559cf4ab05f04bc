//! The seam between what is measured and the registers that hold it.

use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::PcrIndex;
use crate::measure::rtmr::RtmrIndex;
use crate::measure::session::Session;
use crate::measure::tpm_version::TpmVersion;

/// PCRs that can be read and extended: those of a TPM, or arithmetic in their place.
pub trait Pcrs {
    /// The active banks of `pcr`.
    ///
    /// # Errors
    /// When the TPM does not answer, when no bank is active, or when this program does not know the hash of an active bank.
    /// That bank would stay unextended, and later software could extend it with the digest of any image.
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>>;

    /// The value of `pcr` in each of `banks`.
    ///
    /// # Errors
    /// When the TPM does not give a value for each bank.
    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests>;

    /// Extends `pcr` in all banks of `digests` with one command.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()>;

    /// What protects commands and answers on the bus to the TPM; `None` if there is no TPM.
    fn session(&self) -> Option<Session> {
        None
    }

    /// The version of each TPM; empty if there is none.
    fn tpms(&self) -> Vec<TpmVersion> {
        Vec::new()
    }
    /// Whether there are PCRs. If not, there are only RTMRs, and the other methods find no bank.
    fn has_pcrs(&self) -> bool {
        true
    }

    /// The RTMRs beside the PCRs. Whoever extends a PCR extends them, too: a register that stayed as it was would say that nothing
    /// happened, and later software could extend it with the digest of any image.
    fn rtmrs(&mut self) -> &mut [Rtmr] {
        &mut []
    }
}

/// An RTMR, and what reads and extends it.
pub struct Rtmr {
    /// Its number.
    pub(crate) index: RtmrIndex,
    /// It has one bank, [`RtmrIndex::BANK`], and is the same register for every PCR.
    pub(crate) register: Box<dyn Pcrs>,
}

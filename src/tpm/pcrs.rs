//! Reading and extending the PCRs of an open TPM.

use tss_esapi::constants::CapabilityType;
use tss_esapi::handles::PcrHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    CapabilityData, Digest as TpmDigest, DigestValues, PcrSelectionList, PcrSelectionListBuilder, PcrSlot,
};

use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::{Pcr, PcrIndex};
use crate::measure::pcrs::Pcrs;
use crate::measure::session::Session;
use crate::measure::tpm_version::TpmVersion;
use crate::tpm::esys::{Bus, EsysPcrs};

/// The largest number of PCR selections that a TPM can list: one for each hash (TPM 2.0 Library, Part 2,
/// `TPML_PCR_SELECTION`).
const ALL_BANKS: u32 = 16;

impl Pcrs for EsysPcrs {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        self.active_banks(pcr.into())
    }

    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        self.values(pcr.into(), banks)
    }

    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        let handle = PcrHandle::try_from(u32::from(pcr.get())).about(format_args!("PCR {pcr}"))?;
        let mut values = DigestValues::new();
        for (&bank, digest) in digests {
            values.set(algorithm(bank), TpmDigest::try_from(digest.as_bytes()).about("digest")?);
        }
        let name = format!("TPM2_PCR_Extend of PCR {pcr}");
        self.run(name, Some(AuthSession::Password), |esys| esys.pcr_extend(handle, values))?;
        // The next command reads the PCR back. The session ends with it, so that no session stays in the TPM.
        self.end_session()
    }

    fn session(&self) -> Option<Session> {
        Some(match self.bus {
            Bus::Unprotected => Session::None,
            Bus::Protected { .. } => Session::Hmac,
        })
    }

    fn tpms(&self) -> Vec<TpmVersion> {
        vec![TpmVersion::V2_0]
    }
}

/// Reading, which is possible for PCRs that cannot hold an image, too.
impl EsysPcrs {
    /// As [`Pcrs::banks`].
    pub(crate) fn active_banks(&mut self, pcr: Pcr) -> Result<Vec<Bank>> {
        // In the session, too: an attacker that hides a bank would keep it from being extended.
        let name = "TPM2_GetCapability(PCRS)";
        let (data, _) = self.run(name, None, |esys| esys.get_capability(CapabilityType::AssignedPcr, 0, ALL_BANKS))?;
        let CapabilityData::AssignedPcr(list) = data else {
            return Err(Error::new(name, "gave another capability"));
        };
        let slot = slot(pcr)?;
        let active = list.get_selections().iter().filter(|selection| selection.is_selected(slot));
        let banks = active.map(|selection| bank(selection.hashing_algorithm())).collect::<Result<Vec<_>>>()?;
        let banks = Bank::in_order(&banks);
        if banks.is_empty() {
            return Err(Error::new(format_args!("PCR {pcr}"), "no bank of it is active")
                .hint("activate one in the firmware, or with tpm2_pcrallocate"));
        }
        Ok(banks)
    }

    /// As [`Pcrs::read`].
    pub(crate) fn values(&mut self, pcr: Pcr, banks: &[Bank]) -> Result<Digests> {
        let slot = slot(pcr)?;
        let mut values = Digests::new();
        while values.len() < banks.len() {
            let missing: Vec<_> = banks.iter().copied().filter(|bank| !values.contains_key(bank)).collect();
            let selected = selection(&missing, pcr)?;
            let (_, given, digests) = self.run("TPM2_PCR_Read", None, |esys| esys.pcr_read(selected))?;
            // A TPM may answer for a part of the banks, and the built list has no fixed order: match by bank, and ask again.
            let given: Vec<_> = given.get_selections().iter().filter(|selection| selection.is_selected(slot)).collect();
            if given.is_empty() || given.len() != digests.value().len() {
                let cause = format!("the TPM gives {} digests for {} banks", digests.value().len(), given.len());
                return Err(Error::new(format_args!("PCR {pcr}"), cause));
            }
            for (selection, digest) in given.into_iter().zip(digests.value()) {
                let bank = bank(selection.hashing_algorithm())?;
                if !missing.contains(&bank) || values.insert(bank, Digest::from_bytes(bank, digest.value())?).is_some()
                {
                    return Err(Error::new(
                        format!("PCR {pcr}"),
                        format!("the TPM gives a value for {bank} that was not asked for"),
                    ));
                }
            }
        }
        Ok(values)
    }
}

fn selection(banks: &[Bank], pcr: Pcr) -> Result<PcrSelectionList> {
    let slot = slot(pcr)?;
    let list =
        banks.iter().fold(PcrSelectionListBuilder::new(), |list, &bank| list.with_selection(algorithm(bank), &[slot]));
    list.build().about("PCR selection")
}

pub(super) fn slot(pcr: Pcr) -> Result<PcrSlot> {
    PcrSlot::try_from(1 << pcr.get()).about(format_args!("PCR {pcr}"))
}

pub(super) fn algorithm(bank: Bank) -> HashingAlgorithm {
    match bank {
        Bank::Sha1 => HashingAlgorithm::Sha1,
        Bank::Sha256 => HashingAlgorithm::Sha256,
        Bank::Sha384 => HashingAlgorithm::Sha384,
        Bank::Sha512 => HashingAlgorithm::Sha512,
    }
}

fn bank(algorithm: HashingAlgorithm) -> Result<Bank> {
    match algorithm {
        HashingAlgorithm::Sha1 => Ok(Bank::Sha1),
        HashingAlgorithm::Sha256 => Ok(Bank::Sha256),
        HashingAlgorithm::Sha384 => Ok(Bank::Sha384),
        HashingAlgorithm::Sha512 => Ok(Bank::Sha512),
        other => Err(Error::new(format_args!("PCR bank {other:?}"), "this program does not know its hash")
            .hint("the bank would stay unextended; deactivate it in the firmware, or with tpm2_pcrallocate")),
    }
}

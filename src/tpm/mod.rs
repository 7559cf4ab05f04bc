//! PCRs of a TPM 2.0, through the TPM 2.0 software stack (ESYS). The only folder that names tss-esapi.

mod salted;

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use tss_esapi::Context as Esys;
use tss_esapi::constants::CapabilityType;
use tss_esapi::handles::PcrHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    CapabilityData, Digest as TpmDigest, DigestValues, PcrSelectionList, PcrSelectionListBuilder, PcrSlot,
};
use tss_esapi::tcti_ldr::{DeviceConfig, TctiNameConf};
// Without this the static library is not linked.
use tss2_static as _;

use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::session::{Session, SessionChoice};
use salted::Refusal;

/// How many PCR selections a TPM can list at once: one a hash it has (TPM 2.0 Library, Part 2, `TPML_PCR_SELECTION`).
const ALL_BANKS: u32 = 16;

/// An open TPM.
pub struct EsysPcrs {
    esys: Esys,
    bus: Bus,
}

/// What lies between us and the TPM.
enum Bus {
    /// Believed.
    Trusted,
    /// Not believed: each command goes through a session, which is started when there is none.
    Untrusted { session: Option<AuthSession>, ends: bool, null_name: Option<String> },
}

impl EsysPcrs {
    /// Opens the device, for example /dev/tpm0, and believes what lies between.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(device: &Path) -> Result<Self> {
        // As a value: parsing the usual string form would bring a regular-expression engine into the initramfs.
        let device_config = DeviceConfig::from_str(&device.to_string_lossy()).about(device.display())?;
        let esys = Esys::new(TctiNameConf::Device(device_config))
            .about_hint(device.display(), "does another program hold the TPM?")?;
        Ok(Self { esys, bus: Bus::Trusted })
    }

    /// The same TPM, through the session that is wanted. `null_name` is what the kernel calls the key that salts it, if
    /// it knows it.
    ///
    /// # Errors
    /// When the session cannot be had.
    pub fn protected(mut self, wanted: SessionChoice, null_name: Option<String>) -> Result<Self> {
        if wanted == SessionChoice::None {
            return Ok(self);
        }
        // What the kernel did, the TPM can do.
        let able = null_name.is_some();
        self.bus = Bus::Untrusted { session: None, ends: false, null_name };
        match self.current_session() {
            Err(Refusal::Unable(error)) if wanted == SessionChoice::Auto && !able => {
                // Somebody on the bus may have said so: no less than an error, which the person sees in any case.
                log::error!("no HMAC session, the bus to the TPM is believed: {error}");
                self.bus = Bus::Trusted;
            }
            Err(refusal) => return Err(refusal.into()),
            Ok(_) => {}
        }
        Ok(self)
    }

    fn current_session(&mut self) -> std::result::Result<Option<AuthSession>, Refusal> {
        let Bus::Untrusted { session, null_name, .. } = &mut self.bus else { return Ok(None) };
        if session.is_none() {
            *session = Some(salted::start(&mut self.esys, null_name.as_deref())?);
        }
        Ok(*session)
    }

    /// Runs a command through the session; where there is none, authorized by `plain`.
    fn run<T>(
        &mut self,
        name: impl Display,
        plain: Option<AuthSession>,
        command: impl FnOnce(&mut Esys) -> tss_esapi::Result<T>,
    ) -> Result<T> {
        let session = self.current_session()?.or(plain);
        let answer = self.esys.execute_with_session(session, command);
        let answer = answer.map_err(|error| salted::explained(name, error))?;
        if let Bus::Untrusted { session, ends: ends @ true, .. } = &mut self.bus {
            *ends = false;
            session.take().into_iter().for_each(|session| salted::forget(&mut self.esys, session));
        }
        Ok(answer)
    }

    /// The next command is the session's last one.
    fn end_session(&mut self) -> Result<()> {
        if let Bus::Untrusted { session: Some(session), ends, .. } = &mut self.bus {
            salted::set(&mut self.esys, *session, false)?;
            *ends = true;
        }
        Ok(())
    }

    fn selection(banks: &[Bank], pcr: PcrIndex) -> Result<PcrSelectionList> {
        let slot = slot(pcr)?;
        let list = banks
            .iter()
            .fold(PcrSelectionListBuilder::new(), |list, &bank| list.with_selection(algorithm(bank), &[slot]));
        list.build().about("PCR selection")
    }
}

impl Pcrs for EsysPcrs {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        // Not in the clear either: who hides a bank keeps it from being extended.
        let name = "TPM2_GetCapability(PCRS)";
        let (data, _) = self.run(name, None, |esys| esys.get_capability(CapabilityType::AssignedPcr, 0, ALL_BANKS))?;
        let CapabilityData::AssignedPcr(list) = data else {
            return Err(Error::new(name, "answered something else"));
        };
        let slot = slot(pcr)?;
        let active = list.get_selections().iter().filter(|selection| selection.is_selected(slot));
        let mut banks = active.map(|selection| bank(selection.hashing_algorithm())).collect::<Result<Vec<_>>>()?;
        banks.sort_unstable();
        banks.dedup();
        if banks.is_empty() {
            return Err(Error::new(format!("PCR {pcr}"), "the TPM has it in no active bank")
                .hint("allocate one in the firmware, or with tpm2_pcrallocate"));
        }
        Ok(banks)
    }

    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        let slot = slot(pcr)?;
        let mut values = Digests::new();
        while values.len() < banks.len() {
            let missing: Vec<_> = banks.iter().copied().filter(|bank| !values.contains_key(bank)).collect();
            let wanted = Self::selection(&missing, pcr)?;
            let (_, given, digests) = self.run("TPM2_PCR_Read", None, |esys| esys.pcr_read(wanted))?;
            // A TPM may answer a part of the question, and the list that was built has no order of its own.
            let given: Vec<_> = given.get_selections().iter().filter(|selection| selection.is_selected(slot)).collect();
            if given.is_empty() || given.len() != digests.value().len() {
                let cause = format!("the TPM gives {} digests for {} banks", digests.value().len(), given.len());
                return Err(Error::new(format!("PCR {pcr}"), cause));
            }
            for (selection, digest) in given.into_iter().zip(digests.value()) {
                let bank = bank(selection.hashing_algorithm())?;
                if !missing.contains(&bank) || values.insert(bank, Digest::from_bytes(bank, digest.value())?).is_some()
                {
                    return Err(Error::new(format!("PCR {pcr}"), format!("the TPM answers for {bank} unasked")));
                }
            }
        }
        Ok(values)
    }

    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        let handle = PcrHandle::try_from(u32::from(pcr.get())).about(format_args!("PCR {pcr}"))?;
        let mut values = DigestValues::new();
        for (&bank, digest) in digests {
            values.set(algorithm(bank), TpmDigest::try_from(digest.as_bytes()).about("digest")?);
        }
        let name = format!("TPM2_PCR_Extend of PCR {pcr}");
        self.run(name, Some(AuthSession::Password), |esys| esys.pcr_extend(handle, values))?;
        // What follows an extend is its reading back; with that the session ends, and is not left to be flushed.
        self.end_session()
    }

    fn session(&self) -> Option<Session> {
        Some(match self.bus {
            Bus::Trusted => Session::None,
            Bus::Untrusted { .. } => Session::Hmac,
        })
    }
}

fn slot(pcr: PcrIndex) -> Result<PcrSlot> {
    PcrSlot::try_from(1 << pcr.get()).about(format_args!("PCR {pcr}"))
}

fn algorithm(bank: Bank) -> HashingAlgorithm {
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
        other => Err(Error::new(format!("PCR bank {other:?}"), "its hash is not known here")
            .hint("it would stay unextended; switch the bank off in the firmware, or with tpm2_pcrallocate")),
    }
}

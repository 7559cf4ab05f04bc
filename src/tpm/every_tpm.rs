//! All TPMs of the machine as one. If one of them stayed as it was, its PCR would say that nothing happened, and later software
//! could extend it with the digest of any image.

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::session::Session;
use crate::measure::tpm_version::TpmVersion;
use crate::say;
use crate::tpm::one_tpm::OneTpm;

/// Counts the TPMs of the machine.
type Count = Box<dyn Fn() -> Result<usize>>;

/// The TPMs of the machine. A bank has the value of the first TPM in which it is active.
pub(crate) struct EveryTpm {
    tpms: Vec<OneTpm>,
    count: Count,
}

impl EveryTpm {
    /// These TPMs, each with its name. `count` counts the TPMs of the machine when the PCR is extended: one may have appeared.
    pub(crate) fn new(tpms: impl IntoIterator<Item = (String, Box<dyn Pcrs>)>, count: Count) -> Self {
        let mut tpms: Vec<_> = tpms.into_iter().map(|(name, pcrs)| OneTpm::new(name, pcrs)).collect();
        if let [only] = tpms.as_mut_slice() {
            only.name.clear();
        }
        Self { tpms, count }
    }

    /// Those of these TPMs that could be opened, for the mark of a failed boot.
    ///
    /// # Errors
    /// The last error, if none could be opened.
    pub(crate) fn of_those_that_opened(
        tpms: impl IntoIterator<Item = (String, Result<Box<dyn Pcrs>>)>,
        count: Count,
    ) -> Result<Self> {
        let (mut opened, mut last) = (Vec::new(), None);
        for (name, tpm) in tpms {
            match tpm {
                Ok(tpm) => opened.push((name, tpm)),
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) if opened.is_empty() => return Err(error),
            Some(error) => say::error!("{error}"),
            None => {}
        }
        Ok(Self::new(opened, count))
    }
}

impl Pcrs for EveryTpm {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        for tpm in &mut self.tpms {
            tpm.banks = tpm.pcrs.banks(pcr).map_err(|error| tpm.named(error))?;
        }
        let active: Vec<_> = self.tpms.iter().flat_map(|tpm| tpm.banks.iter().copied()).collect();
        Ok(Bank::in_order(&active))
    }

    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        let mut values = Digests::new();
        for tpm in &mut self.tpms {
            let missing = banks.iter().copied().filter(|bank| !values.contains_key(bank));
            let wanted: Vec<_> = missing.filter(|bank| tpm.has(*bank)).collect();
            if !wanted.is_empty() {
                values.extend(tpm.pcrs.read(pcr, &wanted).map_err(|error| tpm.named(error))?);
            }
        }
        Ok(values)
    }

    /// Extends all TPMs, even if one of them refuses. The caller checks what it can read with [`Pcrs::read`]: all banks of the
    /// first TPM. The others are checked here.
    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        let results = self.tpms.iter_mut().enumerate().map(|(nth, tpm)| {
            let done = if nth == 0 { tpm.extend(pcr, digests) } else { tpm.extend_checked(pcr, digests) };
            done.map_err(|error| tpm.named(error))
        });
        results.collect::<Vec<_>>().into_iter().collect::<Result<()>>()?;
        let count = (self.count)()?;
        if count > self.tpms.len() {
            let cause = format!("there are {count}, but there were {} when the boot looked for them", self.tpms.len());
            return Err(Error::new("TPMs of this machine", cause)
                .hint("all must be extended; is the driver of each in the initramfs, and loaded early?"));
        }
        Ok(())
    }

    fn session(&self) -> Option<Session> {
        // The weakest protection counts.
        let sessions: Vec<_> = self.tpms.iter().filter_map(|tpm| tpm.pcrs.session()).collect();
        if sessions.contains(&Session::None) { Some(Session::None) } else { sessions.first().copied() }
    }

    fn tpms(&self) -> Vec<TpmVersion> {
        self.tpms.iter().flat_map(|tpm| tpm.pcrs.tpms()).collect()
    }
}

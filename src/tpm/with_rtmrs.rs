//! The registers of a confidential virtual machine: its RTMRs, and the PCRs of a TPM if it has one.

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::{Pcrs, Rtmr};
use crate::measure::session::Session;
use crate::measure::tpm_version::TpmVersion;

/// RTMRs, with or without a TPM beside them.
pub(crate) struct WithRtmrs {
    tpm: Option<Box<dyn Pcrs>>,
    rtmrs: Vec<Rtmr>,
}

impl WithRtmrs {
    /// These RTMRs beside this TPM; `None` if there is neither.
    pub(crate) fn join(tpm: Option<Box<dyn Pcrs>>, rtmrs: Vec<Rtmr>) -> Option<Box<dyn Pcrs>> {
        if rtmrs.is_empty() { tpm } else { Some(Box::new(Self { tpm, rtmrs })) }
    }
}

impl Pcrs for WithRtmrs {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        self.tpm.as_mut().map_or(Ok(Vec::new()), |tpm| tpm.banks(pcr))
    }

    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        self.tpm.as_mut().map_or(Ok(Digests::new()), |tpm| tpm.read(pcr, banks))
    }

    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        let tpm = self.tpm.as_mut().ok_or_else(|| Error::new(format_args!("PCR {pcr}"), "this machine has no TPM"));
        tpm?.extend(pcr, digests)
    }

    fn session(&self) -> Option<Session> {
        self.tpm.as_ref().and_then(|tpm| tpm.session())
    }

    fn tpms(&self) -> Vec<TpmVersion> {
        self.tpm.as_ref().map_or_else(Vec::new, |tpm| tpm.tpms())
    }

    fn has_pcrs(&self) -> bool {
        self.tpm.is_some()
    }

    fn rtmrs(&mut self) -> &mut [Rtmr] {
        &mut self.rtmrs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::digest::{Digest, digests_of};
    use crate::measure::measurement::{FAILED, extend_active, extend_failed, extend_unmeasured, with_rtmr_bank};
    use crate::measure::rtmr::RtmrIndex;
    use crate::tpm::fake_pcrs::{FakePcrs, Fault};

    const PCR: PcrIndex = PcrIndex::DEFAULT;
    /// The bank of the TPM. The TPM refuses the digest of another one, as a TPM without SHA-384 does.
    const OWN: [Bank; 1] = [Bank::Sha256];

    /// The machine with this TPM and these RTMRs.
    fn machine(tpm: Option<&FakePcrs>, rtmrs: &[&FakePcrs]) -> Box<dyn Pcrs> {
        let boxed = |register: &FakePcrs| Box::new(register.clone()) as Box<dyn Pcrs>;
        let rtmrs = rtmrs.iter().zip([RtmrIndex::DEFAULT, RtmrIndex::THREE]);
        let rtmrs = rtmrs.map(|(register, index)| Rtmr { index, register: boxed(register) }).collect();
        WithRtmrs::join(tpm.map(boxed), rtmrs).unwrap()
    }

    fn register(bank: Bank, fails: bool) -> FakePcrs {
        FakePcrs::strict(bank, if fails { Fault::Refuses } else { Fault::None })
    }

    fn tpm(fails: bool) -> FakePcrs {
        register(OWN[0], fails)
    }

    fn rtmr(fails: bool) -> FakePcrs {
        register(Bank::Sha384, fails)
    }

    #[test]
    fn an_image_is_measured_into_each_register_in_its_banks() {
        for has_tpm in [true, false] {
            let (tpm, rtmr) = (tpm(false), rtmr(false));
            let mut all = machine(has_tpm.then_some(&tpm), &[&rtmr]);
            let active = all.banks(PCR).unwrap();
            let hashed = with_rtmr_bank(&mut *all, &active);
            assert_eq!(hashed, if has_tpm { vec![Bank::Sha256, Bank::Sha384] } else { vec![Bank::Sha384] });
            let report = extend_active(&mut *all, PCR, &active, &digests_of(&hashed, b"image")).unwrap();
            assert!(
                report.measured
                    && rtmr.is_extended_with(&[b"image"])
                    && tpm.is_extended_with(if has_tpm { &[b"image"] } else { &[] })
            );
            assert_eq!(report.banks.keys().copied().collect::<Vec<_>>(), active);
            let [extension] = report.rtmrs.as_slice() else { panic!("{report:?}") };
            assert_eq!((extension.rtmr, &extension.before), (RtmrIndex::DEFAULT, &Digest::zero(Bank::Sha384)));
            assert_eq!(extension.after, extension.before.extended(Bank::Sha384, &extension.digest));
        }
    }

    #[test]
    fn a_register_that_fails_is_an_error_and_the_others_are_extended_and_marked() {
        for bad in [0, 1] {
            let (tpm, rtmr) = (tpm(bad == 0), rtmr(bad == 1));
            let mut all = machine(Some(&tpm), &[&rtmr]);
            let digests = digests_of(&[Bank::Sha256, Bank::Sha384], b"image");
            let error = extend_active(&mut *all, PCR, &OWN, &digests).unwrap_err();
            assert_eq!(error.object(), ["register", "RTMR 2"][bad]);
            // The boot failed. The registers are opened anew, and the banks of the TPM may be known or not.
            for known in [&OWN[..], &[]] {
                assert!(extend_failed(&mut *machine(Some(&tpm), &[&rtmr]), PCR, known).is_err());
            }
            let good = [&rtmr, &tpm][bad];
            assert!(good.is_extended_with(&[b"image", FAILED.as_bytes(), FAILED.as_bytes()]), "{bad}");
        }
    }

    #[test]
    fn a_failed_boot_marks_every_register() {
        for (has_tpm, known) in [(true, &OWN[..]), (true, &[]), (false, &[])] {
            let (tpm, rtmrs) = (tpm(false), [rtmr(false), rtmr(false)]);
            let mut all = machine(has_tpm.then_some(&tpm), &[&rtmrs[0], &rtmrs[1]]);
            let digests = extend_failed(&mut *all, PCR, known).unwrap();
            assert_eq!(digests.len(), usize::from(has_tpm));
            assert!(rtmrs.iter().all(|rtmr| rtmr.is_extended_with(&[FAILED.as_bytes()])));
            assert!(!has_tpm || tpm.is_extended_with(&[FAILED.as_bytes()]));
        }
    }

    #[test]
    fn an_unmeasured_boot_marks_every_register_even_if_one_fails() {
        let text: &[&[u8]] = &[b"measureroot: unmeasured"];
        for (tpm_fails, rtmr_fails) in [(false, false), (true, false), (false, true)] {
            let (tpm, rtmr) = (tpm(tpm_fails), rtmr(rtmr_fails));
            let mut all = machine(Some(&tpm), &[&rtmr]);
            let report = extend_unmeasured(Some(&mut *all), PCR);
            assert_eq!(report.is_ok(), !tpm_fails && !rtmr_fails);
            assert!((tpm_fails || tpm.is_extended_with(text)) && (rtmr_fails || rtmr.is_extended_with(text)));
        }
        let rtmr = rtmr(false);
        let report = extend_unmeasured(Some(&mut *machine(None, &[&rtmr])), PCR).unwrap();
        assert!(!report.measured && report.banks.is_empty() && report.rtmrs.len() == 1 && rtmr.is_extended_with(text));
    }

    #[test]
    fn the_version_of_the_tpm_beside_the_rtmrs_is_told() {
        let (tpm, rtmr) = (FakePcrs::version12(Fault::None), rtmr(false));
        assert_eq!(machine(Some(&tpm), &[&rtmr]).tpms(), [TpmVersion::V1_2]);
        assert_eq!(machine(None, &[&rtmr]).tpms(), []);
    }

    #[test]
    fn without_a_register_nothing_is_measured() {
        assert!(WithRtmrs::join(None, Vec::new()).is_none());
        let mut none = WithRtmrs { tpm: None, rtmrs: Vec::new() };
        let digests = digests_of(&[Bank::Sha384], b"image");
        assert!(extend_active(&mut none, PCR, &[], &digests).is_err());
        // Without a digest of its bank, an RTMR stays clean.
        let rtmr = rtmr(false);
        let digests = digests_of(&OWN, b"image");
        let tpm = tpm(false);
        assert!(extend_active(&mut *machine(Some(&tpm), &[&rtmr]), PCR, &OWN, &digests).is_err());
    }
}

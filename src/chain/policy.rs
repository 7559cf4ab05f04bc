//! PCR 7: the variables of Secure Boot, the separator, then what allowed each program (TCG PC Client Platform Firmware Profile 1.06,
//! section 3.3.4.8; edk2, `Tcg2Dxe.c`, `MeasureSecureBootPolicy`; `DxeImageVerificationLib/Measurement.c`).

use super::authority::Refusal;
use super::efi_variable::{SECURITY, Variable};
use super::event::{APPLICATION, AUTHORITY, Expected};
use super::forecast::{Choice, Forecast, Part, Question};
use super::forecasts::Forecasts;
use super::mok::Mok;
use super::secure_boot;
use super::shim::UNTOUCHED;
use super::shim_policy::{ShimOnMachine, ShimPolicy};
use crate::eventlog::words_of;
use crate::hash::bank::Bank;

/// Why PCR 7 and 14 do not follow if the copies of shim's lists do not begin with those of the shim that boots.
const OTHER_SHIM: &str =
    "the copies of shim's lists in the variables (MokListRT, MokListXRT) are those of another shim";
/// Why they do not follow if the copies have more.
const TOLD: &str = "the machine's owner told shim something (mokutil), and no boot has shown yet how it is measured";
/// The PCR, and what else firmware's refusal of a program decides.
const PCR: u8 = 7;
const DECIDED: [u8; 7] = [4, PCR, 8, 9, 11, 12, 14];

/// What PCR 7 has before the first program of the medium, and what decides how it goes on.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// The events.
    pub(super) events: Vec<Expected>,
    /// What must be as usual.
    pub(super) assumes: Vec<String>,
    /// Whether Secure Boot is on.
    pub(super) is_on: bool,
    /// The variables.
    pub(super) db: Vec<u8>,
    pub(super) dbx: Vec<u8>,
    /// The copies of shim's variables, if they are known.
    pub(super) copies: Option<Vec<Option<Vec<u8>>>>,
    /// What was measured of entries of db. Each of them is measured once.
    pub(super) measured: Vec<Vec<u8>>,
}

impl Policy {
    /// Adds what is expected of PCR 7, and what follows from the state of Secure Boot. PCR 4 must have the programs of the medium alone.
    pub(super) fn expect(mut self, forecasts: &mut Forecasts, banks: &[Bank]) {
        secure_boot::decide(forecasts, self.is_on);
        let shim = forecasts.shim.take();
        let is_alone = matches!(forecasts.pcrs.get(&14), Some(Forecast::Follows { parts, .. }) if parts.is_empty());
        if !is_alone && shim.is_none() {
            return forecasts.open(PCR, "shim extends it, too, or it is not known whether shim is there");
        }
        if let Err(refusal) = self.judge(forecasts, shim.as_ref(), banks) {
            return match refusal {
                Refusal::Unknown(why) => forecasts.open(PCR, why),
                Refusal::Refused(why) => DECIDED.into_iter().for_each(|pcr| forecasts.open(pcr, &why)),
            };
        }
        let parts = self.events.into_iter().map(Part::Event).collect();
        forecasts.pcrs.insert(PCR, Forecast::Follows { parts, assumes: self.assumes });
    }

    /// Adds what allows the programs. With shim, the firmware judges shim alone, and shim judges the others.
    fn judge(&mut self, forecasts: &mut Forecasts, shim: Option<&ShimPolicy>, banks: &[Bank]) -> Result<(), Refusal> {
        let Some(shim) = shim else {
            return if self.is_on { self.allow_programs(forecasts, None, banks) } else { Ok(()) };
        };
        let mok = if let Some(copies) = &self.copies {
            Mok::of(copies, &shim.lists).ok_or_else(|| {
                forecasts.open(14, OTHER_SHIM);
                Refusal::Unknown(OTHER_SHIM.to_owned())
            })?
        } else {
            self.assumes.push(UNTOUCHED.to_owned());
            Mok::untouched()
        };
        if !mok.is_lenient() && (Mok { level: None, ..mok.clone() }) != Mok::untouched() {
            forecasts.open(14, TOLD);
            return Err(Refusal::Unknown(TOLD.to_owned()));
        }
        if self.copies.is_some() && matches!(forecasts.pcrs.get(&14), Some(Forecast::Follows { .. })) {
            forecasts.follows(14, shim.pcr_14(&mok, banks), &[]);
        }
        let mok = Mok { db: self.db.clone(), dbx: self.dbx.clone(), ..mok };
        let mut shim = shim.on(mok, self.is_on)?;
        if !self.is_on {
            self.events.extend(shim.at_start(banks));
            return Ok(());
        }
        self.allow_programs(forecasts, Some(&mut shim), banks)
    }

    /// Adds the entry of db for each program that the firmware starts, and what shim measures.
    fn allow_programs(
        &mut self,
        forecasts: &Forecasts,
        mut shim: Option<&mut ShimOnMachine<'_>>,
        banks: &[Bank],
    ) -> Result<(), Refusal> {
        let mut is_first = true;
        let unknown = |why: &str| Refusal::Unknown(format!("PCR 4 does not follow: {why}"));
        let parts = match forecasts.pcrs.get(&4) {
            Some(Forecast::Follows { parts, .. }) => parts,
            Some(Forecast::Open { why }) => return Err(unknown(why)),
            None => return Err(unknown("nothing is known of it")),
        };
        for part in parts {
            match part {
                Part::Event(event) if event.kind == APPLICATION => match &mut shim {
                    Some(shim) if !std::mem::take(&mut is_first) => {
                        let found = shim.allow(event, banks)?;
                        self.events.extend(found);
                    }
                    Some(shim) => {
                        self.allow(event, banks)?;
                        self.events.extend(shim.at_start(banks));
                    }
                    None => self.allow(event, banks)?,
                },
                // Boot options that failed start nothing, and the stub vouches for its kernel itself.
                Part::Event(_)
                | Part::Locality(_)
                | Part::Choice(Choice { question: Question::FailedBootOptions | Question::KernelLoader, .. }) => {}
                Part::Choice(_) => return Err(unknown("it is open which programs are started")),
            }
        }
        Ok(())
    }

    fn allow(&mut self, program: &Expected, banks: &[Bank]) -> Result<(), Refusal> {
        let name = program.from.as_deref().unwrap_or(&program.what);
        let judged = program.judged.as_ref();
        let judged = judged.ok_or_else(|| Refusal::Unknown(format!("{name}: what Secure Boot judges is not known")))?;
        let entries = judged.allowed_by(&self.db, &self.dbx).map_err(|refusal| match refusal {
            Refusal::Unknown(why) => Refusal::Unknown(format!("{name}: {why}")),
            Refusal::Refused(why) => {
                Refusal::Refused(format!("Secure Boot is on, and the firmware does not start {name}: {why}"))
            }
        })?;
        for entry in entries {
            let measured = Variable { vendor: SECURITY, name: "db".to_owned(), value: &entry }.measured();
            if !self.measured.contains(&measured) {
                let what = format!("{}, which allows {name}", words_of(AUTHORITY, &measured));
                self.events.push(Expected::of(AUTHORITY, &what, None, &[&measured], banks));
                self.measured.push(measured);
            }
        }
        Ok(())
    }
}

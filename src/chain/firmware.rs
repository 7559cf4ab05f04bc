//! What UEFI firmware measures when it starts a program of a boot option: PCR 4 (TCG PC Client Platform Firmware Profile 1.06,
//! sections 3.3.4.5 and 10.4.1; edk2, `Tcg2Dxe.c`, `OnReadyToBoot`).

use super::authority::Judged;
use super::event::{ACTION, APPLICATION, Expected, SEPARATOR};
use super::forecast::{Answer, Choice, Part, Question};
use super::pe::PeFile;
use crate::count::counted;
use crate::error::Result;
use crate::hash::bank::Bank;

/// The texts of the actions (Firmware Profile 1.06, table "EV_EFI_ACTION Strings"); their final zero is not measured.
pub(super) const CALLING: &str = "Calling EFI Application from Boot Option";
const RETURNING: &str = "Returning from EFI Application from Boot Option";

/// What the separator says.
pub(super) const END: &str = "the end of the firmware's own measurements";

/// How many boot options that failed have an alternative of their own. A network card or an empty drive before the disk are one
/// each.
const MOST_FAILED: usize = 4;

/// The events before the first program: one action and the separator, then two actions for each boot option that failed.
pub(super) fn before_a_program(banks: &[Bank]) -> Vec<Part> {
    let action = |text: &str| Expected::of(ACTION, text, None, &[text.as_bytes()], banks);
    let separator = Expected::of(SEPARATOR, END, None, &[&[0; 4]], banks);
    let answers = (0..=MOST_FAILED).map(|failed| {
        let name = match failed {
            0 => "the first boot option starts it".to_owned(),
            _ => format!("{} failed before", counted(failed, "boot option")),
        };
        let again = (0..failed).flat_map(|_| [action(RETURNING), action(CALLING)]);
        Answer::new(name, again.collect())
    });
    let failed = Choice { question: Question::FailedBootOptions, answers: answers.collect() };
    vec![Part::Event(action(CALLING)), Part::Event(separator), Part::Choice(failed)]
}

/// The event of a program that is started with `LoadImage`.
///
/// # Errors
/// If it is no program.
pub(super) fn program(bytes: &[u8], what: &str, from: &str, banks: &[Bank]) -> Result<Expected> {
    let named = |error: crate::error::Error| error.on(from);
    let file = PeFile::parse(bytes).map_err(named)?;
    let (judged, digests) = Judged::of(&file, banks).map_err(named)?;
    Ok(Expected { kind: APPLICATION, what: what.to_owned(), from: Some(from.to_owned()), digests, judged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::forecast::Forecast;

    #[test]
    fn the_values_before_a_program_are_those_of_ovmf() {
        let parts = before_a_program(&[Bank::Sha256]);
        let [Part::Event(calling), Part::Event(separator), Part::Choice(failed)] = &parts[..] else {
            panic!("{parts:?}")
        };
        // From a log of OVMF 2022.11 that tried two boot options in vain.
        let sha256 = |event: &Expected| event.digests[&Bank::Sha256].to_string();
        assert_eq!(&sha256(calling)[..16], "3d6772b4f84ed475");
        assert_eq!(&sha256(separator)[..16], "df3f619804a92fdb");
        assert_eq!(&sha256(&failed.answers[1].events[0])[..16], "7044f06303e54fa9");
        let values = Forecast::Follows { parts, assumes: vec![] }.values(&[Bank::Sha256]).unwrap();
        let names: Vec<_> = values.iter().map(|value| value.answers.concat()).collect();
        assert_eq!(names[..2], ["the first boot option starts it", "1 boot option failed before"]);
        assert_eq!(names[4], "4 boot options failed before");
    }
}

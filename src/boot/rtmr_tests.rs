//! The boot on a machine with an RTMR, which fails at each of its commands.

use crate::boot::fake_call::{Call, Fault};
use crate::boot::fake_machine::{Fake, IMAGE};
use crate::boot::fake_rtmr::{Fails, Instead};
use crate::boot::step::Step;
use crate::measure::measurement;

const LINE: &str = "root=/dev/vda measureroot.onfail=poweroff";
const OFF: &str = "root=/dev/vda measureroot=off";
const FAILED: &[u8] = measurement::FAILED.as_bytes();

#[test]
fn a_confidential_machine_is_measured_and_marked_with_and_without_a_tpm() {
    let unmeasured = measurement::UNMEASURED.as_bytes();
    for (line, first) in [(LINE, IMAGE), ("root=/dev/vda measureroot=off", unmeasured)] {
        for has_tpm in [true, false] {
            let machine = Fake::new(line).with_rtmr();
            let mut machine = if has_tpm { machine } else { machine.without_tpm() };
            machine.boot();
            assert!(machine.calls().contains(&Call::Exec), "{line}, {has_tpm}");
            assert!(machine.rtmr.as_ref().unwrap().is_extended_with(&[first, FAILED]), "{line}, {has_tpm}");
            assert!(!has_tpm || machine.is_extended_with(&[first, FAILED]), "{line}");
        }
    }
}

#[test]
fn a_tpm_2_that_the_command_line_asks_for_is_needed_beside_an_rtmr_too() {
    let asks = || Fake::new("root=/dev/vda measureroot.onfail=poweroff measureroot.tpm=2.0").with_rtmr();
    let mut machine = asks();
    machine.boot();
    // This call refuses a machine that has only a TPM 1.2.
    assert!(machine.calls().contains(&Call::Tpm) && machine.calls().contains(&Call::Exec));
    let mut machine = asks().without_tpm();
    assert_eq!(machine.boot().step, Step::Devices);
    assert!(!machine.calls().contains(&Call::Exec) && machine.rtmr.as_ref().unwrap().is_extended_with(&[FAILED]));
}

#[test]
fn a_register_that_is_not_extended_ends_the_boot_and_all_are_marked() {
    for (fault, rtmr, pcr) in [(Fault::ExtendRtmr, &[][..], &[IMAGE][..]), (Fault::Extend, &[IMAGE], &[])] {
        let mut machine = Fake::new(LINE).with_rtmr().with(fault);
        assert_eq!(machine.boot().step, Step::Extend, "{fault:?}");
        assert!(!machine.calls().contains(&Call::Exec));
        assert!(machine.rtmr.as_ref().unwrap().is_extended_with(&[rtmr, &[FAILED]].concat()), "{fault:?}");
        assert!(machine.is_extended_with(&[pcr, &[FAILED]].concat()), "{fault:?}");
    }
    for call in [Call::MountKernelFilesystems, Call::Tpm, Call::TpmOfUnmeasured, Call::FindImage, Call::SwitchRoot] {
        for line in [LINE, "root=/dev/vda measureroot=off"] {
            let mut machine = Fake::new(line).with_rtmr().with(Fault::At(call));
            machine.boot();
            let first = if line == LINE { IMAGE } else { measurement::UNMEASURED.as_bytes() };
            let texts: &[&[u8]] = match call {
                // The RTMRs make the TPM optional, so `tpm` is not called.
                Call::SwitchRoot | Call::Tpm => &[first, FAILED],
                _ => &[FAILED],
            };
            assert!(machine.rtmr.as_ref().unwrap().is_extended_with(texts), "{call:?}, {line}");
            assert!(machine.is_extended_with(texts), "{call:?}, {line}");
        }
    }
}

/// What can happen instead of a command: of a read, of an extend, and of the read behind it.
const COMMANDS: [&[Instead]; 3] = [
    &[Instead::Error, Instead::OtherValue],
    &[Instead::Error, Instead::Nothing, Instead::Twice],
    &[Instead::Error, Instead::OtherValue],
];

#[test]
fn each_fault_at_each_command_of_a_register_ends_the_boot_marked() {
    let mut cells = 0;
    for (line, first) in [(LINE, IMAGE), (OFF, measurement::UNMEASURED.as_bytes())] {
        for (at, faults) in COMMANDS.iter().enumerate() {
            for (&instead, has_tpm, for_ever) in faults.iter().flat_map(|fault| {
                [(true, true), (true, false), (false, true), (false, false)].map(|(tpm, ever)| (fault, tpm, ever))
            }) {
                let cell = format!("{line}: {instead:?} at command {at}, for ever: {for_ever}, TPM: {has_tpm}");
                let machine = Fake::new(line).with_rtmr();
                let mut machine = if has_tpm { machine } else { machine.without_tpm() };
                let register = machine.rtmr.as_mut().unwrap();
                register.fails = Some(Fails { at, instead, for_ever });
                let register = register.clone();
                assert_eq!(machine.boot().step, Step::Extend, "{cell}");
                assert!(!machine.calls().contains(&Call::Exec), "{cell}");
                // The mark comes last, if the register takes it at all: it never looks like one that has the image alone.
                let before: &[&[u8]] = match (at, instead) {
                    (0, Instead::Error) | (1, Instead::Error | Instead::Nothing) => &[],
                    (1, _) => &[first, first],
                    _ => &[first],
                };
                let marks: &[&[u8]] = match instead {
                    Instead::Error | Instead::Nothing if for_ever => &[],
                    Instead::Twice if for_ever => &[FAILED, FAILED],
                    _ => &[FAILED],
                };
                assert!(register.is_extended_with(&[before, marks].concat()), "{cell}");
                assert!(!has_tpm || machine.is_extended_with(&[first, FAILED]), "{cell}");
                cells += 1;
            }
        }
    }
    println!("{cells} cells: all failed at \"{}\"; marked, unless the register took no extend", Step::Extend.name());
}

//! The boot on a machine that fails each step in turn.

use crate::boot::fail::fail_after_panic;
use crate::boot::fake_call::{Call, Fault};
use crate::boot::fake_machine::{Fake, IMAGE};
use crate::boot::fake_tpm::{BANKS, extended_with};
use crate::boot::step::Step;
use crate::cmdline;
use crate::config::failure_policy::{FailureAction, FailurePolicy};
use crate::console::captured::captured;
use crate::hash::digest::digests_of;
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement;

const LINE: &str = "root=/dev/vda measureroot.onfail=poweroff";
const FAILED: &[u8] = measurement::FAILED.as_bytes();

#[test]
fn each_step_fails_in_turn_and_init_is_never_reached() {
    let table: [(Fault, Step, &[&[u8]]); 19] = [
        (Fault::At(Call::MountKernelFilesystems), Step::Mounts, &[FAILED]),
        (Fault::At(Call::CommandLine), Step::CommandLine, &[FAILED]),
        (Fault::At(Call::CheckInitramfs), Step::SwitchRoot, &[FAILED]),
        (Fault::At(Call::LoadModules), Step::Modules, &[FAILED]),
        (Fault::At(Call::Tpm), Step::Devices, &[FAILED]),
        (Fault::At(Call::WaitForRoot), Step::Devices, &[FAILED]),
        (Fault::At(Call::FindImage), Step::Image, &[FAILED]),
        (Fault::At(Call::SealConditions), Step::Seal, &[FAILED]),
        (Fault::Banks, Step::Banks, &[FAILED]),
        (Fault::ShortImage, Step::Hash, &[FAILED]),
        (Fault::Read, Step::Extend, &[FAILED]),
        (Fault::Extend, Step::Extend, &[FAILED]),
        (Fault::At(Call::FinishModules), Step::Modules, &[IMAGE, FAILED]),
        (Fault::At(Call::MountImage), Step::MountImage, &[IMAGE, FAILED]),
        (Fault::At(Call::MountOverlay), Step::Overlay, &[IMAGE, FAILED]),
        (Fault::At(Call::FindInit), Step::Init, &[IMAGE, FAILED]),
        (Fault::At(Call::WriteLog), Step::Log, &[IMAGE, FAILED]),
        (Fault::At(Call::WriteStatus), Step::Status, &[IMAGE, FAILED]),
        (Fault::At(Call::MoveMounts), Step::MoveMounts, &[IMAGE, FAILED]),
    ];
    for (fault, step, extends) in table {
        let mut machine = Fake::new(LINE).with(fault);
        assert_eq!(machine.boot().step, step, "{fault:?}");
        assert!(!machine.calls().contains(&Call::Exec) && !machine.calls().contains(&Call::SwitchRoot), "{fault:?}");
        assert!(machine.is_extended_with(extends), "{fault:?}");
        assert_eq!(machine.log.len(), extends.len(), "{fault:?}: each extend is logged");
        let calls = machine.calls();
        let stops: Vec<_> = calls.iter().filter(|call| matches!(call, Call::Stop(_))).collect();
        // Until the command line is read, the default applies.
        let known = !matches!(step, Step::Mounts | Step::CommandLine);
        let action = if known { FailureAction::PowerOff } else { FailureAction::Reboot };
        assert_eq!(stops, [&Call::Stop(action)], "{fault:?}");
    }
}

#[test]
fn a_pcr_that_an_earlier_boot_extended_is_said() {
    let mut machine = Fake::new(LINE);
    for is_used in [false, true] {
        let lines = captured(|| drop(machine.boot()));
        assert_eq!(lines.iter().any(|line| line.starts_with("WARN: TPM: PCR 13 was not zero")), is_used, "{lines:?}");
    }
}

/// The thread of the boot never comes back, so another one must end the boot.
#[test]
fn a_device_that_stops_answering_ends_the_boot_at_each_step_that_reads_it() {
    let table: [(Call, Step, &[&[u8]]); 8] = [
        (Call::FindImage, Step::Image, &[FAILED]),
        (Call::Progress, Step::Hash, &[FAILED]),
        (Call::MountImage, Step::MountImage, &[IMAGE, FAILED]),
        (Call::MountOverlay, Step::Overlay, &[IMAGE, FAILED]),
        (Call::FindInit, Step::Init, &[IMAGE, FAILED]),
        (Call::WriteStatus, Step::Status, &[IMAGE, FAILED]),
        (Call::MoveMounts, Step::MoveMounts, &[IMAGE, FAILED]),
        (Call::SwitchRoot, Step::SwitchRoot, &[IMAGE, FAILED]),
    ];
    let hung = table
        .map(|(call, step, extends)| (call, step, extends, std::thread::spawn(move || Fake::new(LINE).hangs_at(call))));
    for (call, step, extends, thread) in hung {
        let (failure, machine) = thread.join().unwrap();
        assert_eq!((failure.step, failure.error.object()), (step, "/dev/vda"), "{call:?}");
        assert!(failure.to_string().contains("did not answer"), "{failure}");
        assert!(machine.is_extended_with(extends), "{call:?}");
        let end = [Call::LoadModulesToMark, Call::TpmToMark, Call::Pause, Call::Stop(FailureAction::PowerOff)];
        assert_eq!(machine.calls(), end, "{call:?}");
    }
    let (failure, machine) = Fake::new(PREPARED).with_verity().hangs_at(Call::FindTree);
    assert_eq!(failure.step, Step::Seal);
    assert!(machine.is_extended_with(&[FAILED]));
}

#[test]
fn with_format_meta_measured_the_hex_digits_of_the_digest_are_measured() {
    let mut machine = Fake::new("root=/dev/vda measureroot.format=meta-measured");
    machine.boot();
    let digests = [ImageFormat::MetaMeasured.of(digests_of(&BANKS, IMAGE)), digests_of(&BANKS, FAILED)];
    assert_eq!(machine.pcr(), extended_with(digests));
    assert_eq!(machine.log[0].format, Some(ImageFormat::MetaMeasured));
    let mut machine = Fake::new(LINE);
    machine.boot();
    assert_eq!(machine.log[0].format, None);
}

/// The command line of a prepared image, and the text that its boot measures.
const PREPARED: &str = "root=/dev/vda measureroot.hashdev=/dev/vdb measureroot.onfail=poweroff \
                        roothash=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const ROOT_HASH: &[u8] = b"measureroot: roothash=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn a_prepared_image_is_measured_by_its_root_hash_and_not_read() {
    let mut machine = Fake::new(PREPARED).with_verity();
    assert_eq!(machine.boot().step, Step::Init);
    assert!(machine.calls().contains(&Call::Exec) && machine.is_extended_with(&[ROOT_HASH, FAILED]));
    let with_verity = |fault| Fake::new(PREPARED).with_verity().with(fault);
    let table: [(Fake, Step, &[&[u8]]); 5] = [
        (with_verity(Fault::At(Call::FindImage)), Step::Image, &[FAILED]),
        (Fake::new(PREPARED), Step::Seal, &[FAILED]),
        (with_verity(Fault::At(Call::FindTree)), Step::Seal, &[FAILED]),
        (with_verity(Fault::Extend), Step::Extend, &[FAILED]),
        (with_verity(Fault::At(Call::MountImage)), Step::MountImage, &[ROOT_HASH, FAILED]),
    ];
    for (mut machine, step, extends) in table {
        assert_eq!(machine.boot().step, step);
        assert!(!machine.calls().contains(&Call::Exec), "{step:?}");
        assert!(machine.is_extended_with(extends), "{step:?}");
    }
}

#[test]
fn a_failure_at_or_after_switching_root_extends_the_pcr_too() {
    for (fault, step) in [(Fault::At(Call::SwitchRoot), Step::SwitchRoot), (Fault::None, Step::Init)] {
        let mut machine = Fake::new(LINE).with(fault);
        assert_eq!(machine.boot().step, step);
        assert!(machine.is_extended_with(&[IMAGE, FAILED]));
        let last = [Call::LoadModulesToMark, Call::TpmToMark, Call::Pause, Call::Stop(FailureAction::PowerOff)];
        assert_eq!(machine.calls()[machine.calls().len() - 4..], last);
    }
}

#[test]
fn a_good_boot_makes_all_calls_in_order() {
    let mut machine = Fake::new(LINE);
    machine.boot();
    let order = [
        Call::MountKernelFilesystems,
        Call::CommandLine,
        Call::ExpectFailure,
        Call::CheckInitramfs,
        Call::LoadModules,
        Call::Tpm,
        Call::WaitForRoot,
        Call::FindImage,
        Call::SealConditions,
        Call::FinishModules,
        Call::MountImage,
        Call::MountOverlay,
        Call::FindInit,
        Call::WriteLog,
        Call::WriteStatus,
        Call::MoveMounts,
        Call::SwitchRoot,
        Call::Exec,
    ];
    assert_eq!(machine.calls()[..order.len()], order);
}

/// The file system of a medium may ask for an algorithm that is a module.
#[test]
fn no_module_is_under_way_when_a_medium_is_mounted() {
    let mut machine = Fake::new("root=/dev/vda rootimg=/image");
    machine.boot();
    let calls = machine.calls();
    let place = |call| calls.iter().position(|other| *other == call);
    assert!(
        place(Call::WaitForRoot) < place(Call::FinishModules) && place(Call::FinishModules) < place(Call::FindImage)
    );
}

#[test]
fn no_tpm_is_a_failure_unless_measuring_is_off() {
    let mut machine = Fake::new(LINE).without_tpm();
    let failure = machine.boot();
    assert_eq!((failure.step, failure.error.object()), (Step::Devices, "TPM"));
    let mut machine = Fake::new("root=/dev/vda measureroot=off").without_tpm();
    machine.boot();
    assert!(machine.calls().contains(&Call::Exec));
}

#[test]
fn an_unmeasured_boot_extends_the_pcr_or_fails() {
    let unmeasured = measurement::UNMEASURED.as_bytes();
    let mut machine = Fake::new("root=/dev/vda measureroot=off");
    machine.boot();
    assert!(machine.calls().contains(&Call::Exec) && machine.is_extended_with(&[unmeasured, FAILED]));
    for fault in [Fault::At(Call::TpmOfUnmeasured), Fault::Banks, Fault::Read, Fault::Extend] {
        let mut machine = Fake::new("root=/dev/vda measureroot=off").with(fault);
        machine.boot();
        assert!(!machine.calls().contains(&Call::Exec) && machine.is_extended_with(&[FAILED]), "{fault:?}");
    }
}

#[test]
fn an_unmeasured_boot_extends_the_default_pcr_too() {
    let unmeasured = measurement::UNMEASURED.as_bytes();
    // The fake TPM has one PCR for all numbers.
    let mut machine = Fake::new("root=/dev/vda measureroot=off rootimgpcr=14");
    machine.boot();
    assert!(machine.calls().contains(&Call::Exec));
    assert!(machine.is_extended_with(&[unmeasured, unmeasured, FAILED]));
}

#[test]
fn a_tpm_that_only_extends_is_marked() {
    let mut machine = Fake::new(LINE).with(Fault::ReadAfterExtend);
    assert_eq!(machine.boot().step, Step::Extend);
    assert!(machine.is_extended_with(&[IMAGE, FAILED]));
}

#[test]
fn a_panic_ends_as_a_failure_does() {
    let mut machine = Fake::new(LINE);
    let policy = FailurePolicy::of(&cmdline::parse(LINE.as_bytes()));
    fail_after_panic(&mut machine, &policy, &"a bug");
    let end = [Call::LoadModulesToMark, Call::TpmToMark, Call::Pause, Call::Stop(FailureAction::PowerOff)];
    assert_eq!(machine.calls(), end);
    assert!(machine.is_extended_with(&[FAILED]));
}

#[test]
fn if_the_session_fails_the_pcr_is_extended_without_one() {
    let mut machine = Fake::new("root=/dev/vda measureroot.session=hmac").with(Fault::Session);
    assert_eq!(machine.boot().error.object(), "session");
    assert!(!machine.calls().contains(&Call::Exec) && machine.is_extended_with(&[FAILED]));
    let mut machine = Fake::new("root=/dev/vda measureroot.session=none").with(Fault::Session);
    machine.boot();
    assert!(machine.calls().contains(&Call::Exec));
}

#[test]
fn a_bad_command_line_still_chooses_the_failure_action() {
    let table = [
        ("root=/dev/vda measureroot.x measureroot.onfail=halt", FailureAction::Halt),
        ("measureroot.onfail=poweroff", FailureAction::PowerOff),
        ("root=/dev/vda measureroot.onfail=shell", FailureAction::Reboot),
        ("root=/dev/vda rootimgpcr=99 measureroot.onfail=poweroff", FailureAction::PowerOff),
    ];
    for (line, action) in table {
        let mut machine = Fake::new(line);
        assert_eq!(machine.boot().step, Step::CommandLine, "{line}");
        assert_eq!(machine.calls().last(), Some(&Call::Stop(action)), "{line}");
        assert!(machine.is_extended_with(&[FAILED]));
    }
}

/// Before the modules are loaded, nothing shows the TPM.
#[test]
fn a_failure_before_the_modules_are_loaded_is_marked_in_a_tpm_whose_driver_is_a_module() {
    let early = [Call::MountKernelFilesystems, Call::CommandLine, Call::CheckInitramfs, Call::LoadModules];
    for fault in early.map(Fault::At) {
        let mut machine = Fake::new(LINE).with_modular_tpm().with(fault);
        machine.boot();
        assert!(machine.is_extended_with(&[FAILED]), "{fault:?}");
    }
    let mut machine = Fake::new("root=/dev/vda measureroot.x").with_modular_tpm();
    assert_eq!(machine.boot().step, Step::CommandLine);
    assert!(machine.is_extended_with(&[FAILED]));
    let mut machine = Fake::new(LINE).with_modular_tpm();
    fail_after_panic(&mut machine, &FailurePolicy::of(&[]), &"a bug");
    assert!(machine.is_extended_with(&[FAILED]));
}

/// A driver that hangs while it is loaded, and a TPM that never lets itself be opened.
#[test]
fn a_mark_that_hangs_does_not_hold_up_the_end() {
    for hung in [Call::LoadModulesToMark, Call::TpmToMark] {
        let mut machine = Fake::new(LINE).with(Fault::Hangs(hung));
        machine.boot();
        let mut ends = machine.calls();
        ends.retain(|call| matches!(call, Call::Pause | Call::Stop(_)));
        assert_eq!(ends, [Call::Pause, Call::Stop(FailureAction::PowerOff)], "{hung:?}");
    }
}

/// A device that never answers holds up reboot(2).
#[test]
fn a_driver_that_hangs_does_not_hold_up_a_restart_or_a_power_off() {
    let ends =
        [("reboot", FailureAction::Reboot), ("poweroff", FailureAction::PowerOff), ("halt", FailureAction::Halt)];
    for (word, action) in ends {
        let line: &'static str = format!("root=/dev/vda measureroot.onfail={word}").leak();
        let is_halt = action == FailureAction::Halt;
        // A machine that shall halt stands still anyway.
        let mut machine = Fake::new(line).with(if is_halt { Fault::None } else { Fault::Hangs(Call::Stop(action)) });
        machine.boot();
        assert!(machine.calls().contains(&Call::Stop(action)), "{word}");
        assert_eq!(machine.calls().contains(&Call::RestartAtOnce), !is_halt, "{word}");
    }
}

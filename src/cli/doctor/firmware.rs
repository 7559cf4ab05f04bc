//! Who measures the agent: what starts the kernel, Secure Boot, and the firmware's log.

use super::entry::entries;
use super::facts::Machine;
use super::facts::fact::Fact;
use super::facts::firmware::Stub;
use super::facts::tpms::Tpm;
use super::finding::Finding;
use crate::eventlog::{self, PcrValues};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

entries! {
    MEASURED = "agent-measured", Ok,
        "What started the kernel left its measurement in the TPM. `predict` computes it from the files, and a verifier compares.", "";
    NO_UEFI = "agent-not-measured", Warn,
        "The firmware is no UEFI. A BIOS measures itself and the first sector of the disk, and nobody measures the kernel, the initramfs and \
         the command line. The same is true for most boards with a device tree. Anybody who can write to the disk can start another program \
         that extends PCR 13 with the digest of an image that never ran.",
        "boot with UEFI and a unified kernel image; or start measureroot by tboot (docs/chain.md)";
    NOTHING = "firmware-measures-nothing", Warn,
        "The firmware is UEFI, and it extended none of the PCRs 0 to 7: it does not know the TPM, or measures only if its settings say so. \
         Then nothing that it starts is measured, either.",
        "look in the firmware's settings for measured boot or the TPM; use a firmware that is built with TPM support";
    STUB = "stub-measures-nothing", Warn,
        "systemd-stub started the kernel, and left no sign that it measured it (the variable StubPcrKernelImage): it found no TPM, or is \
         older than version 252.",
        "use a stub of systemd 252 or newer, and a firmware that gives it the TPM (bootctl status)";
    GRUB = "grub-measures-nothing", Warn,
        "GRUB started the kernel, and did not extend PCR 8 and 9, where it measures its commands and files. Only a GRUB with its module tpm \
         measures.",
        "use a GRUB that has the module tpm (grub-install --modules=tpm, or the signed image), or a unified kernel image";
    INITRD = "initrd-not-measured", Warn,
        "The firmware or another loader started the kernel directly, and PCR 9 is zero: the kernel's EFI stub measures the initramfs there \
         since Linux 5.17, and the command line since 6.1. An older stub, and one that gets the initramfs by initrd=, does not.",
        "use a unified kernel image, or a newer kernel that gets the initramfs from the loader (LoadFile2)";
    SETUP_MODE = "secure-boot-setup-mode", Warn,
        "UEFI is in setup mode: every program can write the keys of Secure Boot, and PCR 7 changes when one does.",
        "enrol the platform's keys in the firmware's settings";
    OFF = "secure-boot-off", Note,
        "Secure Boot is off, or the firmware has none. The TPM still shows what was started: a verifier compares PCR 4 and 7. But the machine \
         itself starts any program.",
        "switch Secure Boot on if the machine shall refuse other programs, too";
    ON = "secure-boot-on", Ok, "Secure Boot is on: PCR 7 says so, and the firmware starts signed programs only.", "";
    NO_VARIABLES = "efivars-unread", Note,
        "The variables of UEFI cannot be read, so nothing is said about Secure Boot and the stub.",
        "mount -t efivarfs efivarfs /sys/firmware/efi/efivars, and run as root";
    NO_LOG = "firmware-log-missing", Warn,
        "The kernel shows no log of the firmware. A verifier then knows the values of the firmware's PCRs and not what was measured. \
         Reasons: securityfs is not mounted, the TPM's driver is a module that came too late, the table TPM2 names no log, or the firmware \
         hands over none.",
        "mount securityfs on /sys/kernel/security; look for tpm and TPMEventLog in the kernel's log; update the firmware";
    EMPTY_LOG = "firmware-log-empty", Warn,
        "The firmware's log has no event, although the kernel shows the file. A verifier cannot tell from it what was started.",
        "update the firmware; look in its settings for the form of the log (crypto-agile, TCG 2)";
    BROKEN_LOG = "firmware-log-broken", Warn,
        "The firmware's log does not follow its specification, or is cut off. `replay` and `verify` refuse it.",
        "run measureroot replay with this file for the place; update the firmware";
    OTHER_LOG = "firmware-log-differs", Warn,
        "The firmware's log does not lead to the values of the PCRs 0 to 7 in the TPM: events are missing in it, or something extended a PCR \
         without an entry. A verifier trusts no such log.",
        "run measureroot replay --tpm with this file for the event; update the firmware";
    LOG = "firmware-log-agrees", Ok, "The firmware's log leads to the values of the PCRs 0 to 7.", "";
}

/// The findings. `line` is the command line of the running kernel.
pub(super) fn judge(machine: &Machine, line: Option<&[u8]>) -> Vec<Finding> {
    let firmware = &machine.firmware;
    // Without a TPM, nobody can measure anything; that is said already.
    let Some(tpm) = firmware_tpm(machine) else { return Vec::new() };
    if !firmware.is_uefi {
        return vec![Finding::new(
            &NO_UEFI,
            "the firmware is no UEFI: nobody measures the kernel, the initramfs and the command line",
        )];
    }
    let mut found = Vec::new();
    let firmware_pcrs: Vec<_> = (0..8).filter_map(|pcr| tpm.is_extended(pcr)).collect();
    if !firmware_pcrs.is_empty() && !firmware_pcrs.contains(&true) {
        found.push(Finding::new(&NOTHING, "the PCRs 0 to 7 are zero"));
    } else {
        found.extend(starter(machine, tpm, line));
    }
    found.extend(secure_boot(machine));
    found.extend(log(&firmware.log, tpm));
    found
}

/// The TPM that the firmware knows, of several: that of its log, or else one that it extended.
fn firmware_tpm(machine: &Machine) -> Option<&Tpm> {
    let tpms = &machine.tpms.each;
    let of_log = tpms.iter().find(|tpm| Some(tpm.number) == machine.firmware.log_of);
    let is_extended = |tpm: &&Tpm| (0..8).any(|pcr| tpm.is_extended(pcr) == Some(true));
    of_log.or_else(|| tpms.iter().find(is_extended)).or(tpms.first())
}

/// What started the kernel, and whether it measured it.
fn starter(machine: &Machine, tpm: &Tpm, line: Option<&[u8]>) -> Option<Finding> {
    let firmware = &machine.firmware;
    match firmware.stub {
        Stub::Measured => {
            return Some(Finding::new(
                &MEASURED,
                "systemd-stub measured the kernel, the initramfs and the command line",
            ));
        }
        Stub::Silent => return Some(Finding::new(&STUB, "systemd-stub started the kernel and did not measure it")),
        Stub::Absent => {}
    }
    let [eight, nine] = [8, 9].map(|pcr| tpm.is_extended(pcr));
    // GRUB puts this word at the start of each command line (grub-core/loader/i386/linux.c, `grub_cmd_linux`).
    let by_grub = line?.starts_with(b"BOOT_IMAGE=");
    Some(match (by_grub, eight?, nine?) {
        (true, true, true) => Finding::new(&MEASURED, "GRUB measured its commands and files into PCR 8 and 9"),
        (true, ..) => Finding::new(&GRUB, "GRUB started the kernel and did not extend both PCR 8 and 9"),
        (false, _, true) => Finding::new(&MEASURED, "PCR 9 has a measurement of the initramfs"),
        (false, _, false) => Finding::new(&INITRD, "PCR 9 is zero: the initramfs was not measured there"),
    })
}

fn secure_boot(machine: &Machine) -> Vec<Finding> {
    let firmware = &machine.firmware;
    if firmware.variables.known().is_none() {
        let why = firmware.variables.unread().unwrap_or("/sys/firmware/efi/efivars is not mounted");
        return vec![Finding::new(&NO_VARIABLES, why)];
    }
    let is_one = |fact: &Fact<Vec<u8>>| fact.known().is_some_and(|value| value.as_slice() == [1]);
    if let Some(why) = firmware.secure_boot.unread().or(firmware.setup_mode.unread()) {
        return vec![Finding::new(&NO_VARIABLES, why)];
    }
    vec![if is_one(&firmware.setup_mode) {
        Finding::new(&SETUP_MODE, "UEFI is in setup mode")
    } else if is_one(&firmware.secure_boot) {
        Finding::new(&ON, "Secure Boot is on")
    } else {
        Finding::new(&OFF, "Secure Boot is off")
    }]
}

/// The firmware's log, and whether it leads to the TPM's values.
fn log(log: &Fact<Vec<u8>>, tpm: &Tpm) -> Option<Finding> {
    let bytes = match log {
        Fact::Known(bytes) => bytes,
        Fact::Absent => {
            return Some(Finding::new(&NO_LOG, "/sys/kernel/security/tpm0/binary_bios_measurements is missing"));
        }
        // It is a fact that was not read, which is said for all of them in one place.
        Fact::Unread(_) => return None,
    };
    if bytes.is_empty() {
        return Some(Finding::new(&EMPTY_LOG, "the firmware's log is empty"));
    }
    let log = match eventlog::parse(bytes) {
        Ok(log) => log,
        Err(error) => return Some(Finding::new(&BROKEN_LOG, format_args!("the firmware's log: {error}"))),
    };
    if log.events().is_empty() {
        return Some(Finding::new(&EMPTY_LOG, "the firmware's log has no event"));
    }
    let mut held = PcrValues::new();
    for (bank, pcr, value) in values(tpm) {
        if log.events_of(pcr).next().is_some() {
            held.entry(bank).or_default().insert(pcr, value);
        }
    }
    let compared = log.compare(&held);
    // A bank that the firmware leaves alone has a finding of its own.
    let is_extended = |bank: &Bank| {
        held.get(bank).is_some_and(|values| values.iter().any(|(_, value)| *value != Digest::zero(*bank)))
    };
    let difference = compared.differences.iter().find(|difference| is_extended(&difference.bank));
    match difference {
        Some(difference) => Some(Finding::new(&OTHER_LOG, difference.describe(&log))),
        None if held.is_empty() => None,
        None => Some(Finding::new(&LOG, "the firmware's log leads to the values of its PCRs")),
    }
}

/// The values of the firmware's PCRs whose hash this program has.
fn values(tpm: &Tpm) -> impl Iterator<Item = (Bank, Pcr, Digest)> {
    tpm.banks.iter().flat_map(|(bank, values)| {
        values.range(0..8).filter_map(|(pcr, value)| {
            let bank: Bank = bank.parse().ok()?;
            let value = Digest::from_bytes(bank, &hex::decode(value).ok()?).ok()?;
            (!value.as_bytes().is_empty()).then_some((bank, Pcr::try_from(u32::from(*pcr)).ok()?, value))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::planted::Planted;

    /// The identifiers of what is found in a machine, and not in a healthy one.
    fn added(machine: &Planted) -> Vec<&'static str> {
        let ids = |machine: &Planted| machine.found().iter().map(|finding| finding.entry.id).collect::<Vec<_>>();
        let healthy = ids(&Planted::healthy());
        let mut found = ids(machine);
        found.retain(|id| !healthy.contains(id));
        found
    }

    /// The kernel numbers the TPMs as it finds them.
    #[test]
    fn of_several_tpms_the_one_that_the_firmware_knows_is_judged() {
        let machine = Planted::healthy();
        for folder in ["sys/class/tpm", "sys/kernel/security"] {
            fs::rename(machine.path(&format!("{folder}/tpm0")), machine.path(&format!("{folder}/tpm1"))).unwrap();
        }
        machine.write("dev/tpmrm1", "");
        for file in ["tpm_version_major", "null_name"] {
            machine.write(&format!("sys/class/tpm/tpm0/{file}"), "2\n");
        }
        for pcr in 0..24 {
            machine.reset_pcr(pcr);
        }
        assert_eq!(added(&machine), ["tpm-several"]);
        // Without the log, it is the one that the firmware extended.
        machine.remove("sys/kernel/security");
        assert_eq!(added(&machine), ["tpm-several", "firmware-log-missing"]);
    }
}

//! The TPM: is there one, of which kind, with which banks, and is the PCR free?

use super::entry::entries;
use super::facts::Machine;
use super::facts::tpms::{Tpm, Tpms, is_zero};
use super::finding::Finding;
use crate::boot::firmware_tpm::FirmwareTpm;
use crate::hash::bank::Bank;
use crate::measure::pcr::PcrIndex;
use crate::measure::tpm_version::TpmVersion;

entries! {
    PRESENT = "tpm-present", Ok, "The kernel shows a TPM that the boot can extend.", "";
    MISSING = "tpm-missing", Fail,
        "Neither the kernel nor the firmware shows a TPM. A measured boot waits for one and then fails. Many machines have a TPM in the \
         processor that is switched off in the firmware's settings (Intel PTT, AMD fTPM).",
        "switch the TPM on in the firmware's settings; give a virtual machine one (swtpm)";
    NOT_DRIVEN = "tpm-not-driven", Fail,
        "The firmware's tables name a TPM, and the kernel shows none: its driver is missing, is not loaded, or failed. A boot with this \
         kernel fails. The kernel's log names the driver that failed. Some firmware keeps the table when its TPM is switched off.",
        "look for tpm in the kernel's log, and put the driver (tpm_tis, tpm_crb) into the kernel or the initramfs";
    NOT_READY = "tpm-not-ready", Fail,
        "A TPM is there, and the kernel did not get it ready. The boot stops, because a TPM that stays unextended could be extended later \
         with the digest of any image. An interrupted update of the TPM's firmware is one cause.",
        "look for tpm in the kernel's log; switch the machine off and on; finish the update of the TPM's firmware";
    ONLY_RTMRS = "tpm-only-rtmrs", Note,
        "A TDX guest without a TPM is measured into an RTMR alone. `verify` judges no RTMR.",
        "read docs/evidence.md for what judges an RTMR";
    VERSION_12 = "tpm-12", Warn,
        "A TPM 1.2 has only SHA-1, which is broken: two images can be made that have the same digest. It has no session that protects its \
         commands on the bus, either. Some machines have a TPM 2.0 beside it that the firmware's settings select.",
        "use a TPM 2.0, which measureroot.tpm=2.0 requires; or accept what SHA-1 is worth";
    SEVERAL = "tpm-several", Note,
        "The boot extends every TPM that the kernel shows. A verifier needs to know which of them it gets quotes of.",
        "quote the TPM whose key the verifier knows";
    SHA1_ONLY = "bank-sha1-only", Warn,
        "The TPM 2.0 has an active bank for SHA-1 alone. Machines leave the factory so, because old systems asked for it. SHA-1 is broken: \
         two images can be made that have the same digest. `verify` refuses such a quote without `--sha1`.",
        "select SHA-256 for the TPM's PCR bank in the firmware's settings, or with tpm2_pcrallocate, and restart";
    NO_SHA256 = "bank-inactive-sha256", Note,
        "The bank for SHA-256 is not active, another strong one is. Predictions and lists must have that bank.",
        "give predict and verify the bank that is active";
    UNKNOWN_BANK = "bank-unknown", Fail,
        "An active bank has a hash that measureroot lacks, such as SM3. The boot stops: a later program could extend that bank with the \
         digest of any image.",
        "switch this bank off in the firmware's settings, or with tpm2_pcrallocate, and restart";
    BANK_UNMEASURED = "bank-not-measured", Warn,
        "A bank is active, and the firmware extended no PCR of it, although it extended another bank. Such firmware knows SHA-1 only. What \
         started the agent is not in this bank: anybody can extend it with values of their choice.",
        "update the firmware; let the verifier judge the firmware in the bank that is extended";
    USED = "pcr13-used", Warn,
        "The PCR of the image has another value than zero, and no boot of measureroot left it. So another program extends it, or did before \
         a kexec: after a measured boot it will not have the predicted value.",
        "find who extends it (systemd-pcrlock log), or choose another PCR with rootimgpcr=";
    SYSEXT = "pcr13-sysext", Warn,
        "systemd-stub measured extension images (*.raw beside the unified kernel image) into PCR 13 before the kernel started. The PCR of \
         the image then does not have the predicted value.",
        "remove the extension images beside the unified kernel image, or choose another PCR with rootimgpcr=";
    FREE = "pcr-free", Ok, "The PCR of the image is zero in each active bank, as it must be before the boot.", "";
    UNREAD = "pcrs-unread", Note,
        "The kernel does not show the TPM's banks and PCRs in /sys/class/tpm (before Linux 5.12), or this user may not read them. They were \
         not judged.",
        "run as root; on an old kernel, tpm2_pcrread prints the banks and whether PCR 13 is zero";
    UNBOUND = "tpm-session-unbound", Note,
        "The kernel does not keep the name of the TPM's null key (Linux 6.10, CONFIG_TCG_TPM2_HMAC). With it, the boot notices an attacker \
         on the bus to the TPM who came after the start of the kernel.",
        "use a kernel with kernel-fragments/tpm-session.scc";
}

/// The findings. `pcr` is the one that the command line names; `booted` says that measureroot extended it already.
pub(super) fn judge(machine: &Machine, pcr: PcrIndex, booted: bool) -> Vec<Finding> {
    let tpms = &machine.tpms;
    let mut found = presence(tpms);
    for tpm in &tpms.each {
        found.extend(banks(tpm));
        if !booted {
            found.extend(is_free(tpm, pcr, machine.firmware.stub_measured_extensions));
        }
        if tpm.version == TpmVersion::V2_0 && !tpm.has_null_name {
            found.push(Finding::new(
                &UNBOUND,
                format_args!("the kernel keeps no name of the null key of {}", name(tpm)),
            ));
        }
    }
    found
}

fn name(tpm: &Tpm) -> String {
    format!("tpm{}", tpm.number)
}

fn presence(tpms: &Tpms) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(why) = &tpms.unsettled {
        found.push(Finding::new(&NOT_READY, why));
    } else if tpms.each.is_empty() {
        found.push(match tpms.firmware {
            FirmwareTpm::Version2 | FirmwareTpm::AnyVersion => {
                Finding::new(&NOT_DRIVEN, "the firmware names a TPM, and the kernel shows none")
            }
            _ if tpms.has_rtmrs => Finding::new(&ONLY_RTMRS, "no TPM, but the RTMRs of a TDX guest"),
            FirmwareTpm::None => Finding::new(&MISSING, "neither the kernel nor the firmware shows a TPM"),
            FirmwareTpm::Unknown => {
                Finding::new(&MISSING, "the kernel shows no TPM, and no tables of the firmware that could name one")
            }
        });
    }
    if tpms.each.len() > 1 {
        found.push(Finding::new(&SEVERAL, format_args!("the kernel shows {} TPMs", tpms.each.len())));
    }
    for tpm in &tpms.each {
        let banks: Vec<_> = tpm.banks.keys().map(String::as_str).collect();
        let banks = if banks.is_empty() { "unknown".to_owned() } else { banks.join(", ") };
        found.push(match tpm.version {
            TpmVersion::V2_0 => {
                Finding::new(&PRESENT, format_args!("{} is a TPM 2.0, active banks: {banks}", name(tpm)))
            }
            TpmVersion::V1_2 => Finding::new(&VERSION_12, format_args!("{} is a TPM 1.2", name(tpm))),
        });
    }
    found
}

fn banks(tpm: &Tpm) -> Vec<Finding> {
    let name = name(tpm);
    if tpm.version == TpmVersion::V1_2 {
        return Vec::new();
    }
    if tpm.banks.values().all(std::collections::BTreeMap::is_empty) {
        let why = tpm.unread.as_deref().unwrap_or("the kernel shows none in /sys/class/tpm");
        return vec![Finding::new(&UNREAD, format_args!("the PCRs of {name}: {why}"))];
    }
    let mut found = Vec::new();
    let has = |bank: Bank| tpm.banks.contains_key(bank.name());
    if !has(Bank::Sha256) {
        if has(Bank::Sha384) || has(Bank::Sha512) {
            found.push(Finding::new(&NO_SHA256, format_args!("{name} has no active bank for SHA-256")));
        } else {
            found.push(Finding::new(&SHA1_ONLY, format_args!("{name} has no active bank that is stronger than SHA-1")));
        }
    }
    let unknown: Vec<_> = tpm.banks.keys().map(String::as_str).filter(|bank| bank.parse::<Bank>().is_err()).collect();
    if !unknown.is_empty() {
        found.push(Finding::new(&UNKNOWN_BANK, format_args!("{name} has the active bank {}", unknown.join(", "))));
    }
    // The PCRs that belong to the firmware (TCG PC Client Platform Firmware Profile 1.06, section 3.3.4).
    let (mut measured, mut unmeasured) = (None, Vec::new());
    for (bank, values) in &tpm.banks {
        let mut values = values.range(0..8).map(|(_, value)| value).peekable();
        if values.peek().is_none() {
            // The kernel shows none of them: nothing is known about this bank.
        } else if values.all(|value| is_zero(value)) {
            unmeasured.push(bank.as_str());
        } else {
            measured = measured.or(Some(bank));
        }
    }
    if let Some(measured) = measured.filter(|_| !unmeasured.is_empty()) {
        let what = format_args!("{name}: the firmware extended the bank {measured}, and not {}", unmeasured.join(", "));
        found.push(Finding::new(&BANK_UNMEASURED, what));
    }
    found
}

/// Whether nobody but measureroot extends the PCR.
fn is_free(tpm: &Tpm, pcr: PcrIndex, extensions: bool) -> Option<Finding> {
    let number = pcr.get();
    // The firmware's own PCRs are never free, and `explain` says so.
    if number < 8 {
        return None;
    }
    let name = name(tpm);
    Some(match tpm.is_extended(number)? {
        false => Finding::new(&FREE, format_args!("{name}: PCR {number} is zero")),
        true if extensions && pcr == PcrIndex::DEFAULT => {
            Finding::new(&SYSEXT, format_args!("{name}: systemd-stub measured extension images into PCR {number}"))
        }
        true => Finding::new(
            &USED,
            format_args!("{name}: PCR {number} is not zero, and measureroot did not boot this system"),
        ),
    })
}

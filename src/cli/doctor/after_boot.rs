//! After the boot: is what runs what was measured, and what is not vouched for?

use procfs::process::MountInfo;

use super::entry::entries;
use super::facts::Machine;
use super::facts::boot::{Boot, Status};
use super::facts::fact::Fact;
use super::facts::tpms::Tpm;
use super::finding::Finding;
use super::level::Level;
use crate::eventlog;
use crate::hash::bank::Bank;
use crate::measure::pcr::{Pcr, PcrIndex};
use crate::root::overlay;

entries! {
    NONE = "boot-not-by-measureroot", Note,
        "There is no /run/measureroot/status.json: measureroot did not start this system. Nothing is said about a measured boot of it.", "";
    BROKEN = "boot-status-broken", Fail,
        "/run/measureroot/status.json is not what a boot writes. Root of the running system can change it.",
        "restart the machine; if it stays so, do not trust the running system";
    UNMEASURED = "boot-unmeasured", Fail,
        "The boot measured nothing (measureroot=off), and marked the PCR.",
        "remove measureroot=off from the command line, and restart";
    OTHER_PCR = "boot-pcr-differs", Fail,
        "The PCR has another value than the boot left: something extended it after the boot. A quote does not have the predicted value.",
        "find who extends it (systemd-pcrlock log); restart, or choose another PCR with rootimgpcr=";
    NEW_BANK = "boot-bank-left-out", Fail,
        "A bank is active now, and the boot did not extend it. The running system can extend it with the digest of any image.",
        "restart; if it stays so, report it";
    USED_BEFORE = "boot-pcr-used-before", Warn,
        "The PCR had a value before the boot extended it: a kexec, an extension image or another program was first. The value is not the \
         predicted one, and a verifier does not trust it unless it knows the value before (`predict --before`).",
        "boot from a reset of the machine; remove what extends the PCR before; or predict with --before";
    FREE_13 = "boot-pcr13-free", Warn,
        "The image was measured into another PCR, and PCR 13 is zero: the running system can extend it with the digest of any image.",
        "let the verifier judge the PCR of the image (verify --pcr), and never PCR 13";
    VERSION_12 = "boot-tpm-12", Warn,
        "The boot measured into a TPM 1.2, whose only hash is SHA-1: two images can be made that have the same digest.",
        "use a TPM 2.0, which measureroot.tpm=2.0 requires";
    NO_SESSION = "boot-without-session", Warn,
        "No session protected the extend on the bus to the TPM: an attacker there could change it unnoticed.",
        "boot with measureroot.session=hmac, which fails if the TPM answers that it has no session";
    UNSEALED = "boot-unsealed", Warn,
        "The image has no seal: the disk can answer later reads with bytes that were not measured.",
        "boot without measureroot.seal=none";
    NO_LOG = "boot-log-missing", Warn,
        "The event log of the boot is missing. A verifier needs it, and root of the running system can delete it.",
        "restart, and copy /run/measureroot/eventlog.bin before anything deletes it";
    OTHER_LOG = "boot-log-differs", Fail,
        "The event log of the boot does not lead to the value that the boot left in the PCR: it was changed or replaced.",
        "restart; do not trust the running system";
    OTHER_ROOT = "boot-root-differs", Fail,
        "The folder / is not the overlay that the boot mounted over the measured image. So what runs is not what was measured.",
        "look at findmnt / ; in a container, run the command outside";
    NO_DEVICE = "boot-seal-device-missing", Fail,
        "The seal of the image is dm-verity, and the device that checks the reads is gone.",
        "look at dmsetup ls --tree; restart";
    WRITABLE_MEDIUM = "boot-medium-writable", Warn,
        "The medium of the image is mounted writable. The seal refuses changed bytes, but a changed medium may not boot again.",
        "mount -o remount,ro /run/initramfs/medium";
    MERGED = "boot-extension-merged", Warn,
        "An overlay over /usr, /opt or /etc adds files that are not a part of the measured image, as systemd-sysext and systemd-confext do. \
         The PCR does not vouch for them.",
        "systemd-sysext unmerge; or verify the extensions in another way";
    OVERLAY = "boot-overlay-not-vouched", Note,
        "The PCR vouches for the image, and not for what the running system wrote over it: files in the overlay, programs from the network or \
         from other disks, the memory of what runs.",
        "start the root read-only (ro), if the system needs no writable root";
    KEXEC = "boot-kexec-possible", Note,
        "Root of the running system can start another kernel by kexec, which keeps the PCR.",
        "sysctl kernel.kexec_load_disabled=1, or boot with lockdown=integrity";
    AGREES = "boot-agrees", Ok, "The report, the log, the TPM and the mounted root of the last boot agree.", "";
}

/// The folder of the medium.
const MEDIUM: &str = "/run/initramfs/medium";
/// Where systemd-sysext and systemd-confext merge extensions (systemd-sysext(8)).
const MERGED_AT: [&str; 3] = ["/usr", "/opt", "/etc"];

/// The findings.
pub(super) fn judge(machine: &Machine) -> Vec<Finding> {
    let boot = &machine.boot;
    let status = match &boot.status {
        Fact::Known(status) => status,
        Fact::Absent => return vec![Finding::new(&NONE, "measureroot did not start this system")],
        // A file that only root may read is said with the others.
        Fact::Unread(why) if boot.status_is_broken => {
            return vec![Finding::new(&BROKEN, format_args!("status.json: {why}"))];
        }
        Fact::Unread(_) => return Vec::new(),
    };
    if !status.measured {
        return vec![Finding::new(&UNMEASURED, "status.json says that nothing was measured")];
    }
    let mut found = registers(machine, status);
    found.extend(log(boot, status));
    found.extend(root(boot, status));
    let agrees = found.iter().all(|finding| finding.entry.level < Level::Fail) && was_compared(machine, status);
    if status.tpms.iter().any(|version| version == "1.2") {
        found.push(Finding::new(&VERSION_12, "the boot measured into a TPM 1.2"));
    } else if status.session.as_deref() == Some("none") {
        found.push(Finding::new(&NO_SESSION, "status.json says that no session protected the extend"));
    }
    if status.seal.kind == "none" {
        found.push(Finding::new(&UNSEALED, "status.json says that the image has no seal"));
    }
    if agrees {
        found.push(Finding::new(
            &AGREES,
            format_args!("the image of {} is measured into PCR {}", status.image.device, status.pcr),
        ));
    }
    if boot.kexec_disabled.known().is_some_and(|value| value == "0") {
        found.push(Finding::new(&KEXEC, "kernel.kexec_load_disabled is 0"));
    }
    found
}

/// Whether nothing of the report stayed without a comparison: neither the log, nor the root, nor the PCR of a TPM.
fn was_compared(machine: &Machine, status: &Status) -> bool {
    let (boot, tpms) = (&machine.boot, &machine.tpms.each);
    let shows_pcr = |tpm: &Tpm| {
        tpm.banks.iter().any(|(bank, values)| status.banks.contains_key(bank) && values.contains_key(&status.pcr))
    };
    let shows_root = boot.mounts.known().is_some_and(|mounts| mounts.iter().any(is_root));
    boot.log.known().is_some() && shows_root && !tpms.is_empty() && tpms.iter().all(shows_pcr)
}

fn is_root(mount: &MountInfo) -> bool {
    mount.mount_point.as_os_str() == "/"
}

/// Whether the TPM has what the boot left in it.
fn registers(machine: &Machine, status: &Status) -> Vec<Finding> {
    let mut found = Vec::new();
    let Status { pcr, banks, .. } = status;
    for tpm in &machine.tpms.each {
        let held = tpm.banks.iter().filter_map(|(bank, values)| values.get(pcr).map(|now| (bank, now)));
        let (mut differing, mut left_out) = (Vec::new(), Vec::new());
        for (bank, now) in held {
            match banks.get(bank) {
                Some(extended) if extended.after != *now => {
                    differing.push(format!("{bank} is {now}, the boot left {}", extended.after));
                }
                Some(_) => {}
                None => left_out.push(bank.as_str()),
            }
        }
        if !differing.is_empty() {
            let what = format_args!("tpm{}: PCR {pcr}: {}", tpm.number, differing.join("; "));
            found.push(Finding::new(&OTHER_PCR, what));
        }
        if !left_out.is_empty() {
            let what = format_args!("tpm{}: the boot left PCR {pcr} as it was in {}", tpm.number, left_out.join(", "));
            found.push(Finding::new(&NEW_BANK, what));
        }
        if *pcr != PcrIndex::DEFAULT.get() && tpm.is_extended(PcrIndex::DEFAULT.get()) == Some(false) {
            found.push(Finding::new(
                &FREE_13,
                format_args!("tpm{}: the image is in PCR {pcr}, and PCR 13 is zero", tpm.number),
            ));
        }
    }
    let is_used = |value: &str| value.bytes().any(|digit| digit != b'0');
    if let Some((bank, extended)) = banks.iter().find(|(_, extended)| is_used(&extended.before)) {
        found.push(Finding::new(
            &USED_BEFORE,
            format_args!("PCR {pcr}, {bank} was {} before the boot", extended.before),
        ));
    }
    found
}

/// Whether the log leads to what the boot left in the PCR.
fn log(boot: &Boot, status: &Status) -> Option<Finding> {
    let bytes = match &boot.log {
        Fact::Known(bytes) => bytes,
        Fact::Absent if status.banks.is_empty() => return None,
        Fact::Absent => return Some(Finding::new(&NO_LOG, "/run/measureroot/eventlog.bin is missing")),
        Fact::Unread(_) => return None,
    };
    let values = match eventlog::parse(bytes) {
        Ok(log) => log.replay(),
        Err(error) => return Some(Finding::new(&OTHER_LOG, format_args!("eventlog.bin: {error}"))),
    };
    let pcr = Pcr::try_from(u32::from(status.pcr)).ok()?;
    let differs = status.banks.iter().find(|(bank, extended)| {
        // The log begins at zero: if the PCR was used before, its log leads to another value.
        let is_fresh = extended.before.bytes().all(|digit| digit == b'0');
        let replayed = bank.parse::<Bank>().ok().and_then(|bank| values.get(&bank)?.get(&pcr));
        is_fresh && replayed.is_none_or(|value| value.to_string() != extended.after)
    });
    differs.map(|(bank, _)| {
        Finding::new(
            &OTHER_LOG,
            format_args!("eventlog.bin does not lead to the value of PCR {pcr} in the bank {bank}"),
        )
    })
}

/// Whether the mounted root is what the boot made.
fn root(boot: &Boot, status: &Status) -> Vec<Finding> {
    let mut found = Vec::new();
    // The last mount of a folder hides those before.
    let mounts = boot.mounts.known().map(Vec::as_slice).unwrap_or_default();
    let at = |folder: &str| mounts.iter().rev().find(|mount| mount.mount_point.as_os_str() == folder);
    let is_ours = |mount: &MountInfo| {
        let lower = mount.super_options.get("lowerdir").and_then(Option::as_deref);
        mount.fs_type == "overlay" && lower == Some(overlay::LOWER)
    };
    if let Some(root) = at("/") {
        if is_ours(root) {
            if !root.mount_options.contains_key("ro") {
                found.push(Finding::new(
                    &OVERLAY,
                    "the running system can write over the image, and nothing of that is measured",
                ));
            }
        } else {
            let what = format_args!("/ is {}, not the overlay over the measured image", root.fs_type);
            found.push(Finding::new(&OTHER_ROOT, what));
        }
    }
    let device = match status.seal.kind.as_str() {
        "verity" => Some("measureroot"),
        "roothash" => Some("root"),
        _ => None,
    };
    if let Some(device) = device.filter(|device| !boot.mapped.contains(*device)) {
        found.push(Finding::new(&NO_DEVICE, format_args!("there is no device-mapper device called {device}")));
    }
    if at(MEDIUM).is_some_and(|medium| medium.mount_options.contains_key("rw")) {
        found.push(Finding::new(&WRITABLE_MEDIUM, format_args!("{MEDIUM} is mounted writable")));
    }
    for folder in MERGED_AT.iter().filter(|folder| at(folder).is_some_and(|mount| mount.fs_type == "overlay")) {
        found.push(Finding::new(&MERGED, format_args!("an overlay is mounted on {folder}")));
    }
    found
}

//! `measureroot predict --disk`: shim, GRUB, its stock configuration and the kernel are Debian's, without Secure Boot and with it. The
//! machine is trusted then; and if shim alone is another one, the verdict names it: the tenth of the alterations in `altered.rs`.
//! `measureroot doctor` says in the guest who measured the agent.

use std::fs;
use test_vm::debian_disk::{self, Release};
use test_vm::doctor::{self, Findings};
use test_vm::scratch::Scratch;
use test_vm::{Bus, Evidence, Firmware, Guest, Result, Vm, ensure, predict};

/// Microsoft's keys, which allow shim.
const MICROSOFT: &str = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";
/// The PCRs that follow: those of the firmware from the log of the first boot.
const FOLLOW: [u8; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14];

/// What the doctor says of a UEFI without keys.
const SETUP_MODE: &str = "secure-boot-setup-mode";

/// What the doctor finds in the guest: about Secure Boot, which is a fault if it is `worse`; and when securityfs is gone, that no log is there.
fn is_judged(guest: &mut Guest, secure_boot: &str, worse: &[&str]) -> Result<()> {
    doctor::mount(guest)?;
    let found = Findings::of(guest)?;
    found.worse_are(worse)?;
    found.say("agent-measured", "GRUB measured its commands and files into PCR 8 and 9")?;
    found.say(secure_boot, "")?;
    found.say("firmware-log-agrees", "")?;
    found.say("boot-agrees", "")?;
    doctor::shell(guest, "umount /sys/kernel/security")?;
    Findings::of(guest)?.worse_are(&[worse, &["firmware-log-missing"]].concat())
}

/// The TPM holds what was predicted of both releases, and their evidence is trusted. The kernel of the first one gets the log: GRUB 2.06
/// may jump past what takes it.
fn boot_as_predicted(vm: &Vm, secure_boot: &str, worse: &[&str], is_then_altered: bool) -> Result<()> {
    let (logs, image) = (Scratch::new()?, doctor::image()?);
    let log = logs.path("log");
    for release in [Release::Trixie, Release::Bookworm] {
        let scratch = Scratch::new()?;
        let (disk, list) = (debian_disk::made(release, &scratch)?, scratch.path("trusted.json"));
        let vm = vm.clone().disk_file(Bus::Virtio, disk.clone()).disk(&image);
        let mut guest = vm.boots()?;
        if release == Release::Trixie {
            is_judged(&mut guest, secure_boot, worse)?;
        }
        let evidence = Evidence::of(guest)?;
        if release == Release::Trixie {
            fs::copy(evidence.log(), &log)?;
        }
        let menu = predict::disk_with(&disk, &["--like", log.to_str().ok_or("a path is not UTF-8")?])?;
        ensure!(menu[0].keys().copied().eq(FOLLOW), "{release:?}: {:?}", menu[0].keys());
        predict::holds(evidence.vm(), &menu[0]).map_err(|error| format!("{release:?}: {error}"))?;
        let options = ["--disk".as_ref(), disk.as_path(), "--like".as_ref(), &log];
        let trusted = evidence.is_trusted(&options, image.path(), &list);
        trusted.map_err(|error| format!("{release:?}: {error}"))?;
        if is_then_altered && release == Release::Trixie {
            debian_disk::lengthen(&disk, "EFI/BOOT/BOOTX64.EFI", &scratch)?;
            let words = "PCR 4: EFI/BOOT/BOOTX64.EFI (shim 16.1";
            Evidence::of(vm.boots()?)?.judged(&list)?.is_against(words)?;
        }
    }
    Ok(())
}

#[test]
fn without_secure_boot_the_chain_is_measured_as_predicted_and_another_shim_is_named() -> Result<()> {
    // OVMF has no keys then, and every program could write them.
    boot_as_predicted(&Vm::uefi().large(), SETUP_MODE, &[SETUP_MODE], true)
}

#[test]
fn with_secure_boot_the_chain_is_measured_as_predicted() -> Result<()> {
    let mut vm = Vm::started_by(Firmware::SecureBoot).large();
    vm.variables = Some(MICROSOFT.into());
    boot_as_predicted(&vm, "secure-boot-on", &[], false)
}

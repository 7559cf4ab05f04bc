//! `measureroot predict --disk`: shim, GRUB, its stock configuration and the kernel are Debian's, without Secure Boot and with it.

use std::fs;
use test_vm::debian_disk::{self, Release};
use test_vm::scratch::Scratch;
use test_vm::{Bus, Firmware, Image, Result, RootFs, Vm, ensure, predict};

/// Microsoft's keys, which allow shim.
const MICROSOFT: &str = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";
/// The PCRs that follow: those of the firmware from the log of the first boot.
const FOLLOW: [u8; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14];

/// The TPM holds what was predicted of both releases. The kernel of the first one gets the log: GRUB 2.06 may jump past what takes it.
fn boot_as_predicted(vm: &Vm) -> Result<()> {
    let logs = Scratch::new()?;
    let log = logs.path("log");
    for release in [Release::Trixie, Release::Bookworm] {
        let scratch = Scratch::new()?;
        let disk = debian_disk::made(release, &scratch)?;
        let vm = vm.clone().disk_file(Bus::Virtio, disk.clone()).disk(&Image::small(RootFs::Squashfs)?);
        let mut guest = vm.boots()?;
        if release == Release::Trixie {
            fs::write(&log, guest.bytes("/run/measureroot/binary_bios_measurements")?.content)?;
        }
        let menu = predict::disk_with(&disk, &["--like", log.to_str().ok_or("a path is not UTF-8")?])?;
        ensure!(menu[0].keys().copied().eq(FOLLOW), "{release:?}: {:?}", menu[0].keys());
        predict::holds(&guest.power_off()?, &menu[0]).map_err(|error| format!("{release:?}: {error}"))?;
    }
    Ok(())
}

#[test]
fn without_secure_boot_the_chain_is_measured_as_predicted() -> Result<()> {
    boot_as_predicted(&Vm::uefi().large())
}

#[test]
fn with_secure_boot_the_chain_is_measured_as_predicted() -> Result<()> {
    let mut vm = Vm::started_by(Firmware::SecureBoot).large();
    vm.variables = Some(MICROSOFT.into());
    boot_as_predicted(&vm)
}

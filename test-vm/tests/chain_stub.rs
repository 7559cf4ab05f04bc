//! `measureroot predict --uki` and `--append`: OVMF starts unified kernel images with systemd's stub of Debian 12, of Debian 13 and the newest
//! one, with Secure Boot and without it. Their command line is inside, or a boot option gives it. The TPM holds what was predicted, and
//! the machine is trusted.
//!
//! | command line | 252 and 257 | the newest |
//! |---|---|---|
//! | inside, Secure Boot off and on | here | here |
//! | from outside, another one inside, off | `chain.rs`: systemd-boot gives it, which does not count with Secure Boot on | here |
//! | from outside, none inside, Secure Boot on | here | here |

use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use test_vm::scratch::Scratch;
use test_vm::{Builder, Bus, Evidence, Firmware, Image, Result, RootFs, Vm, assets, ensure, predict, uki};

const CMDLINE: &str = "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff";
/// The program that firmware starts of a partition.
const PROGRAM: &str = "EFI/BOOT/BOOTX64.EFI";
/// The PCRs that follow of a stub that measureroot knows, and of another one.
const FOLLOW: &[u8] = &[4, 8, 9, 11, 12, 14];
const FOLLOW_OF_UNKNOWN: &[u8] = &[4, 8, 14];

/// An image of Debian 13's ukify, with a stub: that of Debian 13, or another one.
fn ukify(builder: &Builder, stub: Option<&Path>, cmdline: &str) -> Result<PathBuf> {
    if let Some(stub) = stub {
        fs::copy(stub, builder.place("stub"))?;
    }
    let kernel = "/checkout/target/test-vm/kernel-6.12";
    let option = stub.map_or("", |_| "--stub stub");
    let inside = if cmdline.is_empty() { String::new() } else { format!("--cmdline '{cmdline}'") };
    builder.run(&format!(
        "ukify build {option} --linux {kernel}/vmlinuz --initrd {kernel}/initramfs.cpio.zst --os-release ID=test \\
             {inside} --output measured.efi"
    ))?;
    builder.file("measured.efi")
}

/// The firmware starts an image, with a boot option if there are words. The TPM holds what was predicted, and the machine is trusted.
fn starts(uki: &Path, words: &str, firmware: Firmware, follow: &[u8]) -> Result<()> {
    let scratch = Scratch::new()?;
    let esp = uki::esp(&[(uki, PROGRAM)], &[], &scratch)?;
    let mut vm = Vm::started_by(firmware).large().disk_file(Bus::Virtio, uki::disk(&esp, &[], &scratch)?);
    if !words.is_empty() {
        vm = vm.boot_option(&format!("/{PROGRAM}").replace('/', "\\"), words);
    }
    let chain = predict::chain_with(&esp.join(PROGRAM), &["--append", words])?;
    ensure!(chain.keys().eq(follow), "{:?} follow", chain.keys());
    let image = Image::small(RootFs::Squashfs)?;
    let evidence = Evidence::of(vm.disk(&image).boots()?)?;
    let which = if firmware == Firmware::SecureBoot { "Secure Boot is on" } else { "Secure Boot is off" };
    for (pcr, values) in &chain {
        let answers = predict::answers(values, &evidence.vm().pcrs(*pcr)?, *pcr)?;
        let others = answers.iter().any(|answer| answer.starts_with("Secure Boot ") && answer != which);
        ensure!(!others, "{firmware:?}, PCR {pcr}: {answers:?}");
    }
    // What starts the agent must be known.
    if follow == FOLLOW {
        let (program, log) = (esp.join(PROGRAM), evidence.log());
        let options = [
            "--uki".as_ref(),
            program.as_os_str(),
            "--append".as_ref(),
            words.as_ref(),
            "--like".as_ref(),
            log.as_ref(),
        ];
        evidence.is_trusted(&options, image.path(), &scratch.path("trusted.json"))?;
    }
    Ok(())
}

/// Without Secure Boot and with it, the command line is inside; and with it, there is none inside.
fn starts_of(inside: &Path, without: &Path, follow: &[u8]) -> Result<()> {
    for firmware in [Firmware::Uefi, Firmware::SecureBoot] {
        starts(inside, "", firmware, follow)?;
    }
    starts(without, CMDLINE, Firmware::SecureBoot, follow)
}

/// Checks which stub an image has.
fn is_of(uki: &Path, stub: &str) -> Result<()> {
    let said = predict::words(uki)?;
    ensure!(said.contains(&format!("systemd-stub {stub}")), "not stub {stub}: {said}");
    Ok(())
}

#[test]
fn a_stub_252_is_measured_as_predicted() -> Result<()> {
    let scratch = Scratch::new()?;
    let (inside, without) = (uki::made(&scratch, "measured", CMDLINE)?, scratch.path("without.efi"));
    uki::run("objcopy", ["--remove-section=.cmdline".as_ref(), inside.as_os_str(), without.as_os_str()])?;
    is_of(&inside, "252")?;
    starts_of(&inside, &without, FOLLOW)
}

#[test]
fn a_stub_257_is_measured_as_predicted() -> Result<()> {
    let [inside, without] = [Builder::mkosi()?, Builder::mkosi()?];
    let (inside, without) = (ukify(&inside, None, CMDLINE)?, ukify(&without, None, "")?);
    is_of(&inside, "257")?;
    starts_of(&inside, &without, FOLLOW)
}

/// The first stub that measureroot knows, of Debian's unstable and testing. If it knows neither, it must say so, and only what it still
/// predicts must hold: a version that came out yesterday makes no test fail, and measureroot does not guess what it does.
#[test]
fn the_newest_stub_of_debian_is_measured_as_predicted() -> Result<()> {
    let [inside, without] = [Builder::mkosi()?, Builder::mkosi()?];
    let (mut stub, mut follow) = (PathBuf::new(), FOLLOW_OF_UNKNOWN);
    for suite in ["unstable", "testing"] {
        stub = assets::product(&format!("test-vm/stubs/{suite}.efi.stub"))?;
        let said = predict::words(&ukify(&inside, Some(&stub), CMDLINE)?)?;
        let version = said.split("systemd-stub ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
        let is_known = !said.contains("is not known here");
        // Not captured, so that each log of a run has it.
        writeln!(stderr(), "systemd-stub {version} of {suite}: {}", if is_known { "known" } else { "NOT KNOWN YET" })?;
        if is_known {
            follow = FOLLOW;
            break;
        }
    }
    let (inside, without) = (inside.file("measured.efi")?, ukify(&without, Some(&stub), "")?);
    starts_of(&inside, &without, follow)?;
    starts(&inside, &format!("{CMDLINE} from=outside"), Firmware::Uefi, follow)
}

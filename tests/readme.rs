//! Every command in README.md does what it says: those of a boot run in the boot tests, all others here, as they stand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

mod evidence;
mod swtpm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use evidence::{Machine, Measured, log};
use measureroot::eventlog::header::Header;
use measureroot::eventlog::{EventType, tcg};
use measureroot::hash::bank::Bank;
use measureroot::hash::digest::digests_of;
use measureroot::measure::measurement::{self, ImageBytes};
use measureroot::measure::pcr::{PcrIndex, Pcrs};
use measureroot::tpm::EsysPcrs;
use swtpm::Swtpm;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The blocks of shell commands in README.md.
fn blocks() -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The one block that has `part`.
fn block(part: &str) -> String {
    let found: Vec<_> = blocks().into_iter().filter(|block| block.contains(part)).collect();
    assert_eq!(found.len(), 1, "blocks with {part}");
    found.concat()
}

/// Runs a block in `folder`, with `measureroot` on the path.
fn run(block: &str, folder: &Path, environment: &[(&str, &str)]) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_measureroot")).parent().unwrap();
    let path = format!("{}:/sbin:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", block]).current_dir(folder).env("PATH", path);
    let output = shell.envs(environment.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{block}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A folder that looks to a README command like the project's own, with the programs of this build.
fn checkout(folder: &Path) -> PathBuf {
    let top = folder.join("checkout");
    fs::create_dir_all(top.join("target/release")).unwrap();
    fs::create_dir_all(top.join("target/initramfs")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_measureroot"), top.join("target/release/measureroot")).unwrap();
    fs::write(top.join("target/initramfs/init"), "agent").unwrap();
    std::os::unix::fs::symlink(Path::new(ROOT).join("kernel-fragments"), top.join("kernel-fragments")).unwrap();
    top
}

#[test]
fn there_is_no_block_that_nobody_runs() {
    let known = [
        "test-vm/demo",
        "initramfs/build",
        "--kernel-modules",
        "kernel-fragments/check",
        "| diff",
        "measureroot replay",
        "veritysetup",
        "measureroot verify",
    ];
    for block in blocks() {
        assert_eq!(known.iter().filter(|part| block.contains(**part)).count(), 1, "{block}");
    }
}

#[test]
fn the_two_commands_and_the_build_run_in_ci() {
    let text = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    for line in block("test-vm/demo").lines().chain(block("initramfs/build").lines()) {
        let command = line.split('#').next().unwrap().trim();
        assert!(Path::new(ROOT).join(command).is_file(), "{command}");
        let run = [".ci/run", "test-vm/test", "initramfs/deb"].map(text).concat();
        assert!(run.contains(&format!("\n{command}\n")), "{command}");
    }
}

#[test]
fn an_initramfs_with_modules_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    let top = checkout(folder.path());
    let modules = folder.path().join("6.1.0");
    fs::create_dir_all(modules.join("kernel")).unwrap();
    let names = ["virtio_pci", "virtio_blk", "loop", "squashfs", "overlay", "dm-verity"];
    fs::write(modules.join("modules.dep"), names.map(|name| format!("kernel/{name}.ko:\n")).concat()).unwrap();
    for name in names {
        fs::write(modules.join(format!("kernel/{name}.ko")), name).unwrap();
    }
    // The modules of a kernel that need not be the running one.
    let block = block("--kernel-modules");
    let (first, command) = block.split_once('\n').unwrap();
    assert_eq!(first, "MODULES=/lib/modules/$(uname -r)");
    run(command, &top, &[("MODULES", modules.to_str().unwrap())]);
    assert!(top.join("initramfs.cpio.zst").metadata().unwrap().len() > 100);
}

#[test]
fn a_kernel_configuration_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let top = checkout(folder.path());
    let config = Command::new(Path::new(ROOT).join("kernel-fragments/debian-config")).output().unwrap();
    let config = String::from_utf8(config.stdout).unwrap();
    // The configuration of a kernel that need not be the running one.
    let command = block("kernel-fragments/check").replace("check running", "check \"$CONFIG\"");
    assert!(command.contains("\"$CONFIG\""));
    run(&command, &top, &[("CONFIG", config.trim())]);
}

/// Makes a small rootfs.squashfs in `folder`.
fn squashfs(folder: &Path) -> PathBuf {
    let image = folder.join("rootfs.squashfs");
    fs::write(folder.join("content"), "content").unwrap();
    let mut mksquashfs = Command::new("mksquashfs");
    mksquashfs.arg(folder.join("content")).arg(&image).args(["-quiet", "-no-progress"]);
    assert!(mksquashfs.output().unwrap().status.success());
    image
}

#[test]
fn a_root_hash_is_predicted_and_computed_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    squashfs(folder.path());
    let text = run(&block("veritysetup"), folder.path(), &[]);
    let lines: Vec<_> = text.lines().collect();
    // Twice the same prediction of four banks, and the digest.
    let [predictions @ .., digest] = lines.as_slice() else { panic!("{text}") };
    assert_eq!((predictions.len(), &predictions[..8]), (16, &predictions[8..]));
    let digest = hex::decode(digest.split(' ').next().unwrap()).unwrap();
    let after = Bank::Sha256.digest(&[[0; 32].as_slice(), &digest].concat());
    assert!(text.contains(&format!("  sha256:\n    13: 0x{}", after.to_string().to_uppercase())), "{text}");
}

#[test]
fn a_machine_is_checked_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let image = squashfs(folder.path());
    // What a boot of the image does to the TPM.
    let swtpm = Swtpm::start("sha1,sha256");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    let pcr = PcrIndex::DEFAULT;
    let banks = tpm.banks(pcr).unwrap();
    let file = fs::File::open(&image).unwrap();
    let bytes = file.metadata().unwrap().len();
    let image = ImageBytes { file: &file, name: "image", bytes, opened_bytes: bytes };
    let digests = measurement::image(image, &banks, None, &mut |_| ()).unwrap();
    measurement::extend(&mut tpm, pcr, &digests).unwrap();
    drop(tpm);
    assert!(banks.contains(&Bank::Sha256));
    let tcti = format!("device:{}", swtpm.device.display());
    let text = run(&block("| diff"), folder.path(), &[("TPM2TOOLS_TCTI", &tcti)]);
    assert!(text.contains("this is rootfs.squashfs"), "{text}");
}

#[test]
fn a_log_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let pcr = PcrIndex::DEFAULT;
    let swtpm = Swtpm::start("sha1,sha256");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    let banks = tpm.banks(pcr).unwrap();
    measurement::extend_failed(&mut tpm, pcr).unwrap();
    drop(tpm);
    let header = Header::of(banks.iter().copied());
    let digests = digests_of(&banks, measurement::FAILED.as_bytes());
    let event = tcg::encode(&header, pcr.into(), EventType::EVENT_TAG, &digests, b"");
    fs::write(folder.path().join("binary_bios_measurements"), [header.encode(), event].concat()).unwrap();
    // The log and the TPM of a machine that need not be this one.
    let device = format!("--tpm={}", swtpm.device.display());
    let command = block("measureroot replay").replace("/run/measureroot/", "").replace("--tpm ", &device);
    assert!(command.contains(&device));
    let text = run(&command, folder.path(), &[("TPM2TOOLS_TCTI", &swtpm.tcti())]);
    let event = "# event 1, PCR 13: EV_EVENT_TAG: the text \"measureroot: failed\"";
    assert_eq!(text.matches(event).count(), 2, "{text}");
}

#[test]
fn a_machine_is_checked_from_afar() {
    let content: Vec<u8> = (0..5000_u32).map(|i| i.to_be_bytes()[3]).collect();
    let machine = Machine::booted(&[Measured::image(&content)]);
    machine.write("rootfs.squashfs", &content);
    machine.write("binary_bios_measurements", &log(&[Measured::image(&content)]));
    machine.key("ecc256:ecdsa-sha256");
    std::fs::rename(machine.path("ak.tss"), machine.path("ak.pub")).unwrap();
    let environment = [("TPM2TOOLS_TCTI", machine.swtpm.tcti()), ("NONCE", "00c0ffee".to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let text = run(&block("measureroot verify"), machine.path("").as_path(), &environment);
    assert!(text.contains("\ntrusted: release 7, until 2099-12-31\n"), "{text}");
}

//! A boot that fails after the image was measured marks the PCR wherever it fails, up to the start of the init: also when /dev has
//! moved to the new root already. The PCR is read from outside.

use std::time::{Duration, Instant};
use test_vm::stopped_vm::{DEFAULT_PCR, FAILED};
use test_vm::{Failed, Image, Kernel, Prediction, Result, Step, Vm, WrappedInitramfs, assets, ensure};

/// The boot of this root image failed at this step, and the PCR holds the image and the failure.
fn is_marked(failed: &Failed, image: &Image, step: Step, object: &str) -> Result<()> {
    failed.at_step(step, object)?;
    failed.vm.holds(DEFAULT_PCR, Some(&Prediction::of(image.path())?.after()), FAILED)
}

/// Commands of a shell that make a good root image of the folder `tree`.
const GOOD: &str = "cp tree/probe tree/sbin/init";

/// Boots a good root image after PID 1 ran these commands, and fails at this step.
fn fails_after(commands: &[&str], step: Step, object: &str) -> Result<()> {
    let image = Image::squashfs_of(GOOD)?;
    let wrapped = WrappedInitramfs::new(Kernel::V6_1, commands)?;
    is_marked(&Vm::new("root=/dev/vda").disk(&image).wrapped(&wrapped).fails()?, &image, step, object)
}

/// Boots the root image that these commands make, and fails at this step.
fn fails_with(commands: &str, parameters: &str, step: Step, object: &str) -> Result<()> {
    let image = Image::squashfs_of(&format!("{GOOD}; {commands}"))?;
    is_marked(&Vm::new("root=/dev/vda").with(parameters).disk(&image).fails()?, &image, step, object)
}

#[test]
fn an_image_whose_proc_is_a_link_is_marked() -> Result<()> {
    fails_with("rmdir tree/proc; mkdir tree/other; ln -s other tree/proc", "", Step::MoveMounts, "/proc")
}

#[test]
fn a_failure_after_dev_proc_and_sys_have_moved_is_marked() -> Result<()> {
    // The kernel moves only whole mounts, and /run is a folder in one.
    let elsewhere = [
        "mkdir -p /elsewhere",
        "mount -t tmpfs tmpfs /elsewhere",
        "mkdir /elsewhere/run",
        "rm -rf /run",
        "ln -s /elsewhere/run /run",
    ];
    fails_after(&elsewhere, Step::MoveMounts, "/run")
}

#[test]
fn an_init_that_the_kernel_refuses_after_switching_root_is_marked() -> Result<()> {
    // The header of a static ELF program for arm64 (EM_AARCH64 is 183), without a program header.
    let foreign = "(printf '\\177ELF\\2\\1\\1'; head -c 9 /dev/zero; printf '\\2\\0\\267\\0\\1'; head -c 100 /dev/zero) >tree/foreign
        chmod +x tree/foreign";
    fails_with(foreign, "init=/foreign", Step::StartInit, "/foreign")
}

#[test]
fn a_dangling_init_is_named_before_anything_moves() -> Result<()> {
    let image = Image::squashfs_of("ln -s /usr/lib/systemd/systemd tree/sbin/init")?;
    let failed = Vm::new("root=/dev/vda").disk(&image).fails()?;
    failed.because(&["is a link to /usr/lib/systemd/systemd, which leads nowhere"])?;
    ensure!(!failed.vm.console().iter().any(|line| line.contains("measureroot: move the mounts")), "it moved mounts");
    is_marked(&failed, &image, Step::StartInit, "/sbin/init")
}

#[test]
fn a_full_run_fails_the_boot_and_is_marked_once() -> Result<()> {
    let full = ["mkdir -p /run", "mount -t tmpfs -o size=4k tmpfs /run", "dd if=/init of=/run/full bs=4k count=1"];
    fails_after(&full, Step::WriteLog, "/run/measureroot/eventlog.bin")
}

#[test]
fn mounts_that_another_program_made_shared_are_no_failure() -> Result<()> {
    let image = Image::squashfs_of(GOOD)?;
    let shared = WrappedInitramfs::new(Kernel::V6_1, &["mount --make-rshared /"])?;
    Vm::new("root=/dev/vda").disk(&image).wrapped(&shared).boots()?.ends_measured(&image).map(drop)
}

#[test]
fn the_agent_in_a_root_that_is_no_initramfs_is_refused_and_marked() -> Result<()> {
    let agent = assets::product("initramfs/init")?;
    let image = Image::squashfs_of(&format!("cp '{}' tree/sbin/init", agent.display()))?;
    // Without an initramfs, the kernel mounts the root itself.
    let vm = Vm::new("root=/dev/vda rootfstype=squashfs").kernel(Kernel::Own).disk(&image);
    vm.initramfs(Image::empty()?.path().to_owned()).fails()?.at(Step::SwitchRoot, "/")
}

/// The kernel's driver waits for TPM2_CreatePrimary for 300 s, and reboot(2) waits for the driver.
#[test]
fn a_tpm_that_never_answers_does_not_hold_up_the_restart() -> Result<()> {
    let parameters = "console=ttyS0 panic=1 root=/dev/vda measureroot.timeout=1";
    let mut machine = Vm::new("").cmdline(parameters).disk(&Image::squashfs_of(GOOD)?).large().start()?;
    machine.says("measureroot: load kernel modules")?;
    machine.silence_tpm()?;
    machine.says("measureroot: FAILED at step \"wait for devices\": TPM2_CreatePrimary: no answer in 20 s")?;
    let failed_at = Instant::now();
    let failed = machine.failed()?;
    // The mark waits for 3 s, the message stays for 1 s, and the restart may take 30 s. The rest is for a slow machine.
    ensure!(failed_at.elapsed() < Duration::from_secs(130), "it took {:?}", failed_at.elapsed());
    ensure!(failed.vm.reason() == "guest-reset", "stopped by {}", failed.vm.reason());
    failed.vm.says(&["TPM2_CreatePrimary: no answer yet; waits for at most 20 s"])?;
    failed.vm.says(&["the mark of the failure takes more than 3 s: ends without it"])?;
    failed.vm.says(&["a driver of the kernel has held up the end for 30 s: restarts without it"])
}

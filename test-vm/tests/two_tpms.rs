//! Two TPMs. QEMU has one, so the second one is a swtpm in the guest, behind the kernel's proxy for TPMs: PID 1 starts it before it becomes
//! the agent. For the kernel and the agent it is a TPM like the other, and for `measureroot doctor`.

use std::path::PathBuf;
use std::time::Duration;
use test_vm::doctor::{self, Findings};
use test_vm::stopped_vm::{DEFAULT_PCR, UNMEASURED};
use test_vm::{Bank, Guest, Image, Kernel, Prediction, Result, RootFs, Vm, WrappedInitramfs, ensure, tool};

/// Where the kernel shows the banks of the second TPM.
const SECOND: &str = "/sys/class/tpm/tpm1";

/// An initramfs that starts a TPM 2.0 in the guest, so many seconds after the agent, or before it if that is 0.
fn with_second_tpm(seconds: u32) -> Result<WrappedInitramfs> {
    let swtpm = "/usr/bin/swtpm";
    let libraries = tool::finish(tool::limited(Duration::from_secs(10), "ldd").arg(swtpm))?;
    let mut files: Vec<_> =
        libraries.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect();
    let proxy = std::fs::canonicalize(Kernel::V6_1.modules()?)?.join("kernel/drivers/char/tpm/tpm_vtpm_proxy.ko");
    files.extend([swtpm.into(), proxy.clone()]);
    let start = format!(
        "{swtpm} chardev --vtpm-proxy --tpm2 --tpmstate dir=/state --flags startup-clear --seccomp action=none"
    );
    let start = match seconds {
        0 => format!("sh -c '{start} & until [ -e /dev/tpmrm1 ]; do /busybox sleep 1; done'"),
        _ => format!("sh -c '(/busybox sleep {seconds}; exec {start}) &'"),
    };
    let insert = format!("insmod {}", proxy.display());
    let commands = ["mkdir -p /dev /state", "mount -t devtmpfs dev /dev", &insert, &start];
    WrappedInitramfs::with_files(Kernel::V6_1, &files, &commands)
}

/// Checks what the second TPM holds: the kernel reads it.
fn second_holds(guest: &mut Guest, bank: Bank, value: &str) -> Result<()> {
    let path = format!("{SECOND}/pcr-{}/{DEFAULT_PCR}", bank.name());
    let held = guest.read(path)?.to_lowercase();
    ensure!(held == value, "the second TPM holds {held}, not {value}");
    Ok(())
}

#[test]
fn two_tpms_are_both_measured_into() -> Result<()> {
    let (image, initramfs) = (doctor::image()?, with_second_tpm(0)?);
    let predicted = Prediction::of(image.path())?;
    let mut guest = Vm::new("root=/dev/vda").wrapped(&initramfs).disk(&image).boots()?;
    second_holds(&mut guest, Bank::Sha256, &predicted.banks[&Bank::Sha256].after)?;
    guest.agrees(&predicted)?;
    doctor::mount(&mut guest)?;
    let found = Findings::of(&mut guest)?;
    // PID 1 is another program, which then starts the agent.
    let others = ["agent-not-measured", "command-line-without-agent"];
    found.worse_are(&others)?;
    found.say("tpm-several", "2 TPMs")?;
    found.say("boot-agrees", "")?;
    // The second one alone: what the first one holds still agrees.
    doctor::extend(&mut guest, "/dev/tpm1", DEFAULT_PCR)?;
    let found = Findings::of(&mut guest)?;
    found.worse_are(&[&others[..], &["boot-pcr-differs"]].concat())?;
    found.say("boot-pcr-differs", "tpm1: PCR 13: sha256 is ")?;
    guest.ends_as(&predicted)?.says(&["this machine has 2 TPMs: all of them are extended"])
}

/// The TPM 1.2 is ready when the boot begins. The TPM 2.0 comes later.
#[test]
fn a_slow_tpm_2_beside_a_tpm_1_2_is_waited_for_if_it_is_asked_for() -> Result<()> {
    let (image, initramfs) = (doctor::image()?, with_second_tpm(4)?);
    let predicted = Prediction::of(image.path())?;
    let vm = Vm::new("root=/dev/vda measureroot.tpm=2.0").tpm_12().wrapped(&initramfs).disk(&image);
    let mut guest = vm.boots()?;
    second_holds(&mut guest, Bank::Sha256, &predicted.banks[&Bank::Sha256].after)?;
    doctor::mount(&mut guest)?;
    let found = Findings::of(&mut guest)?;
    found.worse_are(&["tpm-12", "agent-not-measured", "command-line-without-agent", "boot-tpm-12"])?;
    found.say("tpm-present", "tpm1 is a TPM 2.0")?;
    found.say("boot-agrees", "")?;
    let vm = guest.power_off()?;
    ensure!(vm.pcrs(DEFAULT_PCR)?[&Bank::Sha1] == predicted.banks[&Bank::Sha1].after, "the TPM 1.2 is not extended");
    vm.says(&["this machine has 2 TPMs: all of them are extended"])
}

#[test]
fn an_unmeasured_boot_marks_both_tpms() -> Result<()> {
    let (image, initramfs) = (Image::small(RootFs::Squashfs)?, with_second_tpm(0)?);
    let mut guest = Vm::new("root=/dev/vda measureroot=off").wrapped(&initramfs).disk(&image).boots()?;
    let marked = Bank::Sha256.extend(&Bank::Sha256.zeros(), &Bank::Sha256.of(UNMEASURED.as_bytes())?)?;
    second_holds(&mut guest, Bank::Sha256, &marked)?;
    guest.power_off()?.holds(DEFAULT_PCR, None, UNMEASURED)
}

//! `measureroot predict`, compared with systemd-pcrlock of Debian 13, which hashes the same files for its own policies. It knows unified
//! kernel images as stub 257 measures them, programs (PCR 4), the kernel's command line and initrd (PCR 9), the partition table of a
//! disk (PCR 5), and the variables of Secure Boot (PCR 7). What allowed programs (PCR 7) it takes from the log of a boot.

use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::signed::signed;
use test_vm::stopped_vm::StoppedVm;
use test_vm::tpm_channel::TpmChannel;
use test_vm::{Bus, Firmware, Image, Kernel, Result, RootFs, Vm, efivars, ensure, tool, uki};

const LIMIT: Duration = Duration::from_secs(120);
const CMDLINE: &str = "root=/dev/vda ro";

/// The digests of an event, for each bank.
type Digests = BTreeMap<String, String>;

/// The PCR and the digests of each event that systemd-pcrlock makes a file of.
fn locked(command: &str, file: &Path, scratch: &Scratch) -> Result<Vec<(u64, Digests)>> {
    let lock = scratch.path("lock.pcrlock");
    tool::finish(pcrlock(command, &lock)?.arg(file))?;
    records(&lock)
}

fn pcrlock(command: &str, lock: &Path) -> Result<Command> {
    let mut pcrlock = tool::systemd_257("systemd-pcrlock", LIMIT)?;
    pcrlock.args([command, "--pcrlock"]).arg(lock);
    Ok(pcrlock)
}

fn records(lock: &Path) -> Result<Vec<(u64, Digests)>> {
    let said: Value = serde_json::from_slice(&std::fs::read(lock)?)?;
    let records = said["records"].as_array().ok_or("systemd-pcrlock wrote no records")?.iter();
    let digest = |one: &Value| Some((one["hashAlg"].as_str()?.to_owned(), one["digest"].as_str()?.to_owned()));
    let record = |record: &Value| {
        Some((record["pcr"].as_u64()?, record["digests"].as_array()?.iter().map(digest).collect::<Option<_>>()?))
    };
    Ok(records.map(record).collect::<Option<_>>().ok_or_else(|| format!("{said}"))?)
}

fn predicted(option: &str, file: &Path, more: &[&str]) -> Result<Value> {
    let mut predict = tool::measureroot(LIMIT)?;
    let said = tool::finish(predict.args(["predict", "--json", option]).arg(file).args(more))?;
    Ok(serde_json::from_str(&said)?)
}

/// The events of a PCR, without those that a machine decides.
fn events(predicted: &Value, pcr: u64) -> Result<Vec<Digests>> {
    events_of(predicted, pcr, "EV_")
}

/// Those of a type.
fn events_of(predicted: &Value, pcr: u64, kind: &str) -> Result<Vec<Digests>> {
    let parts = predicted["pcrs"][pcr.to_string()]["parts"].as_array().ok_or_else(|| format!("no PCR {pcr}"))?;
    let events = parts.iter().filter_map(|part| part.get("event"));
    let is_it = |event: &&Value| event["type"].as_str().is_some_and(|own| own.starts_with(kind));
    let digests = events.filter(is_it).map(|event| event["digests"].clone());
    Ok(digests.map(serde_json::from_value).collect::<std::result::Result<_, _>>()?)
}

#[test]
fn an_image_is_measured_as_systemd_pcrlock_says() -> Result<()> {
    let scratch = Scratch::new()?;
    let own = uki::made(&scratch, "252", CMDLINE)?;
    let mut bytes = std::fs::read(&own)?;
    // systemd-pcrlock hashes as if the image were signed: programs that sign fill up the file to eight bytes.
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    std::fs::write(&own, &bytes)?;
    // The same image, which calls its stub 257.
    let mark = b"LoaderInfo: systemd-stub 252";
    let at = bytes.windows(mark.len()).position(|window| window == mark).ok_or("no stub 252")?;
    bytes[at + mark.len() - 3..at + mark.len()].copy_from_slice(b"257");
    let newer = scratch.path("257.efi");
    std::fs::write(&newer, bytes)?;
    for (uki, is_257) in [(own, false), (newer, true)] {
        let (locked, predicted) = (locked("lock-uki", &uki, &scratch)?, predicted("--uki", &uki, &[])?);
        let of = |pcr| locked.iter().filter(move |record| record.0 == pcr).map(|record| &record.1);
        let program = events(&predicted, 4)?;
        ensure!(of(4).eq(program.iter().skip(2)), "PCR 4: {locked:?} {program:?}");
        let (sections, all) = (events(&predicted, 11)?, of(11).count());
        // The name and the content of .sbat, which 252 does not measure.
        ensure!(all == sections.len() + if is_257 { 0 } else { 2 } && all > 8, "PCR 11: {locked:?} {sections:?}");
        ensure!(of(11).zip(&sections).all(|(theirs, ours)| theirs == ours), "PCR 11: {locked:?} {sections:?}");
    }
    Ok(())
}

#[test]
fn a_kernel_is_measured_as_systemd_pcrlock_says() -> Result<()> {
    let scratch = Scratch::new()?;
    let (kernel, initrd, line) = (Kernel::V6_12.image()?, Kernel::V6_12.initramfs()?, scratch.path("cmdline"));
    std::fs::write(&line, CMDLINE)?;
    let initrd_name = initrd.to_str().ok_or("a path in UTF-8")?;
    let predicted = predicted("--kernel", &kernel, &["--append", CMDLINE, "--initrd", initrd_name])?;
    let one = |command, file: &Path| -> Result<Digests> {
        let [(_, digests)] = locked(command, file, &scratch)?.try_into().map_err(|all| format!("{all:?}"))?;
        Ok(digests)
    };
    assert_eq!(events(&predicted, 4)?.pop().ok_or("no program")?, one("lock-pe", &kernel)?);
    assert_eq!(events(&predicted, 9)?, [one("lock-kernel-initrd", &initrd)?]);
    // With a zero at the end of the load options, as systemd-boot hands them over.
    let answer = predicted["pcrs"]["9"]["parts"][0]["choice"]["answers"][0]["events"][0]["digests"].clone();
    assert_eq!(serde_json::from_value::<Digests>(answer)?, one("lock-kernel-cmdline", &line)?);
    Ok(())
}

/// A disk as a block device: systemd-pcrlock takes no file.
struct LoopDevice(PathBuf);

impl LoopDevice {
    fn of(disk: &Path) -> Result<Self> {
        let options = ["--find", "--show", "--read-only"].map(OsStr::new);
        let said = tool::output(LIMIT, "losetup", options.into_iter().chain([disk.as_os_str()]))?;
        Ok(Self(said.trim_end().into()))
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        tool::output(LIMIT, "losetup", [OsStr::new("--detach"), self.0.as_os_str()]).ok();
    }
}

/// A root directory in which systemd-pcrlock finds the variables of `$0`, and no mark of a container: in one, it reads no variable.
const ROOT: &str = "mount -t tmpfs none /mnt
    for folder in /*/; do
        folder=${folder%/}
        if [ -L $folder ]; then cp -P $folder /mnt
        elif [ $folder != /mnt ]; then mkdir /mnt$folder && mount --rbind $folder /mnt$folder; fi
    done
    mount -t tmpfs none /mnt/sys/firmware && mkdir -p /mnt/sys/firmware/efi/efivars
    cp \"$0\"/* /mnt/sys/firmware/efi/efivars && exec chroot /mnt \"$@\"";

/// What systemd-pcrlock says on a machine with these variables, after a boot with this log.
fn locked_on(
    efivars: &Path,
    log: &Path,
    vm: &StoppedVm,
    command: &str,
    scratch: &Scratch,
) -> Result<Vec<(u64, Digests)>> {
    let lock = scratch.path("lock.pcrlock");
    std::fs::write(&lock, "{}")?;
    let pcrlock = pcrlock(command, &lock)?;
    let mut unshare = tool::limited(LIMIT, "unshare");
    unshare.args(["--mount", "sh", "-euc", ROOT]).arg(efivars).arg(pcrlock.get_program()).args(pcrlock.get_args());
    // It compares PCR 7 with the log, and takes no TPM by a command.
    TpmChannel::connect(&vm.tpm()?.control())?.serve(|device| {
        let device = format!("device:{}", device.display());
        tool::finish(unshare.env("SYSTEMD_MEASURE_LOG_FIRMWARE", log).env("SYSTEMD_TPM2_DEVICE", device))
    })?;
    records(&lock)
}

#[test]
fn the_table_and_the_variables_of_a_boot_with_secure_boot_are_measured_as_systemd_pcrlock_says() -> Result<()> {
    let scratch = Scratch::new()?;
    let program = signed(&uki::made(&scratch, "measured", "root=PARTLABEL=root console=ttyS0 panic=1")?, &scratch)?;
    let boot = scratch.path("esp/EFI/BOOT");
    std::fs::create_dir_all(&boot)?;
    std::fs::copy(&program, boot.join("BOOTX64.EFI"))?;
    let disk = uki::disk_with_root(&scratch.path("esp"), Image::small(RootFs::Squashfs)?.path(), &scratch)?;
    let mut guest = Vm::started_by(Firmware::SecureBoot).large().disk_file(Bus::Virtio, disk.clone()).boots()?;
    let (log, efivars) = (scratch.path("log"), scratch.path("efivars"));
    std::fs::write(&log, guest.bytes("/run/measureroot/binary_bios_measurements")?.content)?;
    let vm = guest.power_off()?;
    efivars::of_log(&log, &efivars)?;

    let name = |path: &Path| path.to_str().map(str::to_owned).ok_or("a path in UTF-8");
    let of_disk = predicted("--disk", &disk, &["--like", &name(&log)?])?;
    let table = events_of(&of_disk["entries"][0], 5, "EV_EFI_GPT_EVENT")?;
    let device = LoopDevice::of(&disk)?;
    let said = locked("lock-gpt", &device.0, &scratch)?;
    ensure!(
        said.len() == 1 && said.iter().map(|(pcr, table)| (*pcr, table)).eq([5].into_iter().zip(&table)),
        "{said:?}"
    );

    // Variables that few machines have: when programs were signed, and what may start to recover the system.
    for more in [None, Some("dbt"), Some("dbr")] {
        if let Some(more) = more {
            let file = format!("{more}-d719b2cb-3d3a-4596-a3bc-dad00e67656f");
            std::fs::write(efivars.join(file), [7, 0, 0, 0, 1])?;
        }
        let of_program = predicted("--uki", &program, &["--efivars", &name(&efivars)?])?;
        let variables = events_of(&of_program, 7, "EV_EFI_VARIABLE_DRIVER_CONFIG")?;
        let said = locked_on(&efivars, &log, &vm, "lock-secureboot-policy", &scratch)?;
        ensure!(said.iter().all(|(pcr, _)| *pcr == 7) && said.len() > 4, "{said:?}");
        ensure!(said.iter().map(|(_, digests)| digests).eq(&variables), "{more:?}: {said:?} {variables:?}");
        let authorities = events_of(&of_program, 7, "EV_EFI_VARIABLE_AUTHORITY")?;
        let said = locked_on(&efivars, &log, &vm, "lock-secureboot-authority", &scratch)?;
        ensure!(
            said.len() == 1 && said.iter().map(|(_, digests)| digests).eq(&authorities),
            "{said:?} {authorities:?}"
        );
    }
    Ok(())
}

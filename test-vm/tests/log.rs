//! The event logs of a boot. measureroot, tpm2-tools and systemd replay them, and get the values in the TPM.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::stopped_vm::DEFAULT_PCR;
use test_vm::tpm_channel::TpmChannel;
use test_vm::{
    Bank, Guest, Image, PreparedImage, Result, RootFs, SealChoice, StoppedVm, Uncompressed, Vm, ensure, image, predict,
    tool,
};

/// The log with only measureroot's events.
const OWN: &str = "/run/measureroot/eventlog.bin";
/// The firmware's log, with measureroot's events behind its own.
const WHOLE: &str = "/run/measureroot/binary_bios_measurements";
/// The log in systemd's format.
const SYSTEMD: &str = "/run/log/systemd/tpm2-measure.log";

/// The logs of a boot, and the machine after it.
struct Logs {
    scratch: Scratch,
    vm: StoppedVm,
}

impl Logs {
    /// Copies the logs out of the guest, and switches it off.
    fn of(mut guest: Guest) -> Result<Self> {
        let scratch = Scratch::new()?;
        for path in [OWN, WHOLE, SYSTEMD] {
            let log = guest.bytes(path)?;
            ensure!(log.mode == 0o600, "{path} has the mode {:o}", log.mode);
            fs::write(file(&scratch, path)?, log.content)?;
        }
        let mounts = guest.read("/proc/self/mountinfo")?;
        ensure!(!mounts.contains("securityfs"), "securityfs was left mounted:\n{mounts}");
        Ok(Self { scratch, vm: guest.power_off()? })
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        file(&self.scratch, name)
    }

    /// Compares a log with these PCRs, which tpm2_pcrread reads from outside. Returns the events as `measureroot replay` shows
    /// them.
    fn replay(&self, log: &str, pcrs: &str) -> Result<String> {
        let mut read = tool::limited(Duration::from_secs(60), "tpm2_pcrread");
        let tcti = self.vm.tpm()?.tcti(env!("CARGO_BIN_EXE_tpm-relay"));
        let held = tool::finish(read.args(["-T", &tcti]).arg(pcrs))?;
        let file = self.scratch.path("pcrs");
        fs::write(&file, held)?;
        let mut replay = tool::measureroot(Duration::from_secs(60))?;
        tool::finish(replay.arg("replay").arg(self.path(log)?).arg("--pcrs").arg(file))
    }

    /// PCR 13 as tpm2_eventlog computes it from a log. A warning is an error.
    fn tpm2_eventlog(&self, log: &str) -> Result<BTreeMap<Bank, String>> {
        let done = tool::limited(Duration::from_secs(60), "tpm2_eventlog").arg(self.path(log)?).output()?;
        let warnings = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success() && warnings.is_empty(), "tpm2_eventlog: {}: {warnings}", done.status);
        let text = String::from_utf8(done.stdout)?;
        let (_, pcrs) = text.split_once("\npcrs:\n").ok_or("tpm2_eventlog computes no PCRs")?;
        let mut found = BTreeMap::new();
        for part in pcrs.split("  sha").skip(1) {
            let bank = Bank::ALL.into_iter().find(|bank| part.starts_with(&bank.name()["sha".len()..]));
            let value = part.split("\n    13 : 0x").nth(1).and_then(|rest| rest.lines().next());
            found.insert(bank.ok_or("an unknown bank")?, value.ok_or("no PCR 13")?.to_owned());
        }
        Ok(found)
    }

    /// Checks that each log leads to the values in the TPM and has `event`. The log with the firmware's events must lead to all
    /// PCRs.
    fn agree(&self, event: &str) -> Result<()> {
        // PCR 10 is missing: Linux's IMA extends it, and has its own log.
        for (log, pcrs) in [(OWN, "13"), (SYSTEMD, "13"), (WHOLE, "0,1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,23")] {
            let pcrs: Vec<_> = self.vm.tpm()?.banks().iter().map(|bank| format!("{}:{pcrs}", bank.name())).collect();
            let said = self.replay(log, &pcrs.join("+"))?;
            ensure!(said.contains(event), "{event} is not in {log}:\n{said}");
        }
        let held = self.vm.pcrs(DEFAULT_PCR)?;
        for log in [OWN, WHOLE] {
            let computed = self.tpm2_eventlog(log)?;
            ensure!(computed == held, "tpm2_eventlog computes {computed:?} from {log}, the TPM holds {held:?}");
        }
        Ok(())
    }
}

fn file(scratch: &Scratch, path: &str) -> Result<PathBuf> {
    Ok(scratch.path(Path::new(path).file_name().and_then(|name| name.to_str()).ok_or("no name")?))
}

#[test]
fn all_three_logs_lead_to_the_values_in_the_tpm() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let logs = Logs::of(Vm::new("root=/dev/vda").disk(&image).boots()?)?;
    let bytes = image.bytes()?;
    logs.agree(&format!(": image, /dev/vda, {bytes} bytes, seal verity, written by measureroot "))
}

#[test]
fn with_fewer_banks_the_logs_have_fewer_digests() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let vm = Vm::new("root=/dev/vda").seal(SealChoice::Ram).banks(&[Bank::Sha1, Bank::Sha384]).disk(&image);
    Logs::of(vm.boots()?)?.agree(" bytes, seal ram, ")
}

#[test]
fn the_log_of_a_prepared_image_names_its_root_hash() -> Result<()> {
    let prepared = PreparedImage::behind(&Image::uncompressed(Uncompressed::Squashfs, "secret")?)?;
    let vm = Vm::new("root=/dev/vda").disk(&prepared.image).with(&prepared.parameter());
    let guest = vm.with(&format!("measureroot.hashoffset={}", prepared.offset)).boots()?;
    Logs::of(guest)?.agree(&format!(": root hash, {}, /dev/vda, ", prepared.root_hash))
}

#[test]
fn an_unmeasured_boot_is_in_the_log() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let guest = Vm::new("root=/dev/vda measureroot=off").disk(&image).boots()?;
    Logs::of(guest)?.agree(": the text \"measureroot: unmeasured\"")
}

#[test]
fn without_a_tpm_there_is_no_log() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let mut guest = Vm::new("root=/dev/vda measureroot=off measureroot.timeout=1").banks(&[]).disk(&image).boots()?;
    assert_eq!(guest.list("/run/measureroot")?, ["status.json"]);
    assert_eq!(guest.list("/run")?, ["measureroot"]);
    guest.power_off().map(drop)
}

/// The length of a TCG log's header with four banks, in bytes.
const HEADER: usize = 77;

/// Two programs of systemd, from a Debian that has them, use the log of a boot and its TPM: systemd-pcrextend adds an event, and
/// systemd-pcrlock finds that log and TPM agree, and finds the predicted image in the log.
#[test]
fn systemd_continues_the_log_and_finds_the_predicted_image() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let logs = Logs::of(Vm::new("root=/dev/vda").disk(&image).boots()?)?;
    // Only the firmware's events: measureroot's are also in systemd's log.
    let (whole, own) = (fs::read(logs.path(WHOLE)?)?, fs::read(logs.path(OWN)?)?);
    let firmware = logs.scratch.path("firmware");
    fs::write(&firmware, &whole[..whole.len() - (own.len() - HEADER)])?;
    let run = |tpm: &Path, program: &str, arguments: &[&str]| {
        let mut command = tool::systemd_257(program, Duration::from_secs(120))?;
        command.args(arguments);
        command.env("SYSTEMD_TPM2_DEVICE", tpm).env("SYSTEMD_MEASURE_LOG_FIRMWARE", &firmware);
        command.env("SYSTEMD_MEASURE_LOG_USERSPACE", logs.path(SYSTEMD)?).env("SYSTEMD_FORCE_MEASURE", "1");
        tool::finish(&mut command)
    };
    let components = logs.scratch.path("pcrlock.d");
    fs::create_dir(&components)?;
    for (name, image) in [("700-measureroot", &image), ("710-changed", &image.flipped(image::SQUASHFS_TIME)?)] {
        fs::write(components.join(format!("{name}.pcrlock")), predict::printed("pcrlock", image.path())?)?;
    }
    let table = TpmChannel::connect(&logs.vm.tpm()?.control())?.serve(|tpm| {
        run(tpm, "systemd-pcrextend", &["--pcr=13", "hello world"])?;
        run(tpm, "systemd-pcrlock", &["log", "--json=short", &format!("--components={}", components.display())])
    })?;
    let said = logs.replay(SYSTEMD, "sha1:13+sha256:13+sha384:13+sha512:13")?;
    ensure!(said.contains("# event 2, PCR 13, proven: systemd: hello world"), "{said}");
    let table: serde_json::Value = serde_json::from_str(&table)?;
    for pcr in table["pcrs"].as_array().ok_or("no PCRs")? {
        // Linux's IMA extends PCR 10, and has its own log.
        ensure!(pcr["hashMatchesEventLog"] == (pcr["pcr"] != 10), "{pcr}");
    }
    // systemd-pcrlock finds the component of the predicted image in the log, and not that of the changed one.
    let components = table["log"].as_array().ok_or("no log")?.iter().filter_map(|record| record["component"].as_str());
    assert_eq!(components.collect::<Vec<_>>(), ["700-measureroot"]);
    Ok(())
}

//! The event logs that a boot leaves: they lead to what the TPM holds, for our own reader and for programs of others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::tpm_channel::TpmChannel;
use test_vm::{Bank, Guest, Image, PreparedImage, Result, StoppedVm, Vm, assets, ensure, tool};

/// Ours alone; the firmware's with ours behind it; systemd's.
const OWN: &str = "/run/measureroot/eventlog.bin";
const WHOLE: &str = "/run/measureroot/binary_bios_measurements";
const SYSTEMD: &str = "/run/log/systemd/tpm2-measure.log";

/// The logs of a boot, and its TPM.
struct Logs {
    scratch: Scratch,
    ended: StoppedVm,
}

impl Logs {
    /// Takes the logs out of the guest, and switches it off.
    fn of(mut guest: Guest) -> Result<Self> {
        let scratch = Scratch::new()?;
        for path in [OWN, WHOLE, SYSTEMD] {
            let (mode, bytes) = guest.bytes(path)?;
            ensure!(mode == 0o600, "{path} has the mode {mode:o}");
            fs::write(file(&scratch, path)?, bytes)?;
        }
        let mounts = guest.read("/proc/self/mountinfo")?;
        ensure!(!mounts.contains("securityfs"), "securityfs was left mounted:\n{mounts}");
        Ok(Self { scratch, ended: guest.power_off()? })
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        file(&self.scratch, name)
    }

    /// How programs of others reach the TPM of the machine that ended.
    fn tcti(&self) -> Result<String> {
        Ok(format!("cmd:{} {}", env!("CARGO_BIN_EXE_tpm-relay"), self.ended.tpm()?.control().display()))
    }

    /// Replays a log against these PCRs, as tpm2_pcrread reads them from outside; the events in words.
    fn replay(&self, log: &str, pcrs: &str) -> Result<String> {
        let mut read = tool::limited(Duration::from_mins(1), "tpm2_pcrread");
        let held = tool::finish(read.args(["-T", &self.tcti()?]).arg(pcrs))?;
        let file = self.scratch.path("pcrs");
        fs::write(&file, held)?;
        let mut replay = tool::limited(Duration::from_mins(1), assets::product("release/measureroot")?);
        tool::finish(replay.arg("replay").arg(self.path(log)?).arg("--pcrs").arg(file))
    }

    /// PCR 13 as `tpm2_eventlog` computes it from a log, without a warning.
    fn tpm2_eventlog(&self, log: &str) -> Result<BTreeMap<Bank, String>> {
        let done = tool::limited(Duration::from_mins(1), "tpm2_eventlog").arg(self.path(log)?).output()?;
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

    /// Checks that each log leads to the TPM's PCRs and tells of `event`, the one with the firmware's to all of them.
    fn agree(&self, event: &str) -> Result<()> {
        // Linux's IMA extends PCR 10, and has a log of its own.
        for (log, pcrs) in [(OWN, "13"), (SYSTEMD, "13"), (WHOLE, "0,1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,23")] {
            let pcrs: Vec<_> = self.ended.tpm()?.banks().iter().map(|bank| format!("{}:{pcrs}", bank.name())).collect();
            let said = self.replay(log, &pcrs.join("+"))?;
            ensure!(said.contains(event), "{log} does not tell of {event}:\n{said}");
        }
        let held = self.ended.pcrs(13)?;
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
fn all_three_logs_lead_to_what_the_tpm_holds() -> Result<()> {
    let image = Image::small("squashfs")?;
    let logs = Logs::of(Vm::new("root=/dev/vda").disk(&image).boots()?)?;
    let bytes = fs::metadata(image.path())?.len();
    logs.agree(&format!(": image, /dev/vda, {bytes} bytes, seal verity, says measureroot "))
}

#[test]
fn a_tpm_with_fewer_banks_has_logs_with_fewer_digests() -> Result<()> {
    let image = Image::small("squashfs")?;
    let vm = Vm::new("root=/dev/vda measureroot.seal=ram").banks(&[Bank::Sha1, Bank::Sha384]).disk(&image);
    Logs::of(vm.boots()?)?.agree(" bytes, seal ram, ")
}

#[test]
fn the_log_of_a_prepared_image_names_its_root_hash() -> Result<()> {
    let prepared = PreparedImage::behind(&Image::plain("squashfs", "secret")?)?;
    let vm = Vm::new("root=/dev/vda").disk(&prepared.image).with(&format!("roothash={}", prepared.root_hash));
    let guest = vm.with(&format!("measureroot.hashoffset={}", prepared.offset)).boots()?;
    Logs::of(guest)?.agree(&format!(": root hash, {}, /dev/vda, ", prepared.root_hash))
}

#[test]
fn an_unmeasured_boot_is_in_the_log() -> Result<()> {
    let image = Image::small("squashfs")?;
    let guest = Vm::new("root=/dev/vda measureroot=off").disk(&image).boots()?;
    Logs::of(guest)?.agree(": the text \"measureroot: unmeasured\"")
}

#[test]
fn without_a_tpm_there_is_no_log() -> Result<()> {
    let image = Image::small("squashfs")?;
    let mut guest = Vm::new("root=/dev/vda measureroot=off measureroot.timeout=1").banks(&[]).disk(&image).boots()?;
    assert_eq!(guest.list("/run/measureroot")?, ["status.json"]);
    assert_eq!(guest.list("/run")?, ["measureroot"]);
    guest.power_off().map(drop)
}

/// The header of a TCG log with four banks.
const HEADER: usize = 77;

/// systemd's own programs, of a Debian that has them: systemd-pcrextend goes on with the log of a boot and its TPM, and
/// systemd-pcrlock finds that log and TPM agree, and the image that was predicted in the log.
#[test]
fn systemd_goes_on_with_the_log() -> Result<()> {
    let image = Image::small("squashfs")?;
    let logs = Logs::of(Vm::new("root=/dev/vda").disk(&image).boots()?)?;
    let root = assets::product("test-vm/systemd/root")?;
    // The firmware's part of the log: ours is in systemd's.
    let (whole, own) = (fs::read(logs.path(WHOLE)?)?, fs::read(logs.path(OWN)?)?);
    let firmware = logs.scratch.path("firmware");
    fs::write(&firmware, &whole[..whole.len() - (own.len() - HEADER)])?;
    let run = |tpm: &Path, program: &str, arguments: &[&str]| {
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        let path = format!("{0}:{0}/systemd", libraries.display());
        let mut command = tool::limited(Duration::from_mins(2), libraries.join("ld-linux-x86-64.so.2"));
        command.args(["--library-path", &path]).arg(root.join("usr/lib/systemd").join(program)).args(arguments);
        command.env("SYSTEMD_TPM2_DEVICE", tpm).env("SYSTEMD_MEASURE_LOG_FIRMWARE", &firmware);
        command.env("SYSTEMD_MEASURE_LOG_USERSPACE", logs.path(SYSTEMD)?).env("SYSTEMD_FORCE_MEASURE", "1");
        tool::finish(&mut command)
    };
    let components = logs.scratch.path("pcrlock.d");
    fs::create_dir(&components)?;
    for (name, image) in [("700-measureroot", &image), ("710-changed", &image.flipped(assets::SQUASHFS_TIME)?)] {
        let mut predict = tool::limited(Duration::from_mins(1), assets::product("release/measureroot")?);
        let component = tool::finish(predict.args(["predict", "--format", "pcrlock"]).arg(image.path()))?;
        fs::write(components.join(format!("{name}.pcrlock")), component)?;
    }
    let table = TpmChannel::connect(&logs.ended.tpm()?.control())?.serve(|tpm| {
        run(tpm, "systemd-pcrextend", &["--pcr=13", "hello world"])?;
        run(tpm, "systemd-pcrlock", &["log", "--json=short", &format!("--components={}", components.display())])
    })?;
    let said = logs.replay(SYSTEMD, "sha1:13+sha256:13+sha384:13+sha512:13")?;
    ensure!(said.contains("# event 2, PCR 13: systemd: hello world"), "{said}");
    let table: serde_json::Value = serde_json::from_str(&table)?;
    for pcr in table["pcrs"].as_array().ok_or("no PCRs")? {
        // IMA extends PCR 10, and has a log of its own.
        ensure!(pcr["hashMatchesEventLog"] == (pcr["pcr"] != 10), "{pcr}");
    }
    // What was predicted is the component that it finds in the log, and the changed image's is not there.
    let components = table["log"].as_array().ok_or("no log")?.iter().filter_map(|record| record["component"].as_str());
    assert_eq!(components.collect::<Vec<_>>(), ["700-measureroot"]);
    Ok(())
}

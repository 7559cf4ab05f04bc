//! The booted root. Its probe answers questions.

use crate::machine::Machine;
use crate::mount::Mount;
use crate::predict::Prediction;
use crate::protocol::{Answer, Question};
use crate::status::{Place, SealChoice, Status};
use crate::{Bank, Image, Result, StoppedVm, bank, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// A file of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestFile<T> {
    /// The permission bits.
    pub mode: u32,
    /// The content.
    pub content: T,
}

/// A VM whose root has booted.
#[derive(Debug)]
pub struct Guest {
    machine: Machine,
    /// The probe's process ID. It is 1 if the probe is the init.
    pub pid: u32,
}

impl Guest {
    pub(crate) fn new(machine: Machine, pid: u32) -> Self {
        Self { machine, pid }
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        let answer = self.machine.ask(question)?;
        if let Answer::Refused(why) = answer { Err(format!("{question:?}: {why}").into()) } else { Ok(answer) }
    }

    /// The permission bits and the text of a file.
    fn file(&mut self, path: impl AsRef<Path>) -> Result<GuestFile<String>> {
        match self.ask(&Question::Read(path.as_ref().into()))? {
            Answer::File { mode, text } => Ok(GuestFile { mode, content: text }),
            other => Err(format!("{other:?} is no file").into()),
        }
    }

    /// The text of a file, without white space at its end.
    pub fn read(&mut self, path: impl AsRef<Path>) -> Result<String> {
        Ok(self.file(path)?.content.trim_end().to_owned())
    }

    /// The permission bits and the bytes of a file.
    pub fn bytes(&mut self, path: impl AsRef<Path>) -> Result<GuestFile<Vec<u8>>> {
        match self.ask(&Question::Bytes(path.as_ref().into()))? {
            Answer::Bytes { mode, hex } => Ok(GuestFile { mode, content: bank::bytes(&hex)? }),
            other => Err(format!("{other:?} are no bytes").into()),
        }
    }

    /// Writes a file.
    pub fn write(&mut self, path: &str, text: &str) -> Result<()> {
        self.ask(&Question::Write(path.into(), text.into())).map(drop)
    }

    /// The names in a folder.
    pub fn list(&mut self, path: &str) -> Result<Vec<String>> {
        self.names(&Question::List(path.into()))
    }

    /// Checks that no file is left of the initramfs.
    pub fn has_no_initramfs(&mut self) -> Result<()> {
        let left = self.names(&Question::Leftovers)?;
        ensure!(left.is_empty(), "left of the initramfs: {left:?}");
        Ok(())
    }

    fn names(&mut self, question: &Question) -> Result<Vec<String>> {
        match self.ask(question)? {
            Answer::Names(names) => Ok(names),
            other => Err(format!("{other:?} are no names").into()),
        }
    }

    /// Runs a program, which must succeed, and returns what it prints.
    pub fn run(&mut self, line: &[&str]) -> Result<String> {
        match self.ask(&Question::Run(line.iter().map(ToString::to_string).collect()))? {
            Answer::Ran { code: Some(0), output } => Ok(output.trim_end().to_owned()),
            other => Err(format!("{line:?}: {other:?}").into()),
        }
    }

    /// Checks that the distribution's systemd has started everything: nothing failed, and nothing waits.
    pub fn runs_well(&mut self) -> Result<()> {
        let init = self.read("/proc/1/comm")?;
        ensure!(init == "systemd", "PID 1 is {init}");
        let failed = self.run(&["systemctl", "--failed", "--plain", "--no-legend"])?;
        ensure!(failed.is_empty(), "failed: {failed}");
        // It waits for the last jobs, and fails if the system is degraded.
        let state = self.run(&["systemctl", "is-system-running", "--wait"])?;
        let jobs = self.run(&["systemctl", "list-jobs", "--plain", "--no-legend"])?;
        ensure!(state == "running" && jobs.is_empty(), "{state}; jobs: {jobs}");
        Ok(())
    }

    /// A PCR in every active bank, as the guest's kernel reads it.
    pub fn pcrs(&mut self, index: u8) -> Result<BTreeMap<Bank, String>> {
        let active = self.list("/sys/class/tpm/tpm0")?;
        let banks = Bank::ALL.into_iter().filter(|bank| active.contains(&format!("pcr-{}", bank.name())));
        let value =
            |guest: &mut Self, bank: Bank| guest.read(format!("/sys/class/tpm/tpm0/pcr-{}/{index}", bank.name()));
        banks.map(|bank| Ok((bank, value(self, bank)?.to_lowercase()))).collect()
    }

    /// The value of an RTMR, as the guest's kernel reads it.
    pub fn rtmr(&mut self, index: u8) -> Result<String> {
        let path = format!("/sys/devices/virtual/misc/tdx_guest/measurements/rtmr{index}:sha384");
        Ok(bank::hex(&self.bytes(path)?.content))
    }

    /// measureroot's report for the booted root. Only root can read that file.
    pub fn status(&mut self) -> Result<Status> {
        let GuestFile { mode, content: text } = self.file("/run/measureroot/status.json")?;
        ensure!(mode == 0o600, "status.json has the mode {mode:o}");
        Ok(serde_json::from_str(&text).map_err(|cause| format!("{cause}: {text}"))?)
    }

    /// The topmost mount on `path`.
    pub fn mount(&mut self, path: &str) -> Result<Mount> {
        let table = self.read("/proc/self/mountinfo")?;
        let found = table.lines().rev().filter_map(Mount::parse).find(|mount| mount.on == path);
        found.ok_or_else(|| format!("nothing is mounted on {path}:\n{table}").into())
    }

    /// Checks that `status.json` and the guest's TPM agree with a prediction.
    pub fn agrees(&mut self, predicted: &Prediction) -> Result<()> {
        let (status, held) = (self.status()?, self.pcrs(predicted.pcr)?);
        ensure!(status.measured, "status.json says that nothing was measured");
        ensure!(status.pcr == predicted.pcr && status.banks == predicted.banks, "{status:?} is not {predicted:?}");
        ensure!(predicted.bytes.is_none_or(|bytes| bytes == status.image.bytes), "{status:?} is not {predicted:?}");
        ensure!(held == predicted.after(), "the guest's TPM holds {held:?}, not {:?}", predicted.after());
        Ok(())
    }

    /// Checks that they agree with the prediction for `image`, and returns that.
    pub fn measured(&mut self, image: &Image) -> Result<Prediction> {
        let predicted = Prediction::of(image.path())?;
        self.agrees(&predicted)?;
        Ok(predicted)
    }

    /// Checks that they agree with a prediction, switches off, and checks the TPM from outside.
    pub fn ends_as(mut self, predicted: &Prediction) -> Result<StoppedVm> {
        self.agrees(predicted)?;
        let vm = self.power_off()?;
        let held = vm.pcrs(predicted.pcr)?;
        ensure!(held == predicted.after(), "read from outside, the TPM holds {held:?}, not {:?}", predicted.after());
        Ok(vm)
    }

    /// Checks the same with the prediction for `image`.
    pub fn ends_measured(self, image: &Image) -> Result<StoppedVm> {
        self.ends_as(&Prediction::of(image.path())?)
    }

    /// How many bytes the machine has read from a disk since it started. The disks are numbered from 0.
    pub fn bytes_read(&mut self, disk: usize) -> Result<u64> {
        let (disks, name) = (self.machine.monitor("query-blockstats", &json!({}))?, format!("disk{disk}"));
        let disk = disks.as_array().and_then(|disks| disks.iter().find(|disk| disk["device"] == name.as_str()));
        disk.and_then(|disk| disk["stats"]["rd_bytes"].as_u64()).ok_or_else(|| format!("no {name}: {disks}").into())
    }

    /// Checks that the image was found at `place`.
    pub fn found_at(&mut self, place: &Place) -> Result<()> {
        let found = self.status()?.image.place;
        ensure!(found == *place, "measured {found:?}, not {place:?}");
        Ok(())
    }

    /// Checks as [`Self::ends_measured`], and that the image was found at `place`.
    pub fn ends_measured_at(mut self, image: &Image, place: &Place) -> Result<StoppedVm> {
        self.found_at(place)?;
        self.ends_measured(image)
    }

    /// Checks that the image has a seal of this kind.
    pub fn is_sealed(&mut self, choice: SealChoice) -> Result<()> {
        let seal = self.status()?.seal;
        ensure!(choice.made(&seal), "the seal is {seal:?}, not {choice:?}");
        Ok(())
    }

    /// Checks that a read of this file fails with EIO, as dm-verity makes it fail.
    pub fn cannot_read(&mut self, path: &str) -> Result<()> {
        let refused = self.read(path).err().ok_or_else(|| format!("{path} was read"))?.to_string();
        ensure!(refused.contains("(os error 5)"), "not EIO but {refused}");
        Ok(())
    }

    /// Pulls out the disk that was plugged in late.
    pub fn pull(&mut self) -> Result<()> {
        self.machine.pull()
    }

    /// Reads a file. That stops the machine.
    pub fn ends_reading(self, path: &str) -> Result<StoppedVm> {
        let mut machine = self.machine;
        machine.tell(&Question::Read(path.into()))?;
        machine.stops()
    }

    /// Switches off.
    pub fn power_off(self) -> Result<StoppedVm> {
        let mut machine = self.machine;
        machine.tell(&Question::PowerOff)?;
        let vm = machine.stops()?;
        vm.was_switched_off()?;
        Ok(vm)
    }

    /// Resets the machine, and waits until its root has booted again.
    pub fn reboot(self) -> Result<Self> {
        let mut machine = self.machine;
        machine.monitor("set-action", &json!({ "reboot": "reset" }))?;
        machine.tell(&Question::Reboot)?;
        machine.reset()?;
        // Not earlier: the firmware resets the machine once more.
        let mut guest = machine.booted()?;
        guest.machine.monitor("set-action", &json!({ "reboot": "shutdown" }))?;
        Ok(guest)
    }
}

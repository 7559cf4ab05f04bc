//! A machine that runs. Every wait also ends with the machine and with its time limit.

use crate::board::Board;
use crate::messages::{self, Message};
use crate::predict::Prediction;
use crate::protocol::{Answer, Question};
use crate::stopped_vm::FAILED;
use crate::swtpm::Swtpm;
use crate::tool::Process;
use crate::{
    Error, Failed, Failure, Guest, Image, LyingDisk, Result, Step, StoppedVm, Vm, ensure, qemu, scratch::Scratch,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A running VM; killed on drop.
#[derive(Debug)]
pub struct Machine {
    qemu: Process,
    queue: Receiver<Message>,
    console: Vec<String>,
    stopped: Option<String>,
    monitor: UnixStream,
    probe: UnixStream,
    tpm: Option<Swtpm>,
    scratch: Scratch,
    memory_mib: u32,
    deadline: Instant,
    limit: Duration,
}

impl Machine {
    /// Starts `vm`.
    pub fn start(vm: &Vm) -> Result<Self> {
        Self::start_through(vm, |tpm| Ok(tpm.control()))
    }

    /// Starts `vm`. QEMU reaches its TPM through the control socket that `control` returns.
    pub fn start_through(vm: &Vm, control: impl FnOnce(&Swtpm) -> Result<PathBuf>) -> Result<Self> {
        let accel = vm.accel.map_or_else(|| Board::of(vm.kernel).accel(), Ok)?;
        let tpm = match vm {
            Vm { tpm_12: true, .. } => Some(Swtpm::start_version_12()?),
            Vm { banks, .. } if banks.is_empty() => None,
            Vm { banks, tpm, .. } => Some(Swtpm::start(banks, tpm.as_deref())?),
        };
        let scratch = Scratch::new()?;
        let monitor = UnixListener::bind(scratch.path("monitor"))?;
        let probe = UnixListener::bind(scratch.path("probe"))?;
        let control = tpm.as_ref().map(control).transpose()?;
        let mut qemu = Process(qemu::command(vm, &scratch, control.as_deref(), accel)?.spawn()?);

        let (sender, queue) = channel();
        messages::console(qemu.0.stdout.take().ok_or("no console")?, sender.clone(), vm.shown);
        let connected = accept(&monitor).and_then(|monitor| Ok((monitor, accept(&probe)?)));
        let messages = || std::fs::read_to_string(scratch.path("messages")).unwrap_or_default();
        let (monitor, probe) = connected.map_err(|cause| format!("{cause}: {}", messages()))?;
        messages::records(monitor.try_clone()?, sender.clone(), Message::Monitor);
        messages::records(probe.try_clone()?, sender, Message::Probe);

        let (console, stopped) = (Vec::new(), None);
        let (limit, deadline, memory_mib) = (vm.limit, Instant::now() + vm.limit, vm.memory_mib);
        let mut machine =
            Self { qemu, queue, console, stopped, monitor, probe, tpm, scratch, memory_mib, deadline, limit };
        machine.monitor("qmp_capabilities", &json!({}))?;
        Ok(machine)
    }

    /// Waits for a message for which `wanted` has a value. The end of the machine is an error, unless `wanted` takes it.
    fn until<T>(&mut self, what: &str, wanted: impl Fn(&Message) -> Option<T>) -> Result<T> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let Ok(message) = self.queue.recv_timeout(left) else {
                return Err(self.error(&format!("no {what} within {} s", self.limit.as_secs())));
            };
            if let Message::Console(line) = &message {
                self.console.push(line.clone());
            }
            if let Some(reason) = message.stopped() {
                self.stopped = Some(reason.to_owned());
            }
            if let Some(value) = wanted(&message) {
                return Ok(value);
            }
            if let Some(reason) = message.stopped() {
                return Err(self.error(&format!("{reason} instead of {what}")));
            }
            if let Message::Monitor(record) = &message
                && let Some(error) = record.get("error")
            {
                // The answer to a command whose answer nothing waits for.
                return Err(self.error(&format!("QEMU refuses a command: {error}")));
            }
            if matches!(message, Message::Closed) {
                return Err(self.error(&format!("QEMU ended instead of {what}")));
            }
        }
    }

    /// An error with QEMU's messages and the last lines of the console, which mostly show the cause.
    fn error(&self, what: &str) -> Error {
        let tail = &self.console[self.console.len().saturating_sub(40)..];
        let messages = std::fs::read_to_string(self.scratch.path("messages")).unwrap_or_default();
        format!("{what}\n{messages}{}", tail.join("\n")).into()
    }

    /// Sends a command to QEMU's monitor and returns its answer.
    pub fn monitor(&mut self, name: &str, arguments: &Value) -> Result<Value> {
        writeln!(self.monitor, "{}", json!({ "execute": name, "arguments": arguments }))?;
        let answer = self.until(&format!("answer to {name}"), |message| match message {
            Message::Monitor(record) if record.get("return").or(record.get("error")).is_some() => Some(record.clone()),
            _ => None,
        })?;
        ensure!(answer.get("error").is_none(), "{name}: {answer}");
        Ok(answer["return"].clone())
    }

    /// Asks the probe, and waits for its answer.
    pub fn ask(&mut self, question: &Question) -> Result<Answer> {
        self.tell(question)?;
        self.answer(&format!("answer to {question:?}"))
    }

    /// Asks the probe and does not wait: it may have no time to answer.
    pub(crate) fn tell(&mut self, question: &Question) -> Result<()> {
        Ok(writeln!(self.probe, "{}", serde_json::to_string(question)?)?)
    }

    /// The probe's next answer.
    fn answer(&mut self, what: &str) -> Result<Answer> {
        let record = self.until(what, |message| match message {
            Message::Probe(record) => Some(record.clone()),
            _ => None,
        })?;
        Ok(serde_json::from_value(record)?)
    }

    /// Waits until measureroot starts this step.
    pub fn reaches(&mut self, step: Step) -> Result<()> {
        self.says(&format!("measureroot: {}", step.name()))
    }

    /// Waits for a line of the console with `text` in it.
    pub fn says(&mut self, text: &str) -> Result<()> {
        self.until(&format!("{text:?} on the console"), |message| match message {
            Message::Console(line) if line.contains(text) => Some(()),
            _ => None,
        })
    }

    /// Gives `disk` the monitor, if it needs it to fail.
    pub fn lets_fail(&self, disk: &LyingDisk) -> Result<()> {
        disk.takes(self.monitor.try_clone()?);
        Ok(())
    }

    /// From now on its TPM answers to nothing.
    pub fn silence_tpm(&self) -> Result<()> {
        self.tpm.as_ref().ok_or("this VM has no TPM")?.silence()
    }

    /// Plugs in a disk, as the next /dev/vdX.
    pub fn plug(&mut self, image: &Image) -> Result<()> {
        let file = json!({ "driver": "file", "filename": image.path(), "read-only": true });
        self.plug_node(&json!({ "node-name": "late", "driver": "raw", "read-only": true, "file": file }))
    }

    /// Plugs in a slow disk, of 16 MiB a second. `image` must be the scenario's own copy, because [`Self::resize`] changes it.
    pub fn plug_slow(&mut self, image: &Image) -> Result<()> {
        let limits = json!({ "bps-read": 16 << 20 });
        self.monitor("object-add", &json!({ "qom-type": "throttle-group", "id": "slow", "limits": limits }))?;
        let file = json!({ "driver": "file", "filename": image.path() });
        let disk = json!({ "driver": "raw", "file": file });
        let node = json!({ "node-name": "late", "driver": "throttle", "throttle-group": "slow", "file": disk });
        self.plug_node(&node)
    }

    /// Gives the slow disk another size, in bytes.
    pub fn resize(&mut self, bytes: u64) -> Result<()> {
        self.monitor("block_resize", &json!({ "node-name": "late", "size": bytes })).map(drop)
    }

    fn plug_node(&mut self, node: &Value) -> Result<()> {
        self.monitor("blockdev-add", node)?;
        self.monitor(
            "device_add",
            &json!({ "driver": "virtio-blk-pci", "drive": "late", "bus": "late", "id": "plugged" }),
        )?;
        Ok(())
    }

    /// Pulls the disk out again. Waits until the guest has released it.
    pub fn pull(&mut self) -> Result<()> {
        self.monitor("device_del", &json!({ "id": "plugged" }))?;
        self.until("end of the disk", |message| match message {
            Message::Monitor(record) if record["event"] == "DEVICE_DELETED" => Some(()),
            _ => None,
        })
    }

    /// Waits for the probe in the booted root.
    pub fn booted(mut self) -> Result<Guest> {
        let pid = self.hello()?;
        Ok(Guest::new(self, pid))
    }

    /// Waits for the probe's first message, and returns its process ID.
    pub(crate) fn hello(&mut self) -> Result<u32> {
        match self.answer("message from the booted root")? {
            Answer::Hello(pid) => Ok(pid),
            other => Err(format!("the probe starts with {other:?}").into()),
        }
    }

    /// Waits until the guest has reset the machine.
    pub(crate) fn reset(&mut self) -> Result<()> {
        self.until("reset", |message| match message {
            Message::Monitor(record) if record["event"] == "RESET" => Some(()),
            _ => None,
        })
    }

    /// The content of its memory.
    fn memory(&mut self) -> Result<Vec<u8>> {
        let (file, size) = (self.scratch.path("memory"), u64::from(self.memory_mib) << 20);
        self.monitor("pmemsave", &json!({ "val": 0, "size": size, "filename": file }))?;
        Ok(std::fs::read(file)?)
    }

    /// Waits until measureroot has stopped the boot, and returns the content of the memory then.
    pub fn memory_at_end(&mut self) -> Result<Vec<u8>> {
        self.until("end", |message| message.stopped().map(drop))?;
        self.memory()
    }

    /// Waits until measureroot stops the boot. A booted root is an error.
    pub fn failed(mut self) -> Result<Failed> {
        let stopped = match self.stopped.clone() {
            Some(reason) => Some(reason),
            None => self.until("failed boot", |message| match message {
                Message::Probe(_) => Some(None),
                _ => message.stopped().map(|reason| Some(reason.to_owned())),
            })?,
        };
        ensure!(stopped.is_some(), "{}", self.error("the boot should have failed, but it reached its root"));
        let vm = self.killed()?;
        let failures: Vec<Failure> = vm.console().iter().filter_map(|line| Failure::parse(line)).collect();
        let [failure] = <[_; 1]>::try_from(failures)
            .map_err(|found| format!("not one failure but {found:?}:\n{}", vm.console().join("\n")))?;
        Ok(Failed { failure, vm })
    }

    /// Waits for the booted root or for the end of the machine, and checks that no root booted unmeasured. The TPM holds what is
    /// predicted for the booted root. Or the boot ended with one failure, which is marked, or with a panic of the kernel, which has
    /// no memory.
    pub fn fails_closed(self, predicted: &Prediction) -> Result<()> {
        let Ended { has_booted, failures, vm } = self.ends()?;
        match (has_booted, failures.len()) {
            (true, 0) => ensure!(vm.pcrs(predicted.pcr)? == predicted.after(), "the root booted unmeasured"),
            (false, 0) => {
                for line in ["measureroot: mount the kernel's file systems", "Out of memory", "Kernel panic"] {
                    vm.says(&[line])?;
                }
            }
            (false, 1) => {
                let measured = vm.holds(predicted.pcr, Some(&predicted.after()), FAILED);
                measured.or_else(|_| vm.holds(predicted.pcr, None, FAILED))?;
            }
            _ => return Err(format!("{failures:?}, booted: {has_booted}:\n{}", vm.console().join("\n")).into()),
        }
        Ok(())
    }

    /// Waits for the booted root or for the end of the machine.
    pub fn ends(self) -> Result<Ended> {
        // No line has this.
        self.ends_or_says("\n")
    }

    /// The same, but does not wait for the end after a line of the console with `text` in it: it may take minutes.
    pub fn ends_or_says(mut self, text: &str) -> Result<Ended> {
        let has_booted = self.until("booted root or end", |message| match message {
            Message::Probe(_) => Some(true),
            Message::Console(line) if line.contains(text) => Some(false),
            _ => message.stopped().map(|_| false),
        })?;
        let vm = self.killed()?;
        let failures = vm.console().iter().filter_map(|line| Failure::parse(line)).collect();
        Ok(Ended { has_booted, failures, vm })
    }

    /// Waits for the machine to stop by itself.
    pub fn stops(mut self) -> Result<StoppedVm> {
        if self.stopped.is_none() {
            self.until("end", |message| message.stopped().map(drop))?;
        }
        self.killed()
    }

    /// Kills QEMU, so that it sends nothing more to the TPM, and reads the rest of the console.
    pub fn killed(mut self) -> Result<StoppedVm> {
        self.qemu.0.kill()?;
        while !matches!(self.until("end of the console", |message| Some(message.clone()))?, Message::Closed) {}
        Ok(StoppedVm::new(self.stopped, self.console, self.tpm))
    }
}

/// A boot that has ended, in its root or before.
#[derive(Debug)]
pub struct Ended {
    /// Whether the root has booted.
    pub has_booted: bool,
    /// What measureroot printed about failures.
    pub failures: Vec<Failure>,
    /// The VM after that.
    pub vm: StoppedVm,
}

/// The connection that QEMU makes when it starts.
fn accept(listener: &UnixListener) -> Result<UnixStream> {
    let mut wait = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    ensure!(poll(&mut wait, PollTimeout::try_from(20_000_u32)?)? > 0, "QEMU did not connect within 20 s");
    Ok(listener.accept()?.0)
}

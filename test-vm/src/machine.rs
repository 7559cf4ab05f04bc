//! A machine that runs. Whatever is waited for, its end and its time limit are waited for too.

use crate::board::Board;
use crate::messages::{self, Message};
use crate::protocol::{Answer, Question};
use crate::swtpm::Swtpm;
use crate::tool::Process;
use crate::{Error, Failed, Failure, Guest, Image, Result, StoppedVm, Vm, ensure, qemu, scratch::Scratch};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
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
    deadline: Instant,
    limit: Duration,
}

impl Machine {
    /// Starts `vm`.
    pub fn start(vm: &Vm) -> Result<Self> {
        let accel = vm.accel.map_or_else(|| Board::of(vm.kernel).accel(), Ok)?;
        let tpm = if vm.banks.is_empty() { None } else { Some(Swtpm::start(&vm.banks, vm.tpm.as_deref())?) };
        let scratch = Scratch::new()?;
        let monitor = UnixListener::bind(scratch.path("monitor"))?;
        let probe = UnixListener::bind(scratch.path("probe"))?;
        let control = tpm.as_ref().map(Swtpm::control);
        let mut qemu = Process(qemu::command(vm, &scratch, control.as_deref(), accel)?.spawn()?);

        let (sender, queue) = channel();
        messages::console(qemu.0.stdout.take().ok_or("no console")?, sender.clone(), vm.shown);
        let connected = accept(&monitor).and_then(|monitor| Ok((monitor, accept(&probe)?)));
        let messages = || std::fs::read_to_string(scratch.path("messages")).unwrap_or_default();
        let (monitor, probe) = connected.map_err(|cause| format!("{cause}: {}", messages()))?;
        messages::records(monitor.try_clone()?, sender.clone(), Message::Monitor);
        messages::records(probe.try_clone()?, sender, Message::Probe);

        let (console, stopped) = (Vec::new(), None);
        let (limit, deadline) = (vm.limit, Instant::now() + vm.limit);
        let mut machine = Self { qemu, queue, console, stopped, monitor, probe, tpm, scratch, deadline, limit };
        machine.order("qmp_capabilities", &json!({}))?;
        Ok(machine)
    }

    /// The next thing heard for which `wanted` has a value. The machine's end is an error unless that was wanted.
    fn until<T>(&mut self, what: &str, wanted: impl Fn(&Message) -> Option<T>) -> Result<T> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let Ok(heard) = self.queue.recv_timeout(left) else {
                return Err(self.error(&format!("no {what} within {} s", self.limit.as_secs())));
            };
            if let Message::Console(line) = &heard {
                self.console.push(line.clone());
            }
            if let Some(reason) = heard.stopped() {
                self.stopped = Some(reason.to_owned());
            }
            if let Some(value) = wanted(&heard) {
                return Ok(value);
            }
            if let Some(reason) = heard.stopped() {
                return Err(self.error(&format!("{reason} instead of {what}")));
            }
            if matches!(heard, Message::Closed) {
                return Err(self.error(&format!("QEMU ended instead of {what}")));
            }
        }
    }

    /// What went wrong, with the end of the console, where the cause mostly stands.
    fn error(&self, what: &str) -> Error {
        let tail = &self.console[self.console.len().saturating_sub(40)..];
        let messages = std::fs::read_to_string(self.scratch.path("messages")).unwrap_or_default();
        format!("{what}\n{messages}{}", tail.join("\n")).into()
    }

    /// Gives QEMU's monitor an order.
    pub fn order(&mut self, name: &str, arguments: &Value) -> Result<Value> {
        writeln!(self.monitor, "{}", json!({ "execute": name, "arguments": arguments }))?;
        let answer = self.until(&format!("answer to {name}"), |heard| match heard {
            Message::Monitor(record) if record.get("return").or(record.get("error")).is_some() => Some(record.clone()),
            _ => None,
        })?;
        ensure!(answer.get("error").is_none(), "{name}: {answer}");
        Ok(answer["return"].clone())
    }

    /// Asks the probe.
    pub fn ask(&mut self, question: &Question) -> Result<Answer> {
        self.tell(question)?;
        self.answer(&format!("answer to {question:?}"))
    }

    /// Tells the probe what it may have no time to answer.
    pub(crate) fn tell(&mut self, question: &Question) -> Result<()> {
        Ok(writeln!(self.probe, "{}", serde_json::to_string(question)?)?)
    }

    /// The probe's next answer.
    fn answer(&mut self, what: &str) -> Result<Answer> {
        let record = self.until(what, |heard| match heard {
            Message::Probe(record) => Some(record.clone()),
            _ => None,
        })?;
        Ok(serde_json::from_value(record)?)
    }

    /// Waits for a console line with `text` in it.
    pub fn says(&mut self, text: &str) -> Result<()> {
        self.until(&format!("{text:?} on the console"), |heard| match heard {
            Message::Console(line) if line.contains(text) => Some(()),
            _ => None,
        })
    }

    /// Plugs in a disk, as the next /dev/vdX.
    pub fn plug(&mut self, image: &Image) -> Result<()> {
        let file = json!({ "driver": "file", "filename": image.path(), "read-only": true });
        self.plug_node(&json!({ "node-name": "late", "driver": "raw", "read-only": true, "file": file }))
    }

    /// Plugs in a disk that takes its time, 16 MiB a second, and that [`Self::resize`] can change: a scenario's own copy.
    pub fn plug_slow(&mut self, image: &Image) -> Result<()> {
        let limits = json!({ "bps-read": 16 << 20 });
        self.order("object-add", &json!({ "qom-type": "throttle-group", "id": "slow", "limits": limits }))?;
        let file = json!({ "driver": "file", "filename": image.path() });
        let disk = json!({ "driver": "raw", "file": file });
        let node = json!({ "node-name": "late", "driver": "throttle", "throttle-group": "slow", "file": disk });
        self.plug_node(&node)
    }

    /// Gives the slow disk another size.
    pub fn resize(&mut self, bytes: u64) -> Result<()> {
        self.order("block_resize", &json!({ "node-name": "late", "size": bytes })).map(drop)
    }

    fn plug_node(&mut self, node: &Value) -> Result<()> {
        self.order("blockdev-add", node)?;
        self.order(
            "device_add",
            &json!({ "driver": "virtio-blk-pci", "drive": "late", "bus": "late", "id": "plugged" }),
        )?;
        Ok(())
    }

    /// Pulls it out again, once the guest lets it go.
    pub fn pull(&mut self) -> Result<()> {
        self.order("device_del", &json!({ "id": "plugged" }))?;
        self.until("end of the disk", |heard| match heard {
            Message::Monitor(record) if record["event"] == "DEVICE_DELETED" => Some(()),
            _ => None,
        })
    }

    /// Waits for the probe in the booted root.
    pub fn booted(mut self) -> Result<Guest> {
        let pid = self.hello()?;
        Ok(Guest::new(self, pid))
    }

    /// Waits for the probe's first word; the process it is.
    pub(crate) fn hello(&mut self) -> Result<u32> {
        match self.answer("word from the booted root")? {
            Answer::Hello(pid) => Ok(pid),
            other => Err(format!("the probe starts with {other:?}").into()),
        }
    }

    /// Waits for a reset that the guest asked for, and lets it happen.
    pub(crate) fn reset(&mut self) -> Result<()> {
        self.until("reset", |heard| match heard {
            Message::Monitor(record) if record["event"] == "RESET" => Some(()),
            _ => None,
        })
    }

    /// Waits for measureroot to end the boot; a booted root is an error.
    pub fn failed(mut self) -> Result<Failed> {
        let stopped = self.until("failed boot", |heard| match heard {
            Message::Probe(_) => Some(None),
            _ => heard.stopped().map(|reason| Some(reason.to_owned())),
        })?;
        ensure!(stopped.is_some(), "{}", self.error("the boot should have failed, and reached its root"));
        let ended = self.ended()?;
        let failures: Vec<Failure> = ended.console().iter().filter_map(|line| Failure::parse(line)).collect();
        let [failure] = <[_; 1]>::try_from(failures)
            .map_err(|found| format!("not one failure but {found:?}:\n{}", ended.console().join("\n")))?;
        Ok(Failed { failure, ended })
    }

    /// Waits for the machine to stop by itself.
    pub fn stops(mut self) -> Result<StoppedVm> {
        if self.stopped.is_none() {
            self.until("end", |heard| heard.stopped().map(drop))?;
        }
        self.ended()
    }

    /// Ends QEMU, without a word to the TPM, and hears the console out.
    pub fn ended(mut self) -> Result<StoppedVm> {
        self.qemu.0.kill()?;
        while !matches!(self.until("end of the console", |heard| Some(heard.clone()))?, Message::Closed) {}
        Ok(StoppedVm::new(self.stopped, self.console, self.tpm))
    }
}

/// The connection QEMU makes as it starts.
fn accept(listener: &UnixListener) -> Result<UnixStream> {
    let mut wait = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    ensure!(poll(&mut wait, PollTimeout::try_from(20_000_u32)?)? > 0, "QEMU did not connect within 20 s");
    Ok(listener.accept()?.0)
}

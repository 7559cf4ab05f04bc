//! Everything a VM says, by whichever channel, in the order it arrives: one queue, so that one wait hears all of it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::Sender;
use std::thread;

/// One thing said.
#[derive(Clone, Debug)]
pub enum Message {
    /// A line on the guest's console.
    Console(String),
    /// A record of QEMU's monitor: a greeting, an answer, an event.
    Monitor(Value),
    /// A record of the guest probe.
    Probe(Value),
    /// The console was closed: QEMU has ended and there is no more to hear from it.
    Closed,
}

impl Message {
    /// Why the machine stopped, when this is the monitor's event that it did: `guest-shutdown`, `guest-reset`, ...
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        match self {
            Self::Monitor(record) if record["event"] == "SHUTDOWN" => record["data"]["reason"].as_str(),
            _ => None,
        }
    }
}

/// Puts the lines of the console into the queue, and shows them with a mark in front when asked to.
pub fn console(source: impl Read + Send + 'static, queue: Sender<Message>, show: bool) {
    listen(source, move |line| {
        if show && let Some(line) = line {
            println!("  | {line}");
        }
        queue.send(line.map_or(Message::Closed, |line| Message::Console(line.to_owned()))).is_ok()
    });
}

/// Puts the JSON records of a channel into the queue.
pub fn records(source: impl Read + Send + 'static, queue: Sender<Message>, kind: fn(Value) -> Message) {
    listen(source, move |line| {
        let Some(line) = line else { return false };
        // What is no JSON is passed on as text, and then is no answer to anything.
        let record = serde_json::from_str(line).unwrap_or_else(|_| Value::from(line));
        queue.send(kind(record)).is_ok()
    });
}

/// Calls `each` with every line, and with `None` at the end, as long as it wants more.
fn listen(source: impl Read + Send + 'static, mut each: impl FnMut(Option<&str>) -> bool + Send + 'static) {
    thread::spawn(move || {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if !each(Some(String::from_utf8_lossy(&line).trim_end())) {
                return;
            }
            line.clear();
        }
        each(None);
    });
}

//! All messages of a VM, from every channel, in the order of their arrival. There is one queue, so that a wait for one message
//! misses no other.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::Sender;
use std::thread;

/// One message.
#[derive(Clone, Debug)]
pub enum Message {
    /// A line on the guest's console.
    Console(String),
    /// A record of QEMU's monitor: a greeting, an answer or an event.
    Monitor(Value),
    /// A record of the guest's probe.
    Probe(Value),
    /// The console was closed: QEMU has ended, and no message follows.
    Closed,
}

impl Message {
    /// Why the machine stopped, if this is the monitor's event for that: `guest-shutdown`, `guest-reset`, ...
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        match self {
            Self::Monitor(record) if record["event"] == "SHUTDOWN" => record["data"]["reason"].as_str(),
            _ => None,
        }
    }
}

/// Puts the lines of the console into the queue. With `show` it also prints them, with a mark at the start of the line.
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
        // A line that is not JSON is passed on as a text, which answers no question.
        let record = serde_json::from_str(line).unwrap_or_else(|_| Value::from(line));
        queue.send(kind(record)).is_ok()
    });
}

/// Calls `each` with every line, and with `None` at the end, until it returns false.
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

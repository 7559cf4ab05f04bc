//! Writes the log to /dev/kmsg, and errors to /dev/console if the kernel does not show them there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::console::progress::Style;
use crate::error::{Context, Result, one_line};
use crate::say;
use crate::sys::sysctl::Sysctl;

/// `KERN_ERR` and `KERN_INFO` (kernel, include/linux/kern_levels.h).
const ERROR: u8 = 3;
const INFO: u8 = 6;

/// Starts the log. Before /dev is mounted it goes to stderr, which the kernel opens for PID 1.
///
/// simplelog is not used here: the log needs no dates, colours or threads, and the clock of simplelog takes 60 KB.
///
/// # Errors
/// When another logger is set already.
pub(crate) fn start() -> Result<()> {
    log::set_boxed_logger(Box::new(KernelLog::default())).about("log")?;
    log::set_max_level(LevelFilter::Info);
    Ok(())
}

/// Lets /dev/kmsg take every line. By default it takes ten lines in five seconds and drops the others
/// (kernel.printk_devkmsg). With `printk.devkmsg=` on the command line, this cannot be changed, and the kernel does not say what it
/// drops: then each error goes to the console itself, too.
pub(crate) fn unlimit() -> Option<Sysctl> {
    console_level();
    let path = "/proc/sys/kernel/printk_devkmsg";
    if fs::read_to_string(path).is_ok_and(|value| value.trim_end() == "on") {
        return None;
    }
    let changed = Sysctl::set(path, "on");
    DROPS.store(changed.is_none(), Ordering::Relaxed);
    changed
}

/// Whether the kernel may drop what is written to /dev/kmsg.
static DROPS: AtomicBool = AtomicBool::new(false);

/// How to show progress. On a screen, one line is rewritten; with `quiet` on the kernel's command line, no progress is
/// shown. The output of a serial line may be recorded, so a serial line gets log lines.
#[must_use]
pub(crate) fn progress_style() -> Option<Style> {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    // The last name in the list is the device of /dev/console (kernel, Documentation/ABI/testing/sysfs-tty).
    let screen = active.split_whitespace().last().and_then(|name| name.strip_prefix("tty"));
    let screen = screen.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    match (screen, console_level() > INFO) {
        (true, true) => Some(Style::Screen),
        (true, false) => None,
        (false, _) => Some(Style::Log),
    }
}

/// Writes `text` over the line that was shown before. `last` ends the line.
pub(crate) fn rewrite_line(text: &str, last: bool) {
    let end = if last { "\n" } else { "" };
    let text = format!("\r{text}\x1b[K{end}");
    if let Err(error) = open("/dev/console").and_then(|mut console| console.write_all(text.as_bytes())) {
        say::debug!("/dev/console: {error}");
    }
}

/// The kernel itself shows messages below this level on the console (kernel.printk). While /proc moves to the new root, the level
/// is the last one that was read.
fn console_level() -> u8 {
    let text = fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
    if let Some(level) = text.split_whitespace().next().and_then(|level| level.parse().ok()) {
        LEVEL.store(level, Ordering::Relaxed);
    }
    LEVEL.load(Ordering::Relaxed)
}

/// Zero, until a level was read, stands for a kernel that shows nothing.
static LEVEL: AtomicU8 = AtomicU8::new(0);

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Hands each message to the kernel with its priority.
#[derive(Default)]
struct KernelLog {
    kmsg: OnceLock<File>,
}

impl KernelLog {
    /// Shows a message in the kernel's log and, if the kernel does not show it there, on the console. Each of the two gets
    /// what the other refuses; if both refuse it, it goes to stderr.
    fn write(&self, priority: u8, text: &str) {
        let logged = self.kmsg().is_some_and(|mut kmsg| {
            // The kernel makes one record of one write.
            records(priority, text).iter().all(|record| kmsg.write_all(record.as_bytes()).is_ok())
        });
        // The person at the machine must see errors, even with `quiet` on the kernel's command line.
        let shown = priority < console_level() && !DROPS.load(Ordering::Relaxed);
        if logged && (priority > ERROR || shown) {
            return;
        }
        let line = format!("{PREFIX}{text}\n");
        let shown = open("/dev/console").and_then(|mut console| console.write_all(line.as_bytes()));
        if shown.is_err() && !logged {
            // If this fails, there is no other place for the message.
            io::stderr().write_all(line.as_bytes()).ok();
        }
    }

    fn kmsg(&self) -> Option<&File> {
        if self.kmsg.get().is_none() {
            self.kmsg.set(open("/dev/kmsg").ok()?).ok();
        }
        self.kmsg.get()
    }
}

/// What begins each record and line of this program.
const PREFIX: &str = "measureroot: ";
/// What begins the records of a long message, after the first: a hostile name in the message cannot look like another message.
const CONTINUED: &str = "measureroot: ... ";
/// The longest text of a record, in bytes. The kernel refuses a write of more than 976 bytes with EINVAL
/// (kernel/printk/printk.c, `devkmsg_write`; `LOG_LINE_MAX` until Linux 6.4, later 1024 bytes).
const RECORD: usize = 900;
/// The most records of one message.
const MOST: usize = 16;

/// The records of a message. A text that is too long for one is split between characters.
fn records(priority: u8, mut text: &str) -> Vec<String> {
    let (mut records, mut prefix) = (Vec::new(), PREFIX);
    while records.len() < MOST {
        let end = (0..=RECORD.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        let (part, rest) = text.split_at(end);
        records.push(format!("<{priority}>{prefix}{part}\n"));
        if rest.is_empty() {
            break;
        }
        (text, prefix) = (rest, CONTINUED);
    }
    records
}

impl Log for KernelLog {
    fn enabled(&self, metadata: &Metadata) -> bool {
        // tss-esapi logs each error and returns it, too.
        metadata.level() <= log::max_level() && !metadata.target().starts_with("tss_esapi")
    }

    fn log(&self, record: &Record) {
        let priority = match record.level() {
            Level::Error => ERROR,
            Level::Warn => 4,
            Level::Info => INFO,
            Level::Debug | Level::Trace => 7,
        };
        if self.enabled(record.metadata()) {
            self.write(priority, &one_line(record.args()));
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_split_between_characters_and_loses_none() {
        assert_eq!(records(3, "short"), ["<3>measureroot: short\n"]);
        assert_eq!(records(6, ""), ["<6>measureroot: \n"]);
        for text in ["x".repeat(5000), "\u{20ac}".repeat(2000), format!("x{}", "\u{1f600}".repeat(1000))] {
            let records = records(3, &text);
            // LOG_LINE_MAX is the smallest limit of the kernels that can run this program.
            assert!(records.iter().all(|record| record.len() <= 976 && record.ends_with('\n')));
            let part = |record: &String| {
                let rest = record.trim_end_matches('\n').trim_start_matches("<3>");
                rest.strip_prefix(CONTINUED).or(rest.strip_prefix(PREFIX)).unwrap().to_owned()
            };
            assert_eq!(records.iter().map(part).collect::<String>(), text);
        }
        assert_eq!(records(3, &"x".repeat(1 << 20)).len(), MOST);
    }
}

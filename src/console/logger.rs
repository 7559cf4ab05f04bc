//! Writes the log to /dev/kmsg, and errors to /dev/console if the kernel does not show them there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::console::progress::Style;
use crate::error::{Context, Result, one_line};

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
/// (kernel.printk_devkmsg).
pub(crate) fn unlimit() {
    if let Err(error) = fs::write("/proc/sys/kernel/printk_devkmsg", "on\n") {
        log::debug!("/proc/sys/kernel/printk_devkmsg: {error}");
    }
}

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
        log::debug!("/dev/console: {error}");
    }
}

/// The kernel itself shows messages below this level on the console (kernel.printk).
fn console_level() -> u8 {
    let text = fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
    text.split_whitespace().next().and_then(|level| level.parse().ok()).unwrap_or(0)
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Hands each message to the kernel with its priority.
#[derive(Default)]
struct KernelLog {
    kmsg: OnceLock<File>,
}

impl KernelLog {
    fn write(&self, priority: u8, text: &str) -> io::Result<()> {
        let Some(mut kmsg) = self.kmsg() else { return writeln!(io::stderr(), "{text}") };
        // The person at the machine must see errors, even with `quiet` on the kernel's command line.
        if priority <= ERROR && priority >= console_level() {
            open("/dev/console")?.write_all(format!("{text}\n").as_bytes())?;
        }
        // The kernel makes one record of one write.
        kmsg.write_all(format!("<{priority}>{text}\n").as_bytes())
    }

    fn kmsg(&self) -> Option<&File> {
        if self.kmsg.get().is_none() {
            self.kmsg.set(open("/dev/kmsg").ok()?).ok();
        }
        self.kmsg.get()
    }
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
            // If this fails, there is no other place for the message.
            self.write(priority, &one_line(&format_args!("measureroot: {}", record.args()))).ok();
        }
    }

    fn flush(&self) {}
}

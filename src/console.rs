//! What the person at the machine sees, and what its log keeps: /dev/kmsg, and /dev/console where the kernel is silent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};

use simplelog::{ConfigBuilder, LevelFilter, WriteLogger};

use crate::error::{Context, Result};
use crate::progress::Style;

/// `KERN_ERR` and `KERN_INFO` (kernel, include/linux/kern_levels.h).
const ERROR: u8 = 3;
const INFO: u8 = 6;

/// Begins to log. It works before /dev is mounted (on stderr, which the kernel opens for PID 1) and after.
///
/// # Errors
/// When there is a logger already.
pub fn start() -> Result<()> {
    let config = ConfigBuilder::new()
        .set_time_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .set_level_padding(simplelog::LevelPadding::Off)
        // It logs each error that it also returns.
        .add_filter_ignore_str("tss_esapi")
        .build();
    WriteLogger::init(LevelFilter::Debug, config, KernelLog::default()).about("log")?;
    log::set_max_level(LevelFilter::Info);
    Ok(())
}

/// Lets /dev/kmsg take every line: by default it drops all but ten in five seconds (kernel.printk_devkmsg).
pub fn unlimit() {
    if let Err(error) = fs::write("/proc/sys/kernel/printk_devkmsg", "on\n") {
        log::debug!("/proc/sys/kernel/printk_devkmsg: {error}");
    }
}

/// Where progress can be shown: nowhere when the person asked for quiet, and not on a serial line, which may be a log.
#[must_use]
pub fn progress_style() -> Option<Style> {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    // The last one listed is what /dev/console means (kernel, Documentation/ABI/testing/sysfs-tty).
    let screen = active.split_whitespace().last().and_then(|name| name.strip_prefix("tty"));
    let screen = screen.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    match (screen, console_level() > INFO) {
        (true, true) => Some(Style::Screen),
        (true, false) => None,
        (false, _) => Some(Style::Log),
    }
}

/// Writes over the line that was shown before.
pub fn rewrite_line(text: &str, last: bool) {
    let end = if last { "\n" } else { "" };
    let text = format!("\r{text}\x1b[K{end}");
    if let Err(error) = open("/dev/console").and_then(|mut console| console.write_all(text.as_bytes())) {
        log::debug!("/dev/console: {error}");
    }
}

/// Messages below this level the kernel itself puts on the console (kernel.printk).
fn console_level() -> u8 {
    let text = fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
    text.split_whitespace().next().and_then(|level| level.parse().ok()).unwrap_or(0)
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Takes simplelog's lines, `[LEVEL] text`, and hands them to the kernel with their priority.
#[derive(Default)]
struct KernelLog {
    line: Vec<u8>,
    kmsg: Option<File>,
}

impl KernelLog {
    fn write_line(&mut self, line: &str) -> io::Result<()> {
        let (level, text) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).unwrap_or(("INFO", line));
        let priority = match level {
            "ERROR" => ERROR,
            "WARN" => 4,
            "INFO" => INFO,
            _ => 7,
        };
        if self.kmsg.is_none() {
            self.kmsg = open("/dev/kmsg").ok();
        }
        match &mut self.kmsg {
            None => writeln!(io::stderr(), "measureroot: {text}"),
            Some(kmsg) => {
                // An error is for the person too, even if the kernel was told to be quiet.
                if priority <= ERROR && priority >= console_level() {
                    open("/dev/console")?.write_all(format!("measureroot: {text}\n").as_bytes())?;
                }
                // One write is one record.
                kmsg.write_all(format!("<{priority}>measureroot: {text}\n").as_bytes())
            }
        }
    }
}

impl Write for KernelLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                self.write_line(&line)?;
            } else {
                self.line.push(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

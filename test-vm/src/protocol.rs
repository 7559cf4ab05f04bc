//! What host and guest say to each other over the virtio-serial port: one JSON record per line.
//!
//! The probe knows nothing about measureroot. It reads, lists, writes and runs what it is told; what the answers should
//! be is written in the scenarios.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Asked by the host.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// The text and the permission bits of a file.
    Read(PathBuf),
    /// The bytes and the permission bits of a file.
    Bytes(PathBuf),
    /// The names in a folder.
    List(PathBuf),
    /// Write this text to this file.
    Write(PathBuf, String),
    /// Run a program to its end.
    Run(Vec<String>),
    /// Every file of the root file system that lies beneath the current root: what is left of the initramfs.
    Beneath,
    /// Switch the machine off: through the init system when there is one.
    PowerOff,
    /// Start the machine again.
    Reboot,
}

/// Answered by the guest.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Unasked, once per boot: the probe runs, as this process.
    Hello(u32),
    /// To [`Question::Read`].
    File {
        /// The permission bits.
        mode: u32,
        /// The content, with what is not UTF-8 replaced.
        text: String,
    },
    /// To [`Question::Bytes`].
    Bytes {
        /// The permission bits.
        mode: u32,
        /// The content, in hex.
        hex: String,
    },
    /// To [`Question::List`] and [`Question::Beneath`].
    Names(Vec<String>),
    /// To [`Question::Run`].
    Ran {
        /// The exit code; none after a signal.
        code: Option<i32>,
        /// Standard output and standard error, one after the other.
        output: String,
    },
    /// To everything else: done.
    Done,
    /// It could not be done.
    Refused(String),
}

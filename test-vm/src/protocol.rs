//! The protocol between the host and the guest's probe, over a virtio-serial port: one JSON record a line.
//!
//! The probe knows nothing about measureroot. It reads, lists, writes and runs what the host asks for. The scenarios know
//! which answers are right.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A question of the host.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// The text and the permission bits of a file.
    Read(PathBuf),
    /// The bytes and the permission bits of a file.
    Bytes(PathBuf),
    /// The names in a folder.
    List(PathBuf),
    /// Writes this text to this file.
    Write(PathBuf, String),
    /// Runs a program to its end.
    Run(Vec<String>),
    /// The files of the file system below the current root: what is left of the initramfs.
    Leftovers,
    /// Switches the machine off: through systemd, if it is the init.
    PowerOff,
    /// Restarts the machine, in the same way.
    Reboot,
}

/// An answer of the guest.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Sent once per boot without a question: the probe runs, with this process ID.
    Hello(u32),
    /// The answer to [`Question::Read`].
    File {
        /// The permission bits.
        mode: u32,
        /// The content. Bytes that are not UTF-8 are replaced.
        text: String,
    },
    /// The answer to [`Question::Bytes`].
    Bytes {
        /// The permission bits.
        mode: u32,
        /// The content, in hex.
        hex: String,
    },
    /// The answer to [`Question::List`] and [`Question::Leftovers`].
    Names(Vec<String>),
    /// The answer to [`Question::Run`].
    Ran {
        /// The exit code. There is none if a signal ended the program.
        code: Option<i32>,
        /// Standard output, then standard error.
        output: String,
    },
    /// The answer to the other questions: done.
    Done,
    /// It could not be done, for this reason.
    Refused(String),
}

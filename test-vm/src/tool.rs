//! Programs we did not write: run with a time limit, and quoted in full when they fail.

use crate::{Result, ensure};
use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// `program` under `timeout`, so that it cannot outlive `limit`.
#[must_use]
pub fn limited(limit: Duration, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &limit.as_secs().to_string()]).arg(program);
    command
}

/// `program` as a child that dies with the thread that started it, even when that one is killed.
#[must_use]
pub fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Runs `program` to its end and returns its standard output.
pub fn output<A: AsRef<OsStr>>(
    limit: Duration,
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Result<String> {
    let mut command = limited(limit, program);
    command.args(arguments);
    finish(&mut command)
}

/// Runs `command` to its end and returns its standard output; anything but success is an error with its messages.
pub fn finish(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().map_err(|cause| format!("{command:?}: {cause}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{command:?}: {}: {}", done.status, said.trim_end());
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// A child that is killed on drop.
#[derive(Debug)]
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; both calls then have nothing to do.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

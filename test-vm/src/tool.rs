//! Other programs: they run with a time limit, and an error quotes all that they printed.

use crate::{Result, assets, ensure};
use std::ffi::OsStr;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// `program` under `timeout`, which kills it after `limit`.
#[must_use]
pub fn limited(limit: Duration, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &limit.as_secs().to_string()]).arg(program);
    command
}

/// The program `measureroot` of this checkout, with a time limit.
pub fn measureroot(limit: Duration) -> Result<Command> {
    Ok(limited(limit, assets::product("release/measureroot")?))
}

/// A program of the systemd of Debian 13 (`test-vm/images debian13`), with a time limit: it has programs that this machine's may lack.
pub fn systemd_257(program: &str, limit: Duration) -> Result<Command> {
    let root = assets::product("test-vm/debian13/systemd/usr/lib")?;
    let libraries = root.join("x86_64-linux-gnu");
    let mut command = limited(limit, libraries.join("ld-linux-x86-64.so.2"));
    command.args(["--library-path", &format!("{0}:{0}/systemd", libraries.display())]);
    command.arg(root.join("systemd").join(program));
    Ok(command)
}

/// `program` as a child that dies with the thread that started it, even if that thread is killed.
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

/// Runs `command` to its end and returns its standard output. If it fails, the error has its messages.
pub fn finish(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().map_err(|cause| format!("{command:?}: {cause}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{command:?}: {}: {}", done.status, said.trim_end());
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The standard output of a run that must have succeeded, without white space at its end.
pub fn printed(output: &Output) -> Result<String> {
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}\n{said}{failed}", output.status);
    Ok(said.trim_end().to_owned())
}

/// A child that is killed on drop.
#[derive(Debug)]
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        // If it has already ended, both calls do nothing.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

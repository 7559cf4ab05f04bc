//! As PID 1, the program is the `/init` of an initramfs. Started by a person, it offers the commands of the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        return measureroot::pid1();
    }
    command_line()
}

#[cfg(feature = "cli")]
fn command_line() -> ExitCode {
    measureroot::command_line()
}

#[cfg(not(feature = "cli"))]
fn command_line() -> ExitCode {
    eprintln!("measureroot {}: this is the agent only; it runs as /init of an initramfs", env!("CARGO_PKG_VERSION"));
    ExitCode::from(2)
}

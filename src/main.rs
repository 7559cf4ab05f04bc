//! As PID 1 of a machine, the program is the `/init` of an initramfs. Started by a person, or in a container, it offers the commands
//! of the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    if measureroot::is_init_of_the_machine() {
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

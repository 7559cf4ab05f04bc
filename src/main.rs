//! As PID 1, the program is the `/init` of an initramfs. Started by a person, it offers the commands of the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        return pid1();
    }
    command_line()
}

/// Boots. If that fails, stops the machine. PID 1 must not return: the kernel would panic, which is the last resort.
fn pid1() -> ExitCode {
    use measureroot::boot::linux::Linux;
    use measureroot::config::failure_policy::FailurePolicy;
    use measureroot::eventlog::Recorder;
    use measureroot::root::init_arguments::InitArguments;
    use measureroot::{boot, console, sys};

    let environment = sys::environment::take();
    if let Err(error) = console::start() {
        eprintln!("measureroot: {error}");
    }
    std::panic::set_hook(Box::new(|info| log::error!("{info}")));
    let mut machine = Linux::new(InitArguments::new(std::env::args_os(), environment));
    let mut policy = FailurePolicy::of(&[]);
    let mut log = Recorder::default();
    let Err(failure) = boot::boot(&mut machine, &mut policy, &mut log);
    boot::fail(&mut machine, &policy, &mut log, &failure);
    ExitCode::FAILURE
}

#[cfg(feature = "cli")]
fn command_line() -> ExitCode {
    measureroot::cli::run()
}

#[cfg(not(feature = "cli"))]
fn command_line() -> ExitCode {
    eprintln!("measureroot {}: this is the agent only; it runs as /init of an initramfs", env!("CARGO_PKG_VERSION"));
    ExitCode::from(2)
}

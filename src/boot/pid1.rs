//! The program as PID 1.

use std::fmt::Display;
use std::hint::black_box;
use std::process::ExitCode;

use crate::boot::fail::{fail, fail_after_panic};
use crate::boot::linux::Linux;
use crate::boot::machine::Machine;
use crate::boot::panic_hook;
use crate::boot::sequence::boot;
use crate::config::failure_policy::FailurePolicy;
use crate::console;
use crate::eventlog::Recorder;
use crate::root::init_arguments::InitArguments;
use crate::sys::environment;

/// Boots. If that fails, stops the machine. PID 1 must not return: the kernel would panic, which is the last resort.
#[must_use]
pub fn pid1() -> ExitCode {
    let environment = environment::take();
    if let Err(error) = console::start() {
        eprintln!("measureroot: {error}");
    }
    panic_hook::set(end_after_panic);
    let mut machine = Linux::new(InitArguments::new(std::env::args_os(), environment));
    // Behind the black box, the compiler does not see which machine it is. Otherwise it makes one function of the whole boot, in
    // which each of 7,000 accesses to the stack takes three bytes more.
    let machine: &mut dyn Machine = black_box(&mut machine);
    let mut policy = FailurePolicy::of(&[]);
    let mut log = Recorder::default();
    let Err(failure) = boot(machine, &mut policy, &mut log);
    fail(machine, &policy, &mut log, &failure);
    ExitCode::FAILURE
}

fn end_after_panic(policy: &FailurePolicy, panic: &dyn Display) {
    fail_after_panic(&mut Linux::in_another_thread(false), policy, panic);
}

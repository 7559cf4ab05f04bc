//! A function to time, on a number of processors.

use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// A function, and the times that it took so far.
pub(crate) struct Case<'a> {
    /// What it does.
    pub(crate) name: String,
    /// How many processors it gets.
    pub(crate) processors: usize,
    run: Box<dyn Fn() + 'a>,
    milliseconds: Vec<f64>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(name: impl Into<String>, processors: usize, run: impl Fn() + 'a) -> Self {
        Self { name: name.into(), processors, run: Box::new(run), milliseconds: Vec::new() }
    }

    /// Runs the case once more, on the first of `all` processors.
    pub(crate) fn time(&mut self, all: &[usize]) {
        let mut set = CpuSet::new();
        all.iter().take(self.processors).for_each(|&number| set.set(number).unwrap());
        sched_setaffinity(Pid::from_raw(0), &set).unwrap();
        let start = Instant::now();
        (self.run)();
        self.milliseconds.push(start.elapsed().as_secs_f64() * 1000.0);
        self.milliseconds.sort_by(f64::total_cmp);
    }

    /// The shortest time in milliseconds.
    pub(crate) fn least(&self) -> f64 {
        self.milliseconds[0]
    }

    pub(crate) fn median(&self) -> f64 {
        self.milliseconds[self.milliseconds.len() / 2]
    }
}

/// The numbers of the processors that this program may use.
pub(crate) fn processors() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count()).filter(|&number| set.is_set(number).unwrap()).collect()
}

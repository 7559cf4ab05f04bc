//! A function to time, on a number of processors.

use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

/// A function, and the times that it took so far, in milliseconds.
pub(crate) struct Case<'a> {
    /// What it does.
    pub(crate) name: String,
    /// How many processors it gets.
    pub(crate) processors: usize,
    run: Box<dyn Fn() + 'a>,
    milliseconds: Vec<f64>,
    /// Of all threads, in the shortest run.
    processor_time: f64,
}

impl<'a> Case<'a> {
    pub(crate) fn new(name: impl Into<String>, processors: usize, run: impl Fn() + 'a) -> Self {
        Self { name: name.into(), processors, run: Box::new(run), milliseconds: Vec::new(), processor_time: 0.0 }
    }

    /// Runs the case once more, on the first of `all` processors.
    pub(crate) fn time(&mut self, all: &[usize]) {
        let mut set = CpuSet::new();
        all.iter().take(self.processors).for_each(|&number| set.set(number).unwrap());
        sched_setaffinity(Pid::from_raw(0), &set).unwrap();
        let (start, used) = (Instant::now(), processor_time());
        (self.run)();
        let (took, used) = (start.elapsed().as_secs_f64() * 1000.0, processor_time() - used);
        if self.milliseconds.iter().all(|before| *before > took) {
            self.processor_time = used;
        }
        self.milliseconds.push(took);
        self.milliseconds.sort_by(f64::total_cmp);
    }

    /// The shortest time in milliseconds.
    pub(crate) fn least(&self) -> f64 {
        self.milliseconds[0]
    }

    /// The processors that were busy in the shortest run, on average.
    pub(crate) fn busy(&self) -> f64 {
        self.processor_time / self.least()
    }

    /// The processor time of the shortest run, in milliseconds.
    pub(crate) fn processor_time(&self) -> f64 {
        self.processor_time
    }

    pub(crate) fn median(&self) -> f64 {
        self.milliseconds[self.milliseconds.len() / 2]
    }
}

/// The processor time of this program so far, in milliseconds.
#[allow(clippy::cast_precision_loss)] // It is less than 2^52 microseconds.
fn processor_time() -> f64 {
    let used = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let all = used.user_time() + used.system_time();
    all.num_microseconds() as f64 / 1000.0
}

/// The numbers of the processors that this program may use.
pub(crate) fn processors() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count()).filter(|&number| set.is_set(number).unwrap()).collect()
}

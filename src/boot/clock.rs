//! The time of each step of the boot.

use std::time::{Duration, Instant};

use crate::boot::step::{Failure, Step};
use crate::error::Result;
use crate::say;

/// Measures how long each step takes.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    steps: Vec<(Step, Duration)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { start: Instant::now(), steps: Vec::new() }
    }
}

impl Clock {
    /// Runs a step: logs its name, measures its time, and adds the step to its error.
    ///
    /// # Errors
    /// The error of `work`, with the step.
    // In a function of its own, because the whole boot in one function has a large stack frame, and code for it is larger.
    #[inline(never)]
    pub(super) fn step<T>(&mut self, step: Step, work: impl FnOnce() -> Result<T>) -> std::result::Result<T, Failure> {
        let start = self.begin(step);
        let result = work();
        self.end(step, start);
        result.map_err(|error| Failure { step, error })
    }

    // These two are not part of each step's code.
    #[inline(never)]
    fn begin(&self, step: Step) -> Instant {
        if self.steps.last().is_none_or(|(last, _)| *last != step) {
            say::info!("{}", step.name());
        }
        Instant::now()
    }

    #[inline(never)]
    fn end(&mut self, step: Step, start: Instant) {
        self.steps.push((step, start.elapsed()));
    }

    /// The time since the boot began.
    #[must_use]
    pub(super) fn total(&self) -> Duration {
        self.start.elapsed()
    }

    /// The seconds of each step by its key, and the `total`. A list, because the code of a map is larger.
    #[must_use]
    pub(super) fn seconds(&self) -> Vec<(&'static str, f64)> {
        let mut seconds: Vec<(&str, f64)> = Vec::new();
        for (step, took) in &self.steps {
            let took = took.as_secs_f64();
            match seconds.iter_mut().find(|(key, _)| *key == step.key()) {
                Some((_, sum)) => *sum += took,
                None => seconds.push((step.key(), took)),
            }
        }
        seconds.push(("total", self.total().as_secs_f64()));
        seconds
    }
}

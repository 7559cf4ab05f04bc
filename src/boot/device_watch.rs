//! Ends the boot when a device stops answering after it was found.
//!
//! The kernel waits for some devices for ever: virtio-blk has no limit, NVMe only one that can be switched off. A thread that waits
//! for a disk in the kernel cannot be interrupted. So another thread looks at the time, and handles the failure itself. It waits
//! for no other thread. It holds up no execve(2), which ends all other threads: it sleeps where it can be interrupted.

use std::fmt::Display;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tss2_static::tcti::asked::aside;

use crate::boot::clock::Clock;
use crate::boot::step::{Failure, Step};
use crate::error::{Context, Error, Result};

/// A device that is healthy answers in less time, even if its disk must start to spin.
const UNNOTICED: Duration = Duration::from_secs(10);

/// The watch over the device that the boot reads.
#[derive(Debug)]
pub(super) struct DeviceWatch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum State {
    /// No device is read.
    #[default]
    Idle,
    Reads(Reading),
    /// The time is over: the boot goes on in the thread of the watch alone.
    Over,
}

/// A step that reads a device.
#[derive(Debug)]
struct Reading {
    step: Step,
    device: String,
    /// The time of the last answer.
    since: Instant,
    is_said: bool,
}

/// What is due when a device has not answered for a time.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// Nothing for this time.
    Nothing(Duration),
    Message(String),
    Failure(Failure),
}

impl DeviceWatch {
    /// Starts the watch. If a device does not answer for the time of `limit`, `end` stops the machine.
    ///
    /// # Errors
    /// When there is no memory for a thread.
    pub(super) fn start(limit: Duration, end: impl FnOnce(&Failure) + Send + 'static) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        aside(Box::new(move || end(&watched.until_over(limit)))).about("thread")?;
        Ok(Self(shared))
    }

    /// Does `work`, which reads this device. If the time is over before it is done, this does not return.
    pub(super) fn during<T>(&self, step: Step, device: &impl Display, work: impl FnOnce() -> T) -> T {
        self.0.set(State::Reads(Reading { step, device: device.to_string(), since: Instant::now(), is_said: false }));
        let done = work();
        self.0.set(State::Idle);
        done
    }

    /// A step of the boot that reads this device.
    ///
    /// # Errors
    /// The error of `work`, with the step.
    pub(super) fn step<T>(
        &self,
        clock: &mut Clock,
        step: Step,
        device: &impl Display,
        work: impl FnOnce() -> Result<T>,
    ) -> std::result::Result<T, Failure> {
        clock.step(step, || self.during(step, device, work))
    }

    /// The device has answered.
    pub(super) fn progress(&self) {
        if let State::Reads(reading) = &mut *self.0.lock() {
            (reading.since, reading.is_said) = (Instant::now(), false);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock is no danger: nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// If the time is over, this does not return: no step follows one that has failed.
    fn set(&self, next: State) {
        let mut state = self.lock();
        if matches!(*state, State::Over) {
            drop(state);
            loop {
                thread::park();
            }
        }
        *state = next;
        self.changed.notify_one();
    }

    /// Waits until a device has not answered for the time of `limit`.
    fn until_over(&self, limit: Duration) -> Failure {
        let mut state = self.lock();
        loop {
            let due = match &mut *state {
                State::Reads(reading) => reading.due(reading.since.elapsed(), limit),
                _ => Due::Nothing(Duration::MAX),
            };
            match due {
                Due::Nothing(time) => {
                    state = self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
                }
                // It is no error, but only errors are shown in spite of `quiet`.
                Due::Message(text) => log::error!("{text}"),
                Due::Failure(failure) => {
                    *state = State::Over;
                    return failure;
                }
            }
        }
    }
}

impl Reading {
    fn due(&mut self, silent: Duration, limit: Duration) -> Due {
        let device = &self.device;
        if silent >= limit {
            let cause = format!("did not answer in {} s", limit.as_secs());
            let error = Error::new(device, cause).hint(
                "is it damaged, unplugged or too slow? dmesg may tell; replace it, or set a longer measureroot.timeout=",
            );
            return Due::Failure(Failure { step: self.step, error });
        }
        if silent >= UNNOTICED && !self.is_said {
            self.is_said = true;
            let (silent, limit) = (silent.as_secs(), limit.as_secs());
            return Due::Message(format!("{device}: no answer for {silent} s; the boot waits for {limit} s"));
        }
        let next = if self.is_said { limit } else { limit.min(UNNOTICED) };
        Due::Nothing(next.saturating_sub(silent))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A watch with this limit, and its failures.
    fn watch(limit: Duration) -> (DeviceWatch, Receiver<Failure>) {
        let (ended, failures) = channel();
        (DeviceWatch::start(limit, move |failure| ended.send(failure.clone()).unwrap()).unwrap(), failures)
    }

    #[test]
    fn a_device_that_answers_in_time_is_no_failure_however_long_it_takes() {
        let (watch, failures) = watch(Duration::from_secs(2));
        watch.during(Step::Hash, &"/dev/vda", || {
            for _ in 0..15 {
                thread::sleep(Duration::from_millis(200));
                watch.progress();
            }
        });
        // What reads no device may take any time.
        assert!(failures.recv_timeout(Duration::from_millis(2500)).is_err());
    }

    #[test]
    fn the_step_of_a_device_that_answers_too_late_never_ends() {
        let (watch, failures) = watch(Duration::from_millis(50));
        let (answer, answered) = channel::<()>();
        let (go_on, gone_on) = channel();
        thread::spawn(move || {
            watch.during(Step::MountImage, &"/dev/vda", || answered.recv().unwrap());
            go_on.send(()).ok();
        });
        let failure = failures.recv_timeout(LONG).unwrap();
        assert_eq!((failure.step, failure.error.object()), (Step::MountImage, "/dev/vda"));
        answer.send(()).unwrap();
        assert!(gone_on.recv_timeout(Duration::from_millis(200)).is_err());
    }

    #[test]
    fn a_device_that_does_not_answer_is_named_once_and_then_fails() {
        let seconds = Duration::from_secs;
        let mut reading =
            Reading { step: Step::Hash, device: "/dev/sda".to_owned(), since: Instant::now(), is_said: false };
        assert_eq!(reading.due(seconds(3), seconds(240)), Due::Nothing(seconds(7)));
        let Due::Message(text) = reading.due(seconds(10), seconds(240)) else { panic!("no message") };
        assert_eq!(text, "/dev/sda: no answer for 10 s; the boot waits for 240 s");
        assert_eq!(reading.due(seconds(11), seconds(240)), Due::Nothing(seconds(229)));
        let Due::Failure(failure) = reading.due(seconds(240), seconds(240)) else { panic!("no failure") };
        let text = failure.to_string();
        assert!(text.starts_with("FAILED at step \"hash the image\": /dev/sda: did not answer in 240 s ("), "{text}");
        assert!(text.contains("measureroot.timeout="), "{text}");
    }
}

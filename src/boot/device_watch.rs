//! Ends the boot when a device stops answering after it was found.
//!
//! The kernel waits for some devices for ever: virtio-blk has no limit, NVMe only one that can be switched off. A thread that waits
//! for a disk in the kernel cannot be interrupted. So another thread looks at the time, and handles the failure itself. It waits
//! for no other thread. It holds up no execve(2), which ends all other threads: it sleeps where it can be interrupted.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tss2_static::tcti::asked::aside;

use crate::boot::clock::Clock;
use crate::boot::device_io::WatchedDevices;
use crate::boot::device_reading::{Due, Reading};
use crate::boot::step::{Failure, Step};
use crate::error::{Context, Result};
use crate::say;
use crate::sys::waits::for_ever;

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

/// Counts the reads and writes that devices have completed.
type Count = Box<dyn Fn(&[PathBuf]) -> u64 + Send>;

impl DeviceWatch {
    /// Starts the watch. If a device does not answer for the time of `limit`, `end` stops the machine. A read or write that `count`
    /// counts is an answer.
    ///
    /// # Errors
    /// When there is no memory for a thread.
    pub(super) fn start(limit: Duration, count: Count, end: impl FnOnce(&Failure) + Send + 'static) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        aside(Box::new(move || end(&watched.until_over(limit, &count)))).about("thread")?;
        Ok(Self(shared))
    }

    /// Does `work`, which reads these devices. If the time is over before it is done, this does not return.
    pub(super) fn during<T>(&self, step: Step, devices: &WatchedDevices, work: impl FnOnce() -> T) -> T {
        self.0.set(State::Reads(Reading::begin(step, devices.clone(), Instant::now())));
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
        devices: &WatchedDevices,
        work: impl FnOnce() -> Result<T>,
    ) -> std::result::Result<T, Failure> {
        clock.step(step, || self.during(step, devices, work))
    }

    /// The device has answered, and the boot goes on.
    pub(super) fn progress(&self) {
        if let State::Reads(reading) = &mut *self.0.lock() {
            reading.goes_on(Instant::now());
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
            for_ever();
        }
        *state = next;
        self.changed.notify_one();
    }

    /// Waits until a device has not answered for the time of `limit`.
    fn until_over(&self, limit: Duration, count: &Count) -> Failure {
        let mut state = self.lock();
        loop {
            let due = match &mut *state {
                State::Reads(reading) => {
                    let now = Instant::now();
                    reading.look(count(&reading.devices.nodes), now);
                    reading.due(now, limit)
                }
                _ => Due::Nothing(Duration::MAX),
            };
            match due {
                Due::Nothing(time) => {
                    state = self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
                }
                // It is no error, but only errors are shown in spite of `quiet`.
                Due::Message(text) => say::error!("{text}"),
                Due::Failure(failure) => {
                    *state = State::Over;
                    return failure;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn device() -> WatchedDevices {
        WatchedDevices::new("/dev/vda", &["/dev/vda".into()])
    }

    /// A watch with this limit, and its failures.
    fn watch(limit: Duration, count: Count) -> (DeviceWatch, Receiver<Failure>) {
        let (ended, failures) = channel();
        (DeviceWatch::start(limit, count, move |failure| ended.send(failure.clone()).unwrap()).unwrap(), failures)
    }

    #[test]
    fn a_device_that_answers_in_time_is_no_failure_however_long_it_takes() {
        let (watch, failures) = watch(Duration::from_secs(2), Box::new(|_| 0));
        watch.during(Step::Hash, &device(), || {
            for _ in 0..15 {
                thread::sleep(Duration::from_millis(200));
                watch.progress();
            }
        });
        // What reads no device may take any time.
        assert!(failures.recv_timeout(Duration::from_millis(2500)).is_err());
    }

    /// The thread of the boot waits for mount(2) while the kernel replays the journal.
    #[test]
    fn a_device_that_completes_reads_answers() {
        let reads = AtomicU64::new(0);
        let (watch, failures) = watch(Duration::from_secs(2), Box::new(move |_| reads.fetch_add(1, Ordering::Relaxed)));
        watch.during(Step::Image, &device(), || thread::sleep(Duration::from_secs(5)));
        assert!(failures.try_recv().is_err());
    }

    #[test]
    fn the_step_of_a_device_that_answers_too_late_never_ends() {
        // What it completed before does not count.
        let (watch, failures) = watch(Duration::from_millis(50), Box::new(|_| 7));
        let (answer, answered) = channel::<()>();
        let (go_on, gone_on) = channel();
        thread::spawn(move || {
            watch.during(Step::MountImage, &device(), || answered.recv().unwrap());
            go_on.send(()).ok();
        });
        let failure = failures.recv_timeout(LONG).unwrap();
        assert_eq!((failure.step, failure.error.object()), (Step::MountImage, "/dev/vda"));
        answer.send(()).unwrap();
        assert!(gone_on.recv_timeout(Duration::from_millis(200)).is_err());
    }
}

//! Says that something is slow, while it runs: a machine that stands still without a word looks broken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The times after which a message is due: at first, and then again and again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) first: Duration,
    pub(crate) again: Duration,
}

/// Does `work`, and calls `say` with the time that it has taken whenever a message is due.
pub(crate) fn watched<T>(due: Due, say: impl Fn(Duration) + Send, work: impl FnOnce() -> T) -> T {
    let (start, done) = (Instant::now(), &AtomicBool::new(false));
    thread::scope(|scope| {
        let watch = move || {
            let mut next = due.first;
            while !done.load(Ordering::Acquire) {
                if let Some(left) = next.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
                    thread::park_timeout(left);
                } else {
                    say(start.elapsed());
                    next += due.again;
                }
            }
        };
        // If there is no memory for a thread, the work is done unwatched.
        let watcher = thread::Builder::new().spawn_scoped(scope, watch).ok();
        let result = work();
        done.store(true, Ordering::Release);
        watcher.inspect(|watcher| watcher.thread().unpark());
        result
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn slow_work_is_said_again_and_again_and_fast_work_is_not() {
        let said = Mutex::new(0);
        let ms = Duration::from_millis;
        let count = |_| *said.lock().unwrap() += 1;
        assert_eq!(watched(Due { first: ms(60_000), again: ms(1) }, count, || 5), 5);
        assert_eq!(*said.lock().unwrap(), 0);
        watched(Due { first: ms(20), again: ms(10) }, count, || {
            while *said.lock().unwrap() < 3 {
                thread::sleep(ms(1));
            }
        });
        assert!(*said.lock().unwrap() >= 3);
    }
}

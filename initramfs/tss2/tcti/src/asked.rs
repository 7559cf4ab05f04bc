//! Work that another thread does, because a call to the kernel in it has no time limit.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// The answer of another thread, which may never come.
#[derive(Clone)]
pub struct Asked<T>(Arc<OnceLock<T>>);

impl<T: Clone + Send + Sync + 'static> Asked<T> {
    /// Starts the work.
    ///
    /// # Errors
    /// If the kernel makes no thread.
    pub fn start(work: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let answer = Arc::new(OnceLock::new());
        let (told, waiting) = (Arc::clone(&answer), thread::current());
        aside(Box::new(move || {
            told.get_or_init(work);
            waiting.unpark();
        }))?;
        Ok(Self(answer))
    }

    /// The answer, for a thread for which nobody waits: it waits for ever.
    #[must_use]
    pub fn wait(&self) -> &T {
        self.0.wait()
    }

    /// The answer, if it comes within `limit`. Only the thread that started the work is told when it comes.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Option<T> {
        let start = Instant::now();
        loop {
            if let Some(answer) = self.0.get() {
                return Some(answer.clone());
            }
            let left = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
            thread::park_timeout(left);
        }
    }
}

/// Does the work in a thread of its own, for which nobody waits. The work is boxed, because the code of a thread is large and exists
/// once for each type of work.
///
/// # Errors
/// If the kernel makes no thread.
pub fn aside(work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    thread::Builder::new().spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_answer_is_taken_and_one_that_never_comes_is_not_waited_for() {
        let late = Asked::start(|| thread::sleep(Duration::from_millis(20))).unwrap();
        assert_eq!(late.within(Duration::ZERO), None);
        let same = late.clone();
        assert_eq!(Asked::start(move || *same.wait()).unwrap().within(Duration::from_secs(60)), Some(()));
        assert_eq!(late.within(Duration::from_secs(60)), Some(()));
        let never = Asked::start(|| thread::sleep(Duration::MAX)).unwrap();
        assert_eq!(never.within(Duration::from_millis(20)), None);
    }
}

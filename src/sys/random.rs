//! The kernel's random numbers, for the nonce and key of a session and for the salt of a tree.
//!
//! If the processor has no random number generator, the kernel gathers randomness from events such as interrupts. A
//! machine that only waits has few events, so the wait could be endless. It is bounded here.

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};

/// How long to wait for the salt of a tree. No parameter changes it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// After this time the log has a message about the wait.
const UNNOTICED: Duration = Duration::from_secs(1);

/// Random bytes, enough for a nonce, a key or a salt (SHA-256, P-256).
pub(crate) type Random = [u8; 32];

/// 32 random bytes. Waits for at most a second more than `patience`.
///
/// # Errors
/// When the kernel has no random bytes in time.
pub(crate) fn random(patience: Duration) -> Result<Random> {
    let answer = Arc::new(OnceLock::new());
    let (told, waiting) = (Arc::clone(&answer), thread::current());
    // getrandom(2) makes the kernel gather randomness, but it has no time limit. So another thread calls it.
    let ask = move || {
        let mut bytes = Random::default();
        let asked = getrandom::fill(&mut bytes).about("random numbers");
        told.get_or_init(|| asked.map(|()| bytes));
        waiting.unpark();
    };
    thread::Builder::new().spawn(ask).about("thread")?;
    wait_for(&answer, patience)
}

fn wait_for<T: Clone>(answer: &OnceLock<Result<T>>, patience: Duration) -> Result<T> {
    if let Some(answer) = within(answer, UNNOTICED) {
        return answer;
    }
    log::warn!("waits for random numbers, for at most {} s", patience.as_secs());
    within(answer, patience).unwrap_or_else(|| {
        Err(Error::new("random numbers", "the kernel has none")
            .hint("does the processor have RDRAND, or the virtual machine virtio-rng and its driver?"))
    })
}

/// The answer, if it comes within `limit`. Nearly always it is there at once.
fn within<T: Clone>(answer: &OnceLock<Result<T>>, limit: Duration) -> Option<Result<T>> {
    let start = Instant::now();
    loop {
        if let Some(answer) = answer.get() {
            return Some(answer.clone());
        }
        let left = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_differ_each_time() {
        assert_ne!(random(PATIENCE), random(PATIENCE));
    }

    #[test]
    fn no_answer_in_time_is_an_error() {
        let error = wait_for(&OnceLock::<Result<()>>::new(), Duration::ZERO).unwrap_err();
        assert_eq!((error.object(), error.to_string().contains("RDRAND")), ("random numbers", true));
    }

    #[test]
    fn a_late_answer_is_taken() {
        let answer = OnceLock::new();
        thread::scope(|scope| {
            scope.spawn(|| answer.set(Ok(5)));
            assert_eq!(wait_for(&answer, PATIENCE), Ok(5));
        });
    }
}

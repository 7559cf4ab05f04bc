//! The kernel's random numbers, for a session's nonce and key and for a tree's salt. A machine whose processor has none to offer
//! may be without for as long as nothing happens to it, and nothing happens to one that waits for them.

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};

/// What the salt is waited for; nobody names another time.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Who waits longer is told what for.
const UNNOTICED: Duration = Duration::from_secs(1);

/// Enough for a nonce, a key or a salt (SHA-256, P-256).
pub type Random = [u8; 32];

/// 32 random bytes, after at most `patience`, or a second if that is less.
///
/// # Errors
/// When the kernel has none in time.
pub fn random(patience: Duration) -> Result<Random> {
    let answer = Arc::new(OnceLock::new());
    let (told, waiting) = (Arc::clone(&answer), thread::current());
    // Asked like this the kernel gathers what it can (getrandom(2)); but it cannot be told for how long.
    let ask = move || {
        let mut bytes = Random::default();
        let asked = getrandom::fill(&mut bytes).about("random numbers");
        told.get_or_init(|| asked.map(|()| bytes));
        waiting.unpark();
    };
    thread::Builder::new().spawn(ask).about("thread")?;
    first(&answer, patience)
}

fn first<T: Clone>(answer: &OnceLock<Result<T>>, patience: Duration) -> Result<T> {
    if let Some(answer) = within(answer, UNNOTICED) {
        return answer;
    }
    log::warn!("waits for random numbers, for at most {} s", patience.as_secs());
    within(answer, patience).unwrap_or_else(|| {
        Err(Error::new("random numbers", "the kernel has none")
            .hint("does the processor have RDRAND, or the virtual machine virtio-rng and its driver?"))
    })
}

/// The answer, if it comes before `limit` is over; nearly always it is there at once.
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
    fn there_are_some_and_others_each_time() {
        assert_ne!(random(PATIENCE), random(PATIENCE));
    }

    #[test]
    fn none_in_time_is_an_error() {
        let error = first(&OnceLock::<Result<()>>::new(), Duration::ZERO).unwrap_err();
        assert_eq!((error.object(), error.to_string().contains("RDRAND")), ("random numbers", true));
    }

    #[test]
    fn a_late_answer_is_taken() {
        let answer = OnceLock::new();
        thread::scope(|scope| {
            scope.spawn(|| answer.set(Ok(5)));
            assert_eq!(first(&answer, PATIENCE), Ok(5));
        });
    }
}

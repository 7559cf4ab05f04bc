//! The kernel's random numbers, for the nonce and key of a session and for the salt of a tree.
//!
//! If the processor has no random number generator, the kernel gathers randomness from events such as interrupts. A
//! machine that only waits has few events, so the wait could be endless. It is bounded here.

use std::time::Duration;

use tss2_static::tcti::asked::Asked;

use crate::error::{Context, Error, Result};
use crate::say;

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
    // getrandom(2) makes the kernel gather randomness, but it has no time limit. So another thread calls it.
    let asked = Asked::start(|| {
        let mut bytes = Random::default();
        getrandom::fill(&mut bytes).about("random numbers").map(|()| bytes)
    });
    answer(&asked.about("thread")?, patience)
}

fn answer<T: Clone + Send + Sync + 'static>(asked: &Asked<Result<T>>, patience: Duration) -> Result<T> {
    if let Some(answer) = asked.within(UNNOTICED) {
        return answer;
    }
    say::warn!("waits for random numbers, for at most {} s", patience.as_secs());
    asked.within(patience).unwrap_or_else(|| {
        Err(Error::new("random numbers", "the kernel has none")
            .hint("does the processor have RDRAND, or the virtual machine virtio-rng and its driver?"))
    })
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
        let asked = Asked::start(|| -> Result<()> {
            std::thread::sleep(Duration::MAX);
            Ok(())
        });
        let error = answer(&asked.unwrap(), Duration::ZERO).unwrap_err();
        assert_eq!((error.object(), error.to_string().contains("RDRAND")), ("random numbers", true));
    }
}

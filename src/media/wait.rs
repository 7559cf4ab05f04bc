//! Waiting for what is not there yet, such as a device.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::Result;

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The pause before the first look.
    pub delay: Duration,
    /// The time from the first look to the last; `None` is for ever.
    pub limit: Option<Duration>,
}

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

impl Wait {
    /// A wait without a delay, for at most `limit`.
    #[must_use]
    pub fn at_most(limit: Duration) -> Self {
        Self { delay: Duration::ZERO, limit: Some(limit) }
    }

    /// The same wait without its delay.
    #[must_use]
    pub(crate) fn without_delay(self) -> Self {
        Self { delay: Duration::ZERO, ..self }
    }

    /// The limit in whole seconds, for the message that the time is over.
    #[must_use]
    pub(crate) fn seconds(self) -> u64 {
        self.limit.unwrap_or_default().as_secs()
    }

    /// Calls `look` until it finds something or the time is over; `None` if the time is over.
    ///
    /// # Errors
    /// The first error of `look`.
    pub fn until_found<T>(self, mut look: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
        sleep(self.delay);
        let start = Instant::now();
        loop {
            match look()? {
                Some(found) => return Ok(Some(found)),
                None if self.is_over(start) => return Ok(None),
                None => sleep(PAUSE),
            }
        }
    }

    fn is_over(self, start: Instant) -> bool {
        self.limit.is_some_and(|limit| start.elapsed() >= limit)
    }
}

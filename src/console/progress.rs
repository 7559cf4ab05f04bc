//! Shows how far the hashing has come: on a screen by one line that is rewritten, in a log by a line for every tenth.

use std::time::{Duration, Instant};

/// How the progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// On a terminal: one line that is rewritten at most twice a second.
    Screen,
    /// In a log: a line for every 10 %.
    Log,
}

/// How much of the image has been hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Bytes so far.
    pub(crate) done: u64,
    /// Bytes in all.
    pub(crate) total: u64,
}

impl Amount {
    /// Whether all bytes are done.
    #[must_use]
    pub(crate) fn is_all(self) -> bool {
        self.done == self.total
    }

    /// The percentage; 100 for an image of no bytes.
    fn percent(self) -> u64 {
        self.done.saturating_mul(100).checked_div(self.total).unwrap_or(100)
    }
}

/// Decides when there is something new to show.
#[derive(Debug)]
pub(crate) struct Progress {
    style: Style,
    start: Instant,
    shown_at: Duration,
    shown_tenth: u64,
}

const PERIOD: Duration = Duration::from_millis(500);

impl Progress {
    /// Progress that starts now.
    #[must_use]
    pub(crate) fn new(style: Style) -> Self {
        Self { style, start: Instant::now(), shown_at: Duration::ZERO, shown_tenth: 0 }
    }

    /// The line to show now; `None` if it is too early for a new one.
    pub(crate) fn line(&mut self, amount: Amount) -> Option<String> {
        self.line_at(self.start.elapsed(), amount)
    }

    fn line_at(&mut self, elapsed: Duration, amount: Amount) -> Option<String> {
        let tenth = amount.percent() / 10;
        let due = match self.style {
            Style::Screen => elapsed.saturating_sub(self.shown_at) >= PERIOD || amount.is_all(),
            // If the hashing takes no time, the log needs no lines about it.
            Style::Log => tenth > self.shown_tenth && (elapsed >= PERIOD || self.shown_tenth > 0),
        };
        if !due {
            return None;
        }
        (self.shown_at, self.shown_tenth) = (elapsed, tenth);
        Some(text(elapsed, amount))
    }
}

/// The line: percentage, MB/s and seconds left.
fn text(elapsed: Duration, amount: Amount) -> String {
    let (percent, Amount { done, total }) = (amount.percent(), amount);
    // Whole numbers of 64 bits only: others would add their formatters to the initramfs.
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = done.saturating_mul(1000) / milliseconds;
    let left = if rate == 0 { 0 } else { total.saturating_sub(done).div_ceil(rate) };
    format!("hashing the image: {percent:3} %, {} MB/s, {left} s left", rate / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(style: Style, total: u64, rate: u64) -> Vec<String> {
        let mut progress = Progress::new(style);
        let step = |i: u64| (Duration::from_millis(i * 100), (i * rate / 10).min(total));
        (0..=total * 10 / rate).filter_map(|i| progress.line_at(step(i).0, Amount { done: step(i).1, total })).collect()
    }

    #[test]
    fn a_screen_is_rewritten_at_most_twice_a_second() {
        let lines = shown(Style::Screen, 100_000_000, 10_000_000);
        assert_eq!(lines.len(), 20);
        assert_eq!(lines[0], "hashing the image:   5 %, 10 MB/s, 10 s left");
        assert_eq!(lines[19], "hashing the image: 100 %, 10 MB/s, 0 s left");
    }

    #[test]
    fn a_log_gets_ten_lines() {
        assert_eq!(shown(Style::Log, 100_000_000, 10_000_000).len(), 10);
        assert_eq!(shown(Style::Log, 100_000_000, 1_000_000).len(), 10);
        assert!(shown(Style::Log, 1000, 100_000).is_empty());
    }

    #[test]
    fn any_amounts_can_be_shown() {
        for (done, total) in [(0, 0), (5, 0), (u64::MAX, u64::MAX), (u64::MAX, 1), (1, u64::MAX)] {
            for style in [Style::Screen, Style::Log] {
                Progress::new(style).line_at(Duration::from_secs(1), Amount { done, total });
            }
        }
    }
}

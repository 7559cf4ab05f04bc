//! A step of the boot that reads devices, and what is due while they do not answer.

use std::time::{Duration, Instant};

use crate::boot::device_io::WatchedDevices;
use crate::boot::step::{Failure, Step};
use crate::error::Error;
use crate::sys::waits::UNNOTICED;

/// How often the watch looks at what the kernel counts.
const LOOK: Duration = Duration::from_secs(1);
/// A device that answers may be at work for so long without progress of the boot: while a journal is replayed. The largest that
/// mke2fs makes by itself has 1 GiB (e2fsprogs, lib/ext2fs/mkjournal.c, `ext2fs_default_journal_size`); a slow stick reads and writes
/// it with 1 MB/s in 35 minutes.
const LONGEST_WORK: Duration = Duration::from_secs(3600);

/// A step that reads a device.
#[derive(Debug)]
pub(super) struct Reading {
    step: Step,
    pub(super) devices: WatchedDevices,
    /// The time of the last progress of the boot.
    progress: Instant,
    /// The time of the last answer of the device.
    answer: Instant,
    /// What the device had completed then.
    completed: Option<u64>,
    /// Whether the log has a message since the last progress, and since the last answer.
    said_work: bool,
    said_silence: bool,
}

/// What is due when a device has not answered for a time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing for this time.
    Nothing(Duration),
    Message(String),
    Failure(Failure),
}

impl Reading {
    /// Begins now.
    pub(super) fn begin(step: Step, devices: WatchedDevices, now: Instant) -> Self {
        let (said_work, said_silence) = (false, false);
        Self { step, devices, progress: now, answer: now, completed: None, said_work, said_silence }
    }

    /// The boot goes on with the answer of a device.
    pub(super) fn goes_on(&mut self, now: Instant) {
        (self.progress, self.answer, self.said_work, self.said_silence) = (now, now, false, false);
    }

    /// Takes what the devices have completed until now.
    pub(super) fn look(&mut self, completed: u64, now: Instant) {
        if self.completed.replace(completed).is_some_and(|before| before != completed) {
            (self.answer, self.said_silence) = (now, false);
        }
    }

    /// What is due now, if a device may not answer for the time of `limit`.
    pub(super) fn due(&mut self, now: Instant, limit: Duration) -> Due {
        let device = &self.devices.name;
        let (silent, work) = (now.duration_since(self.answer), now.duration_since(self.progress));
        let longest_work = limit.max(LONGEST_WORK);
        if silent >= limit || work >= longest_work {
            let error = if silent >= limit {
                Error::new(device, format!("did not answer in {} s", limit.as_secs())).hint(
                    "is it damaged, unplugged or too slow? dmesg may tell; replace it, or set a longer measureroot.timeout=",
                )
            } else {
                Error::new(device, format!("answers, but this step was not done in {} s", longest_work.as_secs()))
                    .hint("is its file system damaged, or the device too slow? dmesg may tell; replace it")
            };
            return Due::Failure(Failure { step: self.step, error });
        }
        if silent >= UNNOTICED && !self.said_silence {
            self.said_silence = true;
            let (silent, limit) = (silent.as_secs(), limit.as_secs());
            return Due::Message(format!("{device}: no answer for {silent} s; the boot waits for {limit} s"));
        }
        if work >= UNNOTICED && silent < UNNOTICED && !self.said_work {
            self.said_work = true;
            let (work, longest) = (work.as_secs(), longest_work.as_secs());
            return Due::Message(format!(
                "{device}: reads and writes for {work} s, as to replay a journal; the boot waits for at most {longest} s"
            ));
        }
        let next = if self.said_silence { limit } else { limit.min(UNNOTICED) };
        Due::Nothing(next.saturating_sub(silent).min(LOOK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> WatchedDevices {
        WatchedDevices::new("/dev/vda", &["/dev/vda".into()])
    }

    /// What is due after so many seconds.
    fn due(reading: &mut Reading, start: Instant, second: u64) -> Due {
        reading.due(start + Duration::from_secs(second), Duration::from_secs(240))
    }

    #[test]
    fn a_device_that_does_not_answer_is_named_once_and_then_fails() {
        let (start, seconds) = (Instant::now(), Duration::from_secs);
        let mut reading = Reading::begin(Step::Hash, device(), start);
        assert_eq!(due(&mut reading, start, 3), Due::Nothing(LOOK));
        let Due::Message(text) = due(&mut reading, start, 10) else { panic!("no message") };
        assert_eq!(text, "/dev/vda: no answer for 10 s; the boot waits for 240 s");
        assert_eq!(due(&mut reading, start, 11), Due::Nothing(LOOK));
        assert_eq!(
            reading.due(start + Duration::from_millis(239_400), seconds(240)),
            Due::Nothing(Duration::from_millis(600))
        );
        let Due::Failure(failure) = due(&mut reading, start, 240) else { panic!("no failure") };
        let text = failure.to_string();
        assert!(text.starts_with("FAILED at step \"hash the image\": /dev/vda: did not answer in 240 s ("), "{text}");
        assert!(text.contains("measureroot.timeout="), "{text}");
    }

    #[test]
    fn a_device_at_work_is_named_once_and_has_an_end() {
        let start = Instant::now();
        let mut reading = Reading::begin(Step::Image, device(), start);
        let mut said = Vec::new();
        for second in 0..3600 {
            reading.look(second, start + Duration::from_secs(second));
            match due(&mut reading, start, second) {
                Due::Nothing(time) => assert_eq!(time, LOOK),
                Due::Message(text) => said.push(text),
                Due::Failure(failure) => panic!("{failure}"),
            }
        }
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("/dev/vda: reads and writes for 10 s") && said[0].contains("3600 s"), "{said:?}");
        reading.look(3600, start + Duration::from_secs(3600));
        let Due::Failure(failure) = due(&mut reading, start, 3600) else { panic!("no failure") };
        assert!(failure.to_string().contains("answers, but this step was not done in 3600 s"), "{failure}");
    }
}

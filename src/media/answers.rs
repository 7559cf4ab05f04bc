//! What is known of the devices. A child process asks each of them once, and again only if its medium changed.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::media::answer::Answer;
use crate::media::devices::MediumId;
use crate::say;
use crate::sys::block_device;
use crate::sys::child::Child;

/// The most children at a time: a hostile device can have many partitions.
const MOST: usize = 32;
/// A device that does not answer in this time is left out when another one fits.
const GRACE: Duration = Duration::from_secs(2);
/// The pause before a device that could not be read is asked again.
const RETRY: Duration = Duration::from_millis(500);
/// How often a drive is opened to see whether its medium was changed: the kernel looks only then (block/disk-events.c).
const TOUCH: Duration = Duration::from_secs(1);

/// The devices that were asked. They are few, and the code of a map is larger than that of a list.
#[derive(Debug, Default)]
pub(crate) struct Answers(Vec<Asked>);

#[derive(Debug)]
struct Asked {
    device: String,
    medium: MediumId,
    since: Instant,
    child: Option<Child>,
    answer: Option<Answer>,
    touch: Option<(Instant, Child)>,
}

impl Answers {
    /// Asks about a device, unless it was asked about this medium already.
    ///
    /// # Errors
    /// When no child process can be started.
    pub(crate) fn ask(
        &mut self,
        (device, medium): (&str, MediumId),
        node: &Path,
        work: impl FnOnce() -> Answer,
    ) -> Result<()> {
        let running = self.0.iter().filter(|asked| asked.child.is_some()).count();
        let known = self.0.iter().position(|asked| asked.device == device);
        let again = match known.and_then(|at| self.0.get_mut(at)) {
            None => true,
            Some(asked) if asked.child.is_some() => false,
            Some(asked) if asked.medium != medium => true,
            Some(Asked { answer: Some(Answer::NotYet(_)), since, .. }) => since.elapsed() >= RETRY,
            Some(asked) => {
                if asked.medium.removable {
                    asked.touch(node)?;
                }
                false
            }
        };
        if again && running < MOST {
            let child = Some(Child::start(|| work().encode())?);
            // What it was until now stays known while it is asked again.
            let before = known.map(|at| self.0.swap_remove(at));
            let answer = before.and_then(|asked| asked.answer).filter(|answer| *answer != Answer::Yes);
            let device = device.to_owned();
            self.0.push(Asked { device, medium, since: Instant::now(), child, answer, touch: None });
        }
        Ok(())
    }

    /// Forgets all devices but these.
    pub(crate) fn keep(&mut self, devices: &BTreeSet<String>) {
        self.0.retain(|asked| devices.contains(&asked.device));
    }

    /// Takes the answers that arrive within this time. It ends early if all devices have answered.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = Instant::now() + time;
        for asked in &mut self.0 {
            let Some(child) = &mut asked.child else { continue };
            if let Some(answer) = child.answer(end.saturating_duration_since(Instant::now())) {
                let answer = Answer::decode(&answer);
                if let (Answer::NotYet(error), true) = (&answer, asked.answer.as_ref() != Some(&answer)) {
                    say::info!("{}: cannot be read yet: {}", error.object(), error.reason());
                }
                (asked.answer, asked.child) = (Some(answer), None);
            }
        }
    }

    /// Those of the devices whose answer is yes, in the same order.
    pub(crate) fn yes<'a>(&self, devices: &'a BTreeSet<String>) -> Vec<&'a str> {
        let yes = |asked: &Asked| asked.child.is_none() && asked.answer == Some(Answer::Yes);
        devices.iter().map(String::as_str).filter(|device| self.of(device).is_some_and(yes)).collect()
    }

    /// Whether the device has answered, or is left out because it does not.
    pub(crate) fn is_settled(&self, device: &str) -> bool {
        self.of(device).is_some_and(|asked| asked.child.is_none() || asked.is_late())
    }

    /// The devices that are left out because they do not answer.
    pub(crate) fn hung(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|asked| asked.is_late()).map(|asked| asked.device.as_str())
    }

    /// Why a device is not the one that is looked for; `None` if it was not asked.
    pub(crate) fn reason(&self, device: &str) -> Option<String> {
        let asked = self.of(device)?;
        match &asked.answer {
            _ if asked.is_late() => Some("does not answer".to_owned()),
            Some(Answer::No(error) | Answer::NotYet(error)) => Some(error.reason()),
            _ => None,
        }
    }

    fn of(&self, device: &str) -> Option<&Asked> {
        self.0.iter().find(|asked| asked.device == device)
    }
}

impl Asked {
    fn is_late(&self) -> bool {
        self.child.is_some() && self.since.elapsed() >= GRACE
    }

    /// Lets the kernel see whether the drive has another medium.
    fn touch(&mut self, node: &Path) -> Result<()> {
        if let Some((since, child)) = &mut self.touch {
            let is_open = child.answer(Duration::ZERO).is_some();
            if !is_open || since.elapsed() < TOUCH {
                return Ok(());
            }
        }
        let open = || block_device::open(node).map(drop).map_or_else(|_| Vec::new(), |()| Vec::new());
        self.touch = Some((Instant::now(), Child::start(open)?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::sys::waits::for_ever;

    fn ask(answers: &mut Answers, device: &str, work: impl FnOnce() -> Answer) {
        answers.ask((device, MediumId::default()), Path::new("/none"), work).unwrap();
        // It takes as long as the child needs on a busy machine.
        answers.wait(Duration::from_secs(30));
    }

    #[test]
    fn a_device_that_hangs_is_left_out_and_holds_up_no_other() {
        let mut answers = Answers::default();
        ask(&mut answers, "found", || Answer::Yes);
        ask(&mut answers, "other", || Answer::No(Error::new("other", "why").hint("what")));
        answers.ask(("hangs", MediumId::default()), Path::new("/none"), || for_ever()).unwrap();
        let all = BTreeSet::from(["found", "hangs", "other"].map(str::to_owned));
        assert_eq!(answers.yes(&all), ["found"]);
        assert!(!answers.is_settled("hangs") && answers.hung().next().is_none() && answers.is_settled("other"));
        std::thread::sleep(GRACE);
        assert!(answers.is_settled("hangs") && answers.hung().eq(["hangs"]));
        assert_eq!(answers.reason("hangs").as_deref(), Some("does not answer"));
        assert_eq!(answers.reason("other").as_deref(), Some("why (what)"));
        answers.keep(&BTreeSet::new());
        assert!(answers.yes(&all).is_empty());
    }

    #[test]
    fn a_medium_is_asked_once_and_one_that_could_not_be_read_again() {
        let mut answers = Answers::default();
        let no = || Answer::No(Error::new("a", "b"));
        ask(&mut answers, "seen", no);
        ask(&mut answers, "seen", || Answer::Yes);
        ask(&mut answers, "empty", || Answer::NotYet(Error::new("a", "b")));
        std::thread::sleep(RETRY);
        ask(&mut answers, "empty", || Answer::Yes);
        assert_eq!(answers.yes(&BTreeSet::from(["empty", "seen"].map(str::to_owned))), ["empty"]);
    }
}

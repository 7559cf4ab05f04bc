//! What is known of the devices. A child process asks each of them once, and again only if its medium changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::media::answer::Answer;
use crate::media::devices::MediumId;
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

/// The devices that were asked, by name.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<String, Asked>);

#[derive(Debug)]
struct Asked {
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
        let running = self.0.values().filter(|asked| asked.child.is_some()).count();
        let again = match self.0.get_mut(device) {
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
            let answer = self.0.remove(device).and_then(|asked| asked.answer).filter(|answer| *answer != Answer::Yes);
            let asked = Asked { medium, since: Instant::now(), child, answer, touch: None };
            self.0.insert(device.to_owned(), asked);
        }
        Ok(())
    }

    /// Forgets all devices but these.
    pub(crate) fn keep(&mut self, devices: &BTreeSet<String>) {
        self.0.retain(|device, _| devices.contains(device));
    }

    /// Takes the answers that arrive within this time. It ends early if all devices have answered.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = Instant::now() + time;
        for asked in self.0.values_mut() {
            let Some(child) = &mut asked.child else { continue };
            if let Some(answer) = child.answer(Some(end.saturating_duration_since(Instant::now()))) {
                let answer = Answer::decode(&answer);
                if let (Answer::NotYet(error), true) = (&answer, asked.answer.as_ref() != Some(&answer)) {
                    log::info!("{}: cannot be read yet: {}", error.object(), error.reason());
                }
                (asked.answer, asked.child) = (Some(answer), None);
            }
        }
    }

    /// The devices whose answer is yes, in the order of their names.
    pub(crate) fn yes(&self) -> Vec<&str> {
        let yes = self.0.iter().filter(|(_, asked)| asked.child.is_none() && asked.answer == Some(Answer::Yes));
        yes.map(|(device, _)| device.as_str()).collect()
    }

    /// Whether the device has answered, or is left out because it does not.
    pub(crate) fn is_settled(&self, device: &str) -> bool {
        self.0.get(device).is_some_and(|asked| asked.child.is_none() || asked.is_late())
    }

    /// The devices that are left out because they do not answer.
    pub(crate) fn hung(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, asked)| asked.is_late()).map(|(device, _)| device.as_str()).collect()
    }

    /// Why a device is not the one that is looked for; `None` if it was not asked.
    pub(crate) fn reason(&self, device: &str) -> Option<String> {
        let asked = self.0.get(device)?;
        match &asked.answer {
            _ if asked.child.is_some() && asked.is_late() => Some("does not answer".to_owned()),
            Some(Answer::No(error) | Answer::NotYet(error)) => Some(error.reason()),
            _ => None,
        }
    }
}

impl Asked {
    fn is_late(&self) -> bool {
        self.child.is_some() && self.since.elapsed() >= GRACE
    }

    /// Lets the kernel see whether the drive has another medium.
    fn touch(&mut self, node: &Path) -> Result<()> {
        if let Some((since, child)) = &mut self.touch {
            let is_open = child.answer(Some(Duration::ZERO)).is_some();
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

    fn ask(answers: &mut Answers, device: &str, work: impl FnOnce() -> Answer) {
        answers.ask((device, MediumId::default()), Path::new("/none"), work).unwrap();
        answers.wait(Duration::from_millis(500));
    }

    #[test]
    fn a_device_that_hangs_is_left_out_and_holds_up_no_other() {
        let mut answers = Answers::default();
        ask(&mut answers, "hangs", || {
            loop {
                std::thread::park();
            }
        });
        ask(&mut answers, "found", || Answer::Yes);
        ask(&mut answers, "other", || Answer::No(Error::new("other", "why").hint("what")));
        assert_eq!(answers.yes(), ["found"]);
        assert!(!answers.is_settled("hangs") && answers.hung().is_empty() && answers.is_settled("other"));
        std::thread::sleep(GRACE);
        assert!(answers.is_settled("hangs") && answers.hung() == ["hangs"]);
        assert_eq!(answers.reason("hangs").as_deref(), Some("does not answer"));
        assert_eq!(answers.reason("other").as_deref(), Some("why (what)"));
        answers.keep(&BTreeSet::new());
        assert!(answers.yes().is_empty());
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
        assert_eq!(answers.yes(), ["empty"]);
    }
}

//! The marks that a boot leaves against itself: that it failed, or that it did not measure its image.

use super::claim::{Claim, EventKind};
use super::event::Event;
use super::log::Log;
use crate::measure::measurement::{FAILED, UNMEASURED};

impl Event {
    /// What the event says against the boot. Its digest in any bank counts, or the log's claim alone: nobody has a reason to
    /// forge it, and whoever wants to hide it can leave it out.
    pub(crate) fn mark(&self) -> Option<&'static str> {
        let is = |text: &str| self.banks().iter().any(|&bank| self.is_digest_of(text.as_bytes(), &[bank]));
        let claimed = Claim::of(self).map(|claim| claim.event);
        if claimed == Some(EventKind::Unmeasured) || is(UNMEASURED) {
            Some("the boot did not measure its image (measureroot=off)")
        } else if claimed == Some(EventKind::Failed) || is(FAILED) {
            Some("the boot failed")
        } else {
            None
        }
    }
}

impl Log {
    /// The first event with such a mark among those that `is_asked` selects by their place and content, in words.
    pub(crate) fn mark(&self, is_asked: impl Fn(usize, &Event) -> bool) -> Option<String> {
        let mut asked = self.events().iter().enumerate().filter(|(place, event)| is_asked(*place, event));
        asked.find_map(|(place, event)| Some(format!("by event {}, {}", place + 1, event.mark()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::EventType;
    use crate::eventlog::tcg::log_of;
    use crate::hash::bank::Bank;

    #[test]
    fn a_mark_is_known_by_its_digest_or_by_its_claim() {
        let claims = [Claim::failed(), Claim::unmeasured(), Claim::image("/dev/vda", 1, "ram")];
        let data = claims.map(|claim| claim.tagged().unwrap());
        let [failed, unmeasured, image] = data.each_ref().map(|data| (13, EventType::EVENT_TAG, &data[..]));
        let text = (14, EventType(0xD), FAILED.as_bytes());
        let log = log_of(&[Bank::Sha1, Bank::Sha256], &[image, text, failed, unmeasured]);
        let mark = |from: usize| log.mark(|place, _| place >= from);
        assert_eq!(mark(0).as_deref(), Some("by event 2, the boot failed"));
        assert_eq!(mark(2).as_deref(), Some("by event 3, the boot failed"));
        assert_eq!(mark(3).as_deref(), Some("by event 4, the boot did not measure its image (measureroot=off)"));
        assert_eq!((mark(4), log.mark(|place, _| place == 0)), (None, None));
    }
}

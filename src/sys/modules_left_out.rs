//! The modules of the initramfs that are not in the kernel. This is no error by itself: what they were needed for may be built in,
//! or not be needed by this boot. If something is missing later, they are the first suspects.

use crate::say;
use nix::errno::Errno;

/// Why a module is not in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The command line forbids it (`module_blacklist=` and others).
    Forbidden,
    /// It needs a module that is not in the kernel.
    NeedsAnother,
    /// Its driver waits for a device that does not answer.
    Hangs,
    /// Its driver answered with this error, most often because its hardware is absent.
    Refused(Errno),
}

impl Reason {
    /// Whether it says no more than that the hardware is absent, as most drivers do on most machines.
    fn is_absence(self) -> bool {
        matches!(self, Self::Refused(Errno::ENODEV | Errno::ENXIO))
    }

    /// The place in the list: first what is rare.
    fn rank(self) -> u8 {
        match self {
            Self::Hangs => 0,
            Self::Refused(_) if !self.is_absence() => 0,
            Self::Forbidden => 1,
            Self::NeedsAnother => 2,
            Self::Refused(_) => 3,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Forbidden => "forbidden by the command line".to_owned(),
            Self::NeedsAnother => "needs a module that is not loaded".to_owned(),
            Self::Hangs => "its driver hangs".to_owned(),
            Self::Refused(error) => error.to_string(),
        }
    }
}

/// The modules, each with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeftOut(Vec<(String, Reason)>);

/// How many modules are named for one reason: the kernel cuts a record of its log at about 1000 bytes (kernel/printk/printk.c).
const NAMED: usize = 8;

impl LeftOut {
    /// Adds a module, and logs it.
    pub(crate) fn add(&mut self, name: String, reason: Reason) {
        let level = match reason {
            Reason::Hangs => log::Level::Warn,
            Reason::Refused(_) if !reason.is_absence() => log::Level::Warn,
            _ => log::Level::Info,
        };
        say::say(level, format_args!("module {name} is not loaded: {}", reason.text()));
        // After a failure, the modules are loaded a second time.
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name, reason));
    }

    /// Whether no module is left out.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this module is left out.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// The names by their reasons, on one line; `None` if there are no modules.
    pub(crate) fn describe(&self) -> Option<String> {
        let mut groups: Vec<(Reason, Vec<&str>)> = Vec::new();
        for (name, reason) in &self.0 {
            match groups.iter_mut().find(|(other, _)| other == reason) {
                Some((_, names)) => names.push(name),
                None => groups.push((*reason, vec![name])),
            }
        }
        let in_order = (0..4).flat_map(|rank| groups.iter().filter(move |(reason, _)| reason.rank() == rank));
        let texts: Vec<_> = in_order.map(|(reason, names)| text(*reason, names)).collect();
        if texts.is_empty() { None } else { Some(texts.join("; ")) }
    }
}

/// The modules that one reason holds for.
fn text(reason: Reason, names: &[&str]) -> String {
    let (first, rest) = names.split_at(names.len().min(NAMED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    format!("{}{more} ({})", first.join(", "), reason.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rare_reasons_come_first_and_the_list_is_short() {
        let mut modules = LeftOut::default();
        assert_eq!(modules.describe(), None);
        for number in 0..10 {
            modules.add(format!("absent{number}"), Reason::Refused(Errno::ENODEV));
        }
        modules.add("vfat".into(), Reason::Forbidden);
        modules.add("msdos".into(), Reason::NeedsAnother);
        modules.add("kvm_intel".into(), Reason::Refused(Errno::EOPNOTSUPP));
        modules.add("wdt".into(), Reason::Refused(Errno::EIO));
        assert_eq!(
            modules.describe().unwrap(),
            "kvm_intel (EOPNOTSUPP: Operation not supported on transport endpoint); wdt (EIO: I/O error); \
             vfat (forbidden by the command line); msdos (needs a module that is not loaded); \
             absent0, absent1, absent2, absent3, absent4, absent5, absent6, absent7 and 2 more (ENODEV: No such device)"
        );
        modules.add("wdt".into(), Reason::Hangs);
        assert!(modules.has("wdt") && !modules.has("loop") && !modules.describe().unwrap().contains("EIO"));
    }
}

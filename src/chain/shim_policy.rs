//! What shim measures into PCR 7 and 14, and what it lets run with Secure Boot (shim 16.1: mok.c, `import_mok_state`; verify.c).

use super::authority::Refusal;
use super::efi_variable::Variable;
use super::event::{AUTHORITY, Expected, IPL};
use super::forecast::Part;
use super::mok::Mok;
use super::shim_lists::{SHIM_LOCK, ShimLists, measured};
use super::shim_sbat::is_new_enough;
use super::shim_verification::{Allowed, Lists};
use crate::eventlog::words_of;
use crate::hash::bank::Bank;

use Refusal::{Refused, Unknown};

/// The least versions without Secure Boot (shim, include/sbat_var_defs.h, `SBAT_VAR_ORIGINAL`).
const ORIGINAL: &[u8] = b"sbat,1,2021030218\n";

/// shim, as far as it judges programs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ShimPolicy {
    /// Its name with its version.
    pub(super) name: String,
    /// What is built into it.
    pub(super) lists: ShimLists,
}

/// What shim does with the variables of a machine.
pub(super) struct ShimOnMachine<'a> {
    policy: &'a ShimPolicy,
    mok: Mok,
    is_secure: bool,
    level: Vec<u8>,
    /// What shim has measured of variables: each of them once.
    done: Vec<Vec<u8>>,
    /// Whether shim has loaded a program: what runs later is loaded by that program.
    has_loaded: bool,
}

impl ShimPolicy {
    /// PCR 14: the lists.
    pub(super) fn pcr_14(&self, mok: &Mok, banks: &[Bank]) -> Vec<Part> {
        let event = |name: &str, bytes: &[u8]| {
            let what = format!("{name}, the list of {} with that of the machine's owner", self.name);
            Part::Event(Expected::of(IPL, &what, None, &[bytes], banks))
        };
        let mut parts = vec![
            event("MokList", &measured(&self.lists.allowed, &mok.list)),
            event("MokListX", &measured(&self.lists.forbidden, &mok.list_x)),
        ];
        let states = [("MokSBState", &mok.state), ("MokListTrusted", &mok.trusted), ("MokPolicy", &mok.policy)];
        for (name, value) in states {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                let what = format!("{name}, which {} reads", self.name);
                parts.push(Part::Event(Expected::of(IPL, &what, None, &[value], banks)));
            }
        }
        parts
    }

    /// shim on a machine with these variables.
    pub(super) fn on(&self, mok: Mok, is_secure: bool) -> Result<ShimOnMachine<'_>, Refusal> {
        if mok.is_lenient() {
            let why = format!("{}: the machine's owner told it not to check programs, or not by db", self.name);
            return Err(Refused(why));
        }
        let level = match &mok.level {
            _ if !is_secure => ORIGINAL.to_vec(),
            Some(level) if is_newer(level, &self.lists.level) => level.clone(),
            _ => self.lists.level.clone(),
        };
        Ok(ShimOnMachine { policy: self, mok, is_secure, level, done: Vec::new(), has_loaded: false })
    }
}

/// Whether shim keeps a level instead of its own (shim, sbat.c, `preserve_sbat_uefi_variable`).
fn is_newer(level: &[u8], own: &[u8]) -> bool {
    let fields = |level: &[u8]| -> Option<(String, String)> {
        let text = str::from_utf8(level).ok()?;
        let mut fields = text.lines().next()?.strip_prefix("sbat,")?.split(',');
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    };
    match (fields(level), fields(own)) {
        // One that is shorter than the first level that shim had is damaged.
        (Some((version, date)), Some((own_version, own_date))) if level.len() >= ORIGINAL.len() => {
            let later = version.len().cmp(&own_version.len()).then_with(|| version.cmp(&own_version));
            later.is_gt() || date >= own_date
        }
        _ => false,
    }
}

impl ShimOnMachine<'_> {
    /// The variables that shim measures into PCR 7 when it starts.
    pub(super) fn at_start(&mut self, banks: &[Bank]) -> Vec<Expected> {
        let state = self.mok.state.clone().unwrap_or_default();
        let level = self.level.clone();
        let variables = [("MokSBState", state), ("SbatLevel", level)];
        let found = variables.into_iter().filter(|(_, value)| !value.is_empty());
        found.filter_map(|(name, value)| self.measures(SHIM_LOCK, name, &value, "", banks)).collect()
    }

    /// Judges a program that shim loads. The event of PCR 7 is what allows it, if it was not measured yet.
    pub(super) fn allow(&mut self, program: &Expected, banks: &[Bank]) -> Result<Option<Expected>, Refusal> {
        if !self.is_secure {
            return Ok(None);
        }
        let name = program.from.as_deref().unwrap_or(&program.what).to_owned();
        let judged = program.judged.as_ref();
        let judged = judged.ok_or_else(|| Unknown(format!("{name}: what Secure Boot judges is not known")))?;
        let is_first = !std::mem::replace(&mut self.has_loaded, true);
        let lists = Lists { built_in: &self.policy.lists, mok: &self.mok };
        let allowed = lists
            .allowed_by(judged)
            .and_then(|allowed| is_new_enough(judged.sbat.as_deref(), &self.level, is_first).map(|()| allowed));
        let Allowed { vendor, variable, entry } = allowed.map_err(|refusal| match refusal {
            Unknown(why) => Unknown(format!("{name}: {why}")),
            Refused(why) => {
                Refused(format!("Secure Boot is on, and {} does not let {name} run: {why}", self.policy.name))
            }
        })?;
        Ok(self.measures(vendor, variable, &entry, &format!(", which allows {name}"), banks))
    }

    fn measures(&mut self, vendor: [u8; 16], name: &str, value: &[u8], more: &str, banks: &[Bank]) -> Option<Expected> {
        let data = Variable { vendor, name: name.to_owned(), value }.measured();
        if self.done.contains(&data) {
            return None;
        }
        let event = Expected::of(AUTHORITY, &format!("{}{more}", words_of(AUTHORITY, &data)), None, &[&data], banks);
        self.done.push(data);
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_stays_if_it_is_not_older() {
        for (level, is_kept) in [
            ("sbat,1,2025021800\nshim,4\n", true),
            ("sbat,1,2025051000\n", true),
            ("sbat,1,2025051000", false),
            ("sbat,1,2024010900\n", false),
            ("sbat,2,2021030218\n", true),
            ("sbat,1", false),
            ("x,1,2025051000\n", false),
            ("", false),
        ] {
            assert_eq!(is_newer(level.as_bytes(), b"sbat,1,2025021800\nshim,4\ngrub,5\n"), is_kept, "{level}");
        }
    }
}

//! The variables that GRUB itself reads or sets. All others belong to the configuration: they change nothing by themselves. Of GRUB's own
//! ones, those that only change what a screen shows or how long GRUB waits are left alone: `pager`, `debug`, `timeout_style`, `gfxmode` and
//! their like; and `lockdown` and `shim_lock`, which GRUB sets and does not read.

use super::machine::{Machine, Stage};
use super::stop::{Run, Stop};

/// What has the menu changed when an entry runs, depending on keys and time (grub-core/normal/menu.c, `run_menu`).
const OF_THE_MENU: [&str; 3] = ["timeout", "timeout_style", "fallback"];
/// What reads the clock (grub-core/hook/datehook.c, `grub_datetime_names`).
const OF_THE_CLOCK: [&str; 7] = ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "WEEKDAY"];
/// Where GRUB does something when the value changes. To unset them is to set them to nothing (grub-core/kern/env.c, `grub_env_unset`).
const WITH_A_HOOK: [&str; 5] = ["prefix", "root", "lang", "locale_dir", "secondary_locale_dir"];

impl Machine<'_> {
    /// The value of a variable; empty if it is not set.
    pub(super) fn variable(&self, name: &str) -> Run<&str> {
        let by = |module: &str| {
            let is_there = self.has_module(module);
            is_there.then(|| format!("${name}: the module {module} sets it, which is not predicted"))
        };
        let why = match name {
            "check_signatures" => by("pgp"),
            name if OF_THE_CLOCK.contains(&name) => by("datehook"),
            name if OF_THE_MENU.contains(&name) && self.stage == Stage::Entry && self.environment.has(name) => {
                Some(format!("${name}: the menu changes it, depending on who presses a key and when"))
            }
            _ => None,
        };
        why.map_or_else(|| Ok(self.environment.get(name)), |why| Err(Stop::new(why)))
    }

    /// Sets a variable, with what GRUB does because of it.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Run<()> {
        match name {
            "secondary_locale_dir" if !value.is_empty() => {
                return Err(Stop::new(format!("{name}: a second translation is not predicted")));
            }
            "theme" if !value.is_empty() => return Err(Stop::new("theme: graphical menus are not predicted")),
            "prefix" if self.stage >= Stage::Normal && value.is_empty() => {
                return Err(Stop::new("prefix: GRUB looks for its modules without a folder, which is not predicted"));
            }
            // Each file then needs one with its signature (grub-core/commands/pgp.c, `grub_env_write_sec`).
            "check_signatures" if value.starts_with(['1', 'e']) && self.has_module("pgp") => {
                return Err(Stop::new(format!("{name}={value}: the signatures of files are not predicted")));
            }
            _ => {}
        }
        self.environment.set(name, value)?;
        match name {
            "prefix" if self.stage >= Stage::Normal => self.read_lists(),
            "lang" | "locale_dir" => self.read_translation(),
            _ => Ok(()),
        }
    }

    /// Unsets a variable.
    pub(super) fn unset(&mut self, name: &str) -> Run<()> {
        if WITH_A_HOOK.contains(&name) && self.environment.has(name) {
            return self.set(name, "");
        }
        self.environment.unset(name);
        Ok(())
    }
}

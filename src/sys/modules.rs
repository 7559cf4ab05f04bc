//! Loads the kernel modules that the initramfs carries, in the order of their dependencies.

use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use tss2_static::tcti::asked::Asked;

use crate::error::{Context, Error, Result};
use crate::say;
use crate::sys::hardware::Hardware;
use crate::sys::module_file;
use crate::sys::modules_alias::Aliases;
use crate::sys::modules_dep::{Dependencies, module_name};
use crate::sys::modules_left_out::{LeftOut, Reason};
use crate::sys::modules_lists::Lists;
use crate::sys::modules_plan::{Plan, has_no_devices, is_algorithm, is_register};
use crate::sys::waits::UNNOTICED;

/// No driver gets less time than this. An adapter that resets its bus waits for up to 15 s (Linux,
/// drivers/scsi/aic7xxx/Kconfig.aic7xxx, `AIC7XXX_RESET_DELAY_MS`).
pub(crate) const SHORTEST_LIMIT: Duration = Duration::from_secs(30);
/// After a failure, each driver gets this time: the mark as a whole has a limit, too. One that is late goes on beside the others.
pub(crate) const LIMIT_TO_MARK: Duration = UNNOTICED;
/// After a failure, no more drivers than this may hang. If the kernel itself is stuck, all of them do, and the mark would wait for one
/// after the other until its own time is over (`crate::boot::power`).
const MOST_HANGS: usize = 3;

/// So many modules without devices are under way at the same time. It bounds the threads, which the boot does not wait for.
const MOST_AT_ONCE: usize = 16;

/// The error of the driver, if it answers with one.
type Answer = Result<Option<Errno>>;
/// Starts to load the file of a module: whether its devices may answer later, and the modules that come before it.
type Load<'a> = &'a mut dyn FnMut(&str, bool, Vec<Asked<Answer>>) -> Result<Asked<Answer>>;

/// Which modules to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that the hardware needs that the kernel has found.
    Needed,
    All,
}

/// What has been done with the modules of the initramfs.
#[derive(Default)]
pub(crate) struct Loaded {
    /// The files that are loaded or left out.
    tried: Vec<String>,
    /// The files whose modules have not answered yet.
    under_way: Vec<(String, Result<Asked<Answer>>)>,
    /// How many are loaded since the log said it.
    new: usize,
    /// How many hang.
    hanging: usize,
    /// The modules that are not in the kernel.
    pub(crate) left_out: LeftOut,
    /// Whether there are others, which this machine seems not to need.
    pub(crate) has_others: bool,
}

impl Loaded {
    /// Whether modules were loaded, and none was left out.
    pub(super) fn is_whole(&self) -> bool {
        !self.tried.is_empty() && self.left_out.is_empty()
    }

    /// Whether the module with this name is being loaded, and nothing is known against it.
    pub(crate) fn is_under_way(&self, name: &str) -> bool {
        self.under_way.iter().any(|(file, _)| module_name(file) == name)
    }

    fn has_tried(&self, file: &str) -> bool {
        let mut under_way = self.under_way.iter().map(|(other, _)| other);
        self.tried.iter().any(|other| other == file) || under_way.any(|other| other == file)
    }
}

/// What a part of the initramfs that is broken means, or a driver that hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// An error.
    EndsTheBoot,
    /// A message. The boot has failed already, and some other module may show the TPM.
    IsLeftOut,
}

/// How to load modules.
pub(crate) struct Loading<'a> {
    /// The folder with modules.dep.
    pub(crate) folder: &'a Path,
    /// Names of modules, and the parameters for them.
    pub(crate) parameters: &'a [(String, String)],
    /// The names of the modules that are not loaded.
    pub(crate) forbidden: &'a [String],
    /// The names of the modules that are loaded in any case.
    pub(crate) wanted: &'a [String],
    pub(crate) broken: Broken,
    /// How long the driver of one module may take to get ready.
    pub(crate) limit: Duration,
}

impl Loading<'_> {
    /// Loads modules below the folder that are not forbidden: first those that this machine needs, or all. `loaded` remembers them, so
    /// that the others can be loaded later, and those whose drivers hang are not tried again.
    ///
    /// A driver that is not for this machine answers with an error, and so do the parts of a hypervisor's bus on another machine. It
    /// is left out, and so are the modules that need it. If it was needed, then a device, a file system or an image is missing
    /// later, and that ends the boot.
    ///
    /// What has no devices may be under way afterwards: [`finish`] waits for it.
    ///
    /// # Errors
    /// When the initramfs is broken: a module is missing, or it is not one for this kernel. When a driver hangs: the kernel cannot
    /// start the init as long as a thread of this program hangs (kernel, fs/exec.c, `de_thread`).
    pub(crate) fn load(&self, which: Which, loaded: &mut Loaded) -> Result<()> {
        let Some(Lists { dependencies, aliases }) = Lists::read(self.folder)? else {
            say::info!("{}: the initramfs carries no modules for this kernel", self.folder.display());
            return Ok(());
        };
        // A builder that packs no list of the aliases gets what the list cannot tell: all modules.
        let load = &mut self.starter();
        if let Some(aliases) = aliases.as_ref().filter(|_| which == Which::Needed) {
            let look = &mut || Hardware::read(Path::new("/sys/bus"));
            return self.load_needed(dependencies, aliases, look, loaded, load);
        }
        // A disk that was plugged in since and does not answer must hold up neither its driver nor, behind that, any other.
        let is_late = |file: &str| {
            let is_for_a_filled_bus = |aliases: &Aliases| aliases.is_for_a_filled_bus(&module_name(file));
            self.broken == Broken::EndsTheBoot && aliases.as_ref().is_some_and(is_for_a_filled_bus)
        };
        self.begin_each(dependencies, &self.order(dependencies, &is_late)?, &is_late, loaded, load)?;
        self.finish_files(dependencies, loaded)
    }

    /// Starts to load the file of a module, once those have answered that come before it.
    fn start(&self, file: &str, is_beside: bool, before: Vec<Asked<Answer>>) -> Result<Asked<Answer>> {
        let settings = settings(&module_name(file), self.parameters);
        let path = self.folder.join(file);
        let load = move || {
            for asked in before {
                let _ = asked.wait();
            }
            // If one that it needs is missing, the kernel refuses this one, too.
            module_file::load(&path, &settings, is_beside)
        };
        Asked::start(load).about("thread")
    }

    /// One function for all callers: the agent is smaller then.
    fn starter(&self) -> impl FnMut(&str, bool, Vec<Asked<Answer>>) -> Result<Asked<Answer>> {
        |file, is_beside, before| self.start(file, is_beside, before)
    }

    /// Begins to load these files beside the boot.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(super) fn begin_files(&self, dependencies: &Dependencies, files: &[&str], loaded: &mut Loaded) -> Result<()> {
        let load = &mut self.starter();
        self.begin_each(dependencies, files, &|_| true, loaded, load)
    }

    /// Waits for the files that are under way.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(super) fn finish_files(&self, dependencies: &Dependencies, loaded: &mut Loaded) -> Result<()> {
        self.wait(dependencies, loaded, 1)?;
        let new = std::mem::take(&mut loaded.new);
        if new > 0 {
            say::info!("modules loaded: {new}");
        }
        Ok(())
    }

    /// Loads what the hardware needs, and then what new devices need that the drivers have shown.
    fn load_needed(
        &self,
        dependencies: &Dependencies,
        aliases: &Aliases,
        look: &mut dyn FnMut() -> Hardware,
        loaded: &mut Loaded,
        load: Load,
    ) -> Result<()> {
        let is_named = |name: &str| {
            let mut names = self.forbidden.iter().chain(self.wanted);
            self.parameters.iter().any(|(other, _)| other == name) || names.any(|other| other == name)
        };
        let plan = Plan { dependencies, aliases, is_named: &is_named };
        loop {
            let tried: Vec<_> = dependencies.files().filter(|file| loaded.has_tried(file)).collect();
            let order = plan.missing(&look(), &tried)?;
            self.begin_each(dependencies, &order, &|file| plan.is_beside(file), loaded, load)?;
            // What has no devices shows none: the boot goes on beside it.
            if order.iter().all(|file| has_no_devices(file)) {
                loaded.has_others = loaded.tried.len() + loaded.under_way.len() < dependencies.files().count();
                return Ok(());
            }
            self.finish_files(dependencies, loaded)?;
        }
    }

    /// Begins to load each of these modules that is not forbidden and not loaded yet. `load` starts that, in another thread: no signal
    /// ends finit_module(2) while a driver waits for its device. A driver is loaded alone, because disks have their names in the order of
    /// their drivers.
    fn begin_each(
        &self,
        dependencies: &Dependencies,
        order: &[&str],
        is_beside: &dyn Fn(&str) -> bool,
        loaded: &mut Loaded,
        load: Load,
    ) -> Result<()> {
        for file in order {
            // The kernel lets a second load of the same module wait for the first (kernel/module/main.c, `add_unformed_module`).
            if loaded.has_tried(file) {
                continue;
            }
            let is_beside = is_beside(file);
            // To check its signature takes most of the time of a module.
            self.wait(dependencies, loaded, if is_beside && has_no_devices(file) { MOST_AT_ONCE } else { 1 })?;
            if loaded.hanging >= MOST_HANGS {
                say::error!("modules: {MOST_HANGS} drivers hang; no further one is loaded");
                return Ok(());
            }
            let name = module_name(file);
            if self.forbidden.contains(&name) {
                self.leave_out(loaded, file, name, Reason::Forbidden)?;
            } else if dependencies.needs_any(file, &loaded.left_out) {
                self.leave_out(loaded, file, name, Reason::NeedsAnother)?;
            } else {
                let mut before = Vec::new();
                for (other, asked) in &loaded.under_way {
                    let is_asked_for = is_algorithm(other) && !is_algorithm(file);
                    if let Ok(asked) = asked
                        && (is_asked_for || dependencies.needs_other(file, other))
                    {
                        before.push(asked.clone());
                    }
                }
                loaded.under_way.push(((*file).to_owned(), load(file, is_beside, before)));
            }
        }
        Ok(())
    }

    /// Waits for one answer after the other, the oldest first, until fewer than `most` modules are under way.
    fn wait(&self, dependencies: &Dependencies, loaded: &mut Loaded, most: usize) -> Result<()> {
        while loaded.under_way.len() >= most {
            let (file, asked) = loaded.under_way.remove(0);
            let name = module_name(&file);
            let reason = if dependencies.needs_any(&file, &loaded.left_out) {
                Some(Reason::NeedsAnother)
            } else {
                match asked.and_then(|asked| self.answer(&name, &asked)) {
                    Err(error) if self.broken == Broken::IsLeftOut => {
                        say::warn!("{error}");
                        Some(Reason::NeedsAnother)
                    }
                    reason => reason?,
                }
            };
            if let Some(reason) = reason {
                self.leave_out(loaded, &file, name, reason)?;
            } else {
                loaded.tried.push(file);
                loaded.new += 1;
            }
        }
        Ok(())
    }

    fn leave_out(&self, loaded: &mut Loaded, file: &str, name: String, reason: Reason) -> Result<()> {
        loaded.tried.push(file.to_owned());
        let limit = (reason == Reason::Hangs && self.broken == Broken::EndsTheBoot).then(|| hangs(&name, self.limit));
        loaded.hanging += usize::from(reason == Reason::Hangs);
        loaded.left_out.add(name, reason);
        limit.map_or(Ok(()), Err)
    }

    /// The files of all modules, each after those that it needs; those that are `late` as late as that allows.
    fn order<'a>(&self, dependencies: &'a Dependencies, is_late: &dyn Fn(&str) -> bool) -> Result<Vec<&'a str>> {
        // After a failure only the TPM counts: the others come later, and one of them may hang.
        let is_late = |file: &&str| if self.broken == Broken::IsLeftOut { !is_register(file) } else { is_late(file) };
        let (mut others, mut files): (Vec<_>, Vec<_>) = dependencies.files().partition(is_late);
        files.append(&mut others);
        match dependencies.order_of(&files) {
            Err(_) if self.broken == Broken::IsLeftOut => Ok(files),
            order => order,
        }
    }

    /// Waits for a driver; returns why the module is not in the kernel, if it is not.
    fn answer(&self, name: &str, asked: &Asked<Answer>) -> Result<Option<Reason>> {
        let mut answer = asked.within(UNNOTICED.min(self.limit));
        if answer.is_none() && self.limit > UNNOTICED {
            // It is no error, but only errors are shown in spite of `quiet`.
            let (silent, limit) = (UNNOTICED.as_secs(), self.limit.as_secs());
            say::error!("module {name}: not ready after {silent} s; the boot waits for {limit} s");
            answer = asked.within(self.limit.saturating_sub(UNNOTICED));
        }
        match answer {
            Some(answer) => answer.map(|refused| refused.map(Reason::Refused)),
            None => Ok(Some(Reason::Hangs)),
        }
    }
}

/// Waits so long for each module of this folder that is under way.
///
/// # Errors
/// As [`Loading::load`].
pub(crate) fn finish(folder: &Path, limit: Duration, loaded: &mut Loaded) -> Result<()> {
    let Some(lists) = Lists::read(folder)? else { return Ok(()) };
    let (parameters, forbidden, wanted, broken) = (&[], &[], &[], Broken::EndsTheBoot);
    Loading { folder, parameters, forbidden, wanted, broken, limit }.finish_files(&lists.dependencies, loaded)
}

fn hangs(name: &str, limit: Duration) -> Error {
    Error::new(format_args!("module {name}"), format_args!("not ready in {} s", limit.as_secs())).hint(format_args!(
        "does its driver, or one loaded before it, wait for a device that does not answer? dmesg may tell; unplug the device, \
         forbid the driver with module_blacklist={name}, or set a longer measureroot.timeout="
    ))
}

fn settings(module: &str, parameters: &[(String, String)]) -> String {
    let own = parameters.iter().filter(|(name, _)| name == module).map(|(_, setting)| setting.as_str());
    own.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier, Mutex};
    use std::thread;

    use super::*;

    fn loading(forbidden: &[String], broken: Broken) -> Loading<'_> {
        Loading {
            folder: Path::new("/none"),
            parameters: &[],
            forbidden,
            wanted: &[],
            broken,
            limit: Duration::from_secs(60),
        }
    }

    /// Loads modules that answer so. Returns the files that were tried, what has been done, and the result.
    fn load(
        loading: &Loading,
        text: &str,
        mut loaded: Loaded,
        answer: fn(&str) -> Answer,
    ) -> (Vec<String>, Loaded, Result<()>) {
        let mut tried = Vec::new();
        let mut load = |file: &str, _, _| {
            let file = file.to_owned();
            tried.push(file.clone());
            Asked::start(move || answer(&file)).about("thread")
        };
        let dependencies = Dependencies::parse(text).unwrap();
        let result = loading
            .order(&dependencies, &|_| false)
            .and_then(|order| loading.begin_each(&dependencies, &order, &|_| false, &mut loaded, &mut load))
            .and_then(|()| loading.finish_files(&dependencies, &mut loaded));
        (tried, loaded, result)
    }

    #[test]
    fn a_module_gets_its_own_parameters() {
        let given = [("loop", "max_loop=3"), ("vfat", "x"), ("loop", "max_part=1")].map(|(a, b)| (a.into(), b.into()));
        assert_eq!(settings("loop", &given), "max_loop=3 max_part=1");
    }

    #[test]
    fn a_module_that_is_forbidden_or_not_for_this_machine_is_left_out_with_those_that_need_it() {
        let answer = |file: &str| {
            Ok(match file {
                "d.ko" => Some(Errno::EIO),
                "e.ko" => Some(Errno::ENODEV),
                _ => None,
            })
        };
        let forbidden = ["b_b".to_owned()];
        let text = "a.ko: b-b.ko\nb-b.ko:\nc.ko: d.ko\nd.ko:\ne.ko:\nf.ko:\n";
        let (tried, loaded, result) = load(&loading(&forbidden, Broken::EndsTheBoot), text, Loaded::default(), answer);
        assert_eq!((tried, result), (["d.ko", "e.ko", "f.ko"].map(str::to_owned).to_vec(), Ok(())));
        assert_eq!(
            loaded.left_out.describe().unwrap(),
            "d (EIO: I/O error); b_b (forbidden by the command line); a, c (needs a module that is not loaded); \
             e (ENODEV: No such device)"
        );
    }

    #[test]
    fn a_broken_initramfs_ends_the_boot() {
        let missing = |file: &str| Err(Error::new(file, "is missing"));
        assert!(load(&loading(&[], Broken::EndsTheBoot), "a.ko:\n", Loaded::default(), missing).2.is_err());
    }

    /// One module of the TPM is whole.
    #[test]
    fn after_a_failure_what_is_whole_in_a_broken_initramfs_is_loaded() {
        for text in ["a.ko:\ntpm.ko:\n", "a.ko: b.ko\nb.ko: a.ko\ntpm.ko:\n", "a.ko: gone.ko\ntpm.ko:\n"] {
            let answer = |file: &str| match file {
                "tpm.ko" => Ok(None),
                _ => Err(Error::new(file, "is for another kernel")),
            };
            let (tried, loaded, result) = load(&loading(&[], Broken::IsLeftOut), text, Loaded::default(), answer);
            assert!(result.is_ok() && tried.contains(&"tpm.ko".to_owned()), "{text}");
            assert!(!loaded.left_out.describe().unwrap().contains("tpm"), "{text}");
        }
    }

    /// A controller shows a device that another driver is for. Then all the others are loaded.
    #[test]
    fn what_the_hardware_needs_is_loaded_in_rounds() {
        let mut tried = Vec::new();
        let mut load = |file: &str, is_beside, _| {
            tried.push(format!("{file} {is_beside}"));
            Asked::start(|| Ok(None)).about("thread")
        };
        let dependencies =
            Dependencies::parse("bus/a.ko:\nbus/b.ko:\nbus/c.ko:\nkernel/lib/d.ko:\nx/tpm/e.ko:\n").unwrap();
        let aliases = Aliases::parse("alias pci:1 a\nalias platform:2 b\nalias pci:3 c\nalias pci:4 e\n");
        let mut looks = 0;
        let look = &mut || {
            looks += 1;
            if looks == 1 { Hardware::of(&["pci:1"], &[]) } else { Hardware::of(&["pci:1", "platform:2"], &[]) }
        };
        let (loading, mut loaded) = (loading(&[], Broken::EndsTheBoot), Loaded::default());
        loading.load_needed(&dependencies, &aliases, look, &mut loaded, &mut load).unwrap();
        assert!(loaded.has_others);
        let all: Vec<_> = dependencies.files().collect();
        loading.begin_each(&dependencies, &all, &|_| false, &mut loaded, &mut load).unwrap();
        loading.finish_files(&dependencies, &mut loaded).unwrap();
        assert_eq!(
            tried,
            ["x/tpm/e.ko false", "bus/a.ko false", "bus/b.ko false", "kernel/lib/d.ko true", "bus/c.ko false"]
        );
        assert_eq!(loaded.left_out, LeftOut::default());
    }

    /// Two of them answer only once both are under way.
    #[test]
    fn modules_without_devices_are_loaded_side_by_side_each_after_those_that_it_needs() {
        let (both, answered) = (Arc::new(Barrier::new(2)), Arc::new(Mutex::new(Vec::new())));
        let mut started = Vec::new();
        let mut load = |file: &str, _, before: Vec<Asked<Answer>>| {
            let (name, both, answered) = (module_name(file), Arc::clone(&both), Arc::clone(&answered));
            started.push(format!("{name} after {}", before.len()));
            Asked::start(move || {
                assert!(before.iter().all(|asked| asked.wait().is_ok()));
                if name == "a" || name == "b" {
                    both.wait();
                }
                answered.lock().unwrap().push(name);
                Ok(None)
            })
            .about("thread")
        };
        let text = "k/fs/a.ko:\nk/fs/b.ko:\nk/fs/c.ko: k/fs/b.ko\nk/driver.ko:\n";
        let dependencies = Dependencies::parse(text).unwrap();
        let files: Vec<_> = dependencies.files().collect();
        let (loading, mut loaded) =
            (Loading { limit: Duration::from_secs(60), ..loading(&[], Broken::EndsTheBoot) }, Loaded::default());
        loading.begin_each(&dependencies, &files, &|_| true, &mut loaded, &mut load).unwrap();
        loading.finish_files(&dependencies, &mut loaded).unwrap();
        // A driver is loaded alone.
        assert_eq!(started, ["a after 0", "b after 0", "c after 1", "driver after 0"]);
        let answered = answered.lock().unwrap();
        let place = |name| answered.iter().position(|other| other == name);
        assert!(place("b") < place("c") && answered.last().unwrap() == "driver" && loaded.is_whole());
    }

    /// The kernel asks for an algorithm by name. One of two modules that have it may be for another processor.
    #[test]
    fn a_module_without_devices_waits_for_algorithms_and_needs_none_of_them() {
        let mut started = Vec::new();
        let mut load = |file: &str, _, before: Vec<Asked<Answer>>| {
            started.push(format!("{} after {}", module_name(file), before.len()));
            let refused = file.contains("intel").then_some(Errno::ENODEV);
            Asked::start(move || Ok(refused)).about("thread")
        };
        let text = "k/crypto/a_intel.ko:\nk/crypto/a.ko:\nk/lib/b.ko:\nk/md/c.ko: k/lib/b.ko\n";
        let dependencies = Dependencies::parse(text).unwrap();
        let files: Vec<_> = dependencies.files().collect();
        let (loading, mut loaded) = (loading(&[], Broken::EndsTheBoot), Loaded::default());
        loading.begin_each(&dependencies, &files, &|_| true, &mut loaded, &mut load).unwrap();
        loading.finish_files(&dependencies, &mut loaded).unwrap();
        assert_eq!(started, ["a_intel after 0", "a after 0", "b after 2", "c after 3"]);
        assert_eq!(loaded.left_out.describe().unwrap(), "a_intel (ENODEV: No such device)");
    }

    /// The init function of a driver waits for its device for ever.
    #[allow(clippy::unnecessary_wraps)] // As every driver answers.
    fn hangs_in_b(file: &str) -> Answer {
        if file.ends_with("b.ko") {
            thread::sleep(Duration::MAX);
        }
        Ok(None)
    }

    const TEXT: &str = "a.ko:\nb.ko:\nc.ko: b.ko\nd.ko:\ndrivers/tpm/tpm.ko: lib/e.ko\nlib/e.ko:\n";

    #[test]
    fn a_driver_that_hangs_ends_the_boot_and_is_named() {
        let short = Loading { limit: Duration::from_secs(3), ..loading(&[], Broken::EndsTheBoot) };
        let (tried, loaded, result) = load(&short, TEXT, Loaded::default(), hangs_in_b);
        assert_eq!(tried, ["a.ko", "b.ko"]);
        let text = result.unwrap_err().to_string();
        assert!(text.starts_with("module b: not ready in 3 s (") && text.contains("module_blacklist=b"), "{text}");
        // The mark needs the TPM, before any other driver can hang, and does not wait for this one again.
        let mark = Loading { broken: Broken::IsLeftOut, ..short };
        let (tried, loaded, result) = load(&mark, TEXT, loaded, hangs_in_b);
        assert_eq!((tried.join(" "), result), ("lib/e.ko drivers/tpm/tpm.ko d.ko".to_owned(), Ok(())));
        assert_eq!(loaded.left_out.describe().unwrap(), "b (its driver hangs); c (needs a module that is not loaded)");
    }

    #[test]
    fn a_mark_goes_on_without_a_driver_that_hangs() {
        let short = Loading { limit: Duration::from_secs(3), ..loading(&[], Broken::IsLeftOut) };
        let (tried, _, result) = load(&short, TEXT, Loaded::default(), hangs_in_b);
        assert_eq!((tried.join(" "), result), ("lib/e.ko drivers/tpm/tpm.ko a.ko b.ko d.ko".to_owned(), Ok(())));
    }

    #[test]
    fn a_mark_does_not_wait_for_one_driver_after_the_other() {
        let short = Loading { limit: Duration::from_millis(20), ..loading(&[], Broken::IsLeftOut) };
        let all_hang = |_: &str| {
            thread::sleep(Duration::MAX);
            Ok(None)
        };
        let (tried, _, result) = load(&short, "a.ko:\nb.ko:\nc.ko:\nd.ko:\n", Loaded::default(), all_hang);
        assert_eq!((tried.join(" "), result), ("a.ko b.ko c.ko".to_owned(), Ok(())));
    }

    #[test]
    fn a_driver_that_is_slow_is_waited_for() {
        let slow = |_: &str| {
            thread::sleep(Duration::from_millis(50));
            Ok(Some(Errno::EIO))
        };
        let (_, loaded, result) = load(&loading(&[], Broken::EndsTheBoot), "a.ko:\n", Loaded::default(), slow);
        assert_eq!((loaded.left_out.describe().unwrap(), result), ("a (EIO: I/O error)".to_owned(), Ok(())));
    }
}

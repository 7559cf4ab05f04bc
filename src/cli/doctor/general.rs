//! What was not judged at all.

use super::entry::entries;
use super::facts::Facts;
use super::facts::fact::Fact;
use super::finding::Finding;

entries! {
    UNREAD = "not-read", Note,
        "A file is there and cannot be read, so nothing is said about what it would show. Most often only root may read it.",
        "run the command as root";
    NO_MACHINE = "machine-not-judged", Note,
        "With --kernel-config or --modules alone, the files of another machine are judged, and no machine.",
        "on that machine, run measureroot doctor; or name a folder with its files by --root";
}

/// The findings.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let kernel = &facts.kernel;
    let mut unread = vec![
        kernel.configuration.unread(),
        kernel.modules.unread(),
        kernel.filesystems.unread(),
        kernel.algorithms.unread(),
        kernel.loaded.unread(),
        facts.command_line.unread(),
    ];
    let mut found = Vec::new();
    if let Some(machine) = &facts.machine {
        let boot = &machine.boot;
        let status = (!boot.status_is_broken).then(|| boot.status.unread()).flatten();
        unread.extend([
            machine.memory.unread(),
            status,
            boot.log.unread(),
            boot.mounts.unread(),
            boot.kexec_disabled.unread(),
        ]);
        // Without a TPM, its log is nothing to read.
        unread.push(machine.firmware.log.unread().filter(|_| !machine.tpms.each.is_empty()));
        if let Fact::Absent = machine.memory {
            unread.push(Some("/proc/meminfo: is missing"));
        }
    } else {
        found.push(Finding::new(&NO_MACHINE, "only the files that were named are judged"));
    }
    found.extend(unread.into_iter().flatten().map(|why| Finding::new(&UNREAD, why)));
    found
}

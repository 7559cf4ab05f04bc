//! Words that the boot passes over, and what a person who wrote them should know.
//!
//! Sources: dracut.cmdline(7), kernel-command-line(7) of systemd, initramfs-tools(7), the encrypt hook of mkinitcpio, genkernel(8),
//! and Linux, Documentation/admin-guide/kernel-parameters.txt.

use super::{other_live_systems, spelling};
use crate::cmdline::tokens::Token;
use crate::config::Config;
use crate::media::superblock::FileSystem;

/// The notes, each with the words that it is about. `config` is missing if the boot would reject the command line.
pub(in crate::cli) fn of(tokens: &[Token], config: Option<&Config>) -> Vec<String> {
    let mut notes: Vec<(Vec<String>, String)> = Vec::new();
    // They prevent it in the kernel, too.
    let stays = tokens.iter().any(|token| token.is("noresume") || token.is("nohibernate"));
    for token in tokens.iter().filter(|token| !(stays && token.is("resume"))) {
        let dialect = || other_live_systems::missing(token, config.is_none()).map(str::to_owned);
        let text = note(token).map(str::to_owned).or_else(|| ignored_types(token, config?)).or_else(dialect);
        for text in text.into_iter().chain(spelling::note(token, config.is_some())) {
            match notes.iter_mut().find(|(_, other)| *other == text) {
                Some((words, _)) => words.push(token.to_string()),
                None => notes.push((vec![token.to_string()], text)),
            }
        }
    }
    notes.into_iter().map(|(words, text)| format!("{}: {text}", words.join(" "))).collect()
}

fn note(token: &Token) -> Option<&'static str> {
    let key = token.key()?;
    let value = token.value.as_deref().map(String::from_utf8_lossy);
    let value = value.as_deref();
    let off = matches!(value, Some("" | "0" | "no" | "off" | "false"));
    Some(match key {
        "resume" if !off => {
            "before /init, the kernel resumes the system that hibernated there, if its drivers are built in: then nothing is measured; noresume prevents it"
        }
        "nfsroot" | "nfsaddrs" => "passed over: the image must be on a block device",
        "initrd" => "for the boot loader; of all archives that are loaded, the last one with an /init counts",
        _ if is_of_a_volume(key) && !off => {
            "passed over: no volume of LVM, RAID, LUKS or multipath is opened, so the image must be on a disk or a partition"
        }
        "rd.emergency" => "passed over: measureroot.onfail= says what happens after a failure",
        "rd.break" | "break" | "rd.shell" | "boot.shell_on_fail" | "rd.rescue" if !off => {
            "passed over: this initramfs has no shell; what happens after a failure stands at the end"
        }
        _ if key.starts_with("rd.systemd.") => "passed over: no systemd runs in this initramfs",
        "single" | "s" | "S" | "1" | "2" | "3" | "4" | "5" | "rescue" | "emergency" | "-b" | "-s"
            if value.is_none() =>
        {
            FOR_INIT
        }
        // Any other value is an error.
        "init" if value.is_some_and(|path| path.starts_with('/')) => FOR_INIT,
        "systemd.unit"
        | "systemd.debug_shell"
        | "systemd.debug-shell"
        | "systemd.mask"
        | "systemd.wants"
        | "systemd.run"
        | "systemd.setenv" => FOR_INIT,
        _ => return None,
    })
}

const FOR_INIT: &str = "for the init of the image, after the measurement: the image's PCR is the same with and without it, and only a PCR of the command line shows it";

/// Whether a parameter is about a volume that another initramfs would open or assemble to find the root.
fn is_of_a_volume(key: &str) -> bool {
    let folders = ["rd.lvm", "rd.md", "rd.dm", "rd.luks", "rd.multipath", "rd.zfs", "rd.bcache", "luks."];
    let names = [
        "rd.auto",
        "luks",
        "cryptdevice",
        "cryptkey",
        "cryptopts",
        "crypto",
        "crypt_root",
        "crypt_roots",
        "dolvm",
        "domdadm",
        "dobtrfs",
        "domultipath",
        "dozfs",
        "lvmwait",
        "lvmraid",
        "md",
        "raid",
        "zfs",
        "bootfs",
    ];
    names.contains(&key)
        || folders.iter().any(|folder| {
            key.strip_prefix(folder)
                .is_some_and(|rest| folder.ends_with('.') || rest.is_empty() || rest.starts_with('.'))
        })
}

/// The names in `rootfstype=` that no boot can have beside those that it can have.
fn ignored_types(token: &Token, config: &Config) -> Option<String> {
    let list = token.is("rootfstype").then_some(token.value.as_deref()?)?;
    let list = String::from_utf8_lossy(list);
    let is_known = |name: &&str| FileSystem::called(name).is_some_and(|kind| config.fstypes.contains(&kind));
    let ignored: Vec<_> = list.split(',').filter(|name| !is_known(name)).collect();
    let any = config.fstypes.is_empty() || ignored.is_empty();
    (!any).then(|| format!("{} has no effect: no boot can have it", ignored.join(",")))
}

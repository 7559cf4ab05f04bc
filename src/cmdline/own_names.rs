//! The parameters that are measureroot's own, and names that look like them.

/// Every `measureroot.*` parameter. Any other one is an error: it may be a misspelt parameter that matters.
pub(crate) const ALL: [&str; 11] = [
    "measureroot.timeout",
    "measureroot.onfail",
    "measureroot.overlaysize",
    "measureroot.seal",
    "measureroot.format",
    "measureroot.oncorrupt",
    "measureroot.hashdev",
    "measureroot.hashoffset",
    "measureroot.session",
    "measureroot.tpm",
    "measureroot.rtmr",
];

/// The other parameters that only an initramfs that measures reads. Without them, another image could be measured, or another
/// PCR extended.
const OTHERS: [&str; 4] = ["measureroot", "rootimg", "rootimgpcr", "roothash"];

/// Parameters of the kernel, systemd, modprobe, dracut and initramfs-tools that the agent obeys. Without them, it could take another
/// type of file system, another device, or a module that was forbidden. Shorter names (`root`, `ro`, `init`, `panic`) are
/// left out: too many words of other programs are like them (`boot`, for example).
const OBEYED: [&str; 17] = [
    "rootfstype",
    "rootflags",
    "rootwait",
    "rootdelay",
    "systemd.verity_root_data",
    "systemd.verity_root_hash",
    "module_blacklist",
    // The same for the kernel, which takes `-` for `_` in its own parameters.
    "module-blacklist",
    "modprobe.blacklist",
    "rd.driver.blacklist",
    "blacklist",
    "modules_load",
    "modules-load",
    "rd.modules_load",
    "rd.modules-load",
    "rd.driver.pre",
    "rd.driver.post",
];

/// Whether a parameter is meant for this program alone. The kernel does not know such a parameter, so it gives it to
/// PID 1 as an argument or an environment variable. The new init must not get it.
#[must_use]
pub(crate) fn is_own(key: &str) -> bool {
    matches!(key, "measureroot" | "rootimg" | "rootimgpcr") || key.starts_with("measureroot.")
}

/// Whether the agent obeys a parameter of this name, or refuses it as an unknown one of its own.
#[must_use]
pub(crate) fn is_obeyed(key: &[u8]) -> bool {
    let short = matches!(key, b"root" | b"ro" | b"rw" | b"init" | b"panic" | b"debug");
    short || key.starts_with(b"measureroot.") || OTHERS.iter().chain(&OBEYED).any(|name| name.as_bytes() == key)
}

/// The parameter that a misspelt name stands for: one that differs from it only by `-`, `_` and dots (the kernel takes `-` for `_`
/// in its own parameters), by upper case, or by one letter. `None` for the name itself, and for the names of other programs.
#[must_use]
pub(crate) fn meant(key: &[u8]) -> Option<&'static str> {
    // `measureroot.` with anything else behind it is no misspelt `measureroot`, but an unknown parameter.
    let others: &[_] = if key.starts_with(b"measureroot.") { &[] } else { &OTHERS };
    // `boot_delay` is a parameter of the kernel, and `boot*` are variables of U-Boot.
    let obeyed: &[_] = if key.starts_with(b"boot") { &[] } else { &OBEYED };
    let names = || others.iter().chain(&ALL).chain(obeyed).copied();
    if names().any(|name| name.as_bytes() == key) {
        return None;
    }
    let letters = |key: &[u8]| -> Vec<u8> {
        key.iter().filter(|byte| !b"-_.".contains(byte)).map(u8::to_ascii_lowercase).collect()
    };
    let key = letters(key);
    names().find(|name| differ_by_a_letter_at_most(&key, &letters(name.as_bytes())))
}

/// Whether two words are the same but for one letter that is missing, added or another, or for two that are swapped.
fn differ_by_a_letter_at_most(a: &[u8], b: &[u8]) -> bool {
    let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&a[..a.len() - end], &b[..b.len() - end]) {
        ([] | [_], [] | [_]) => true,
        ([first, second], [third, fourth]) => first == fourth && second == third,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognized() {
        let table = [
            ("root_img", "rootimg"),
            ("root-img", "rootimg"),
            ("rootimgs", "rootimg"),
            ("ootimg", "rootimg"),
            ("rootmig", "rootimg"),
            ("ROOTIMG", "rootimg"),
            ("rootimg-pcr", "rootimgpcr"),
            ("root_img_pcr", "rootimgpcr"),
            ("rootimgpcrr", "rootimgpcr"),
            ("rootimg_prc", "rootimgpcr"),
            ("rootimgpc", "rootimgpcr"),
            ("rootimgpcr.", "rootimgpcr"),
            ("root_hash", "roothash"),
            ("root-hash", "roothash"),
            ("roothahs", "roothash"),
            ("measureroots", "measureroot"),
            ("measure-root", "measureroot"),
            ("measureroot_seal", "measureroot.seal"),
            ("measureroot-seal", "measureroot.seal"),
            ("measureroot.sael", "measureroot.seal"),
            ("mesureroot.seal", "measureroot.seal"),
            ("measureroot.hash-dev", "measureroot.hashdev"),
            ("measureroot.on_corrupt", "measureroot.oncorrupt"),
            ("measureroot.timout", "measureroot.timeout"),
            ("rootfstyp", "rootfstype"),
            ("rootfstpye", "rootfstype"),
            ("root_fstype", "rootfstype"),
            ("ROOTFSTYPE", "rootfstype"),
            ("rootflgs", "rootflags"),
            ("rootflag", "rootflags"),
            ("rootwiat", "rootwait"),
            ("root-wait", "rootwait"),
            ("rootdeley", "rootdelay"),
            ("systemd.verity_root_dta", "systemd.verity_root_data"),
            ("systemd.verity-root-hash", "systemd.verity_root_hash"),
            ("module_blacklst", "module_blacklist"),
            ("modprobe.blacklists", "modprobe.blacklist"),
            ("rd.driver.blaclist", "rd.driver.blacklist"),
            ("rd.drivers.pre", "rd.driver.pre"),
            ("rd.driver.posts", "rd.driver.post"),
            ("black_list", "blacklist"),
        ];
        for (wrong, name) in table {
            assert_eq!(meant(wrong.as_bytes()), Some(name), "{wrong}");
        }
    }

    #[test]
    fn the_right_names_and_those_further_away_are_not_misspelt() {
        let far = [
            "",
            "root",
            "rootimage",
            "measureroot.",
            "measureroot.x",
            "measureroot.shell",
            "roothashsig",
            "rootmxg",
            "rootxig",
            "rootovl",
            "rootfs",
            "rootrwfstype",
            "bootdelay",
            "rdblacklist",
            "panics",
            "\u{e9}",
        ];
        for name in ALL.iter().chain(&OTHERS).chain(&OBEYED).chain(&far) {
            assert_eq!(meant(name.as_bytes()), None, "{name}");
        }
        assert_eq!(meant(b"rootim\xff"), Some("rootimg"));
    }

    /// Parameters of the kernel, of systemd, dracut, initramfs-tools, live-boot, mkinitcpio, and of others.
    const OF_OTHER_PROGRAMS: &str = include_str!("other_names.txt");

    #[test]
    fn no_parameter_of_another_program_is_taken_for_ours() {
        let lines = OF_OTHER_PROGRAMS.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<_> = lines.flat_map(str::split_whitespace).collect();
        assert!(names.len() > 1000, "{}", names.len());
        for name in names {
            assert_eq!(meant(name.as_bytes()), None, "{name}");
        }
    }
}

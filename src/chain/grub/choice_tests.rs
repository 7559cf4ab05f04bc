//! Tests of what GRUB takes if there are several: file systems, entries, values of its variables. The rules are those of the sources of
//! 2.06 and 2.12; the binaries of Debian 12 and 13 call `grub_strtoul` for the default as these do.

use super::made_grub::{image, module, usual};
use super::made_menu::{BANK, V2_06, V2_12, boots, boots_of, events, files, why};
use super::{Grub, GrubEntry, Seen};
use crate::chain::forecast::Forecast;
use crate::chain::volume::Volume;
use crate::chain::volume::tests::Made;
use crate::error::Error;

const ENTRY: &str = "menuentry a { linux /k/vmlinuz; }";

/// The boots of GRUB on the first partition with this configuration, and other file systems: the partition, the UUID and the label, the
/// start, and the files.
fn on_a_disk(config: &str, others: &[(Option<&str>, &str, u64, &dyn Volume)]) -> Vec<GrubEntry> {
    let names = ["tpm", "normal", "search", "linux", "linuxefi", "boot", "test", "true", "configfile", "echo"];
    let mut parts: Vec<_> = names.map(|name| (0, module(name, &[], if name == "normal" { V2_06 } else { "" }))).into();
    parts.push((3, b"/boot/grub\0".to_vec()));
    let own = files(config);
    let seen = |files, uuid: &str, partition: Option<&str>, start| Seen {
        files,
        label: Some(uuid.into()),
        uuid: Some(uuid.into()),
        partition: partition.map(str::to_owned),
        start: Some(start),
        module: None,
    };
    let mut all = vec![seen(&own as &dyn Volume, "1111-2222", Some("gpt1"), 1)];
    all.extend(others.iter().map(|(partition, uuid, start, files)| seen(*files, uuid, *partition, *start)));
    Grub::of("EFI/BOOT/BOOTX64.EFI", &image(&parts), &[BANK]).unwrap().unwrap().boots(&all, None, &[BANK])
}

#[test]
fn a_search_that_finds_several_file_systems_is_a_reason() {
    let (one, two) = (Made::default().with("both", "1").with("one", ""), Made::default().with("both", "2"));
    let other: [(Option<&str>, &str, u64, &dyn Volume); 2] =
        [(Some("gpt2"), "AB12-CD34", 2, &one), (Some("gpt3"), "AB12-CD34", 3, &two)];
    let both = |what: &str| {
        format!("boot/grub/grub.cfg:1: search: gpt2 and gpt3 have {what}: which of them GRUB takes is not predicted")
    };
    for (words, what) in [
        ("--set=root --fs-uuid ab12-cd34", "the UUID ab12-cd34"),
        ("--set=root --fs-uuid --hint-efi=hd0,gpt2 ab12-cd34", "the UUID ab12-cd34"),
        ("--set=root --label AB12-CD34", "the label AB12-CD34"),
        ("--set=root --file /both", "the file /both"),
        // It opens both, and the order decides what PCR 9 is.
        ("--file /both", "the file /both"),
    ] {
        let found = on_a_disk(&format!("search {words}\n{ENTRY}"), &other);
        for pcr in [4, 8, 9] {
            assert_eq!(why(&found[0], pcr), both(what), "{words}");
        }
    }
    // Whether there is one is certain.
    for words in ["--fs-uuid AB12-CD34", "--set=other --file /one", "--set=other --label 1111-2222"] {
        let found = on_a_disk(&format!("search {words}\n{ENTRY}"), &other);
        assert_eq!(events(&found[0], 9).last().unwrap(), "k/vmlinuz", "{words}");
    }
    // A file that cannot be read is there, and one file system of its own has two names: a stick that is a CD.
    let damaged = Error::new("file system", "is no FAT, which firmware reads");
    let unread: [(Option<&str>, &str, u64, &dyn Volume); 2] =
        [(Some("gpt2"), "AB12-CD34", 2, &damaged), (Some("gpt3"), "X", 3, &two)];
    let found = on_a_disk(&format!("search --file --set=other /both\n{ENTRY}"), &unread);
    assert_eq!(events(&found[0], 9)[1..], ["both", "k/vmlinuz"]);
    let found = on_a_disk(&format!("search --file --set=other /none\n{ENTRY}"), &unread);
    assert!(why(&found[0], 9).contains("search: whether gpt2 has the file /none"), "{}", why(&found[0], 9));
    let twice: [(Option<&str>, &str, u64, &dyn Volume); 2] =
        [(Some("msdos1"), "AB12-CD34", 0, &one), (None, "AB12-CD34", 0, &one)];
    let found = on_a_disk(&format!("search --set=other --fs-uuid AB12-CD34\n{ENTRY}"), &twice);
    assert_eq!(events(&found[0], 9).last().unwrap(), "k/vmlinuz");
}

#[test]
fn the_number_of_the_default_is_read_as_grub_reads_it() {
    let menu = ["a", "b", "c", "1z"].map(|id| format!("menuentry {id} {{ linux /k/vmlinuz; }}\n")).concat();
    let default = |version: &str, value: &str| {
        let found = boots(version, &format!("set default=\"{value}\"\n{menu}"));
        let names: Vec<_> = found.iter().filter(|entry| entry.is_default).map(|entry| entry.id.clone()).collect();
        names.join(" ")
    };
    for (value, expected) in [
        ("1", "b"),
        ("0x1", "b"),
        ("0X1", "a"),
        ("0x", "a"),
        ("01", "b"),
        ("010", "a"),
        ("08", "a"),
        ("1abc", "b"),
        ("1z", "b"),
        ("2 ", "c"),
        (" 2", "c"),
        ("2>0", "c"),
        ("-1", "a"),
        ("+1", "a"),
        ("4294967298", "c"),
        ("18446744073709551617", "a"),
        ("c", "c"),
        ("c ", "a"),
    ] {
        for version in [V2_06, V2_12] {
            assert_eq!(default(version, value), expected, "{value:?}");
        }
    }
    // Fedora's looks at the titles first, and takes no number with anything behind it.
    let fedoras = "2.12\0fw_path";
    for (value, expected) in [("1", "b"), ("0x2", "c"), ("c", "c"), ("none", "a"), ("1z", ""), ("1 ", ""), ("2>0", "")]
    {
        assert_eq!(default(fedoras, value), expected, "{value:?}");
    }
}

#[test]
fn variables_that_change_what_grub_does_have_a_reason() {
    let with = |module_name: &str, config: &str| {
        let mut program = vec![(0, module(module_name, &[], ""))];
        for name in ["tpm", "linux", "boot", "echo", "gettext", "test", "normal"] {
            program.push((0, module(name, &[], if name == "normal" { V2_12 } else { "" })));
        }
        program.push((3, b"/boot/grub\0".to_vec()));
        boots_of(&image(&program), &files(config).with("boot/grub/locale/de.mo", "x"))
    };
    let table = [
        ("pgp", "set check_signatures=enforce", "check_signatures=enforce: the signatures of files are not predicted"),
        ("pgp", "check_signatures=1", "check_signatures=1: the signatures"),
        ("pgp", "echo $check_signatures", "$check_signatures: the module pgp sets it"),
        ("datehook", "echo $HOUR", "$HOUR: the module datehook sets it"),
        ("true", "set prefix=", "prefix: GRUB looks for its modules without a folder"),
        ("true", "unset prefix", "prefix: GRUB looks for its modules without a folder"),
        // The translation beside the modules counts again.
        ("true", "set locale_dir=/none\nset lang=de\nunset locale_dir", "de.mo: is no translation"),
    ];
    for (name, line, part) in table {
        let found = with(name, &format!("{line}\n{ENTRY}"));
        for pcr in [4, 8, 9] {
            assert!(why(&found[0], pcr).contains(part), "{line}: {}", why(&found[0], pcr));
        }
    }
    for (name, line) in [
        ("pgp", "set check_signatures=no"),
        ("true", "set check_signatures=enforce"),
        ("true", "set HOUR=1\necho $HOUR"),
        ("true", "set pager=1\nset debug=all\nset gfxmode=auto\nset mine=x\nset timeout_style=hidden\nset timeout=5"),
    ] {
        let found = with(name, &format!("{line}\n{ENTRY}"));
        assert_eq!(events(&found[0], 9)[..2], ["boot/grub/grub.cfg", "k/vmlinuz"], "{line}");
    }
    let found = with("true", &format!("echo $color_normal\n{ENTRY}"));
    assert_eq!(events(&found[0], 8)[0], "grub_cmd: echo light-gray/black");
    let program = usual(V2_06, "check_signatures=enforce", "/boot/grub", &[]);
    assert_eq!(events(&boots_of(&program, &files(ENTRY))[0], 9).len(), 2);
}

#[test]
fn what_the_menu_changes_is_not_known_in_its_entries() {
    for (name, set) in [("timeout", "5"), ("timeout_style", "hidden"), ("fallback", "1")] {
        let config = format!("set {name}={set}\nmenuentry a {{ echo ${name}; linux /k/vmlinuz; }}\n{ENTRY}");
        let found = boots(V2_06, &config);
        let expected = format!("boot/grub/grub.cfg:2: ${name}: the menu changes it");
        assert!(why(&found[0], 8).starts_with(&expected), "{}", why(&found[0], 8));
        assert_eq!(events(&found[1], 9).len(), 2, "{name}");
        // A menu inside of another one has the exported variables only.
        let config = format!("set {name}={set}\nsubmenu s {{\n true ${name}\n {ENTRY}\n}}");
        assert!(events(&boots(V2_06, &config)[0], 8).contains(&"grub_cmd: true ".to_owned().trim_end().to_owned()));
    }
}

#[test]
fn an_entry_that_needs_a_password_says_so() {
    let config = "set superusers=root\nexport superusers\nmenuentry a { linux /k/vmlinuz; }\n\
                  menuentry b --unrestricted { linux /k/vmlinuz; }\nmenuentry c --unrestricted --users u { linux /k/vmlinuz; }";
    let needs = |config: &str| -> Vec<bool> {
        let of = |entry: &GrubEntry| {
            let Forecast::Follows { assumes, .. } = &entry.forecasts.pcrs[&9] else { panic!("{}", why(entry, 9)) };
            assumes.iter().any(|what| what.contains("the password of a user"))
        };
        boots(V2_06, config).iter().map(of).collect()
    };
    assert_eq!(needs(config), [true, false, true]);
    assert_eq!(needs(&config.replace("=root", "=")), [true, false, true]);
    assert_eq!(needs(&config.replace("set superusers=root\nexport", "true")), [false; 3]);
}

#[test]
fn of_several_parts_of_an_image_the_one_counts_that_grub_takes() {
    let disk = |text: &str| {
        let mut header = vec![0; 512];
        header[..8].copy_from_slice(b"grub.cfg");
        header[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
        header[156] = b'0';
        header[257..262].copy_from_slice(b"ustar");
        header.extend(text.as_bytes());
        header.resize(2048, 0);
        header
    };
    let names = ["tpm", "linux", "boot", "echo"];
    let mut parts: Vec<_> = names.map(|name| (0, module(name, &[], ""))).into();
    let [one, two] = ["", "\n"].map(|text| disk(&format!("{text}menuentry a {{ linux $cmdpath/../k; }}")));
    parts.extend([(1, one), (1, two), (3, b"/none\0".to_vec()), (3, b"(memdisk)/\0".to_vec())]);
    parts.extend([V2_06, "2.14"].map(|version| (0, module("normal", &[], version))));
    let found = boots_of(&image(&parts), &files(""));
    assert!(why(&found[0], 9).contains("(memdisk)/grub.cfg:1: "), "{}", why(&found[0], 9));
}

//! Tests of GRUB. What a boot measured was read from the log of OVMF 2022.11 with Debian's GRUB 2.06 and 2.12.

use super::Grub;
use super::made_grub::{image, module, usual};
use super::made_menu::{BANK, V2_06, V2_12, boots, boots_of, events, extended, files, values, why};
use crate::chain::forecast::Forecast;
use crate::chain::made_pe::MadePe;

const LIVE: &str = "set timeout=0\nmenuentry measureroot {\n    if [ \"$grub_platform\" = efi ]; then\n        # A comment.\n        \
                    linuxefi /k/vmlinuz root=LABEL=X ro\n        initrdefi /k/one\n    else\n        linux /k/vmlinuz\n    fi\n}\n";

#[test]
fn a_live_medium_measures_its_commands_and_files() {
    let program =
        usual(V2_06, "search --no-floppy --set=root --label X\nset prefix=($root)/boot/grub\n", "/boot/grub", &[]);
    let made = files(LIVE);
    let found = boots_of(&program, &made);
    let [entry] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (entry.id.as_str(), entry.title.as_deref(), entry.is_default),
        ("measureroot", Some("measureroot"), true)
    );
    let block = LIVE.split_once("menuentry ").unwrap().1.trim_end();
    let commands = [
        "set timeout=0".to_owned(),
        format!("menuentry {block}"),
        "setparams measureroot".to_owned(),
        "[ efi = efi ]".to_owned(),
        "linuxefi /k/vmlinuz root=LABEL=X ro".to_owned(),
        "/k/vmlinuz root=LABEL=X ro".to_owned(),
        "initrdefi /k/one".to_owned(),
    ];
    let commands: Vec<_> = commands.iter().map(String::as_bytes).collect();
    assert_eq!(values(entry, 8), [extended(&commands)]);
    let kernel = MadePe::new().linux("6.12.1").bytes();
    assert_eq!(values(entry, 9), [extended(&[LIVE.as_bytes(), &kernel, b"12345"])]);
    assert_eq!(events(entry, 4)[3..], ["GRUB 2.06-13+deb12u2"]);
    for pcr in [11, 12, 14] {
        assert_eq!(values(entry, pcr), [extended(&[])], "PCR {pcr}");
    }
    let Forecast::Follows { assumes, .. } = &entry.forecasts.pcrs[&9] else { panic!("PCR 9") };
    assert!(
        assumes.iter().any(|what| what == "the file system has the label X, for which GRUB searches"),
        "{assumes:?}"
    );
}

#[test]
fn from_2_12_on_the_firmware_loads_the_kernel_which_measures_the_rest() {
    let config = "menuentry a {\n linux /k/vmlinuz ro\n initrd /k/one /k/two\n}";
    let found = boots(V2_12, config);
    let line: Vec<_> = "BOOT_IMAGE=/k/vmlinuz ro".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let kernel = MadePe::new().linux("6.12.1").bytes();
    let all: [&[u8]; 6] = [config.as_bytes(), &kernel, b"12345", b"67", &line, b"12345\0\0\x0067"];
    assert_eq!(values(&found[0], 9), [extended(&all)]);
    assert_eq!(events(&found[0], 4)[3..], ["GRUB 2.12-9+deb13u4", "the kernel"]);
    // Debian's opens its configuration once more, to see whether it is there.
    let found = boots(&format!("{V2_12}\0fw_path"), config);
    assert_eq!(events(&found[0], 9)[..2], ["boot/grub/grub.cfg", "boot/grub/grub.cfg"]);
}

#[test]
fn modules_and_lists_of_the_disk_are_measured_where_they_are_loaded() {
    let program = usual(V2_06, "", "/boot/grub", &["echo", "tpm", "test"]);
    let config = "insmod tpm\ninsmod none\necho a\nmenuentry a { linux /k/vmlinuz; }\n";
    let folder = "boot/grub/x86_64-efi";
    let made = files(config).with(&format!("{folder}/tpm.mod"), module("tpm", &["gcry"], ""));
    let made = made.with(&format!("{folder}/gcry.mod"), module("gcry", &[], ""));
    let made = made.with(&format!("{folder}/echo.mod"), module("echo", &["extcmd"], ""));
    let made = made.with(&format!("{folder}/extcmd.mod"), module("extcmd", &[], ""));
    let made = made.with(&format!("{folder}/command.lst"), "*echo: echo\nx: y\n").with(&format!("{folder}/fs.lst"), "");
    let found = boots_of(&program, &made);
    let expected = [&format!("{folder}/echo.mod"), &format!("{folder}/extcmd.mod"), "k/vmlinuz"];
    assert_eq!(events(&found[0], 9), expected);
    assert_eq!(events(&found[0], 8)[0], "grub_cmd: insmod none");
    let missed = ["boot/grub/grub.cfg", &format!("{folder}/command.lst"), &format!("{folder}/fs.lst")];
    let missed = [&missed[..], &[&format!("{folder}/gcry.mod"), &format!("{folder}/tpm.mod")]].concat().join(", ");
    assert!(found[0].forecasts.unmeasured[0].starts_with(&missed), "{:?}", found[0].forecasts.unmeasured);
    // With the module from the start, all of it is measured.
    let found = boots_of(&usual(V2_06, "", "/boot/grub", &["echo"]), &made);
    let start = ["command.lst", "fs.lst"].map(|name| format!("{folder}/{name}"));
    assert_eq!(events(&found[0], 9)[..3], [&start[..], &["boot/grub/grub.cfg".to_owned()]].concat());
    assert!(found[0].forecasts.unmeasured.is_empty(), "{:?}", found[0].forecasts.unmeasured);
    // And without it, nothing.
    let program = usual(V2_06, "", "/boot/grub", &["tpm"]);
    let found = boots_of(&program, &files("menuentry a { linux /k/vmlinuz; }"));
    assert_eq!((values(&found[0], 8), values(&found[0], 9)), (vec![extended(&[])], vec![extended(&[])]));
    assert!(found[0].forecasts.unmeasured[0].contains("its module tpm"), "{:?}", found[0].forecasts.unmeasured);
}

/// The commands that a configuration measures, and the entry that it then starts.
fn commands(config: &str) -> Vec<String> {
    let all = format!("{config}\nlinux /k/vmlinuz\nboot\n");
    let found = events(&boots(V2_06, &all)[0], 8);
    let texts = found.iter().map(|text| text.strip_prefix("grub_cmd: ").unwrap_or(text).to_owned());
    texts.take(found.len() - 3).collect()
}

#[test]
fn words_are_replaced_as_by_grub() {
    let table: &[(&str, &[&str])] = &[
        ("echo a  'b c' \"d e\" f\\ g # h", &["echo a b c d e f g"]),
        ("x='a  b'; echo [$x] \"[$x]\" '$x' ${x}y", &["x=a  b", "echo [a b] [a  b] $x a by"]),
        ("echo \"\\$x \\\"q\\\" \\n\" $none \"\" \"$none\"b", &["echo $x \"q\" \\n  b"]),
        ("set y=\"a b\"\n#gone\n\n  # also\necho $y", &["set y=a b", "echo a b"]),
        ("echo a\\\n  b 'c\nd'", &["echo a b c\nd"]),
        ("function f {\n echo $1-$2 $#\n}\nf x 'y z'", &["f x y z", "echo x-y z 2"]),
        ("if false; then echo a; elif true; then echo b; else echo c; fi", &["false", "true", "echo b"]),
        ("if ! [ -f /none ]; then echo in if; fi", &["! [ -f /none ]", "echo in if"]),
        ("if search --file --set=x /marker; then echo yes; fi", &["search --file --set=x /marker", "echo yes"]),
        (
            "search -u ab12-cd34 --hint-efi=hd0,gpt1 --set x; true",
            &["search -u ab12-cd34 --hint-efi=hd0,gpt1 --set x", "true"],
        ),
        ("echo $grub_platform $grub_cpu $feature_menuentry_id $prefixx", &["echo efi x86_64 y"]),
    ];
    for (config, expected) in table {
        assert_eq!(commands(config), *expected, "{config}");
    }
}

#[test]
fn tests_are_true_as_in_grub() {
    let table = [
        ("a = a", true),
        ("a = b", false),
        ("a != b -a -f /marker", true),
        ("! a = a", false),
        ("a = b -o a = a", true),
        ("-z \"\"", true),
        ("-n \"$x\"", false),
        ("-s /marker", true),
        ("-s /k/none", false),
        ("( a = b ) -o a", true),
        ("2 -lt 10", true),
        ("2 -ge 10", false),
        ("a < b", true),
        ("! -e /k/one", false),
        ("-d /k", true),
        ("\"\"", false),
    ];
    for (test, expected) in table {
        let config = format!("if [ {} ]; then echo yes; fi", test.replace('<', "'<'"));
        assert_eq!(commands(&config).len() == 2, expected, "{test}");
    }
}

#[test]
fn the_default_is_the_entry_that_grub_takes() {
    let menu = "menuentry 'A a' --id a { linux /k/vmlinuz a; }\nsubmenu S --id=s {\n menuentry B { linux /k/vmlinuz $chosen; }\n \
                menuentry 'C>' --class x { linux /k/vmlinuz c; }\n}\nmenuentry D { true; }\n";
    let ids = ["a", "s>B", "s>C>", "D"];
    for (default, expected) in [
        ("", "a"),
        ("1", "s>B"),
        ("s>1", "s>C>"),
        ("S>C>>", "s>C>"),
        ("A a", "a"),
        ("2", "D"),
        ("9", "a"),
        ("none", "a"),
    ] {
        let found = boots(V2_06, &format!("set default='{default}'\n{menu}"));
        assert_eq!(found.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ids);
        let defaults: Vec<_> = found.iter().filter(|entry| entry.is_default).map(|entry| entry.id.as_str()).collect();
        assert_eq!(defaults, [expected], "{default}");
        assert!(events(&found[1], 8).contains(&"grub_cmd: setparams S".to_owned()));
        assert!(
            events(&found[1], 8).contains(&"kernel_cmdline: /k/vmlinuz s>B".to_owned()),
            "{:?}",
            events(&found[1], 8)
        );
        assert_eq!(why(&found[3], 9), "boot/grub/grub.cfg:7: the entry loads no kernel");
    }
}

#[test]
fn what_does_not_follow_names_the_file_and_the_line() {
    let table = [
        ("\n\nfor x in a b; do echo; done", "grub.cfg:3: for: loops are not predicted"),
        ("true\nunknown a", "grub.cfg:2: this GRUB does not have the command unknown"),
        ("# a\nchainloader /x", "grub.cfg:2: this GRUB does not have the command chainloader"),
        ("while true; do true; done", "grub.cfg:1: while: loops are not predicted"),
        ("for x in a; true; done", "do is missing"),
        ("source /none.cfg", "grub.cfg:1: none.cfg: is not there"),
        ("source /k/one", "k/one:1: this GRUB does not have the command 12345"),
        ("echo $\"x\"", "grub.cfg:1: translated text"),
        ("echo 'a\nb", "grub.cfg:2: a quote has no end"),
        ("echo a | b", "grub.cfg:1: GRUB has no pipes"),
        ("true && true", "grub.cfg:1: GRUB has no &&"),
        ("true }", "grub.cfg:1: a command does not end"),
        ("if true; then echo\nmenuentry x { }", "a command is missing"),
        ("if true; echo; fi", "grub.cfg:1: fi is not expected here"),
        ("menuentry x { true; }; menuentry", "grub.cfg:1: menuentry: with or without a block"),
        ("if [ $root = hd0 ]; then true; fi", "grub.cfg:1: a test compares the name of a disk"),
        ("set root=hd0,gpt2\nlinux /k/vmlinuz", "grub.cfg:2: which disk (hd0,gpt2) is, the machine decides"),
        ("search --set --file /none; source ($root)/a", "grub.cfg:1: a: is not there"),
        ("search --fs-uuid --efidisk-only x", "the option --efidisk-only is not predicted"),
        ("set secondary_locale_dir=/x", "grub.cfg:1: secondary_locale_dir: a second translation"),
        ("linux /k/none", "grub.cfg:1: /k/none: is not there, so the entry does not boot"),
        ("initrd /k/one", "grub.cfg:1: initrd: there is no kernel yet"),
        ("linux /../k/vmlinuz", "what . and .. name depends"),
        ("true", "boot/grub/grub.cfg: has no entries, so GRUB waits for commands"),
        ("echo \u{1}0\u{2}", "boot/grub/grub.cfg: has control characters"),
        ("source /boot/grub/grub.cfg", "grub.cfg:1: the configuration is too deep in itself"),
        ("function f { f; }\nf", "the configuration is too deep in itself"),
    ];
    for (config, part) in table {
        let found = boots(V2_06, config);
        let [entry] = found.as_slice() else { panic!("{config}: {found:?}") };
        for pcr in [4, 8, 9, 11, 12] {
            assert!(why(entry, pcr).contains(part), "{config}: {}", why(entry, pcr));
        }
    }
    // An entry that does not follow spoils itself alone.
    let found = boots(V2_06, "menuentry a {\n wrong\n}\nmenuentry b { linux /k/vmlinuz\n echo $root; }");
    assert_eq!(why(&found[0], 4), "boot/grub/grub.cfg:2: this GRUB does not have the command wrong");
    assert_eq!(values(&found[1], 8).len(), 4);
    assert_eq!(values(&found[1], 9).len(), 1);
}

#[test]
fn versions_that_were_not_read_and_broken_programs_are_refused() {
    for (version, part) in
        [("2.14", "GRUB 2.14: what it measures"), ("2.060", "2.060"), ("x", "does not name the version")]
    {
        assert!(why(&boots(version, LIVE)[0], 9).contains(part), "{version}");
    }
    let program = usual(V2_06, "if true; then", "/boot/grub", &[]);
    assert_eq!(
        why(&boots_of(&program, &files(LIVE))[0], 8),
        "the configuration in GRUB:1: this GRUB does not have the command if"
    );
    let without = usual(V2_06, "", "/boot/grub", &["normal"]);
    assert!(why(&boots_of(&without, &files(LIVE))[0], 8).contains("does not find its module normal"));
    assert!(Grub::of("x", &image(&[]), &[BANK]).unwrap().is_some());
    for length in (0..program.len()).step_by(5) {
        let _ = Grub::of("x", &program[..length], &[BANK]);
    }
    for at in (0x200..program.len()).step_by(3) {
        let mut changed = program.clone();
        changed[at] ^= 0xFF;
        let _ = Grub::of("x", &changed, &[BANK]);
    }
}

#[test]
fn a_loop_spoils_the_entry_alone_that_has_it() {
    let loops = "for x in a b\ndo\n true\ndone\n while false; do true; done";
    let found = boots(
        V2_06,
        &format!("menuentry a {{\n {loops}\n}}\nfunction f {{\n {loops}\n}}\nmenuentry b {{ linux /k/vmlinuz; }}"),
    );
    assert_eq!(why(&found[0], 9), "boot/grub/grub.cfg:2: for: loops are not predicted");
    assert_eq!(events(&found[1], 9).len(), 2);
}

#[test]
fn hostile_configurations_end() {
    let doubling = format!("x=aaaaaaaa\n{}", "x=$x$x\n".repeat(40));
    let many = format!("{}true", "menuentry a { true; }\n".repeat(2000));
    let deep = format!("{}true{}", "if true; then ".repeat(5000), "; fi".repeat(5000));
    let nested = format!("{}true;{}", "menuentry a { ".repeat(5000), "}".repeat(5000));
    let calls = format!("function f {{ {} }}\nfunction g {{ {} }}\ng", "true; ".repeat(900), "f; ".repeat(900));
    for config in [doubling, many, deep, nested, calls, "true\n".repeat(100_000), "{".repeat(100_000), "$".repeat(1000)]
    {
        let found = boots(V2_06, &config);
        assert!(found.len() == 1 && why(&found[0], 9).starts_with("boot/grub/grub.cfg:"), "{}", why(&found[0], 9));
    }
}

#[test]
fn grub_mkstandalone_has_its_configuration_in_the_memory_disk() {
    let mut archive = Vec::new();
    for (name, content) in [
        ("boot/grub/grub.cfg", b"linux /k/vmlinuz\nboot".to_vec()),
        ("./boot/grub/x86_64-efi/normal.mod", module("normal", &[], V2_06)),
    ] {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = b'0';
        header[257..262].copy_from_slice(b"ustar");
        archive.extend(header);
        archive.extend(&content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    let config = "search.fs_uuid AB12-CD34 root\n";
    let names = ["tpm", "linux", "boot", "search_fs_uuid"];
    let mut parts: Vec<_> = names.iter().map(|name| (0, module(name, &[], ""))).collect();
    parts.extend([(1, archive), (2, config.into()), (3, b"(memdisk)/boot/grub\0".to_vec())]);
    let found = boots_of(&image(&parts), &files(""));
    assert_eq!(events(&found[0], 9), ["k/vmlinuz"]);
    assert_eq!(events(&found[0], 8)[0], "grub_cmd: linux /k/vmlinuz");
    assert_eq!(events(&found[0], 4)[3..], [format!("GRUB {V2_06}")]);
}

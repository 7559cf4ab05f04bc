//! Tests of `esp`, and of `systemd_boot`, which starts its entries.

use super::entry::Entry;
use super::esp::Esp;
use super::pattern::matches;
use crate::chain::forecast::Forecast;
use crate::chain::grub::made_grub;
use crate::chain::like::Like;
use crate::chain::made_pe::MadePe;
use crate::chain::root_image;
use crate::chain::volume::tests::Made;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, digests_of};
use crate::measure::pcr::PcrIndex;

const BANK: Bank = Bank::Sha256;

fn program(name: &str) -> MadePe {
    MadePe::new().exact(b".sdmagic", format!("#### LoaderInfo: {name} ####").as_bytes())
}

fn loader(version: &str) -> Made {
    Made::default().with("EFI/BOOT/BOOTX64.EFI", program(&format!("systemd-boot {version}")).bytes())
}

fn uki(stub: &str) -> Vec<u8> {
    let kernel = MadePe::new().linux("6.12.1").bytes();
    program(&format!("systemd-stub {stub}"))
        .exact(b".osrel", b"ID=a")
        .exact(b".cmdline", b"ro console=x\n")
        .exact(b".linux", &kernel)
        .bytes()
}

fn entries(made: &Made) -> Vec<Entry> {
    Esp::of(made, &[BANK]).unwrap().entries
}

fn values(entry: &Entry, pcr: u8) -> Vec<Digest> {
    let values =
        entry.forecasts.pcrs[&pcr].values(&[BANK]).unwrap_or_else(|| panic!("{:?}", entry.forecasts.pcrs[&pcr]));
    values.into_iter().map(|mut value| value.pcr.remove(&BANK).unwrap()).collect()
}

fn why(entry: &Entry, pcr: u8) -> &str {
    if let Forecast::Open { why } = &entry.forecasts.pcrs[&pcr] { why } else { panic!("PCR {pcr} follows") }
}

fn extended(events: &[&[u8]]) -> Digest {
    events.iter().fold(Digest::zero(BANK), |value, bytes| value.extended(BANK, &BANK.digest(bytes)))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn an_entry_of_type_1_hands_over_its_words_and_its_initrds() {
    let conf = "title A\nlinux /a/vmlinuz\ninitrd /a/one\ninitrd /a/empty\ninitrd /a/two\noptions root=x\noptions ro\n";
    let kernel = MadePe::new().linux("6.12.1").bytes();
    let files = |version| {
        let made = loader(version).with("loader/entries/A.conf", conf).with("A/VMLINUZ", &kernel).with("a/empty", "");
        made.with("a/one", "12345").with("a/two", "678901")
    };
    let words = utf16("initrd=\\a\\one initrd=\\a\\empty initrd=\\a\\two root=x ro");
    for (version, initrd) in
        [("252.39", "12345678901"), ("257.13", "12345\0\0\x00678901"), ("258", "12345\0\0\x00678901")]
    {
        let entries = entries(&files(version));
        let [entry] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!((entry.id.as_str(), entry.title.as_deref(), entry.is_default), ("a.conf", Some("A"), false));
        assert_eq!(values(entry, 9), [extended(&[&words, initrd.as_bytes()])], "{version}");
        assert_eq!(values(entry, 12), [extended(&[&words])]);
        let Forecast::Follows { assumes, .. } = &entry.forecasts.pcrs[&12] else { panic!("PCR 12") };
        assert_eq!(assumes.iter().any(|what| what.contains("hands over what systemd-boot 257 does")), version == "258");
        assert_eq!((values(entry, 11), values(entry, 4).len()), (vec![extended(&[])], 5));
        assert_eq!(entry.forecasts.unmeasured, [""; 0]);
        let Forecast::Follows { parts, .. } = &entry.forecasts.pcrs[&4] else { panic!("PCR 4") };
        let [.., last_but_one, last] = parts.as_slice() else { panic!("{parts:?}") };
        let shown = format!("{last_but_one:?}{last:?}");
        assert!(shown.find("systemd-boot").unwrap() < shown.find("the kernel").unwrap(), "{shown}");
    }
    assert!(why(&entries(&files("257.2"))[0], 9).contains("from 257.13 on"));
    assert!(why(&entries(&files("255.4"))[0], 12).contains("is known here for 252"));
    // Before 5.8, the kernel looks for the files itself.
    let old = Made::default().with("a/vmlinuz", MadePe::new().linux("5.4.0").bytes());
    let mut found = entries(&old.and(files("257.13")));
    let unmeasured = found.remove(0).forecasts.unmeasured;
    assert!(unmeasured[0].starts_with("the initrd that initrd= names"), "{unmeasured:?}");
}

#[test]
fn a_unified_kernel_image_gets_its_words_twice_from_old_versions() {
    let words = utf16("ro console=x");
    for (version, stub, pcr_12) in [
        ("257.13", "257.13", vec![extended(&[])]),
        ("252.39", "257.13", vec![extended(&[&words, &words]), extended(&[&words])]),
        ("252.39", "252.39", vec![extended(&[&words, &words]), extended(&[&words])]),
    ] {
        let made =
            loader(version).with("EFI/Linux/Debian.efi", uki(stub)).with("EFI/Linux/other.efi", MadePe::new().bytes());
        let found = entries(&made.with("loader/loader.conf", "default debian*"));
        let [entry] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((entry.id.as_str(), entry.is_default), ("debian.efi", true));
        assert_eq!(values(entry, 12), pcr_12, "{version}, {stub}");
        assert!(values(entry, 9).iter().all(|value| *value == values(entry, 9)[0]));
    }
    // An entry may name it, with words of its own.
    let made = loader("257.13")
        .with("x.efi", uki("257.13"))
        .with("loader/entries/b.conf", "efi /x.efi\noptions quiet console=y");
    let other = utf16("quiet console=y");
    assert_eq!(values(&entries(&made)[0], 12), [extended(&[&other, &other]), extended(&[&other])]);
    // Firmware may start it without a boot loader.
    let found = entries(&Made::default().with("EFI/BOOT/BOOTX64.EFI", uki("257.13")));
    assert_eq!((found[0].id.as_str(), values(&found[0], 12)), ("EFI/BOOT/BOOTX64.EFI", vec![extended(&[])]));
}

#[test]
fn an_entry_without_options_leaves_pcr_12_zero_as_long_as_nobody_edits_it() {
    let kernel = MadePe::new().linux("6.12.1").bytes();
    let made = loader("257.13").with("vmlinuz", &kernel).with("u.efi", uki("257.13"));
    let made = made.with("loader/entries/a.conf", "linux /vmlinuz").with("loader/entries/b.conf", "efi /u.efi");
    for entry in entries(&made) {
        assert_eq!(values(&entry, 12), [extended(&[])], "{}", entry.id);
        let Forecast::Follows { assumes, .. } = &entry.forecasts.pcrs[&12] else { panic!("PCR 12") };
        assert!(assumes.iter().any(|what| what.contains("nobody edits it in the menu")), "{assumes:?}");
        assert!(!assumes.iter().any(|what| what.contains("neither systemd-boot")), "{assumes:?}");
    }
}

#[test]
fn what_an_entry_does_otherwise_has_a_reason() {
    let table = [
        ("efi /x.efi", 4, "the program x.efi"),
        ("uki /u.efi", 9, "the key uki"),
        ("linux /vmlinuz\ninitrd /gone", 9, "\\gone: is not on the partition"),
        ("linux /broken", 4, "broken: PE file"),
        ("linux /u.efi\ninitrd /vmlinuz", 11, "which has its own"),
    ];
    for (conf, pcr, part) in table {
        let made = loader("257.13").with("loader/entries/a.conf", conf).with("x.efi", MadePe::new().bytes());
        let made =
            made.with("u.efi", uki("257")).with("broken", "x").with("vmlinuz", MadePe::new().linux("6.12").bytes());
        let found = entries(&made);
        assert!(why(&found[0], pcr).contains(part), "{conf}: {}", why(&found[0], pcr));
    }
    let conf = "linux /vmlinuz\ndevicetree /a.dtb";
    let made =
        loader("257.13").with("loader/entries/a.conf", conf).with("vmlinuz", MadePe::new().linux("6.12").bytes());
    assert!(entries(&made)[0].forecasts.unmeasured[0].starts_with("the device tree \\a.dtb"));
}

#[test]
fn drivers_leave_every_pcr_open_that_they_extend_whatever_is_started() {
    use super::like_tests::{boot, log};
    let made = loader("257.13").with("EFI/Linux/a.efi", uki("257.13")).with("x.efi", MadePe::new().bytes());
    let made = made.with("loader/entries/b.conf", "efi /x.efi").with("loader/entries/c.conf", "uki /x.efi");
    let with_drivers = Made::default().with("EFI/systemd/drivers/ext4.EFI", "x").and(made);
    let mut found = entries(&with_drivers);
    assert_eq!(found.len(), 3);
    for entry in &mut found {
        assert!(why(entry, 2).contains("loads the drivers") && why(entry, 4) == why(entry, 2), "{}", entry.id);
        // A log of a boot does not tell which drivers that one had.
        Like::parse("a.log", &log(&[BANK], &boot())).unwrap().expect(&mut entry.forecasts, None, &[BANK]);
        assert!(why(entry, 2).contains("loads the drivers") && why(entry, 4) == why(entry, 2), "{}", entry.id);
        assert_eq!((values(entry, 0).len(), values(entry, 1).len()), (1, 1));
    }
    // Without them, the one program that is not known may start some.
    let made = loader("257.13").with("EFI/Linux/a.efi", uki("257.13")).with("x.efi", MadePe::new().bytes());
    let mut found = entries(&made.with("loader/entries/b.conf", "efi /x.efi"));
    for entry in &mut found {
        Like::parse("a.log", &log(&[BANK], &boot())).unwrap().expect(&mut entry.forecasts, None, &[BANK]);
    }
    assert_eq!((values(&found[0], 2).len(), why(&found[1], 2)), (1, "what the program x.efi does is not predicted"));
}

#[test]
fn a_file_of_the_menu_that_is_no_text_spoils_its_own_entry_alone() {
    let good = "linux /vmlinuz\noptions ro";
    let made = loader("257.13").with("vmlinuz", MadePe::new().linux("6.12").bytes());
    let made = made.with("loader/entries/a.conf", good).with("loader/entries/b.conf", b"linux /vmlinuz\noptions \xFF");
    let made = made.with("loader/loader.conf", b"timeout 3\ndefault \xFF");
    let esp = Esp::of(&made, &[BANK]).unwrap();
    let [a, b] = esp.entries.as_slice() else { panic!("{esp:?}") };
    assert_eq!((values(a, 12).len(), a.is_default, b.is_default), (1, false, false));
    assert!(why(b, 12).starts_with("loader/entries/b.conf: the value of options has bytes"), "{}", why(b, 12));
    let note = "loader/loader.conf: which entry is the default is not known: the value of default is not UTF-8";
    assert_eq!(esp.notes, [note]);
}

#[test]
fn files_that_the_stub_takes_beside_the_image_are_named() {
    let with = |file: &str| loader("257.13").with("EFI/Linux/m.efi", uki("257.13")).with(file, "x");
    for file in ["EFI/Linux/m.efi.extra.d/a.addon.efi", "loader/addons/b.addon.efi", "loader/credentials/c.cred"] {
        let found = entries(&with(file));
        assert!(why(&found[0], 9).starts_with(file) && why(&found[0], 12).starts_with(file), "{file}");
    }
    assert_eq!(values(&entries(&with("EFI/Linux/other"))[0], 12).len(), 1);
    // The stub measures an extension image into the PCR of the root image, too.
    for (file, is_alone) in [("a.addon.efi", true), ("a.cred", true), ("a.sysext.raw", false), ("b.RAW", false)] {
        let file = format!("EFI/Linux/m.efi.extra.d/{file}");
        let mut forecasts = entries(&with(&file)).remove(0).forecasts;
        root_image::add(&mut forecasts, PcrIndex::DEFAULT, "root", &digests_of(&[BANK], b"image"));
        match forecasts.pcrs.get(&13) {
            Some(Forecast::Open { why }) => assert!(!is_alone && why.starts_with(&file), "{why}"),
            _ => assert!(is_alone, "{file}"),
        }
    }
}

#[test]
fn a_command_line_that_keeps_the_agent_from_measuring_is_named() {
    let kernel = MadePe::new().linux("6.12.1").bytes();
    for word in ["rdinit=/bin/sh", "noinitrd", "measureroot=off"] {
        let conf = format!("linux /k\noptions ro {word}\n");
        let made = loader("257.13").with("loader/entries/a.conf", &conf).with("k", &kernel);
        let unmeasured = &entries(&made)[0].forecasts.unmeasured;
        assert!(unmeasured.len() == 1 && unmeasured[0].starts_with(word), "{word}: {unmeasured:?}");
        let inside = program("systemd-stub 257.13").exact(b".osrel", b"ID=a").exact(b".linux", &kernel);
        let made = loader("257.13").with("EFI/Linux/m.efi", inside.exact(b".cmdline", word.as_bytes()).bytes());
        let unmeasured = &entries(&made)[0].forecasts.unmeasured;
        assert!(unmeasured.len() == 1 && unmeasured[0].starts_with(word), "{word}: {unmeasured:?}");
    }
}

#[test]
fn a_partition_that_does_not_boot_is_refused_by_name() {
    let with = |path: &str, bytes: Vec<u8>| loader("257.13").with(path, bytes);
    let table = [
        (Made::default(), "EFI/BOOT: has no program"),
        (loader("257.13"), "systemd-boot 257.13 shows no entry"),
        (with("efi/boot/bootaa64.efi", vec![]), "several architectures"),
        (with("loader/entries/.a.conf", b"linux /a".into()), "shows no entry"),
        (with("loader/entries/auto-a.conf", b"linux /a".into()), "shows no entry"),
        (with("loader/entries/a.conf", b"linux /gone".into()), "shows no entry"),
        (with("loader/entries/a.conf", b"efi /EFI/boot/bootx64.efi".into()), "shows no entry"),
        (with("loader/entries/a.conf", vec![0xFF]), "it names no program"),
        (Made::default().with("EFI/BOOT/BOOTX64.EFI", MadePe::new().bytes()), "is neither systemd-boot, nor GRUB"),
        (Made::default().with("EFI/BOOT/BOOTX64.EFI", "x"), "EFI/BOOT/BOOTX64.EFI: PE file"),
    ];
    for (made, part) in table {
        let error = Esp::of(&made, &[BANK]).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_pattern_matches_the_name_of_a_file() {
    for (pattern, expected) in [
        ("debian-6.conf", true),
        ("DEBIAN-*", true),
        ("*", true),
        ("debian-?.conf", true),
        ("debian", false),
        ("*-7*", false),
        ("", false),
        ("debian-[6].conf", false),
    ] {
        assert_eq!(matches(pattern, "debian-6.conf"), expected, "{pattern}");
    }
}

#[test]
fn shim_starts_grub_which_is_in_pcr_4_behind_it() {
    let sbat = "sbat,1,SBAT Version,sbat,1,x\nshim,4,UEFI shim,shim,1,x\nshim.debian,1,Debian,shim,16.1,x\n\0";
    let lists = b"\x05\0\0\0\0\0\0\0\x10\0\0\0\x15\0\0\0\x30cert";
    let level = b"\0\0\0\0\x08\0\0\0\x08\0\0\0sbat,1,2025\n\0";
    let without_lists = || MadePe::new().exact(b".sbat", sbat.as_bytes());
    let program = || {
        let mut bytes = without_lists().exact(b"/4", lists).exact(b"/17", level).bytes();
        let strings = u32::try_from(bytes.len()).unwrap();
        let header = usize::from(bytes[0x3C]);
        bytes[header + 12..header + 16].copy_from_slice(&strings.to_le_bytes());
        bytes.extend(b"\x1C\0\0\0.vendor_cert\0.sbatlevel\0");
        bytes
    };
    let shim = || Made::default().with("EFI/BOOT/BOOTX64.EFI", program());
    let with_grub = |made: Made| {
        let made = made.with("EFI/BOOT/grubx64.efi", made_grub::usual("2.06", "", "/EFI/BOOT", &[]));
        made.with("EFI/BOOT/grub.cfg", "menuentry a { linux /k ro; }").with("k", MadePe::new().linux("6.12").bytes())
    };
    let found = Esp::of(&with_grub(shim()), &[BANK]).unwrap();
    assert_eq!(found.loader, "shim 16.1 and GRUB 2.06 (EFI/BOOT/grubx64.efi)");
    let entry = &found.entries[0];
    let Forecast::Follows { parts, assumes } = &entry.forecasts.pcrs[&4] else { panic!("PCR 4") };
    let shown = format!("{parts:?}");
    assert!(shown.find("shim 16.1").unwrap() < shown.find("GRUB 2.06").unwrap(), "{shown}");
    assert!(assumes.iter().any(|what| what.contains("no other program for shim")), "{assumes:?}");
    // With Secure Boot, shim judges and measures the kernel twice for GRUB 2.06.
    assert_eq!((values(entry, 4).len(), values(entry, 8).len(), values(entry, 9).len()), (10, 1, 1));
    let owner = "\x50\u{ab}\x5d\x60\x46\u{e0}\0\x43\u{ab}\u{b6}\x3d\u{d8}\x10\u{dd}\u{8b}\x23";
    let owner: Vec<_> = owner.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let list = |kind: [u8; 16], data: &[u8]| {
        let size = u8::try_from(data.len()).unwrap();
        [&kind[..], &[size + 44, 0, 0, 0, 0, 0, 0, 0, size + 16, 0, 0, 0], &owner, data].concat()
    };
    let allowed = list(crate::eventlog::efi_variable::X509, b"0cert");
    let forbidden = list(crate::eventlog::efi_variable::SHA256, &[0; 32]);
    let expected = [allowed.as_slice(), &forbidden, &[1]]
        .iter()
        .fold(Digest::zero(BANK), |value, bytes| value.extended(BANK, &BANK.digest(bytes)));
    assert_eq!(values(entry, 14), [expected]);
    let older = Made::default().with("EFI/BOOT/BOOTX64.EFI", without_lists().bytes());
    let found = Esp::of(&with_grub(older), &[BANK]).unwrap();
    assert_eq!(why(&found.entries[0], 14), "shim 16.1: does not have its lists where shim 16.1 has them");
    let more = with_grub(shim()).with("EFI/BOOT/shim_certificate_0.efi", "x");
    let found = Esp::of(&more, &[BANK]).unwrap();
    assert!(why(&found.entries[0], 14).starts_with("EFI/BOOT/shim_certificate_0.efi: "));
    for (made, part) in [
        (shim(), "grubx64.efi: is not there, and shim starts it"),
        (shim().with("EFI/BOOT/grubx64.efi", MadePe::new().bytes()), "is not GRUB"),
        (with_grub(shim()).with("EFI/BOOT/FBX64.EFI", "x"), "shim starts fbx64.efi"),
    ] {
        let error = Esp::of(&made, &[BANK]).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

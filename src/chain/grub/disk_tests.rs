//! Tests of GRUB on a disk with two file systems, as Debian installs it.

use super::Seen;
use super::made_grub::{image, module};
use super::made_menu::{BANK, V2_06, V2_12, events, extended, files, values, why};
use super::{Grub, GrubEntry};
use crate::chain::forecast::{Forecast, Part};
use crate::chain::made_pe::MadePe;
use crate::chain::volume::tests::Made;

/// GRUB on the first partition of a disk with these commands in its image, and `config` as its configuration on the second one.
fn on_a_disk(version: &str, config: &str, more: &[(&str, &str)]) -> Vec<GrubEntry> {
    on_a_disk_with(&[], None, version, config, more)
}

/// The same with more modules in the image, and one with which GRUB reads the second partition.
fn on_a_disk_with(
    modules: &[&str],
    reader: Option<&'static str>,
    version: &str,
    config: &str,
    more: &[(&str, &str)],
) -> Vec<GrubEntry> {
    let names = [
        "tpm",
        "normal",
        "configfile",
        "search_fs_uuid",
        "linux",
        "linuxefi",
        "boot",
        "test",
        "true",
        "loadenv",
        "efifwsetup",
        "gettext",
    ];
    let names = names.iter().chain(modules);
    let mut parts: Vec<_> =
        names.map(|name| (0, module(name, &[], if *name == "normal" { version } else { "" }))).collect();
    parts.push((3, b"/EFI/debian\0".to_vec()));
    let program = image(&parts);
    let first = "search.fs_uuid AB12-CD34 root hd0,gpt2\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n";
    let own = Made::default().with("EFI/debian/grub.cfg", first);
    let other = more.iter().fold(files(config), |made, (path, bytes)| made.with(path, bytes));
    let seen = |files, uuid: &str, partition: &str| Seen {
        files,
        label: None,
        uuid: Some(uuid.into()),
        partition: Some(partition.into()),
        start: None,
        module: None,
    };
    let other = Seen { module: reader, ..seen(&other, "AB12-CD34", "gpt2") };
    let seen = [seen(&own, "1111-2222", "gpt1"), other];
    Grub::of("EFI/debian/grubx64.efi", &program, &[BANK]).unwrap().unwrap().boots(&seen, None, &[BANK])
}

#[test]
fn users_with_passwords_change_nothing_but_the_commands() {
    let users =
        "set superusers=root\nexport superusers\npassword_pbkdf2 root grub.pbkdf2.sha512.10000.AB.CD\nplay 480 440 1\n";
    let entry = "menuentry a --unrestricted {\n linux /k/vmlinuz\n}";
    let more = ["password_pbkdf2", "play"];
    let [plain, with] = ["", users].map(|start| on_a_disk_with(&more, None, V2_06, &format!("{start}{entry}"), &[]));
    assert_eq!(events(&plain[0], 9).len(), events(&with[0], 9).len());
    assert_eq!(
        why(&on_a_disk_with(&more, None, V2_06, &format!("play /song\n{entry}"), &[])[0], 9),
        "boot/grub/grub.cfg:1: what the command play does is not predicted"
    );
}

#[test]
fn a_file_system_is_read_if_its_module_is_there() {
    let config = "menuentry a {\n linux /k/vmlinuz\n}";
    let [plain, with] = [None, Some("ext2")].map(|reader| on_a_disk_with(&["ext2"], reader, V2_06, config, &[]));
    assert_eq!(events(&plain[0], 9), events(&with[0], 9));
    let without = on_a_disk_with(&[], Some("ext2"), V2_06, config, &[]);
    assert_eq!(
        why(&without[0], 9),
        "EFI/debian/grub.cfg:1: search: GRUB has not loaded its module ext2, with which it finds AB12-CD34"
    );
}

#[test]
fn each_number_that_grub_may_give_to_the_disk_is_an_alternative() {
    let config = "menuentry a {\n linux /k/vmlinuz\n}";
    let found = on_a_disk(V2_06, config, &[]);
    let measured = |disk: &str| {
        let prefix = format!("set prefix=({disk},gpt2)/boot/grub");
        let configfile = format!("configfile ({disk},gpt2)/boot/grub/grub.cfg");
        let menu = "menuentry a {\n linux /k/vmlinuz\n}";
        let texts = [
            "search.fs_uuid AB12-CD34 root hd0,gpt2",
            &prefix,
            &configfile,
            menu,
            "setparams a",
            "linux /k/vmlinuz",
            "/k/vmlinuz",
        ];
        extended(&texts.map(str::as_bytes))
    };
    assert_eq!(values(&found[0], 8), ["hd0", "hd1", "hd2", "hd3"].map(measured));
    assert_eq!(events(&found[0], 9), ["EFI/debian/grub.cfg", "boot/grub/grub.cfg", "k/vmlinuz"]);
}

#[test]
fn a_configuration_knows_its_folder() {
    let config = "true ${config_directory} $config_file\nsource /other/a.cfg\nif [ -f ${config_directory}/custom.cfg ]; then true; fi\n\
                  menuentry a {\n true $config_directory\n linux /k/vmlinuz\n}";
    let found = on_a_disk(V2_06, config, &[("other/a.cfg", "true $config_file")]);
    let texts = [
        "true (hd0,gpt2)/boot/grub (hd0,gpt2)/boot/grub/grub.cfg",
        "source /other/a.cfg",
        "true (hd0,gpt2)/other/a.cfg",
        "[ -f (hd0,gpt2)/boot/grub/custom.cfg ]",
    ];
    let Forecast::Follows { parts, .. } = &found[0].forecasts.pcrs[&8] else { panic!("{}", why(&found[0], 8)) };
    let Some(Part::Choice(choice)) = parts.last() else { panic!("{parts:?}") };
    let events: Vec<_> = choice.answers[0].events.iter().map(|event| event.what.as_str()).collect();
    let [.., before, _, _, inside, _, _] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(*before, format!("grub_cmd: {}", texts[3]), "{events:?}");
    // The entry runs when the file was read: the folder is that of the first configuration again.
    assert_eq!(*inside, "grub_cmd: true (hd0,gpt1)/EFI/debian", "{events:?}");
    for text in texts {
        assert!(events.contains(&format!("grub_cmd: {text}").as_str()), "{text}: {events:?}");
    }
}

#[test]
fn the_environment_block_is_measured_and_sets_variables() {
    let block = "# GRUB Environment Block\nsaved_entry=two\nother=x\n####";
    let config = "if [ -s $prefix/grubenv ]; then\n load_env saved_entry\nfi\nset default=\"${saved_entry}\"\n\
                  function savedefault {\n saved_entry=\"${chosen}\"\n save_env saved_entry\n}\n\
                  menuentry one { linux /k/vmlinuz $other; }\nmenuentry two {\n savedefault\n linux /k/vmlinuz\n}";
    let found = on_a_disk(V2_06, config, &[("boot/grub/grubenv", block)]);
    assert_eq!(found.iter().map(|entry| entry.is_default).collect::<Vec<_>>(), [false, true]);
    // It is opened to see whether it has something, then to read it. GRUB writes to it without a measurement.
    let opened = ["boot/grub/grubenv", "boot/grub/grubenv", "k/vmlinuz"];
    assert_eq!(events(&found[1], 9)[2..], opened);
    let Forecast::Follows { assumes, .. } = &found[1].forecasts.pcrs[&9] else { panic!("PCR 9") };
    assert!(assumes.iter().any(|what| what.contains("GRUB writes saved_entry to it")), "{assumes:?}");
    let found = on_a_disk(V2_06, "load_env\nmenuentry a { linux /k/vmlinuz; }", &[("boot/grub/grubenv", "x")]);
    assert!(why(&found[0], 9).contains("grubenv: is no environment block"), "{}", why(&found[0], 9));
}

#[test]
fn what_stock_configurations_ask_is_answered() {
    let config = "if [ -e $prefix/grub.cfg -a -e /boot/grub -a ! -e $prefix/none ]; then true; fi\nfwsetup --is-supported\n\
                  if [ \"$?\" = 0 ]; then\n menuentry settings { fwsetup; }\nfi\nset lang=de_DE\nmenuentry a { linux /k/vmlinuz; }";
    let translated = [("boot/grub/locale/de.mo", "\u{de}")];
    let found = on_a_disk(V2_12, config, &[]);
    assert_eq!(why(&found[0], 9), "boot/grub/grub.cfg:4: fwsetup: starts the firmware's settings, and no kernel");
    assert_eq!(events(&found[1], 9)[2], "k/vmlinuz");
    let found = on_a_disk(V2_12, config, &translated);
    assert!(why(&found[0], 9).contains("de.mo: is no translation"), "{}", why(&found[0], 9));
    let found = on_a_disk(V2_06, config, &[]);
    assert_eq!(why(&found[0], 9), "boot/grub/grub.cfg:2: fwsetup: starts the firmware's settings, and no kernel");
}

/// The events of PCR 4 behind those of the firmware with shim or without it, and the reasons why it does not follow.
#[test]
fn behind_shim_debians_2_12_loads_the_kernel_itself() {
    let sbat = "sbat,1,SBAT Version,sbat,1,x\nshim,4,UEFI shim,shim,1,x\nshim.debian,1,Debian,shim,16.1,x\n\0";
    let shim = MadePe::new().exact(b".sbat", sbat.as_bytes()).bytes();
    let made = files("loadfont unicode\nmenuentry a { linux /k/vmlinuz; }");
    let shim = crate::chain::shim::Shim::of("EFI/BOOT/BOOTX64.EFI", &shim, "x64", &made, &[BANK]).unwrap().unwrap();
    let start = |is_debians: bool, shim: Option<&crate::chain::shim::Shim>| {
        let names = ["tpm", "normal", "linux", "boot", "font", if is_debians { "peimage" } else { "true" }];
        let mut parts: Vec<_> =
            names.iter().map(|name| (0, module(name, &[], if *name == "normal" { V2_12 } else { "" }))).collect();
        parts.extend([(1, b"hsqs".to_vec()), (3, b"/boot/grub\0".to_vec())]);
        let grub = Grub::of("EFI/BOOT/grubx64.efi", &image(&parts), &[BANK]).unwrap().unwrap();
        let seen = [Seen { files: &made, label: None, uuid: None, partition: None, start: None, module: None }];
        let [off, on] = [false, true].map(|is_on| {
            let mut boots = grub.boots(&seen, shim, &[BANK]);
            crate::chain::secure_boot::decide(&mut boots[0].forecasts, is_on);
            boots.remove(0)
        });
        [off, on]
    };
    let programs = ["shim 16.1".to_owned(), format!("GRUB {V2_12}"), "the kernel, which shim judges".to_owned()];
    let [off, on] = start(true, Some(&shim));
    assert_eq!((&events(&off, 4)[3..], &events(&on, 4)[3..]), (&programs[..2], &programs[..]));
    // The font is in the squashfs.
    assert_eq!(events(&on, 9)[..2], ["boot/grub/grub.cfg", "k/vmlinuz"]);
    let [off, on] = start(false, Some(&shim));
    assert_eq!(events(&off, 4).last().unwrap(), "the kernel");
    assert!(why(&on, 4).contains("does not have its module peimage"), "{}", why(&on, 4));
    let [off, on] = start(true, None);
    assert!(why(&off, 4).contains("only if shim starts GRUB"), "{}", why(&off, 4));
    assert!(why(&on, 4).contains("no shim starts GRUB"), "{}", why(&on, 4));
}

//! `predict --disk`, compared with `predict --esp` of the same files. Others made the disks: sfdisk the tables, mkfs.vfat and mtools the
//! file systems, xorriso the CDs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::disks::{MIB, cd, disk, fat};
use common::written::is_refused_while_written;
use common::{Ran, measureroot, program, run, squashfs, text};
use measureroot::internal::chain::Disk;
use serde_json::Value;

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const XBOOTLDR: &str = "BC13C2FF-59E6-4262-A352-B275FD6F7172";

/// A folder with systemd-boot and an entry, whose initrd has `initrd` bytes and a long name.
fn tree(top: &Path, initrd: usize) -> PathBuf {
    let esp = top.join("esp");
    for folder in ["EFI/BOOT", "a-folder-with-a-long-name", "loader/entries"] {
        fs::create_dir_all(esp.join(folder)).unwrap();
    }
    fs::copy(LOADER, esp.join("EFI/BOOT/BOOTX64.EFI")).unwrap();
    fs::copy(STUB, esp.join("a-folder-with-a-long-name/vmlinuz-6.12.1-amd64")).unwrap();
    let bytes: Vec<u8> = (0..initrd).map(|at| u8::try_from(at * 7 / 512 % 251).unwrap()).collect();
    fs::write(esp.join("a-folder-with-a-long-name/initrd.img-6.12.1-amd64"), bytes).unwrap();
    let entry = "title Debian\nlinux /a-folder-with-a-long-name/vmlinuz-6.12.1-amd64\n\
                 initrd /a-folder-with-a-long-name/initrd.img-6.12.1-amd64\noptions ro\n";
    fs::write(esp.join("loader/entries/Debian Linux.conf"), entry).unwrap();
    esp
}

fn predict(disk: &str, more: &[&str]) -> Ran {
    measureroot(&[&["predict", "--bank", "sha256", "--disk", disk], more].concat())
}

/// The boots of a disk, by their partition, without it.
fn boots(disk: &str) -> Vec<(String, Value)> {
    let mut report = predict(disk, &["--json"]).json();
    let entries = report["entries"].as_array_mut().unwrap().iter_mut();
    let boot = |entry: &mut Value| {
        let partition = entry.as_object_mut().unwrap().remove("partition").unwrap();
        without_root(entry);
        (partition.as_str().unwrap().to_owned(), entry.clone())
    };
    entries.map(boot).collect()
}

/// A folder has no root image, so why it is not known differs.
fn without_root(entry: &mut Value) {
    let pcr = entry["pcrs"].as_object_mut().unwrap().remove("13").unwrap();
    assert!(pcr["why"].as_str().unwrap().contains("root image"), "{pcr}");
}

/// The same of a folder.
fn of_folder(esp: &Path) -> Value {
    let mut report = measureroot(&["predict", "--bank", "sha256", "--json", "--esp", text(esp)]).json();
    report["entries"].as_array_mut().unwrap().iter_mut().for_each(without_root);
    report["entries"].take()
}

#[test]
fn a_disk_has_the_boots_of_its_files_whatever_its_tables_are() {
    let top = tempfile::tempdir().unwrap();
    let esp = tree(top.path(), 1_500_000);
    let expected = of_folder(&esp);
    assert_eq!(expected.as_array().unwrap().len(), 1);
    let image = top.path().join("fat.img");
    let gpt = format!("label: gpt\nstart=1MiB, size=63MiB, type={ESP}, name=boot");
    let table: [(&str, u64, &[&str], bool, &str); 6] = [
        (&gpt, 63 << 10, &["-F", "32"], false, "partition 1 (boot)"),
        (&gpt, 33 << 10, &["-F", "16"], false, "partition 1 (boot)"),
        (&gpt, 4 << 10, &["-F", "12"], true, "partition 1 (boot)"),
        (&gpt, 60 << 10, &["-F", "16", "-S", "4096", "-s", "1"], false, "partition 1 (boot)"),
        ("label: dos\nstart=1MiB, size=40MiB, type=ef", 33 << 10, &["-s", "8"], false, "partition 1"),
        // Sticks often have this type.
        ("label: dos\nstart=1MiB, size=60MiB, type=c", 60 << 10, &["-F", "32"], false, "partition 1"),
    ];
    for (script, kib, more, fill, partition) in table {
        fat(&image, kib, more, &esp, fill);
        let disk = disk(top.path(), 65, script, &[(&image, 1)]);
        assert_eq!(boots(&disk), [(partition.to_owned(), expected[0].clone())], "{script} {more:?}");
    }
    // No table, and a stick whose first bytes are a FAT.
    assert_eq!(boots(text(&image)), [("the disk".to_owned(), expected[0].clone())]);
}

#[test]
fn a_disk_that_is_written_to_while_it_is_read_is_refused() {
    let top = tempfile::tempdir().unwrap();
    let image = top.path().join("fat.img");
    fat(&image, 33 << 10, &[], &tree(top.path(), 1000), false);
    let (name, root) = (text(&image), top.path().join("root.squashfs"));
    fs::write(&root, squashfs(b"root")).unwrap();
    for more in [&[][..], &[text(&root)]] {
        let command = || {
            let mut command = Command::new(program());
            command.args(["predict", "--bank", "sha256", "--disk", name]).args(more);
            command
        };
        assert!(is_refused_while_written(&image, name, command), "{more:?}");
        predict(name, more).printed();
    }
}

#[test]
fn a_damaged_table_counts_as_firmware_counts_it() {
    let top = tempfile::tempdir().unwrap();
    let esp = tree(top.path(), 1000);
    let image = top.path().join("fat.img");
    fat(&image, 33 << 10, &[], &esp, false);
    let disk = disk(top.path(), 40, &format!("label: gpt\nstart=1MiB, size=33MiB, type={ESP}"), &[(&image, 1)]);
    let expected = boots(&disk);
    let cut = top.path().join("cut.img");
    fs::copy(&disk, &cut).unwrap();
    File::options().write(true).open(&cut).unwrap().set_len(20 * MIB).unwrap();
    let ran = predict(text(&cut), &[]);
    let words = "partition 1: ends behind the end of the disk, which has 20971520 bytes (was the image cut off?)";
    assert!(ran.code == 1 && ran.err.contains(words), "{}", ran.err);
    let file = File::options().write(true).open(&disk).unwrap();
    file.write_all_at(b"x", 512 + 60).unwrap();
    assert_eq!(boots(&disk), expected);
    let ran = predict(&disk, &["--json"]);
    assert_eq!(ran.err.matches("the first GPT header is damaged").count(), 1, "{}", ran.err);
    file.write_all_at(b"x", 40 * MIB - 512 + 60).unwrap();
    let ran = predict(&disk, &[]);
    assert!(ran.code == 1 && ran.err.contains("GPT header in sector 1: has a wrong check sum"), "{}", ran.err);
    // A disk that was cut off has no backup, and its partition ends too early.
    file.set_len(2 * MIB).unwrap();
    assert_eq!(predict(&disk, &[]).code, 1);
    fs::write(&disk, "").unwrap();
    let ran = predict(&disk, &[]);
    assert!(ran.code == 1 && ran.err.contains("disk: has no EFI system partition"), "{}", ran.err);
}

#[test]
fn each_partition_is_a_boot_and_systemd_boot_finds_the_entries_of_another_one() {
    let top = tempfile::tempdir().unwrap();
    let esp = tree(top.path(), 1000);
    let expected = of_folder(&esp)[0].clone();
    let (whole, loader, menu) =
        (top.path().join("whole.img"), top.path().join("loader.img"), top.path().join("menu.img"));
    fat(&whole, 8 << 10, &[], &esp, false);
    let only = top.path().join("only");
    fs::create_dir_all(only.join("EFI/BOOT")).unwrap();
    fs::rename(esp.join("EFI/BOOT/BOOTX64.EFI"), only.join("EFI/BOOT/BOOTX64.EFI")).unwrap();
    fat(&loader, 8 << 10, &[], &only, false);
    fat(&menu, 8 << 10, &[], &esp, false);
    let script = format!("label: gpt\nsize=8MiB, type={ESP}\nsize=8MiB, type={XBOOTLDR}, name=menu\nsize=8MiB, type=L");
    let two = disk(top.path(), 28, &script, &[(&loader, 1), (&menu, 9)]);
    let [(partition, boot)] = boots(&two).try_into().unwrap();
    assert_eq!((partition.as_str(), boot), ("partition 2 (menu), started from partition 1", expected.clone()));
    let said = predict(&two, &[]).printed();
    assert!(said.contains("(EFI/BOOT/BOOTX64.EFI) on partition 1, started by the firmware\n"), "{said}");
    assert!(
        said.contains("\nENTRY debian linux.conf \"Debian\", on partition 2 (menu), started from partition 1\n"),
        "{said}"
    );

    let script = format!("label: gpt\nsize=8MiB, type={ESP}\nsize=8MiB, type={ESP}");
    let slots = disk(top.path(), 20, &script, &[(&whole, 1), (&whole, 9)]);
    let both = [("partition 1".to_owned(), expected.clone()), ("partition 2".to_owned(), expected)];
    assert_eq!(boots(&slots), both);
    // What both have is told once, and is all here.
    let said = predict(&slots, &[]).printed();
    let (all, entries) = said.split_once("\n\nENTRY ").unwrap();
    assert!(all.contains("\n\nALL ENTRIES\nPCR 0 does not follow") && all.contains("\nPCR 4\n"), "{said}");
    assert!(said.matches("PCR 0 ").count() == 1 && entries.lines().count() == 3, "{said}");
    // The root image is in each boot.
    let root = top.path().join("root.squashfs");
    fs::write(&root, squashfs(b"content")).unwrap();
    let policy = predict(&slots, &["--format", "keylime", text(&root)]).json();
    assert_eq!(["4", "12", "13"].map(|pcr| policy[pcr].as_array().unwrap().len()), [5, 1, 1]);
    assert_eq!(predict(&slots, &["--format", "hex"]).code, 2);
}

#[test]
fn another_program_starts_if_the_user_names_it() {
    let top = tempfile::tempdir().unwrap();
    let esp = tree(top.path(), 1000);
    let expected = of_folder(&esp);
    fs::create_dir_all(esp.join("EFI/systemd")).unwrap();
    fs::rename(esp.join("EFI/BOOT/BOOTX64.EFI"), esp.join("EFI/systemd/systemd-bootx64.efi")).unwrap();
    fs::write(esp.join("EFI/BOOT/BOOTX64.EFI"), "no program").unwrap();
    fs::write(esp.join("EFI/BOOT/BOOTAA64.EFI"), "no program").unwrap();
    let image = top.path().join("fat.img");
    fat(&image, 8 << 10, &[], &esp, false);
    for path in ["EFI/systemd/systemd-bootx64.efi", "\\efi\\SYSTEMD\\systemd-bootx64.efi"] {
        for start in [["--disk", text(&image)], ["--esp", text(&esp)]] {
            let ran = measureroot(&["predict", "--bank", "sha256", "--json", "--boot", path, start[0], start[1]]);
            let mut report = ran.json();
            let events = report["entries"][0]["pcrs"]["4"].take();
            assert!(events.to_string().to_lowercase().contains("efi/systemd/systemd-bootx64.efi"), "{events}");
            assert_eq!(report["entries"][0]["pcrs"]["9"], expected[0]["pcrs"]["9"]);
        }
    }
    let image = text(&image);
    for (more, cause) in [
        (&[][..], "for several architectures (choose one with --boot)"),
        (&["--boot", "/EFI/BOOT/BOOTAA64.EFI"], "EFI/BOOT/BOOTAA64.EFI: PE file"),
        (&["--boot", "/none"], "/none: is not on the partition"),
    ] {
        let ran = predict(image, more);
        assert!(ran.code == 1 && ran.err.contains(cause), "{more:?}: {}", ran.err);
    }
    for wrong in [&["--boot", "x", "--uki", STUB][..], &["--boot", "x", image]] {
        assert_eq!(measureroot(&[&["predict"], wrong].concat()).code, 2, "{wrong:?}");
    }
}

#[test]
fn a_cd_has_a_boot_image_and_as_a_stick_a_partition() {
    let top = tempfile::tempdir().unwrap();
    let esp = tree(top.path(), 1000);
    let expected = of_folder(&esp)[0].clone();
    let (iso, image) = (top.path().join("iso"), top.path().join("efi.img"));
    fs::create_dir_all(iso.join("boot/grub")).unwrap();
    fs::write(iso.join("boot/grub/bios.img"), vec![7; 4096]).unwrap();
    fat(&image, 2 << 10, &[], &esp, false);
    fs::copy(&image, iso.join("efi.img")).unwrap();

    let bios = ["-b", "boot/grub/bios.img", "-no-emul-boot", "-boot-load-size", "4", "-eltorito-alt-boot"];
    let alone = cd(top.path(), &[&bios[..], &["-e", "efi.img", "-no-emul-boot"]].concat());
    let [(place, boot)] = boots(&alone).try_into().unwrap();
    assert!(place.starts_with("the CD's boot image in sector ") && boot == expected, "{place}: {boot}");
    // As measureroot's own live systems have it: one image for both.
    let appended = ["-append_partition", "2", "0xef", text(&image)];
    let both = ["-e", "--interval:appended_partition_2:all::", "-no-emul-boot"];
    let stick = cd(top.path(), &[&bios[..], &appended, &both].concat());
    assert_eq!(boots(&stick), [("partition 2 and the CD's boot image".to_owned(), expected.clone())]);
    // The same, but the stick has GPT.
    let stick = cd(top.path(), &[&bios[..], &appended, &["-appended_part_as_gpt"], &both].concat());
    assert_eq!(boots(&stick), [("partition 2 (Appended2) and the CD's boot image".to_owned(), expected.clone())]);
    // Two images are two boots.
    let other = top.path().join("other.img");
    fs::write(
        esp.join("loader/entries/Debian Linux.conf"),
        "title Other\nlinux /a-folder-with-a-long-name/vmlinuz-6.12.1-amd64\n",
    )
    .unwrap();
    fat(&other, 2 << 10, &[], &esp, false);
    let appended = ["-append_partition", "2", "0xef", text(&other)];
    let stick = cd(top.path(), &[&bios[..], &appended, &["-e", "efi.img", "-no-emul-boot"]].concat());
    let [(partition, one), (cd, two)] = boots(&stick).try_into().unwrap();
    assert!(partition == "partition 2" && cd.starts_with("the CD's boot image in sector "), "{partition}, {cd}");
    assert_eq!((one["title"].as_str(), two), (Some("Other"), expected));
    // One that only a BIOS starts.
    let bios = common::disks::cd(top.path(), &bios[..5]);
    let ran = predict(&bios, &[]);
    assert!(ran.code == 1 && ran.err.contains("disk: is a CD without a boot image for UEFI"), "{}", ran.err);
}

#[test]
fn the_files_of_a_cd_have_the_names_of_rock_ridge() {
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("iso/a folder/with-names");
    fs::create_dir_all(&folder).unwrap();
    // The longest name is in a second area.
    let names = ["vmlinuz-6.12.1-amd64", "Capital.and.small", "no-end", &"x".repeat(250)];
    for (number, name) in names.iter().enumerate() {
        fs::write(folder.join(name), vec![u8::try_from(number).unwrap(); 5000 * number]).unwrap();
    }
    (0..200).for_each(|number| fs::write(folder.join(format!("file {number}")), "").unwrap());
    std::os::unix::fs::symlink("no-end", folder.join("link")).unwrap();
    for more in [&["-appended_part_as_gpt"][..], &["-U"]] {
        let cd = cd(top.path(), more);
        let file = File::open(&cd).unwrap();
        let disk = Disk::open(&file, file.metadata().unwrap().len(), None).unwrap();
        let volume = disk.volumes.iter().find(|volume| volume.partition.is_none()).unwrap();
        assert_eq!((volume.label.as_deref(), volume.is_fat), (Some("A_CD"), false));
        assert_eq!(volume.uuid.as_deref(), Some(run("blkid", &["-p", "-s", "UUID", "-o", "value", &cd]).as_str()));
        let files = volume.files().unwrap();
        for (number, name) in names.iter().enumerate() {
            let bytes = files.read(&format!("a folder/with-names/{name}"), 1 << 20).unwrap();
            assert_eq!(bytes, Some(vec![u8::try_from(number).unwrap(); 5000 * number]), "{name}");
        }
        assert_eq!(files.names("A FOLDER/with-names").unwrap().len(), 205);
        assert_eq!((files.names("").unwrap(), files.names("none").unwrap()), (vec![], vec![]));
        assert!(files.read("a folder/with-names/no-end", 9).unwrap_err().to_string().contains("longer than 9 bytes"));
        assert!(files.read("a folder/with-names/link", 9).unwrap_err().to_string().contains("is a symbolic link"));
        assert_eq!(files.read("a folder/none", 9).unwrap(), None);
    }
}

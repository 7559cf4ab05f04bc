//! `predict --disk` finds the root image on the disk: PCR 13 is that of `predict` with the image's own file. Others made the disks:
//! sfdisk, mkfs.vfat and mtools, xorriso.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::disks::{cd, disk, fat};
use common::{Ran, measureroot, squashfs, text};
use serde_json::Value;

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const A: &str = "6b1e0c5a-0a9d-4a3e-9f0e-6d9d7b6f0a01";
const B: &str = "6b1e0c5a-0a9d-4a3e-9f0e-6d9d7b6f0a02";
const HASH: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// A disk, and the images on it.
struct Made {
    top: tempfile::TempDir,
    disk: String,
}

impl Made {
    /// A file of the folder.
    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    fn predict(&self, more: &[&str]) -> Ran {
        measureroot(&[&["predict", "--bank", "sha256", "--disk", &self.disk], more].concat())
    }

    /// The boot of each command line.
    fn boots(&self) -> Vec<Value> {
        let report = self.predict(&["--json"]).json();
        let entries = report["entries"].as_array().unwrap();
        let id = |number: usize| format!("{number:02}.conf");
        let find = |number| entries.iter().find(|entry| entry["id"] == id(number)).unwrap().clone();
        (0..entries.len()).map(find).collect()
    }
}

/// A folder with systemd-boot, and an entry for each command line.
fn esp(top: &Path, lines: &[&str]) -> PathBuf {
    let esp = top.join("esp");
    for folder in ["EFI/BOOT", "loader/entries"] {
        fs::create_dir_all(esp.join(folder)).unwrap();
    }
    fs::copy(LOADER, esp.join("EFI/BOOT/BOOTX64.EFI")).unwrap();
    fs::copy(STUB, esp.join("vmlinuz")).unwrap();
    for (number, line) in lines.iter().enumerate() {
        let entry = format!("linux /vmlinuz\noptions {line}\n");
        fs::write(esp.join(format!("loader/entries/{number:02}.conf")), entry).unwrap();
    }
    esp
}

/// A disk with an EFI system partition, two slots for a root image, and a FAT with an image as a file.
fn made(lines: &[&str]) -> Made {
    let top = tempfile::tempdir().unwrap();
    let path = |name: &str| top.path().join(name);
    fat(&path("esp.img"), 8 << 10, &[], &esp(top.path(), lines), false);
    // The first one ends with the partition, the second one long before it.
    fs::write(path("a.squashfs"), squashfs(&vec![1; (1 << 20) - 96])).unwrap();
    fs::write(path("b.squashfs"), squashfs(b"content")).unwrap();
    fs::create_dir_all(path("data/a folder")).unwrap();
    let file = [squashfs(&vec![3; 300_000]), vec![5; 1000]].concat();
    fs::write(path("data/a folder/root.img"), file).unwrap();
    fs::write(path("data/text"), "no image").unwrap();
    fat(&path("data.img"), 4 << 10, &["-i", "1234ABCD", "-n", "DATA"], &path("data"), true);
    let script = format!(
        "label: gpt\nsize=8MiB, type={ESP}\nsize=1MiB, type=L, name=slot-a, uuid={A}\nsize=2MiB, type=L, name=slot-b, uuid={B}\n\
         size=4MiB, type=L, name=data"
    );
    let images = ["esp.img", "a.squashfs", "b.squashfs", "data.img"].map(path);
    let [esp, a, b, data] = images.each_ref().map(PathBuf::as_path);
    let disk = disk(top.path(), 17, &script, &[(esp, 1), (a, 9), (b, 10), (data, 12)]);
    Made { top, disk }
}

/// PCR 13 after a boot of an image, by `predict` of the image alone.
fn alone(arguments: &[&str]) -> String {
    let ran = measureroot(&[&["predict", "--bank", "sha256", "--format", "hex"], arguments].concat());
    ran.printed().trim().to_owned()
}

/// The only value of a PCR.
fn value(boot: &Value, pcr: &str) -> String {
    let values = boot["pcrs"][pcr]["values"].as_array().unwrap_or_else(|| panic!("{boot}"));
    assert_eq!(values.len(), 1, "{values:?}");
    values[0]["pcr"]["sha256"].as_str().unwrap().to_owned()
}

#[test]
fn the_image_is_the_one_that_the_command_line_names() {
    let (by_a, by_b) = (format!("root=PARTUUID={A} ro"), format!("root=PARTUUID={}", B.to_uppercase()));
    let prepared = format!("root=PARTLABEL=slot-a roothash={HASH}");
    let elsewhere = format!("root=PARTLABEL=none roothash={HASH}");
    let (image_a, image_b, file) = ("a.squashfs", "b.squashfs", "data/a folder/root.img");
    let on_a = |name: &str| format!("partition 2 ({name})");
    let table: Vec<(&str, String, Vec<&str>, &str)> = vec![
        (&by_a, on_a(&format!("PARTUUID={A}")), vec!["--device", image_a], ""),
        (&by_b, format!("partition 3 (PARTUUID={})", B.to_uppercase()), vec!["--device", image_b], ""),
        (
            "root=PARTLABEL=slot-a",
            on_a("PARTLABEL=slot-a"),
            vec!["--device", image_a],
            "no other disk of the machine has",
        ),
        ("root=/dev/vda2", on_a("/dev/vda2"), vec!["--device", image_a], "this disk is /dev/vda"),
        ("root=/dev/nvme0n1p2", on_a("/dev/nvme0n1p2"), vec!["--device", image_a], "this disk is /dev/nvme0n1"),
        (
            "root=PARTLABEL=slot-b measureroot.format=meta-measured",
            "partition 3 (PARTLABEL=slot-b)".to_owned(),
            vec!["--image-format", "meta-measured", "--device", image_b],
            "",
        ),
        (
            "root=LABEL=DATA rootimg=\"/a folder/root.img\"",
            "/a folder/root.img on partition 4 (LABEL=DATA)".to_owned(),
            vec![file],
            "no other disk of the machine has LABEL=DATA",
        ),
        (
            "root=UUID=1234-abcd rootimg=\"a folder/root.img\" rootfstype=vfat",
            "/a folder/root.img on partition 4 (UUID=1234-abcd)".to_owned(),
            vec![file],
            "",
        ),
        (
            "rootimg=\"/a folder/root.img\" rootfstype=vfat",
            "/a folder/root.img on partition 4".to_owned(),
            vec![file],
            "no other disk of the machine has /a folder/root.img",
        ),
        (&prepared, String::new(), vec!["--roothash", HASH], ""),
        (&elsewhere, String::new(), vec!["--roothash", HASH], "which is not on this disk: PARTLABEL=none"),
    ];
    let lines: Vec<_> = table.iter().map(|(line, ..)| *line).collect();
    let made = made(&lines);
    let boots = made.boots();
    let folder = text(made.top.path());
    for (boot, (line, place, arguments, assumed)) in boots.iter().zip(&table) {
        let path = |&word: &&str| if word.contains('.') { format!("{folder}/{word}") } else { word.to_owned() };
        let arguments: Vec<_> = arguments.iter().map(path).collect();
        let expected = alone(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(value(boot, "13"), expected, "{line}");
        assert!(boot["pcrs"]["13"]["assumes"].to_string().contains(assumed), "{line}: {}", boot["pcrs"]["13"]);
        if place.is_empty() {
            assert_eq!(boot["root"]["root_hash"], HASH, "{line}");
        } else {
            assert_eq!(boot["root"]["image"], place.as_str(), "{line}");
        }
    }
    let said = made.predict(&[]).printed();
    assert!(said.contains("EV_EVENT_TAG: the root image (disk.img, partition 2 (/dev/vda2))\n"), "{said}");
    assert!(said.contains("  as long as this disk is /dev/vda\n"), "{said}");
}

#[test]
fn an_image_that_the_disk_does_not_decide_has_a_reason_and_no_value() {
    let table = [
        ("root=/dev/vdb2", "/dev/vdb2: the bytes of a disk do not say whether it is this one"),
        ("root=/dev/vda7", "/dev/vda7: this disk has no such partition"),
        ("root=PARTLABEL=slot-c", "PARTLABEL=slot-c: is on no partition of this disk"),
        ("root=PARTLABEL=data", "vfat is a file system for a medium, not for a root image"),
        ("root=PARTLABEL=slot-a rootfstype=erofs", "is squashfs, but rootfstype=erofs"),
        ("root=PARTLABEL=slot-a rootflags=noload", "the option `noload` is refused for squashfs"),
        ("root=PARTLABEL=slot-a rootimg=/root.img", "/root.img: is on squashfs, whose files are not read here"),
        ("root=LABEL=DATA rootimg=/none", "/none on partition 4 (LABEL=DATA): no such file"),
        ("root=LABEL=DATA rootimg=/text", "/text on partition 4 (LABEL=DATA): no known file system is on it"),
        ("rootimg=\"/a folder/root.img\"", "partition 2: /a folder/root.img: is on squashfs, whose files are not read"),
        ("rootimg=/none rootfstype=vfat", "/none: is on no FAT and no CD of this disk"),
        ("root=PARTLABEL=slot-a measureroot=off", "with measureroot=off, the agent does not measure it"),
        ("root=PARTLABEL=slot-a measureroot.sael=ram", "the agent refuses the command line: measureroot.sael=ram"),
        ("ro", "the agent refuses the command line: command line: names no root image"),
    ];
    let made = made(&table.map(|(line, _)| line));
    for (boot, (line, cause)) in made.boots().iter().zip(table) {
        let why = boot["pcrs"]["13"]["why"].as_str().unwrap_or_else(|| panic!("{line}: {boot}"));
        assert!(why.starts_with("the root image is not known: ") && why.contains(cause), "{line}: {why}");
        assert!(boot.get("root").is_none(), "{line}");
    }
    // Nothing of it gets into a list.
    let list = made.path("list.json");
    let ran = made.predict(&["--allow-entry", text(&list)]);
    assert!(ran.code == 1 && ran.err.contains("(--allow-entry needs a root image)"), "{}", ran.err);
    assert!(ran.out.is_empty() && !list.exists());
}

#[test]
fn each_slot_is_an_entry_of_the_list_with_its_own_boot() {
    let made =
        made(&["root=PARTLABEL=slot-a", "root=PARTLABEL=slot-b", "root=PARTLABEL=slot-b quiet", "root=/dev/vdb"]);
    let list = made.path("list.json");
    let ran = made.predict(&["--allow-entry", text(&list), "--json"]);
    let boots = ran.json()["entries"].as_array().unwrap().len();
    let left_out = "leaves out 03.conf on partition 1: the root image is not known: /dev/vdb: ";
    assert!(ran.code == 0 && boots == 4 && ran.err.contains(left_out), "{}", ran.err);
    let entries: Value = serde_json::from_slice(&fs::read(&list).unwrap()).unwrap();
    let found: Vec<_> = entries["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| {
            let boots = image["chain"]["boots"].as_array().unwrap().iter();
            (image["name"].as_str().unwrap(), boots.map(|boot| boot["name"].as_str().unwrap()).collect::<Vec<_>>())
        })
        .collect();
    let expected = [
        ("disk.img, partition 2 (PARTLABEL=slot-a)", vec!["00.conf on partition 1"]),
        ("disk.img, partition 3 (PARTLABEL=slot-b)", vec!["01.conf on partition 1", "02.conf on partition 1"]),
    ];
    assert_eq!(found, expected, "{entries}");
    let ran = made.predict(&["--allow-entry", text(&list), "--name", "both"]);
    assert!(ran.code == 1 && ran.err.contains("--name: the disk has 2 root images"), "{}", ran.err);
    // Each image is among the acceptable values.
    let policy = made.predict(&["--format", "keylime"]).json();
    assert!(policy.get("13").is_none(), "one boot has no known image: {policy}");
}

#[test]
fn an_image_that_is_given_counts_and_is_compared_with_that_of_the_disk() {
    let made = made(&["root=PARTLABEL=slot-a", "root=PARTLABEL=slot-b", "root=/dev/vdb"]);
    let image = made.path("b.squashfs");
    let ran = made.predict(&["--json", "--device", text(&image)]);
    let report = ran.json();
    for boot in report["entries"].as_array().unwrap() {
        assert_eq!(value(boot, "13"), alone(&["--device", text(&image)]));
    }
    assert_eq!(report["root"]["image"], text(&image));
    let other = "00.conf on partition 1: the command line names another image, disk.img, partition 2 (PARTLABEL=slot-a): a boot \
                 measures that one";
    assert!(ran.err.contains(other) && ran.err.matches("names another image").count() == 1, "{}", ran.err);
}

#[test]
fn a_cd_has_the_image_as_a_file_and_so_has_a_stick() {
    let line = "root=LABEL=A_CD rootimg=/live/root.squashfs";
    let top = tempfile::tempdir().unwrap();
    let lines = [
        line,
        "rootimg=/live/root.squashfs rootfstype=iso9660",
        "root=/dev/sr0 rootimg=/live/root.squashfs",
        "rootimg=/LIVE/root.squashfs",
    ];
    fat(&top.path().join("efi.img"), 2 << 10, &[], &esp(top.path(), &lines), false);
    let iso = top.path().join("iso");
    fs::create_dir_all(iso.join("live")).unwrap();
    let image = top.path().join("iso/live/root.squashfs");
    fs::write(&image, squashfs(&vec![9; 100_000])).unwrap();
    fs::copy(top.path().join("efi.img"), iso.join("efi.img")).unwrap();
    let expected = alone(&[text(&image)]);
    let appended = top.path().join("efi.img");
    let stick = ["-append_partition", "2", "0xef", text(&appended)];
    let both = ["-e", "--interval:appended_partition_2:all::", "-no-emul-boot"];
    for options in [
        vec!["-e", "efi.img", "-no-emul-boot"],
        [&stick[..], &both].concat(),
        [&stick[..], &["-appended_part_as_gpt"], &both].concat(),
        [&stick[..], &["-appended_part_as_gpt", "-partition_offset", "16"], &both].concat(),
    ] {
        let made = Made { disk: cd(top.path(), &options), top: tempfile::tempdir().unwrap() };
        let boots = made.boots();
        for boot in &boots[..3] {
            assert_eq!(value(boot, "13"), expected, "{options:?}");
        }
        let why = boots[3]["pcrs"]["13"]["why"].as_str().unwrap();
        assert!(why.contains("/LIVE/root.squashfs: is on no FAT and no CD of this disk"), "{options:?}: {why}");
    }
}

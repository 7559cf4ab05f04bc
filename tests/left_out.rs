//! `measureroot predict` says what it leaves out, what it refuses, and what it assumes: nothing that a reader could take for complete.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::disks::{disk, fat};
use common::{measureroot, squashfs, text};

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

/// A folder with systemd-boot and an entry with these options.
fn esp(top: &Path, options: &str) -> String {
    let esp = top.join("esp");
    for folder in ["EFI/BOOT", "EFI/Linux", "loader/entries"] {
        fs::create_dir_all(esp.join(folder)).unwrap();
    }
    fs::copy(LOADER, esp.join("EFI/BOOT/BOOTX64.EFI")).unwrap();
    fs::copy(STUB, esp.join("vmlinuz")).unwrap();
    fs::write(esp.join("initrd.img"), "an initrd").unwrap();
    let entry = format!("linux /vmlinuz\ninitrd /initrd.img\noptions {options}\n");
    fs::write(esp.join("loader/entries/good.conf"), entry).unwrap();
    text(&esp).to_owned()
}

#[test]
fn an_entry_that_is_not_in_the_menu_has_its_reason() {
    let top = tempfile::tempdir().unwrap();
    let esp = esp(top.path(), "ro");
    let folder = Path::new(&esp).join("loader/entries");
    let good = fs::read_to_string(folder.join("good.conf")).unwrap();
    for (name, text, reason) in [
        (
            "arm.conf",
            &*format!("architecture aa64\n{good}"),
            "arm.conf is not in the menu: it is for the architecture aa64",
        ),
        ("nothing.conf", "title Nothing\n", "nothing.conf is not in the menu: it names no program (linux, efi)"),
        ("gone.conf", "linux /gone\n", "gone.conf is not in the menu: gone is not on the partition"),
        ("loop.conf", "efi /EFI/BOOT/BOOTX64.EFI\n", "loop.conf is not in the menu: it names the boot loader itself"),
        ("auto-x.conf", &good, "auto-x.conf is not in the menu: its name begins with"),
        ("tried+0-3.conf", &good, "tried+0-3.conf has no tries left: systemd-boot starts it only if"),
        ("../../EFI/Linux/text.efi", "text", "EFI/Linux/text.efi is not in the menu: it is no program for UEFI"),
        ("later.conf", "uki /x.efi\n", "what the key uki of the entry does is not predicted"),
        ("profile.conf", &*format!("{good}profile 1\n"), "what the key profile of the entry does is not predicted"),
    ] {
        fs::write(folder.join(name), text).unwrap();
        let said = measureroot(&["predict", "--bank", "sha256", "--esp", &esp]).printed();
        assert!(said.contains(reason) && said.contains("ENTRY good.conf"), "{name}: {said}");
        let report = measureroot(&["predict", "--json", "--bank", "sha256", "--esp", &esp]).json();
        assert!(report.to_string().contains(reason), "{name}: {report}");
        fs::remove_file(folder.join(name)).unwrap();
    }
    // If no entry is left, the error has the reasons.
    fs::write(folder.join("good.conf"), "linux /gone\n").unwrap();
    let ran = measureroot(&["predict", "--esp", &esp]);
    assert!(ran.code == 1 && ran.err.contains("good.conf is not in the menu: gone is not"), "{}", ran.err);
}

#[test]
fn a_root_image_that_is_not_predicted_cannot_be_overlooked() {
    let top = tempfile::tempdir().unwrap();
    let esp = esp(top.path(), "root=/dev/vdb ro");
    let image = top.path().join("fat.img");
    fat(&image, 8 << 10, &[], Path::new(&esp), false);
    let disk = disk(top.path(), 12, &format!("label: gpt\nstart=1MiB, size=8MiB, type={ESP}"), &[(&image, 1)]);
    let words = "good.conf on partition 1: THE ROOT IMAGE IS NOT PREDICTED: PCR 13 does not follow: ";
    for format in [&[][..], &["--json"], &["--format", "keylime"]] {
        let ran = measureroot(&[&["predict", "--bank", "sha256", "--disk", &disk], format].concat());
        assert!(ran.code == 0 && ran.err.contains(words), "{}", ran.err);
    }
    let list = top.path().join("list");
    let ran = measureroot(&["predict", "--disk", &disk, "--allow-entry", text(&list)]);
    assert!(ran.code == 1 && !list.exists(), "{}", ran.err);
    // The image is given, and the command line has it measured into another PCR.
    let root = top.path().join("root.squashfs");
    fs::write(&root, squashfs(b"content")).unwrap();
    let more = ["--kernel", STUB, "--initrd", text(&root), "--append", "rootimgpcr=12"];
    let ran = measureroot(&[&["predict"], &more[..], &[text(&root)]].concat());
    assert!(ran.code == 0 && ran.err.contains("THE ROOT IMAGE IS NOT PREDICTED: PCR 13 does not"), "{}", ran.err);
    let ran = measureroot(&[&["predict"], &more[..], &["--allow-entry", text(&list), text(&root)]].concat());
    assert!(ran.code == 1 && !list.exists(), "{}", ran.err);
}

#[test]
fn each_assumption_is_one_that_applies() {
    let top = tempfile::tempdir().unwrap();
    let root = top.path().join("root.squashfs");
    fs::write(&root, squashfs(b"content")).unwrap();
    let start = ["--kernel", STUB, "--initrd", text(&root), "--append", "ro"];
    let said = measureroot(&[&["predict"], &start[..], &[text(&root)]].concat()).printed();
    let of_13 = said.split("\nPCR 13\n").nth(1).unwrap().split("\nPCR ").next().unwrap();
    assert!(of_13.contains("as long as no systemd measures") && !of_13.contains("stub of systemd"), "{of_13}");
    // A file of the medium is found by its path: another disk may have one, too.
    for options in
        ["rootimg=/root.squashfs", "rootimg=/root.squashfs ro quiet", "root=LABEL=NONE rootimg=/root.squashfs"]
    {
        let top = tempfile::tempdir().unwrap();
        let esp = esp(top.path(), options);
        fs::copy(&root, Path::new(&esp).join("root.squashfs")).unwrap();
        let image = top.path().join("fat.img");
        fat(&image, 8 << 10, &[], Path::new(&esp), false);
        let ran = measureroot(&["predict", "--bank", "sha256", "--disk", text(&image)]);
        let is_search = !options.contains("LABEL");
        let words = "as long as no other disk of the machine has /root.squashfs\n";
        assert_eq!(ran.out.contains(words), is_search, "{options}: {}{}", ran.out, ran.err);
    }
}

/// An ELF file that is enough for tboot: one segment, with the header of the MLE.
fn tboot() -> Vec<u8> {
    let mut memory = vec![0xAA; 0x2000];
    let uuid = "5aac8290 6f47 a774 0f5c 55a2cb51b642".replace(' ', "");
    memory[..16].copy_from_slice(&hex::decode(uuid).unwrap());
    for (at, number) in [(32, 0x1000_u32), (36, 0x2000), (44, 0x1100), (48, 0x1200)] {
        memory[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    let mut file = [b"\x7FELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".as_slice(), &[2, 0, 3, 0]].concat();
    file.extend([1_u32, 0, 52, 0, 0].iter().flat_map(|field| field.to_le_bytes()));
    file.extend([52_u16, 32, 1, 40, 0, 0].iter().flat_map(|field| field.to_le_bytes()));
    let segment = [1_u32, 84, 0x80_0000, 0x80_0000, 0x2000, 0x2000, 7, 1];
    file.extend(segment.iter().flat_map(|field| field.to_le_bytes()));
    [file, memory].concat()
}

#[test]
fn tboot_gets_a_kernel_and_a_mapping_with_its_banks() {
    let top = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        fs::write(top.path().join(name), bytes).unwrap();
        text(&top.path().join(name)).to_owned()
    };
    let (tboot, empty, other) = (file("tboot", &tboot()), file("empty", b""), file("initrd", b"070701"));
    let kernel = file("vmlinuz", &[&[0; 0x202][..], b"HdrS"].concat());
    let predict = |more: &[&str]| measureroot(&[&["predict", "--tboot", &tboot], more].concat());
    for (wrong, cause) in [(&empty, "empty: is empty"), (&other, "initrd: is neither a Linux kernel")] {
        let ran = predict(&["--kernel", wrong]);
        assert!(ran.code == 1 && ran.err.contains(cause), "{}", ran.err);
    }
    let ran = predict(&["--kernel", &kernel, "--initrd", &empty]);
    assert!(ran.code == 0 && ran.err.contains("empty: is empty; tboot measures it all the same"), "{}", ran.err);
    // One that cannot be unpacked: the digests of the files are there, and the reason.
    let ran = predict(&["--kernel", &kernel, "--initrd", &file("broken.gz", b"\x1F\x8B\x08")]);
    let said = [
        "the initrd with the command line \"\" (broken.gz)",
        "PCR 17 does not follow from the files: broken.gz: gzip: ",
    ];
    assert!(ran.code == 0 && said.iter().all(|words| ran.out.contains(words)), "{}", ran.out);
    let ran = predict(&["--kernel", &kernel, "--tboot-map", "legacy", "--bank", "sha256"]);
    assert!(ran.code == 2 && ran.err.contains("has the bank sha1 alone"), "{}", ran.err);
    let ran = predict(&["--kernel", &kernel, "--tboot-map", "legacy"]);
    assert!(ran.code == 0 && ran.err.contains("have no value in sha256, sha384, sha512"), "{}", ran.err);
    let list = text(&top.path().join("list")).to_owned();
    let ran = predict(&[
        "--kernel",
        &kernel,
        "--tboot-map",
        "legacy",
        "--allow-entry",
        &list,
        "--roothash",
        &"5a".repeat(32),
    ]);
    assert!(ran.code == 1 && !Path::new(&list).exists(), "{}", ran.err);
}

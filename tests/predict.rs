//! `measureroot predict`: coreutils compute the same values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::{Ran, measureroot, run, squashfs, text};

fn predict(arguments: &[&str]) -> Ran {
    measureroot(&[&["predict"], arguments].concat())
}

/// The digest that a program of coreutils, such as sha256sum, prints for a file.
fn coreutils(program: &str, path: &Path) -> String {
    run(program, &[text(path)]).split_whitespace().next().unwrap().to_owned()
}

/// The PCR after this extend: H(zeros || digest), by the same program.
fn extended(program: &str, digest: &str) -> String {
    let (file, digest) = (tempfile::NamedTempFile::new().unwrap(), hex::decode(digest).unwrap());
    fs::write(file.path(), [vec![0; digest.len()], digest].concat()).unwrap();
    coreutils(program, file.path())
}

/// An ext4 image of so many KiB.
fn ext4(folder: &Path, kib: u32) -> std::path::PathBuf {
    let path = folder.join("image.ext4");
    run("/sbin/mke2fs", &["-q", "-t", "ext4", "-L", "test", text(&path), &kib.to_string()]);
    path
}

#[test]
fn digest_and_pcr_are_those_that_coreutils_compute() {
    let folder = tempfile::tempdir().unwrap();
    let image = ext4(folder.path(), 5000);
    let json = predict(&["--json", text(&image)]).json();
    assert_eq!((json["bytes"].as_u64(), json["pcr"].as_u64()), (Some(5000 * 1024), Some(13)));
    for bank in ["sha1", "sha256", "sha384", "sha512"] {
        let hash = format!("{bank}sum");
        let digest = coreutils(&hash, &image);
        assert_eq!(json["banks"][bank]["digest"], digest.as_str(), "{bank}");
        assert_eq!(json["banks"][bank]["after"], extended(&hash, &digest).as_str(), "{bank}");
    }
}

#[test]
fn the_format_of_meta_measured_gives_the_values_of_its_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let image = ext4(folder.path(), 1024);
    let json = predict(&["--json", "--image-format", "meta-measured", text(&image)]).json();
    assert_eq!(json["format"], "meta-measured");
    for bank in ["sha1", "sha256", "sha384", "sha512"] {
        let hash = format!("{bank}sum");
        // The pipeline of meta-measured's init script. Its tpm_extendpcr then hashes the hex digits.
        let line = format!("{hash} -b '{}' | awk '{{ print $1 }}' | tr -d '\\n' | {hash}", image.display());
        let digest = run("sh", &["-c", &line]).split(' ').next().unwrap().to_owned();
        assert_eq!(json["banks"][bank]["digest"], digest.as_str(), "{bank}");
        assert_eq!(json["banks"][bank]["after"], extended(&hash, &digest).as_str(), "{bank}");
    }
}

#[test]
fn the_text_has_the_form_of_tpm2_pcrread() {
    let folder = tempfile::tempdir().unwrap();
    let image = ext4(folder.path(), 1024);
    let before = "11".repeat(20);
    let image = text(&image);
    let Ran { out, .. } = predict(&["--bank", "sha1", "--pcr", "9", "--before", &before, image]);
    assert!(out.starts_with("  sha1:\n    9 : 0x") && out.len() == "  sha1:\n    9 : 0x\n".len() + 40, "{out}");
    assert_ne!(predict(&["--bank", "sha1", "--pcr", "9", image]).out, out);
}

#[test]
fn the_rtmr_of_a_confidential_machine_is_predicted_from_its_value_before() {
    let folder = tempfile::tempdir().unwrap();
    let image = ext4(folder.path(), 1024);
    let digest = coreutils("sha384sum", &image);
    let image = text(&image);
    let after = extended("sha384sum", &digest);
    let printed = predict(&["--rtmr", image]);
    assert_eq!(printed.out, format!("rtmr2:sha384 {after}\n"));
    assert!(printed.err.contains(&format!("sha384 {digest}")), "{}", printed.err);
    assert!(printed.err.contains("assumes that RTMR 2 was zeros before the boot"), "{}", printed.err);
    let third = predict(&["--rtmr=3", "--format", "hex", image]);
    assert!(third.out == format!("{after}\n") && third.err.contains("a boot with measureroot.rtmr=3"), "{}", third.err);
    // A second image on top of the first.
    let json = predict(&["--rtmr", "--before", &after, "--json", image]).json();
    let file = folder.path().join("both");
    fs::write(&file, [hex::decode(&after).unwrap(), hex::decode(&digest).unwrap()].concat()).unwrap();
    for (field, value) in [("digest", &digest), ("before", &after), ("after", &coreutils("sha384sum", &file))] {
        assert_eq!(json[field], value.as_str(), "{field}");
    }
    assert_eq!((json["rtmr"].as_u64(), json["bytes"].as_u64()), (Some(2), Some(1 << 20)));
    for (options, part) in [
        (&["--rtmr=1"][..], "this RTMR holds what the firmware measures"),
        (&["--rtmr=optional"], "no number of an RTMR"),
        (&["--rtmr=4"], "measured into (2 or 3)"),
        (&["--rtmr", "--name", "x"], "cannot be used with"),
        (&["--rtmr", "--until", "2030-01-01"], "cannot be used with"),
        (&["--rtmr", "--format", "policy"], "this format is for PCRs"),
        (&["--rtmr", "--pcr", "9"], "cannot be used with"),
        (&["--rtmr", "--bank", "sha256"], "cannot be used with"),
        (&["--rtmr", "--allow-entry", "list"], "cannot be used with"),
        (&["--rtmr", "--before", "00"], "no predicted bank has digests of 1 byte"),
    ] {
        let Ran { code, err, .. } = predict(&[options, &[image]].concat());
        assert!(code == 2 && err.contains(part), "{options:?}: {err}");
    }
}

#[test]
fn all_of_a_file_is_measured_but_only_the_file_system_of_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let image = ext4(folder.path(), 1024);
    let digest = coreutils("sha256sum", &image);
    let mut bytes = fs::read(&image).unwrap();
    bytes.resize(bytes.len() + 8192, 0x55);
    let larger = folder.path().join("larger");
    fs::write(&larger, bytes).unwrap();
    let predicted = |arguments: &[&str]| {
        let output = predict(&[arguments, &["--json", text(&larger)]].concat());
        (output.json()["banks"]["sha256"]["digest"].as_str().unwrap().to_owned(), output.err)
    };
    assert_eq!(predicted(&["--device"]).0, digest);
    let (whole, notes) = predicted(&[]);
    assert_eq!(whole, coreutils("sha256sum", &larger));
    assert!(notes.contains("--device"), "{notes}");
}

#[test]
fn entries_are_added_to_a_list_of_trusted_images() {
    let folder = tempfile::tempdir().unwrap();
    let (image, list) = (ext4(folder.path(), 1024), folder.path().join("trusted.json"));
    let add = |more: &[&str]| {
        let output = predict(&[&["--allow-entry", text(&list)], more, &[text(&image)]].concat());
        assert!(output.code == 0 && !output.out.is_empty());
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&list).unwrap()).unwrap();
        (json["images"].clone(), output.err)
    };
    let (images, said) = add(&["--bank", "sha256"]);
    let digests = serde_json::json!({ "sha256": coreutils("sha256sum", &image) });
    assert_eq!(images, serde_json::json!([{ "name": "image.ext4", "pcr": 13, "digests": digests }]), "{said}");
    let (images, said) = add(&["--bank", "sha256", "--name", "release 7", "--until", "2027-01-31"]);
    assert!(said.contains("release 7 until 2027-01-31"), "{said}");
    let renewed = serde_json::json!({ "name": "release 7", "pcr": 13, "digests": digests, "until": "2027-01-31" });
    assert_eq!(images, serde_json::json!([renewed]));
    let before = "11".repeat(20);
    let (images, _) = add(&["--bank", "sha1", "--before", &before, "--pcr", "9"]);
    assert_eq!(images[0], renewed);
    assert_eq!((&images[1]["before"]["sha1"], &images[1]["pcr"]), (&before.into(), &9.into()));
}

#[test]
fn what_a_boot_refuses_is_neither_predicted_nor_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (path, list) = (|name: &str| folder.path().join(name), folder.path().join("trusted.json"));
    let mut iso = vec![0; 40_000];
    iso[32_768..32_774].copy_from_slice(b"\x01CD001");
    fs::write(path("iso"), iso).unwrap();
    fs::write(path("empty"), b"").unwrap();
    fs::write(path("raw"), b"image").unwrap();
    fs::write(path("cut"), &squashfs(&[7; 5000])[..5000]).unwrap();
    run("mkfifo", &[text(&path("pipe"))]);
    for (name, device, part) in [
        ("iso", true, "iso9660 is a file system for a medium"),
        ("empty", true, "no known file system"),
        ("raw", true, "no known file system"),
        ("cut", true, "its squashfs has 5096 bytes, the file has 5000"),
        ("pipe", false, "is a pipe"),
        ("", false, "is a folder"),
        ("/dev/null", false, "is neither a file nor a block device"),
    ] {
        for options in [&[][..], if device { &["--device"] } else { &["--bank", "sha1"] }] {
            let image = path(name);
            let Ran { code, out, err } = predict(&[&["--allow-entry", text(&list), text(&image)], options].concat());
            assert!(code == 1 && out.is_empty() && err.contains(part), "{name}: {out}{err}");
        }
    }
    assert!(!list.exists());
}

#[test]
fn a_squashfs_without_padding_is_measured_with_zeros_behind_it_on_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let (padded, image) = (folder.path().join("padded"), folder.path().join("image"));
    fs::write(&padded, squashfs(&[7; 5000])).unwrap();
    fs::write(&image, &squashfs(&[7; 5000])[..5096]).unwrap();
    let predicted = |arguments: &[&str]| {
        let output = predict(&[arguments, &["--json", text(&image)]].concat());
        (output.json()["banks"]["sha256"]["digest"].as_str().unwrap().to_owned(), output.err)
    };
    let (digest, said) = predicted(&[]);
    assert!(
        digest == coreutils("sha256sum", &image) && said.contains("8192 bytes are measured: use --device"),
        "{said}"
    );
    let (digest, said) = predicted(&["--device"]);
    assert!(digest == coreutils("sha256sum", &padded) && said.contains("no multiple of 4096"), "{said}");
    run("truncate", &["--size=%4096", text(&image)]);
    for options in [&[][..], &["--device"]] {
        assert_eq!(predicted(options), (digest.clone(), String::new()));
    }
    // On a device, the boot refuses other bytes in place of the padding.
    fs::write(&image, [&squashfs(&[7; 5000])[..5096], &[1; 4096]].concat()).unwrap();
    let Ran { code, err, .. } = predict(&["--device", text(&image)]);
    assert!(code == 1 && err.contains("the 3096 bytes behind its squashfs are not zeros"), "{err}");
}

#[test]
fn the_note_about_devices_says_what_device_predicts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    let image = &squashfs(&[7; 176])[..272];
    for (behind, said, on_device) in [
        (vec![0; 4096 - 272], "", Ok(4096)),
        (vec![], "on a larger block device 4096 bytes are measured: use --device", Ok(4096)),
        (vec![0; 3000 - 272], "on a larger block device 4096 bytes are measured: use --device", Ok(4096)),
        (vec![0; 9000 - 272], "ends after 4096 of 9000 bytes; on a block device only those are measured", Ok(4096)),
        (
            b"GARBAGE\n".to_vec(),
            "on a block device, a boot refuses it: the bytes from its squashfs's end (272)",
            Err(8),
        ),
        (
            vec![1; 9000 - 272],
            "on a block device, a boot refuses it: the bytes from its squashfs's end (272)",
            Err(3824),
        ),
    ] {
        fs::write(&path, [image, &behind[..]].concat()).unwrap();
        let Ran { code, out, err } = predict(&["--json", text(&path)]);
        assert!(code == 0 && err.contains(said) && err.is_empty() == said.is_empty(), "{err}");
        assert!(out.contains(&format!("\"bytes\": {}", image.len() + behind.len())), "{out}");
        let Ran { code, out, err } = predict(&["--device", "--json", text(&path)]);
        match on_device {
            Ok(bytes) => assert!(code == 0 && out.contains(&format!("\"bytes\": {bytes}")), "{out}{err}"),
            Err(bytes) => {
                let cause = format!("the {bytes} bytes behind its squashfs are not zeros");
                assert!(code == 1 && err.contains(&cause) && err.contains("`truncate --size=272` cuts"), "{err}");
            }
        }
    }
}

#[test]
fn what_the_boot_must_get_to_measure_the_same_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    fs::write(&image, squashfs(b"image")).unwrap();
    let said = |arguments: &[&str]| predict(&[arguments, &["--json", text(&image)]].concat()).err;
    assert_eq!((said(&[]), said(&["--pcr", "13", "--image-format", "plain"])), (String::new(), String::new()));
    let line = said(&["--pcr", "9"]);
    assert!(line.contains("a boot with rootimgpcr=9 on the kernel") && line.contains("into PCR 13"), "{line}");
    let line = said(&["--image-format", "meta-measured"]);
    assert!(line.contains("measureroot.format=meta-measured on the kernel") && line.contains("as plain"), "{line}");
}

#[test]
fn errors_name_their_object_and_have_their_exit_code() {
    let failed = |arguments: &[&str]| {
        let failed = predict(arguments);
        assert_eq!(failed.out, "");
        failed
    };
    let zeros = "00".repeat(20);
    let Ran { code, err, .. } = failed(&["/no/such/image", "--before", &zeros, "--before", &zeros]);
    assert!(code == 2 && err.contains("a second value for sha1"), "{err}");
    let Ran { code, err, .. } = failed(&["/no/such/image"]);
    assert!(code == 1 && err.contains("/no/such/image"), "{err}");
    let list = ["--allow-entry", "/no/such/folder/list", "--until", "soon", "x"];
    for wrong in [
        &["--pcr", "16", "x"][..],
        &["--pcr", "23", "x"],
        &["--bank", "md5", "x"],
        &[],
        &["--no-such-option"],
        &["--format", "xml", "x"],
        &["--image-format", "sha1", "x"],
        &["--image-format", "plain", "--roothash", &"0".repeat(64)],
        &["--until", "2027-01-31", "x"],
        &["--hash-offset", "4096", "x"],
        &["--hash-offset", "0", "--roothash", &"0".repeat(64)],
        &["--hash-offset", "100", "--verity", "x", "x"],
        &list,
        &["--before", "zz", "x"],
        &["--before", "00", "x"],
        &["--before", &"0".repeat(64), "--bank", "sha1", "x"],
        &["--format", "hex", "--uki", "x"],
        &["--format", "policy", "--uki", "x"],
        &["--format", "pcrlock", "--uki", "x"],
    ] {
        assert_eq!(failed(wrong).code, 2, "{wrong:?}");
    }
}

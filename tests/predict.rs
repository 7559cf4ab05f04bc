//! `measureroot predict` against coreutils.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn predict(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_measureroot")).arg("predict").args(arguments).output().unwrap()
}

/// The first word that one of coreutils' hashing programs prints.
fn coreutils(program: &str, path: &Path) -> String {
    let output = Command::new(program).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// An ext4 image, made by mke2fs.
fn ext4(folder: &Path, kib: u32) -> std::path::PathBuf {
    let path = folder.join("image.ext4");
    let mut mke2fs = Command::new("/sbin/mke2fs");
    mke2fs.args(["-q", "-t", "ext4", "-L", "test"]).arg(&path).arg(kib.to_string());
    assert!(mke2fs.status().expect("mke2fs: install e2fsprogs").success());
    path
}

#[test]
fn the_digest_is_the_one_that_coreutils_compute() {
    let folder = tempfile::tempdir().unwrap();
    let image = ext4(folder.path(), 5000);
    let output = predict(&["--json", image.to_str().unwrap()]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["bytes"].as_u64(), json["pcr"].as_u64()), (Some(5000 * 1024), Some(13)));
    for bank in ["sha1", "sha256", "sha384", "sha512"] {
        let digest = coreutils(&format!("{bank}sum"), &image);
        assert_eq!(json["banks"][bank]["digest"], digest.as_str(), "{bank}");
        // PCR' = H(zeros || digest), by coreutils too.
        let pcr = folder.path().join("pcr");
        let digest = hex::decode(digest).unwrap();
        fs::write(&pcr, [vec![0; digest.len()], digest].concat()).unwrap();
        assert_eq!(json["banks"][bank]["after"], coreutils(&format!("{bank}sum"), &pcr).as_str(), "{bank}");
    }
}

#[test]
fn an_image_in_the_format_of_meta_measured_as_its_own_pipeline_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let image = ext4(folder.path(), 1024);
    let output = predict(&["--json", "--image-format", "meta-measured", image.to_str().unwrap()]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["format"], "meta-measured");
    for bank in ["sha1", "sha256", "sha384", "sha512"] {
        let hash = format!("{bank}sum");
        // The words of meta-measured's init script, and what its tpm_extendpcr does with the outcome.
        let line = format!("{hash} -b '{}' | awk '{{ print $1 }}' | tr -d '\\n' | {hash}", image.display());
        let digest = Command::new("sh").args(["-c", &line]).output().unwrap();
        let digest = String::from_utf8(digest.stdout).unwrap().split(' ').next().unwrap().to_owned();
        assert_eq!(json["banks"][bank]["digest"], digest.as_str(), "{bank}");
        let pcr = folder.path().join("pcr");
        let digest = hex::decode(digest).unwrap();
        fs::write(&pcr, [vec![0; digest.len()], digest].concat()).unwrap();
        assert_eq!(json["banks"][bank]["after"], coreutils(&hash, &pcr).as_str(), "{bank}");
    }
}

#[test]
fn the_text_is_that_of_tpm2_pcrread() {
    let folder = tempfile::tempdir().unwrap();
    let image = ext4(folder.path(), 1024);
    let before = "11".repeat(20);
    let image = image.to_str().unwrap();
    let output = predict(&["--bank", "sha1", "--pcr", "9", "--before", &before, image]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("  sha1:\n    9 : 0x") && text.len() == "  sha1:\n    9 : 0x\n".len() + 40, "{text}");
    assert_ne!(predict(&["--bank", "sha1", "--pcr", "9", image]).stdout, text.into_bytes());
}

#[test]
fn a_larger_file_counts_whole_and_a_device_only_as_far_as_its_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let image = ext4(folder.path(), 1024);
    let digest = coreutils("sha256sum", &image);
    let mut bytes = fs::read(&image).unwrap();
    bytes.resize(bytes.len() + 8192, 0x55);
    let larger = folder.path().join("larger");
    fs::write(&larger, bytes).unwrap();
    let predicted = |arguments: &[&str]| {
        let output = predict(&[arguments, &["--json", larger.to_str().unwrap()]].concat());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (json["banks"]["sha256"]["digest"].as_str().unwrap().to_owned(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(predicted(&["--device"]).0, digest);
    let (whole, notes) = predicted(&[]);
    assert_eq!(whole, coreutils("sha256sum", &larger));
    assert!(notes.contains("--device"), "{notes}");
}

#[test]
fn a_list_of_trusted_images_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (image, list) = (ext4(folder.path(), 1024), folder.path().join("trusted.json"));
    let add = |more: &[&str]| {
        let output = predict(&[&["--allow-entry", list.to_str().unwrap()], more, &[image.to_str().unwrap()]].concat());
        assert!(output.status.success() && !output.stdout.is_empty());
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&list).unwrap()).unwrap();
        (json["images"].clone(), String::from_utf8(output.stderr).unwrap())
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
fn errors_name_their_object_and_have_their_exit_code() {
    let failed = |arguments: &[&str]| {
        let output = predict(arguments);
        assert!(output.stdout.is_empty());
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = failed(&["/no/such/image"]);
    assert!(code == 1 && text.contains("/no/such/image"), "{text}");
    let list = ["--allow-entry", "/no/such/folder/list", "--until", "soon", "x"];
    for wrong in [
        &["--pcr", "16", "x"][..],
        &["--bank", "md5", "x"],
        &[],
        &["--no-such-option"],
        &["--format", "xml", "x"],
        &["--image-format", "sha1", "x"],
        &["--image-format", "plain", "--roothash", &"0".repeat(64)],
        &["--until", "2027-01-31", "x"],
        &list,
    ] {
        assert_eq!(failed(wrong).0, 2, "{wrong:?}");
    }
}

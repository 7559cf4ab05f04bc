//! `measureroot verify --allow`: what lists of trusted images say about a machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use common::{Ran, measureroot, squashfs};
use evidence::{Machine, Measured};
use measureroot::internal::hash::Bank;

#[test]
fn only_images_on_the_list_are_trusted_until_their_date() {
    let machine = Machine::quoted(&[Measured::image(&squashfs(b"image"))], "sha256:13");
    machine.write("image", &squashfs(b"image"));
    let (image, list) = (machine.file("image"), machine.file("list"));
    let allow = |arguments: &[&str]| {
        measureroot(&[&["predict", "--allow-entry", &list], arguments].concat()).printed();
        machine.judge(&["--allow", &list])
    };
    machine.write("other", &squashfs(b"another image"));
    let Ran { code, out, .. } = allow(&[&machine.file("other")]);
    assert!(code == 3 && out.contains("not known"), "{out}");
    // An entry for another PCR, for other banks, or for another value before is for another boot.
    let Ran { code, out, .. } = allow(&[&image, "--pcr", "9"]);
    assert!(code == 3 && out.contains("image was measured into PCR 13, but its entry is for PCR 9"), "{out}");
    assert_eq!(allow(&[&image, "--bank", "sha384"]).code, 3);
    let Ran { code, out, .. } = allow(&[&image, "--before", &"11".repeat(32)]);
    assert!(
        code == 3 && out.contains("was measured, but PCR 13 did not begin with the value that is expected there"),
        "{out}"
    );
    let Ran { code, out, .. } = allow(&[&image, "--name", "release 7", "--until", "2020-01-31"]);
    assert!(code == 3 && out.contains("release 7 was booted, which was trusted until 2020-01-31"), "{out}");
    let Ran { code, out, .. } = allow(&[&image, "--name", "release 7", "--until", "9999-12-30"]);
    assert!(code == 0 && out.starts_with("trusted: release 7, until 9999-12-30\n"), "{out}");
}

#[test]
fn an_earlier_date_revokes_an_image_whatever_banks_its_entries_have() {
    let machine = Machine::quoted(&[Measured::image(&squashfs(b"image"))], "sha256:13");
    machine.write("image", &squashfs(b"image"));
    let (image, list) = (machine.file("image"), machine.file("list"));
    let allow = |arguments: &[&str]| {
        measureroot(&[&["predict", "--allow-entry", &list, &image], arguments].concat()).printed();
        machine.judge(&["--allow", &list])
    };
    assert_eq!(allow(&[]).code, 0);
    let Ran { code, out, .. } = allow(&["--bank", "sha256", "--until", "2020-01-31"]);
    assert!(code == 3 && out.contains("which was trusted until 2020-01-31"), "{out}");
    // Without a date, a later build of the same image does not undo that.
    assert_eq!(allow(&[]).code, 3);
    assert_eq!(allow(&["--until", "9999-12-30"]).code, 0);
    // A list that somebody wrote has two entries, or the verifier names the image itself: the earlier date counts.
    let entry = |until: &str| {
        let digest = Bank::Sha256.digest(&squashfs(b"image"));
        format!(r#"{{"name": "release 7", "digests": {{"sha256": "{digest}"}}{until}}}"#)
    };
    let text = format!(r#"{{"images": [{}, {}]}}"#, entry(""), entry(r#", "until": "2020-01-31""#));
    machine.write("list", text.as_bytes());
    assert_eq!(machine.judge(&["--allow", &list]).code, 3);
    machine.write("list", format!(r#"{{"images": [{}]}}"#, entry(r#", "until": "2020-01-31""#)).as_bytes());
    assert_eq!(machine.judge(&["--allow", &list, "--image", &image]).code, 3);
}

#[test]
fn an_entry_for_other_banks_pcrs_or_values_before_revokes_the_image() {
    let machine = Machine::quoted(&[Measured::image(&squashfs(b"image"))], "sha256:13");
    machine.write("image", &squashfs(b"image"));
    machine.write("other", &squashfs(b"another image"));
    let (image, list) = (machine.file("image"), machine.file("list"));
    let add = |arguments: &[&str]| {
        let ran = measureroot(&[&["predict", "--allow-entry", &list, &image], arguments].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.err
    };
    let new = || std::fs::remove_file(&list).unwrap_or_default();
    let over = ["--until", "2020-01-01"];
    let is_revoked = |arguments: &[&str]| {
        let Ran { code, out, .. } = machine.judge(&[&["--allow", &list], arguments].concat());
        assert!(code == 3 && out.contains("which was trusted until 2020-01-01"), "{arguments:?}: {out}");
    };
    // The verifier names the image, and the list revokes it for a bank that is not quoted, for another PCR, or for another value before.
    let before = "11".repeat(32);
    for arguments in [
        &["--bank", "sha384"][..],
        &["--bank", "sha1"],
        &["--bank", "sha512"],
        &["--pcr", "14"],
        &["--before", &before],
        &["--image-format", "meta-measured"],
        &["--bank", "sha512", "--image-format", "meta-measured", "--pcr", "9"],
    ] {
        new();
        add(&[arguments, &over].concat());
        is_revoked(&["--image", &image]);
        // An end of another image says nothing.
        new();
        measureroot(&[&["predict", "--allow-entry", &list, &machine.file("other")], arguments, &over].concat())
            .printed();
        assert_eq!(machine.judge(&["--allow", &list, "--image", &image]).code, 0, "{arguments:?}");
        // The list has both: a later command revokes all entries of the image.
        new();
        let late = ["--until", "2099-12-31"];
        add(&[&["--bank", "sha256"], &late[..]].concat());
        assert_eq!(machine.judge(&["--allow", &list]).code, 0);
        add(&[arguments, &over].concat());
        is_revoked(&[]);
        add(&late);
        assert_eq!(machine.judge(&["--allow", &list]).code, 0, "{arguments:?}");
    }
    // The command says which other entries end.
    new();
    add(&["--pcr", "14", "--name", "elsewhere"]);
    add(&["--bank", "sha256", "--before", &before, "--name", "later"]);
    let said = add(&[&["--bank", "sha384", "--name", "release 7"], &over[..]].concat());
    assert!(said.contains("trusts release 7 until 2020-01-01"), "{said}");
    for (name, pcr) in [("elsewhere", 14), ("later", 13)] {
        let part =
            format!("{name}, whose entry for PCR {pcr} is about the same image, is trusted until 2020-01-01, too");
        assert!(said.contains(&part), "{said}");
    }
    // Entries of a list that somebody wrote, which only a digest of another bank connects.
    let entry = |banks: &[Bank], more: &str| {
        let digests = banks.iter().map(|bank| format!(r#""{bank}": "{}""#, bank.digest(&squashfs(b"image"))));
        format!(r#"{{"name": "a", "digests": {{{}}}{more}}}"#, digests.collect::<Vec<_>>().join(", "))
    };
    let over = r#", "until": "2020-01-01""#;
    let both = [Bank::Sha256, Bank::Sha384];
    for (revoked, valid) in [
        (entry(&[Bank::Sha384], over), entry(&both, "")),
        (entry(&[Bank::Sha256], &format!(r#"{over}, "pcr": 14"#)), entry(&both, "")),
    ] {
        for images in [[&revoked, &valid], [&valid, &revoked]] {
            machine.write("list", format!(r#"{{"images": [{}, {}]}}"#, images[0], images[1]).as_bytes());
            is_revoked(&[]);
        }
    }
}

#[test]
fn a_root_hash_is_revoked_by_an_entry_for_another_bank() {
    let hash = "5a".repeat(32);
    let machine = Machine::quoted(&[Measured::image(format!("measureroot: roothash={hash}").as_bytes())], "sha256:13");
    let list = machine.file("list");
    let judge = |arguments: &[&str]| machine.judge(&[&["--allow", &list], arguments].concat());
    let over = ["--bank", "sha384", "--until", "2020-01-01", "--roothash", &hash];
    measureroot(&[&["predict", "--allow-entry", &list], &over[..]].concat()).printed();
    let Ran { code, out, .. } = judge(&["--roothash", &hash]);
    assert!(code == 3 && out.contains("which was trusted until 2020-01-01"), "{out}");
}

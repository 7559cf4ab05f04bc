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

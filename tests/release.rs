//! The values of the example image that a release has: `verify` trusts a machine that booted the image by them, and refuses them if one bit was
//! changed. MEASUREROOT_RELEASE names the folder of a signed release; without it, the same script makes the values here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use std::fs;
use std::path::{Path, PathBuf};

use common::{ROOT, Ran, flipped_base64, run, shell, text};
use evidence::{Machine, Measured};
use tempfile::TempDir;

/// The values in this folder, which the script of a release makes; signed, if there is a key.
fn made(folder: &Path, name: &str, key: &str) -> Ran {
    let script = format!("{ROOT}/initramfs/lib/values.sh");
    shell(&format!("mkdir {name}; . {script}; make_values measureroot {name} {key}"), folder, &[])
}

/// A folder with a private key.
fn with_key() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    run("openssl", &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", text(&key)]);
    folder
}

#[test]
fn a_release_has_the_values_of_the_example_image() {
    let folder = with_key();
    let path = |name: &str| folder.path().join(name);
    for (name, key) in [("one", "key"), ("two", "key"), ("unsigned", "")] {
        let ran = made(folder.path(), name, key);
        assert!(ran.code == 0 && ran.err.contains("the example image are NOT SIGNED") == key.is_empty(), "{ran:?}");
        assert_eq!(path(&format!("{name}/signer.pem")).exists(), !key.is_empty());
    }
    let read = |name: &str, file: &str| fs::read(path(name).join(file)).unwrap();
    for file in ["example.squashfs", "example.in-toto.json", "example.corim", "example.rvps.json"] {
        assert_eq!(read("one", file), read("two", file), "{file}");
    }
    assert_ne!(read("one", "example.in-toto.json"), read("unsigned", "example.in-toto.json"));
}

#[test]
fn verify_trusts_the_example_image_by_the_signed_values_alone() {
    let scratch = with_key();
    let release = if let Some(folder) = std::env::var_os("MEASUREROOT_RELEASE") {
        PathBuf::from(folder)
    } else {
        made(scratch.path(), "made", "key").printed();
        scratch.path().join("made")
    };
    let [image, list, signer] =
        ["example.squashfs", "example.in-toto.json", "signer.pem"].map(|name| release.join(name));
    let image = fs::read(&image).unwrap_or_else(|error| panic!("{}: {error}", image.display()));
    let machine = Machine::quoted(&[Measured::image(&image)], "sha256:13");
    let judged = |list: &Path| machine.judge(&["--allow", text(list), "--signed-by", text(&signer)]);
    let Ran { code, out, err } = judged(&list);
    assert!(code == 0 && out.starts_with("trusted: example.squashfs\n"), "{code}: {out}{err}");
    let values = fs::read_to_string(&list).unwrap();
    let changed = machine.path("changed");
    for part in ["\"payload\":\"", "\"sig\":\""] {
        let place = values.find(part).unwrap() + part.len();
        for at in [place, place + 40] {
            fs::write(&changed, flipped_base64(&values, at)).unwrap();
            let Ran { code, out, err } = judged(&changed);
            assert!(
                code == 1 && out.is_empty() && err.contains("IS NOT SIGNED BY THIS KEY"),
                "{at}: {code}: {out}{err}"
            );
        }
    }
    // Another image is another one, whoever signed.
    let other = Machine::quoted(&[Measured::image(b"another image")], "sha256:13");
    let Ran { code, out, .. } = other.judge(&["--allow", text(&list), "--signed-by", text(&signer)]);
    assert!(code == 3 && out.starts_with("not trusted: "), "{code}: {out}");
}

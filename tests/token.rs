//! A key on a token signs reference values: SoftHSM's token, through OpenSSL's command. What it signs is accepted with its public key, and not with
//! one bit changed. Each thing that can be missing or wrong is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Ran, blocks_of, flipped_base64, program, run, shell, squashfs, text};
use corim_rs::{Corim, CorimError, CoseAlgorithm, CoseKey, CoseKeyOwner, CoseVerifier};
use measureroot::internal::evidence::{AllowList, SignerKey};
use p256::ecdsa::signature::Verifier;
use p256::pkcs8::DecodePublicKey;
use tempfile::TempDir;

/// The page's heading of the commands for a token.
const HEADING: &str = "A key on a token";
/// SoftHSM's library (Debian's package libsofthsm2).
const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "123456";
/// The key, as the page names it. The page's PIN is in /root.
const KEY: &str = "pkcs11:token=release;object=signer";

/// A folder with a token, the public keys of its keys, and an image.
struct Token(TempDir);

impl Token {
    fn new() -> Self {
        let token = Self(tempfile::tempdir().unwrap());
        fs::create_dir(token.0.path().join("tokens")).unwrap();
        let config = format!("directories.tokendir = {}\nobjectstore.backend = file\n", token.file("tokens"));
        fs::write(token.file("softhsm2.conf"), config).unwrap();
        token.write("rootfs.squashfs", &squashfs(b"image"));
        token.write("pin", PIN.as_bytes());
        token.softhsm(&["--init-token", "--free", "--label", "release", "--so-pin", "12345678", "--pin", PIN]);
        for (label, id, curve) in [("signer", "a1", "P-256"), ("signer384", "a2", "P-384")] {
            let key = token.file("key");
            let curve = format!("ec_paramgen_curve:{curve}");
            run("openssl", &["genpkey", "-algorithm", "EC", "-pkeyopt", &curve, "-out", &key]);
            run("openssl", &["pkey", "-in", &key, "-pubout", "-out", &token.file(&format!("{label}.pub"))]);
            token.softhsm(&["--import", &key, "--token", "release", "--label", label, "--id", id, "--pin", PIN]);
            // From here on, only the token has it.
            fs::remove_file(key).unwrap();
        }
        token
    }

    fn file(&self, name: &str) -> String {
        text(&self.0.path().join(name)).to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).unwrap();
    }

    fn softhsm(&self, arguments: &[&str]) {
        let done =
            Command::new("softhsm2-util").args(arguments).env("SOFTHSM2_CONF", self.file("softhsm2.conf")).output();
        let done = done.unwrap_or_else(|error| panic!("softhsm2-util: {error}: install softhsm2"));
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Runs measureroot without a terminal, so that nobody can be asked for the PIN, and not for ever.
    fn measureroot(&self, arguments: &[&str], environment: &[(&str, &str)]) -> std::process::Output {
        let mut command = Command::new("setsid");
        command.args(["--wait", "timeout", "60"]).arg(program()).args(arguments);
        command.env("SOFTHSM2_CONF", self.file("softhsm2.conf")).env("PKCS11_MODULE_PATH", LIBRARY);
        command.envs(environment.iter().copied()).output().unwrap()
    }

    fn predict(&self, format: &str, key: &str, environment: &[(&str, &str)]) -> std::process::Output {
        let image = self.file("rootfs.squashfs");
        self.measureroot(&["predict", "--format", format, "--sign", key, &image], environment)
    }

    /// The URI of a key, with a file that has the PIN.
    fn uri(&self, object: &str) -> String {
        format!("pkcs11:token=release;object={object}?pin-source=file:{}", self.file("pin"))
    }

    fn public(&self, object: &str) -> SignerKey {
        SignerKey::parse(&fs::read(self.file(&format!("{object}.pub"))).unwrap()).unwrap()
    }
}

#[test]
fn what_a_key_on_a_token_signs_is_accepted_and_one_flipped_bit_is_not() {
    let token = Token::new();
    for object in ["signer", "signer384"] {
        let done = token.predict("in-toto", &token.uri(object), &[]);
        let (signed, said) =
            (String::from_utf8(done.stdout).unwrap(), String::from_utf8_lossy(&done.stderr).into_owned());
        assert!(done.status.success() && !said.contains("NOT SIGNED"), "{said}");
        let public = token.public(object);
        AllowList::of_signed(&signed, &public).unwrap();
        // verify reads the list before it looks for a quote, which this image is not.
        token.write("signed", signed.as_bytes());
        let [list, key, image] = ["signed", &format!("{object}.pub"), "rootfs.squashfs"].map(|name| token.file(name));
        let verify = || {
            let parts = ["--quote", &image, "--signature", &image, "--key", &image, "--log", &image];
            Ran::from(
                token.measureroot(&[&["verify", "--allow", &list, "--signed-by", &key], &parts[..]].concat(), &[]),
            )
        };
        let Ran { code, err, .. } = verify();
        assert!(code == 4 && err.contains(&format!("{list}: signed by the key in {key}")), "{err}");
        let place = signed.find("\"payload\":\"").unwrap() + 40;
        for at in [place, signed.find("\"sig\":\"").unwrap() + 40] {
            token.write("signed", &flipped_base64(&signed, at));
            let Ran { code, err, .. } = verify();
            assert!(code == 1 && err.contains("IS NOT SIGNED BY THIS KEY"), "{err}");
        }
    }
}

/// The public key of the token, for the crate corim-rs.
struct Public(p256::ecdsa::VerifyingKey);

impl CoseKeyOwner for &Public {
    fn to_cose_key(&self) -> CoseKey {
        CoseKey::default()
    }
}

impl CoseVerifier for &Public {
    fn verify_signature(&self, _: CoseAlgorithm, signature: &[u8], data: &[u8]) -> Result<(), CorimError> {
        let parsed = p256::ecdsa::Signature::from_slice(signature).map_err(CorimError::custom)?;
        self.0.verify(data, &parsed).map_err(CorimError::custom)
    }
}

#[test]
fn a_corim_is_signed_by_a_key_on_a_token() {
    let token = Token::new();
    let done = token.predict("corim", &token.uri("signer"), &[]);
    let pem = fs::read_to_string(token.file("signer.pub")).unwrap();
    let public = Public(p256::ecdsa::VerifyingKey::from_public_key_pem(&pem).unwrap());
    let Ok(Corim::Signed(signed)) = Corim::from_cbor(done.stdout.as_slice()) else {
        panic!("{}", String::from_utf8_lossy(&done.stderr))
    };
    assert!(signed.unwrap().verify_signature(&public).is_ok());
}

#[test]
fn what_is_wrong_with_a_token_is_named_before_the_image_is_read() {
    let token = Token::new();
    token.write("wrong", b"654321");
    let (pin, wrong, nothing) = (token.file("pin"), token.file("wrong"), token.file("nothing"));
    let of = |path: &str, pin: &str| format!("pkcs11:{path}?pin-source=file:{pin}");
    let key = "token=release;object=signer";
    // An `openssl` that reaches no token, and a folder without one.
    let (bare, empty) = (token.file("bare"), token.file("empty"));
    for folder in [&bare, &empty] {
        fs::create_dir(folder).unwrap();
    }
    std::os::unix::fs::symlink("/bin/false", Path::new(&bare).join("openssl")).unwrap();
    for (uri, environment, parts) in [
        (of(key, &wrong), ("X", ""), &["could not read the key: ", "PIN incorrect"][..]),
        (of(key, &nothing), ("X", ""), &["could not read the key: ", "No such file or directory"]),
        (KEY.to_owned(), ("X", ""), &["could not read the key: ", "?pin-source=file:/PATH"]),
        (of("token=other;object=signer", &pin), ("X", ""), &["could not read the key: ", "is the token there"]),
        (of("token=release;object=other", &pin), ("X", ""), &["could not read the key: ", "its key named so"]),
        (of(key, &pin), ("PKCS11_MODULE_PATH", "/nothing.so"), &["could not read the key: ", "/nothing.so"]),
        (of(key, &pin), ("PATH", &bare), &["openssl: ", "reaches no token (install pkcs11-provider, or libengine-"]),
        (of(key, &pin), ("PATH", &empty), &["openssl: ", "(a key on a token needs this command: install openssl)"]),
    ] {
        let image = token.file("no image");
        // Not through setsid, which would be looked for in PATH, too.
        let mut command = Command::new(program());
        command.args(["predict", "--format", "in-toto", "--sign", &uri, &image]);
        command.env("SOFTHSM2_CONF", token.file("softhsm2.conf")).env("PKCS11_MODULE_PATH", LIBRARY);
        let Ran { code, out, err } = if environment.0 == "PATH" {
            command.env(environment.0, environment.1).output().unwrap().into()
        } else {
            token.measureroot(&["predict", "--format", "in-toto", "--sign", &uri, &image], &[environment]).into()
        };
        let is_named = parts.iter().all(|part| err.contains(part)) && !err.contains("no image");
        assert!(code == 1 && out.is_empty() && is_named, "{uri} {environment:?}: {code} {err}");
        // Nobody reads the PIN there.
        assert!(!err.contains(PIN) && !err.contains("654321"), "{err}");
    }
    let open = format!("pkcs11:{key}?pin-value={PIN}");
    let Ran { code, err, .. } = token.predict("in-toto", &open, &[]).into();
    assert!(code == 2 && err.contains("everybody on this machine can read") && !err.contains(PIN), "{err}");
}

#[test]
fn the_commands_of_the_page_work() {
    let token = Token::new();
    let commands = blocks_of("docs/reference-values.md", |heading| heading == HEADING).concat();
    assert!(commands.contains(KEY), "{commands}");
    let environment = [("SOFTHSM2_CONF", &*token.file("softhsm2.conf"))];
    let here = commands.replace("/root/pin", &token.file("pin"));
    shell(&here, token.0.path(), &environment).printed();
    let signed = fs::read_to_string(token.file("token.dsse")).unwrap();
    let public = SignerKey::parse(&fs::read(token.file("token.pem")).unwrap()).unwrap();
    assert_eq!(public, token.public("signer"));
    AllowList::of_signed(&signed, &public).unwrap();
}

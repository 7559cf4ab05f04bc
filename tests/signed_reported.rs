//! Keys and signed lists as people reported them of other programs that sign: `predict --sign` and `verify --signed-by` read them, or name them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;

use common::{Ran, measureroot, run, squashfs, text};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with an image, a private key on P-256 and its public key.
fn builder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    fs::write(path("image"), squashfs(b"image")).unwrap();
    run("openssl", &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &path("key")]);
    run("openssl", &["pkey", "-in", &path("key"), "-pubout", "-out", &path("pub")]);
    folder
}

fn file(folder: &TempDir, name: &str) -> String {
    text(&folder.path().join(name)).to_owned()
}

/// Signs the list with this key.
fn signed(folder: &TempDir, key: &[u8]) -> Ran {
    fs::write(file(folder, "tried"), key).unwrap();
    measureroot(&["predict", "--format", "in-toto", "--sign", &file(folder, "tried"), &file(folder, "image")])
}

/// What verify says about this list. There is no quote, so it says no more than whether the list is signed.
fn opened(folder: &TempDir, list: &[u8], key: &str) -> String {
    fs::write(file(folder, "list"), list).unwrap();
    let [list, nothing] = ["list", "image"].map(|name| file(folder, name));
    let parts = ["--quote", &nothing, "--signature", &nothing, "--key", &nothing, "--log", &nothing];
    measureroot(&[&["verify", "--allow", &list, "--signed-by", key], &parts[..]].concat()).err
}

#[test]
fn a_private_key_is_read_or_its_form_is_named() {
    let folder = builder();
    let key = fs::read_to_string(file(&folder, "key")).unwrap();
    let wanted = signed(&folder, key.as_bytes()).printed();
    // A build service lost the line ends of its variable; an editor of Windows, or YAML, changed them.
    for good in [
        key.replace('\n', ""),
        key.replace('\n', " "),
        key.replace('\n', "\r\n"),
        key.replace('\n', "\n    "),
        format!("\u{feff}{key}"),
    ] {
        assert_eq!(signed(&folder, good.as_bytes()).printed(), wanted, "{good}");
    }
    let made = |program: &str, arguments: &[&str]| {
        run(program, &[arguments, &["-out", &file(&folder, "made")]].concat());
        fs::read(file(&folder, "made")).unwrap()
    };
    let own = file(&folder, "key");
    let explicit = ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit"];
    let sec1 = made("openssl", &explicit);
    fs::write(file(&folder, "explicit"), &sec1).unwrap();
    let pkcs8 = made("openssl", &["pkcs8", "-topk8", "-nocrypt", "-in", &file(&folder, "explicit")]);
    let utf16: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n").into_bytes();
    for (bad, part) in [
        (key.replace('\n', "\\n").into_bytes(), "printf '%b'"),
        ([&[0xff, 0xfe], &utf16[..]].concat(), "is it UTF-16"),
        (made("openssl", &["pkey", "-in", &own, "-outform", "der"]), "openssl pkey -inform DER"),
        (sec1, "describes its curve by parameters"),
        (pkcs8, "openssl ec -in KEY -param_enc named_curve"),
        (made("openssl", &["pkcs8", "-topk8", "-in", &own, "-passout", "pass:x"]), "its password is not asked for"),
        (made("openssl", &["ec", "-in", &own, "-aes256", "-passout", "pass:x"]), "its password is not asked for"),
        (block("ENCRYPTED SIGSTORE PRIVATE KEY"), "cosign import-key-pair"),
        (block("OPENSSH PRIVATE KEY"), "is in the form of OpenSSH"),
        (made("openssl", &["genpkey", "-algorithm", "RSA"]), "is of another type than P-256"),
        (b"no key".to_vec(), "is no PEM of \"PRIVATE KEY\""),
    ] {
        let Ran { code, out, err } = signed(&folder, &bad);
        assert!(code == 1 && out.is_empty() && err.contains(part), "{part}: {code} {out}{err}");
    }
    // What the hint says works.
    let named = made("openssl", &["ec", "-in", &file(&folder, "explicit"), "-param_enc", "named_curve"]);
    signed(&folder, &named).printed();
    run("openssl", &["pkey", "-in", &file(&folder, "explicit"), "-pubout", "-out", &file(&folder, "explicit.pub")]);
    let err = opened(&folder, wanted.as_bytes(), &file(&folder, "explicit.pub"));
    assert!(err.contains("openssl ec -pubin -in KEY -param_enc named_curve"), "{err}");
}

/// The two numbers of a signature in DER, each of 32 bytes, one after the other.
fn plain(der: &[u8]) -> Vec<u8> {
    let signature = p256::ecdsa::Signature::from_der(der).unwrap();
    signature.to_bytes().to_vec()
}

#[test]
fn an_envelope_is_read_in_each_way_to_write_its_bytes_or_is_named() {
    use base64ct::{Base64, Base64Url, Base64UrlUnpadded, Encoding};
    let folder = builder();
    let text = signed(&folder, &fs::read(file(&folder, "key")).unwrap()).printed();
    let envelope: Value = serde_json::from_str(&text).unwrap();
    let bytes = |value: &Value| Base64::decode_vec(value.as_str().unwrap()).unwrap();
    let (payload, signature) = (bytes(&envelope["payload"]), bytes(&envelope["signatures"][0]["sig"]));
    let with = |payload: &str, signature: &str| {
        let mut envelope = envelope.clone();
        envelope["payload"] = json!(payload);
        envelope["signatures"][0]["sig"] = json!(signature);
        envelope.to_string()
    };
    let (standard, signed) = (Base64::encode_string(&payload), Base64::encode_string(&signature));
    let lines: Vec<_> = standard.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let key = file(&folder, "pub");
    for good in [
        text.clone(),
        with(&Base64Url::encode_string(&payload), &Base64Url::encode_string(&signature)),
        with(&Base64UrlUnpadded::encode_string(&payload), &Base64UrlUnpadded::encode_string(&signature)),
        with(&lines.join("\n"), &signed),
        with(&standard, &Base64::encode_string(&plain(&signature))),
        format!("\u{feff}{text}"),
        serde_json::to_string_pretty(&envelope).unwrap().replace('\n', "\r\n"),
    ] {
        let err = opened(&folder, good.as_bytes(), &key);
        assert!(err.contains("list: signed by the key in ") && err.contains("(P-256)"), "{good}: {err}");
    }
    // The same forms of other bytes are not signed.
    let mut other = payload.clone();
    other[10] ^= 1;
    let mut forged = plain(&signature);
    forged[63] ^= 1;
    for bad in [
        with(&Base64UrlUnpadded::encode_string(&other), &signed),
        with(&standard, &Base64::encode_string(&forged)),
        with(&standard, &Base64::encode_string(&plain(&signature)[..63])),
    ] {
        let err = opened(&folder, bad.as_bytes(), &key);
        assert!(err.contains("IS NOT SIGNED BY THIS KEY"), "{bad}: {err}");
    }
    let bundle = json!({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": envelope});
    let err = opened(&folder, bundle.to_string().as_bytes(), &key);
    assert!(err.contains("jq .dsseEnvelope"), "{err}");
}

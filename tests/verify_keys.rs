//! `measureroot verify` and keys: the forms in which a key may come, and the keys whose signatures prove nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use common::{Ran, run, text};
use evidence::{Machine, Measured, NONCE};
use measureroot::internal::evidence::{Key, Signature};
use measureroot::internal::hash::Bank;

#[test]
fn the_salt_of_an_rsapss_signature_may_have_any_length() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["key", "public", "message", "signature"].map(|name| folder.path().join(name));
    let [key, public, message, signature] = files.each_ref().map(|path| text(path));
    run("openssl", &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key]);
    run("openssl", &["pkey", "-in", key, "-pubout", "-out", public]);
    std::fs::write(message, "message").unwrap();
    let public = Key::parse(&std::fs::read(public).unwrap()).unwrap();
    // The software TPM takes one as long as the digest. Others take the longest one (TPM 2.0 Library, Part 1, annex B.7).
    for salt in ["digest", "max"] {
        let salt = format!("rsa_pss_saltlen:{salt}");
        let line = ["dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", &salt, "-sign", key];
        run("openssl", &[&line[..], &["-out", signature, message]].concat());
        let signed = Signature::parse(&std::fs::read(signature).unwrap(), &public).unwrap();
        let scheme = signed.check(&public, b"message", Bank::Sha256).expect(&salt);
        assert_eq!(scheme.to_string(), "RSAPSS with sha256", "{salt}");
        assert!(signed.check(&public, b"another", Bank::Sha256).is_err(), "{salt}");
    }
}

#[test]
fn a_key_may_be_in_a_certificate_and_in_any_form_of_pem() {
    let machine = Machine::quoted(&[Measured::image(b"image")], "sha256:13");
    let pem = String::from_utf8(machine.read("ak.pem")).unwrap();
    machine.write("text.pem", format!("Public-Key: (256 bit)\n{pem}more text\n").as_bytes());
    let lines: Vec<_> = pem.lines().collect();
    machine.write("line.pem", lines.join("").as_bytes());
    // A certificate of the key, signed by another one, as an authority issues it.
    let files = ["ca.key", "ca.crt", "ak.pem", "ak.crt", "ak.der.crt"].map(|name| machine.file(name));
    let [ca, root, key, certificate, der] = files.each_ref().map(String::as_str);
    let curve = "ec_paramgen_curve:P-256";
    let line = ["req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-subj", "/CN=ca"];
    machine.swtpm.tool("openssl", &[&line[..], &["-keyout", ca, "-out", root]].concat());
    let line =
        ["x509", "-new", "-subj", "/CN=ak", "-force_pubkey", key, "-CA", root, "-CAkey", ca, "-out", certificate];
    machine.swtpm.tool("openssl", &line);
    machine.swtpm.tool("openssl", &["x509", "-in", certificate, "-outform", "DER", "-out", der]);
    for (name, is_certified) in [("text.pem", false), ("line.pem", false), ("ak.crt", true), ("ak.der.crt", true)] {
        let options = ["--key", &machine.file(name), "--signature", &machine.file("signature.tss"), "--nonce", NONCE];
        let trusts = ["--key-is-trusted", "--image-only", "--image", &machine.file("image")];
        let Ran { code, out, err } = machine.verify(&[&options[..], &trusts].concat());
        assert!(code == 0 && err.contains("taken from a certificate") == is_certified, "{name}: {out}{err}");
    }
}

#[test]
fn a_key_whose_signature_proves_nothing_is_refused() {
    let machine = Machine::quoted(&[Measured::image(b"image")], "sha256:13");
    for (attributes, part) in [
        ("fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign", "restricted is not set"),
        ("sensitivedataorigin|userwithauth|restricted|sign", "fixedTPM is not set"),
    ] {
        machine.key_with("ecc256:ecdsa-sha256", attributes);
        machine.quote("sha256:13", NONCE, "ecdsa-sha256");
        let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
        assert!(code == 4 && out.contains(part), "{out}");
    }
    let storage = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt";
    let key = machine.file("srk.ctx");
    machine.tool("tpm2_createprimary", &["-Q", "-C", "o", "-G", "ecc256", "-a", storage, "-c", &key]);
    machine.tool("tpm2_readpublic", &["-Q", "-c", &key, "-f", "tss", "-o", &machine.file("ak.tss")]);
    let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
    assert!(code == 4 && out.contains("sign is not set"), "{out}");
}

#[test]
fn a_quote_of_a_key_below_an_endorsement_key_is_accepted() {
    let image = [Measured::image(b"image")];
    let machine = Machine::quoted(&image, "sha256:13");
    let (ek, ak, public) = (machine.file("ek.ctx"), machine.file("ak.ctx"), machine.file("ak.tss"));
    machine.tool("tpm2_createek", &["-Q", "-c", &ek, "-G", "rsa"]);
    machine.swtpm.tool("tpm2_flushcontext", &["--loaded-session"]);
    machine.tool(
        "tpm2_createak",
        &["-Q", "-C", &ek, "-c", &ak, "-G", "ecc", "-g", "sha256", "-s", "ecdsa", "-u", &public],
    );
    machine.swtpm.tool("tpm2_flushcontext", &["--loaded-session"]);
    machine.quote("sha256:13", NONCE, "ecdsa-sha256");
    let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
    assert_eq!(code, 0, "{out}");
}

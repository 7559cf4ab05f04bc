//! `measureroot verify` with keys and quotes that tpm2-tools make with a software TPM, beside what tpm2_checkquote says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

mod evidence;
mod swtpm;

use std::process::Command;

use evidence::{Machine, Measured, log, program};
use serde_json::Value;

const NONCE: &str = "00c0ffee";

/// Runs `measureroot verify` on the machine's files; its exit code and what it says on both channels.
fn verify(machine: &Machine, arguments: &[&str]) -> (i32, String, String) {
    let given = ["--quote", &machine.file("quote"), "--log", &machine.file("log")].map(str::to_owned);
    let output = Command::new(program()).arg("verify").args(given).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The usual key, signature and nonce.
fn judge(machine: &Machine, arguments: &[&str]) -> (i32, String, String) {
    let (key, signature) = (machine.file("ak.tss"), machine.file("signature.tss"));
    verify(machine, &[&["--key", &key, "--signature", &signature, "--nonce", NONCE], arguments].concat())
}

/// A machine that measured these, with an image file, its log and a quote.
fn quoted(events: &[Measured], pcrs: &str) -> Machine {
    let machine = Machine::booted(events);
    machine.write("image", b"image");
    machine.write("log", &log(events));
    machine.key("ecc256:ecdsa-sha256");
    machine.quote(pcrs, NONCE, "ecdsa-sha256");
    machine
}

#[test]
fn every_kind_of_key_and_every_form() {
    let image = [Measured::image(b"image")];
    let machine = Machine::booted(&image);
    machine.write("image", b"image");
    machine.write("log", &log(&image));
    for (kind, scheme) in [
        ("rsa2048", "rsassa-sha256"),
        ("rsa2048", "rsapss-sha256"),
        ("rsa2048", "rsassa-sha384"),
        ("rsa3072", "rsapss-sha512"),
        ("ecc256", "ecdsa-sha256"),
        ("ecc384", "ecdsa-sha384"),
        ("ecc256", "ecdsa-sha384"),
    ] {
        machine.key(&format!("{kind}:{scheme}"));
        for form in ["tss", "plain"] {
            machine.quote_as("sha1:13+sha256:13+sha384:13", NONCE, scheme, form);
            let signature = machine.file(&format!("signature.{form}"));
            for key in ["tss", "tpmt", "pem", "der"] {
                let options =
                    ["--key", &machine.file(&format!("ak.{key}")), "--signature", &signature, "--nonce", NONCE];
                let (code, said, warned) =
                    verify(&machine, &[&options[..], &["--image", &machine.file("image")]].concat());
                assert_eq!(code, 0, "{kind} {scheme} {form} {key}: {said}");
                assert!(said.starts_with("trusted: ") && said.contains("/dev/vda"), "{said}");
                assert_eq!(
                    warned.contains("whether it signs only quotes and is fixed to its TPM"),
                    key == "pem" || key == "der",
                    "{warned}"
                );
            }
        }
        independently_checked(&machine, scheme);
    }
}

/// tpm2_checkquote says the same, with the log too; of RSAPSS it knows nothing, so there OpenSSL does.
fn independently_checked(machine: &Machine, scheme: &str) {
    let (way, hash) = scheme.split_once('-').unwrap();
    let form = if way == "rsapss" { "plain" } else { "tss" };
    machine.quote_as("sha1:13+sha256:13+sha384:13", NONCE, scheme, form);
    let files = ["ak.pem", "quote", &format!("signature.{form}"), "pcrs", "log"].map(|name| machine.file(name));
    let [key, quote, signature, pcrs, log] = files.each_ref().map(String::as_str);
    if way == "rsapss" {
        let (hash, padding) =
            (format!("-{hash}"), ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:auto"]);
        let line = [&["dgst", &hash], &padding[..], &["-verify", key, "-signature", signature, quote]].concat();
        machine.swtpm.tool("openssl", &line);
    } else {
        let line = ["-u", key, "-m", quote, "-s", signature, "-f", pcrs, "-e", log, "-g", hash, "-q", NONCE];
        machine.swtpm.tool("tpm2_checkquote", &line);
    }
}

#[test]
fn a_key_below_an_endorsement_key() {
    let image = [Measured::image(b"image")];
    let machine = quoted(&image, "sha256:13");
    let (ek, ak, public) = (machine.file("ek.ctx"), machine.file("ak.ctx"), machine.file("ak.tss"));
    machine.tool("tpm2_createek", &["-Q", "-c", &ek, "-G", "rsa"]);
    machine.swtpm.tool("tpm2_flushcontext", &["--loaded-session"]);
    machine.tool(
        "tpm2_createak",
        &["-Q", "-C", &ek, "-c", &ak, "-G", "ecc", "-g", "sha256", "-s", "ecdsa", "-u", &public],
    );
    machine.swtpm.tool("tpm2_flushcontext", &["--loaded-session"]);
    machine.quote("sha256:13", NONCE, "ecdsa-sha256");
    let (code, said, _) = judge(&machine, &["--image", &machine.file("image")]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn an_image_that_was_measured_as_meta_measured_did() {
    let machine = quoted(&[Measured::meta_measured(b"image")], "sha256:13");
    let (code, said, _) = judge(&machine, &["--image", &machine.file("image")]);
    assert!(code == 0 && said.contains("format meta-measured"), "{said}");
    let list = machine.file("list");
    let mut predict = Command::new(program());
    predict.args(["predict", "--image-format", "meta-measured", "--allow-entry", &list, &machine.file("image")]);
    assert!(predict.output().unwrap().status.success());
    assert_eq!(judge(&machine, &["--allow", &list]).0, 0);
    machine.write("image", b"another");
    assert_eq!(judge(&machine, &["--image", &machine.file("image")]).0, 3);
}

#[test]
fn each_boot_and_what_is_said_of_it() {
    let image = || Measured::image(b"image");
    let other = || Measured::image(b"another image");
    let ipl = || Measured::other(13, "grub");
    let table: [(&str, Vec<Measured>, i32, &str); 9] = [
        ("the image", vec![image()], 0, "trusted: "),
        ("another", vec![other()], 3, "not trusted: an image was booted that is not known\nPCR 13: sha256 "),
        ("none", vec![], 3, "not trusted: nothing was measured into PCR 13"),
        ("a failed boot", vec![Measured::failed()], 3, "not trusted: the boot failed"),
        ("a boot that failed late", vec![image(), Measured::failed()], 3, "not trusted: the boot failed"),
        (
            "an unmeasured boot",
            vec![Measured::unmeasured()],
            3,
            "not trusted: an image was booted that nobody measured",
        ),
        ("more behind it", vec![image(), ipl()], 3, "0 events before it and 1 behind it"),
        ("more before it", vec![ipl(), image()], 3, "1 events before it and 0 behind it"),
        ("twice", vec![image(), image()], 3, "0 events before it and 1 behind it"),
    ];
    for (name, events, code, part) in table {
        let machine = quoted(&events, "sha256:13");
        let (ended, said, _) = judge(&machine, &["--image", &machine.file("image")]);
        assert!(ended == code && said.contains(part), "{name}: {ended} {said}");
        // What is not trusted is so for no list, either.
        if code == 3 {
            let empty = machine.file("list");
            machine.write("list", b"{\"images\": []}");
            assert_eq!(judge(&machine, &["--allow", &empty]).0, 3, "{name}");
        }
    }
}

#[test]
fn the_list_of_trusted_images() {
    let machine = quoted(&[Measured::image(b"image")], "sha256:13");
    let (image, list) = (machine.file("image"), machine.file("list"));
    let allow = |arguments: &[&str]| {
        let mut predict = Command::new(program());
        predict.args(["predict", "--allow-entry", &list]).args(arguments);
        assert!(predict.output().unwrap().status.success(), "{arguments:?}");
        judge(&machine, &["--allow", &list])
    };
    machine.write("other", b"another image");
    let (code, said, _) = allow(&[&machine.file("other")]);
    assert!(code == 3 && said.contains("not known"), "{said}");
    // As another PCR, onto another value, or in other banks than the quoted one it is another boot.
    assert_eq!(allow(&[&image, "--pcr", "9"]).0, 3);
    assert_eq!(allow(&[&image, "--bank", "sha384"]).0, 3);
    let (code, said, _) = allow(&[&image, "--before", &"11".repeat(32)]);
    assert!(code == 3 && said.contains("was measured, but PCR 13 was not extended with it alone"), "{said}");
    let (code, said, _) = allow(&[&image, "--name", "release 7", "--until", "2020-01-31"]);
    assert!(code == 3 && said.contains("release 7 was booted, which was trusted until 2020-01-31"), "{said}");
    let (code, said, _) = allow(&[&image, "--name", "release 7", "--until", "9999-12-30"]);
    assert!(code == 0 && said.starts_with("trusted: release 7, until 9999-12-30\n"), "{said}");
}

#[test]
fn a_pcr_that_others_measured_into_before() {
    let events = [Measured::other(9, "kernel"), Measured::other(9, "initrd"), Measured::image(b"image").into_pcr(9)];
    let machine = quoted(&events, "sha256:9");
    let (image, list) = (machine.file("image"), machine.file("list"));
    let before = measureroot::hash::bank::Bank::Sha256;
    let zero = measureroot::hash::digest::Digest::zero(before);
    let value = events[..2].iter().fold(zero, |value, event| value.extended(before, &event.digests[&before]));
    let mut predict = Command::new(program());
    predict.args(["predict", "--pcr", "9", "--bank", "sha256", "--allow-entry", &list, "--before", &value.to_string()]);
    assert!(predict.arg(&image).output().unwrap().status.success());
    assert_eq!(judge(&machine, &["--pcr", "9", "--allow", &list]).0, 0);
    assert_eq!(judge(&machine, &["--pcr", "9", "--image", &image]).0, 3, "onto zero it is another boot");
    let (code, said, _) = judge(&machine, &["--allow", &list]);
    assert!(code == 4 && said.contains("PCR 13: is not in the quote"), "{said}");
}

#[test]
fn other_pcrs_in_the_quote_must_be_explained_too() {
    let events = [Measured::other(4, "boot loader"), Measured::other(7, "keys"), Measured::image(b"image")];
    for pcrs in ["sha256:4,7,13", "sha1:4,13+sha256:0,7,13+sha512:13", "sha256:13+sha1:4,7", "sha384:4+sha256:13"] {
        let machine = quoted(&events, pcrs);
        let (code, said, warned) = judge(&machine, &["--image", &machine.file("image")]);
        assert!(code == 0 && warned.contains("verify was not told which values are right"), "{pcrs}: {said}{warned}");
        machine.write("log", &log(&events[1..]));
        let (code, said, _) = judge(&machine, &["--image", &machine.file("image")]);
        assert!(code == 4 && said.contains("do not lead to the PCRs that are quoted"), "{pcrs}: {said}");
        // In two files, the firmware's and ours.
        machine.write("log", &log(&events[..2]));
        machine.write("ours", &log(&events[2..]));
        assert_eq!(
            judge(&machine, &["--image", &machine.file("image"), "--log", &machine.file("ours")]).0,
            0,
            "{pcrs}"
        );
    }
}

#[test]
fn what_is_expected_of_the_other_pcrs() {
    let events = [Measured::other(4, "boot loader"), Measured::other(7, "keys"), Measured::image(b"image")];
    let machine = quoted(&events, "sha256:0,4,7,13");
    let (image, known) = (machine.file("image"), machine.file("known"));
    let judge = |pcrs: &str, change: (&str, &str)| {
        let text = machine.swtpm.tool("tpm2_pcrread", &[pcrs]).replacen(change.0, change.1, 1);
        machine.write("known", text.as_bytes());
        judge(&machine, &["--image", &image, "--expect", &known])
    };
    let (code, said, warned) = judge("sha256:0,4,7", ("", ""));
    assert!(code == 0 && !warned.contains("measureroot: "), "{said}{warned}");
    let (code, said, warned) = judge("sha256:4", ("", ""));
    assert!(
        code == 0 && warned.contains("other quoted PCRs (0, 7), but verify was not told which values are right"),
        "{said}{warned}"
    );
    for (pcrs, change, part) in [
        ("sha256:0,4", ("0 : 0x00", "0 : 0x01"), "PCR 0, sha256, is 00"),
        ("sha256:0,4", ("4 : ", "7 : "), "PCR 7, sha256, is "),
        ("sha256:4,5", ("", ""), "PCR 5, sha256, is not quoted"),
        ("sha384:4", ("", ""), "PCR 4, sha384, is not quoted"),
    ] {
        let (code, said, _) = judge(pcrs, change);
        assert!(code == 3 && said.contains(part) && said.contains(" is expected\n"), "{pcrs} {change:?}: {said}");
    }
    let (code, said, _) = judge("sha256:4", ("sha256", "what"));
    assert!(code == 1 && said.is_empty(), "{said}");
}

#[test]
fn with_the_values_it_names_the_pcr_that_is_not_explained() {
    let events = [Measured::other(4, "boot loader"), Measured::other(7, "keys"), Measured::image(b"image")];
    let machine = quoted(&events, "sha1:0,4,13+sha256:4,7,13+sha512:1,2,4,13");
    let (image, pcrs) = (machine.file("image"), machine.file("pcrs"));
    let judge = |arguments: &[&str]| judge(&machine, &[&["--image", &image], arguments].concat());
    let (ak, values) = (machine.file("ak.ctx"), machine.file("values"));
    let line = ["-Q", "-c", &ak, "-l", "sha1:0,4,13+sha256:4,7,13+sha512:1,2,4,13", "-F", "values", "-o", &values];
    machine.tool("tpm2_quote", &line);
    for form in [&pcrs, &values] {
        machine.write("log", &log(&events));
        let (code, said, _) = judge(&["--pcrs", form]);
        assert_eq!(code, 0, "{said}");
        machine.write("log", &log(&[events[0].clone(), Measured::other(7, "other keys"), events[2].clone()]));
        let (code, said, _) = judge(&["--pcrs", form]);
        assert!(code == 4 && said.contains("(PCR 7, sha256: it is ") && !said.contains("PCR 4,"), "{said}");
        assert!(judge(&[]).1.contains("--pcrs"));
    }
    let good = machine.read("pcrs");
    // A bit of the first digest; less; more.
    let flipped = good.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 150)).collect();
    for bytes in [flipped, good[..600].to_vec(), [good.as_slice(), &[0]].concat()] {
        machine.write("changed", &bytes);
        let (code, said, _) = judge(&["--pcrs", &machine.file("changed")]);
        assert!(code == 4 && said.contains("PCR values: are not those that are quoted"), "{said}");
    }
}

#[test]
fn a_log_may_go_on_behind_the_quote_and_not_end_before_it() {
    let events = [Measured::other(11, "phase 1"), Measured::image(b"image"), Measured::other(11, "phase 2")];
    let machine = quoted(&events[..2], "sha256:11,13");
    machine.write("log", &log(&events));
    let (code, said, warned) = judge(&machine, &["--image", &machine.file("image")]);
    assert!(
        code == 0 && warned.contains("the quote does not prove 1 event that the logs have after it"),
        "{said}{warned}"
    );
    // What the quote does not prove is not counted.
    machine.write("log", &log(&[events[0].clone(), events[1].clone(), Measured::failed()]));
    assert_eq!(judge(&machine, &["--image", &machine.file("image")]).0, 0);
    machine.write("log", &log(&events[..1]));
    assert_eq!(judge(&machine, &["--image", &machine.file("image")]).0, 4);
}

#[test]
fn sha1_alone_is_no_evidence_unless_asked_for() {
    let machine = quoted(&[Measured::image(b"image")], "sha1:13+sha256:4");
    let (code, said, _) = judge(&machine, &["--image", &machine.file("image")]);
    assert!(code == 4 && said.contains("sha1 bank alone"), "{said}");
    assert_eq!(judge(&machine, &["--image", &machine.file("image"), "--sha1"]).0, 0);
    // As a signature's hash it is never taken.
    machine.key("rsa2048:rsassa-sha1");
    machine.quote("sha256:13", NONCE, "rsassa-sha1");
    for options in [&[][..], &["--sha1"]] {
        let (code, said, _) = judge(&machine, &[&["--image", &machine.file("image")], options].concat());
        assert!(code == 4 && said.contains("signature: with SHA-1"), "{said}");
    }
}

#[test]
fn a_key_whose_signature_proves_nothing_is_refused() {
    let machine = quoted(&[Measured::image(b"image")], "sha256:13");
    for (attributes, part) in [
        ("fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign", "restricted is not set"),
        ("sensitivedataorigin|userwithauth|restricted|sign", "fixedTPM is not set"),
    ] {
        machine.key_with("ecc256:ecdsa-sha256", attributes);
        machine.quote("sha256:13", NONCE, "ecdsa-sha256");
        let (code, said, _) = judge(&machine, &["--image", &machine.file("image")]);
        assert!(code == 4 && said.contains(part), "{said}");
    }
    let storage = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt";
    let key = machine.file("srk.ctx");
    machine.tool("tpm2_createprimary", &["-Q", "-C", "o", "-G", "ecc256", "-a", storage, "-c", &key]);
    machine.tool("tpm2_readpublic", &["-Q", "-c", &key, "-f", "tss", "-o", &machine.file("ak.tss")]);
    let (code, said, _) = judge(&machine, &["--image", &machine.file("image")]);
    assert!(code == 4 && said.contains("sign is not set"), "{said}");
}

#[test]
fn the_answer_in_json_and_what_it_does_not_prove() {
    let machine = quoted(&[Measured::image(b"image")], "sha256:13");
    let image = machine.file("image");
    let json = |arguments: &[&str]| -> (i32, Value) {
        let (code, said, _) = judge(&machine, &[&["--json"], arguments].concat());
        (code, serde_json::from_str(&said).unwrap())
    };
    let (code, said) = json(&["--image", &image]);
    assert_eq!((code, &said["verdict"], &said["image"]["name"]), (0, &"trusted".into(), &image.clone().into()));
    let evidence = &said["evidence"];
    assert_eq!((&evidence["nonce"], &evidence["key"]), (&NONCE.into(), &"ECC P-256".into()));
    assert_eq!(evidence["values"]["sha256"], machine.swtpm.tpm2_pcrread("sha256").as_str());
    assert_eq!(evidence["quoted"], serde_json::json!({ "sha256": [13] }));
    assert_eq!(evidence["events"].as_array().unwrap().len(), 1);
    let name = machine.swtpm.tool("tpm2_readpublic", &["-c", &machine.file("ak.ctx")]);
    assert!(name.contains(&format!("name: {}", evidence["key_name"].as_str().unwrap())), "{name}");
    assert!(said["warnings"][0].as_str().unwrap().contains("is quoted alone"), "{said}");

    machine.write("other", b"another image");
    let (code, said) = json(&["--image", &machine.file("other")]);
    assert_eq!((code, &said["verdict"]), (3, &"not-trusted".into()));
    machine.write("log", b"");
    let (code, said) = json(&["--image", &image]);
    assert_eq!((code, &said["verdict"], &said["check"]), (4, &"broken".into(), &"log".into()));
}

#[test]
fn without_a_nonce_it_says_loudly_what_is_missing() {
    let machine = quoted(&[Measured::image(b"image")], "sha256:13");
    let options = ["--key", &machine.file("ak.tss"), "--signature", &machine.file("signature.tss")];
    let (code, said, warned) = verify(&machine, &[&options[..], &["--image", &machine.file("image")]].concat());
    assert!(code == 0 && warned.contains("NOT PROVEN TO BE FRESH"), "{said}{warned}");
}

#[test]
fn errors_have_their_exit_codes() {
    let machine = quoted(&[Measured::image(b"image")], "sha256:13");
    let image = machine.file("image");
    // Read or understood is nothing of this.
    for (arguments, code) in [
        (&["--image", "/no/such/image"][..], 1),
        (&["--allow", "/no/such/list"], 1),
        (&["--image", &image, "--log", "/no/such/log"], 1),
        (&["--image", &image, "--log", "/dev/zero"], 1),
        (&[], 2),
        (&["--image", &image, "--nonce", "xy"], 2),
        (&["--image", &image, "--nonce", ""], 2),
        (&["--image", &image, "--pcr", "16"], 2),
        (&["--image", &image, "--roothash", "00"], 2),
        (&["--allow", &image], 1),
    ] {
        let (key, signature) = (machine.file("ak.tss"), machine.file("signature.tss"));
        let (ended, said, _) = verify(&machine, &[&["--key", &key, "--signature", &signature], arguments].concat());
        assert_eq!((ended, said.as_str()), (code, ""), "{arguments:?}");
    }
}

#[test]
fn an_image_that_was_prepared_is_known_by_its_root_hash() {
    let hash = "5a".repeat(32);
    let machine = quoted(&[Measured::image(format!("measureroot: roothash={hash}").as_bytes())], "sha256:13");
    let (code, said, _) = judge(&machine, &["--roothash", &hash]);
    assert_eq!((code, said.starts_with(&format!("trusted: {hash}\n"))), (0, true), "{said}");
    assert_eq!(judge(&machine, &["--roothash", &"5b".repeat(32)]).0, 3);
}

//! `measureroot verify` judges keys and quotes that tpm2-tools make with a software TPM. tpm2_checkquote judges them too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use common::{Ran, measureroot, squashfs};
use evidence::{Machine, Measured, NONCE, log};
use measureroot::internal::eventlog::Claim;
use measureroot::internal::hash::{Bank, Digest};
use serde_json::Value;

#[test]
fn quotes_of_every_kind_of_key_in_every_format_are_accepted() {
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
                let trusts = ["--image-only", "--key-is-trusted", "--image", &machine.file("image")];
                let Ran { code, out, err } = machine.verify(&[&options[..], &trusts].concat());
                assert_eq!(code, 0, "{kind} {scheme} {form} {key}: {out}");
                assert!(out.starts_with("trusted: ") && out.contains("/dev/vda"), "{out}");
                assert_eq!(
                    err.contains("whether it signs only quotes and is fixed to its TPM"),
                    key == "pem" || key == "der",
                    "{err}"
                );
            }
            // A number of the signature in which one bit is another.
            let name = format!("signature.{form}");
            let mut changed = machine.read(&name);
            *changed.last_mut().unwrap() ^= 1;
            machine.write(&name, &changed);
            let Ran { code, out, .. } = machine.verify(&[
                "--key",
                &machine.file("ak.tss"),
                "--signature",
                &signature,
                "--image",
                &machine.file("image"),
            ]);
            assert!(code == 4 && out.contains("is not that of this key"), "{kind} {scheme} {form}: {out}");
        }
        independently_checked(&machine, scheme);
    }
}

/// tpm2_checkquote accepts the quote and the log too. It does not know RSAPSS, so OpenSSL checks that.
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
fn an_image_in_the_format_of_meta_measured_is_known() {
    let machine = Machine::quoted(&[Measured::meta_measured(&squashfs(b"image"))], "sha256:13");
    machine.write("image", &squashfs(b"image"));
    let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
    assert!(code == 0 && out.contains("format meta-measured"), "{out}");
    let list = machine.file("list");
    measureroot(&["predict", "--image-format", "meta-measured", "--allow-entry", &list, &machine.file("image")])
        .printed();
    assert_eq!(machine.judge(&["--allow", &list]).code, 0);
    machine.write("image", &squashfs(b"another"));
    assert_eq!(machine.judge(&["--image", &machine.file("image")]).code, 3);
}

#[test]
fn each_kind_of_boot_gets_its_verdict() {
    let image = || Measured::image(b"image");
    let other = || Measured::image(b"another image");
    let ipl = || Measured::other(13, "grub");
    let table: [(&str, Vec<Measured>, i32, &str); 9] = [
        ("the image", vec![image()], 0, "trusted: "),
        (
            "another",
            vec![other()],
            3,
            "not trusted: an image was booted that is not known\nPCR 13 was extended with sha256 ",
        ),
        ("none", vec![], 3, "not trusted: nothing was measured into PCR 13"),
        ("a failed boot", vec![Measured::failed()], 3, "not trusted: the boot failed"),
        ("a boot that failed late", vec![image(), Measured::failed()], 3, "not trusted: the boot failed"),
        ("an unmeasured boot", vec![Measured::unmeasured()], 3, "not trusted: the boot did not measure its image"),
        ("more behind it", vec![image(), ipl()], 3, "0 events before it, 1 event after it\n"),
        ("more before it", vec![ipl(), image()], 3, "1 event before it, 0 events after it\n"),
        ("twice", vec![image(), image()], 3, "0 events before it, 1 event after it\n"),
    ];
    for (name, events, code, part) in table {
        let machine = Machine::quoted(&events, "sha256:13");
        let Ran { code: ended, out, .. } = machine.judge(&["--image", &machine.file("image")]);
        assert!(ended == code && out.contains(part), "{name}: {ended} {out}");
        // With an empty list of trusted images, it is not trusted either.
        if code == 3 {
            let empty = machine.file("list");
            machine.write("list", b"{\"images\": []}");
            assert_eq!(machine.judge(&["--allow", &empty]).code, 3, "{name}");
        }
    }
}

#[test]
fn what_the_log_says_against_the_boot_counts_although_the_quote_is_older() {
    let image = Measured::image(b"image");
    let machine = Machine::quoted(std::slice::from_ref(&image), "sha256:13");
    let trusted = ["--image", &machine.file("image")];
    for (later, part) in [
        (Measured::failed(), "by event 2, the boot failed; the quote does not prove that event\n"),
        (
            Measured::unmeasured(),
            "by event 2, the boot did not measure its image (measureroot=off); the quote does not",
        ),
        // A PCR that is not quoted.
        (Measured::failed().into_pcr(14), "by event 2, the boot failed; the quote does not prove that event\n"),
    ] {
        machine.write("log", &log(&[image.clone(), later]));
        let Ran { code, out, .. } = machine.judge(&trusted);
        assert!(code == 3 && out.contains("was booted, but ") && out.contains(part), "{out}");
        // replay compares the log with the values that were quoted.
        let Ran { code, err, .. } = measureroot(&["replay", "--pcrs", &machine.file("pcrs"), &machine.file("log")]);
        assert_eq!(code == 1, err.contains("; but by event 2, the boot "), "{err}");
    }
    // What others measure later says nothing about the boot.
    machine.write("log", &log(&[image, Measured::other(13, "later")]));
    let Ran { code, out, err } = machine.judge(&trusted);
    assert!(code == 0 && err.contains("does not prove 1 event"), "{out}{err}");
}

#[test]
fn an_image_that_the_log_passes_off_as_a_root_hash_is_not_trusted() {
    let claim = |root_hash: &str| {
        let json = format!(r#"{{"event":"roothash"{root_hash},"version":"0"}}"#);
        serde_json::from_str::<Claim>(&json).unwrap().tagged().unwrap()
    };
    for root_hash in [String::new(), format!(r#","root_hash":"{}""#, "5a".repeat(32))] {
        let event = Measured { data: claim(&root_hash), ..Measured::image(b"image") };
        let machine = Machine::quoted(&[event], "sha256:13");
        let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
        assert!(code == 4 && out.contains("do not mark the event"), "{root_hash}: {out}");
    }
}

#[test]
fn what_systemd_measures_beside_the_image_is_a_reason_of_its_own() {
    let (image, separator) = (|| Measured::image(b"image"), || Measured::other(13, "os-separator"));
    // systemd-stub's digest is that of an archive; the data is its name for that, in UTF-16.
    let extensions = |name: &str| Measured {
        data: format!("{name}\0").encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ..Measured::other(13, "the archive")
    };
    for (events, part) in [
        (
            vec![image(), separator()],
            "and then the os-separator of systemd-pcrosseparator.service (the unit is for an initramfs",
        ),
        (
            vec![separator(), image()],
            "but behind the os-separator of systemd-pcrosseparator.service (an initramfs with systemd ran",
        ),
        (
            vec![image(), separator(), Measured::other(13, "x")],
            "0 events before it, 2 events after it; one of them is the os-separator of systemd-pcrosseparator.service\n",
        ),
        (
            vec![Measured::image(b"other"), separator()],
            "PCR 13 was extended 2 times, but not with a known image; one of",
        ),
        (
            vec![extensions("System extension initrd"), image()],
            "but behind, by the log, the extension images that systemd-stub found beside the kernel (remove them",
        ),
        (vec![extensions("Global system extension initrd"), image()], "extension images that systemd-stub found"),
        (vec![image(), extensions("System extension initrd")], "so the log is wrong"),
        (vec![extensions("Configuration extension initrd"), image()], "1 event before it, 0 events after it\n"),
    ] {
        let machine = Machine::quoted(&events, "sha256:13");
        let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
        assert!(code == 3 && out.contains(part), "{part}: {out}");
    }
}

#[test]
fn the_sha1_bank_alone_proves_nothing_unless_asked_for() {
    let machine = Machine::quoted(&[Measured::image(b"image")], "sha1:13+sha256:4");
    let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
    assert!(code == 4 && out.contains("sha1 bank alone"), "{out}");
    assert_eq!(machine.judge(&["--image", &machine.file("image"), "--sha1"]).code, 0);
    // The same log in the older form, which has only SHA-1 digests.
    let event = Measured::image(b"image");
    let older = [
        &[13, 0, 0, 0, 6, 0, 0, 0],
        event.digests[&Bank::Sha1].as_bytes(),
        &u32::try_from(event.data.len()).unwrap().to_le_bytes(),
        &event.data,
    ];
    machine.write("log", &older.concat());
    let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
    assert!(code == 4 && out.contains("sha1 bank alone"), "{out}");
    let Ran { code, err, .. } = machine.judge(&["--image", &machine.file("image"), "--sha1"]);
    assert!(code == 0 && err.contains("has only SHA-1 digests: such a log can be forged"), "{err}");
    // A signature with SHA-1 is never accepted.
    machine.key("rsa2048:rsassa-sha1");
    machine.quote("sha256:13", NONCE, "rsassa-sha1");
    for options in [&[][..], &["--sha1"]] {
        let Ran { code, out, .. } = machine.judge(&[&["--image", &machine.file("image")], options].concat());
        assert!(code == 4 && out.contains("signature: uses SHA-1"), "{out}");
    }
}

#[test]
fn an_images_digest_under_a_claim_about_a_root_hash_is_broken_evidence() {
    let hash = "5a".repeat(32);
    let claim = serde_json::json!({ "event": "roothash", "root_hash": hash, "version": "0" });
    let claim: Claim = serde_json::from_value(claim).unwrap();
    let as_root_hash = |content: &[u8]| Measured { data: claim.tagged().unwrap(), ..Measured::image(content) };
    let machine = Machine::quoted(&[as_root_hash(b"image")], "sha256:13");
    let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
    assert!(code == 4 && out.contains("do not mark the event with the image's digest as measureroot's"), "{out}");
    let right = as_root_hash(format!("measureroot: roothash={hash}").as_bytes());
    let machine = Machine::quoted(std::slice::from_ref(&right), "sha256:13");
    assert_eq!(machine.judge(&["--roothash", &hash]).code, 0);
    // A log that the firmware began has zeros for a bank that the TPM has not active. Only the quoted banks are judged.
    let zeros = |mut event: Measured| {
        event.digests.insert(Bank::Sha1, Digest::zero(Bank::Sha1));
        event
    };
    machine.write("log", &log(&[zeros(right)]));
    let Ran { code, out, .. } = machine.judge(&["--roothash", &hash]);
    assert!(code == 0 && !out.contains("DOES NOT MATCH"), "{out}");
    let machine = Machine::quoted(&[Measured::failed()], "sha256:13");
    machine.write("log", &log(&[zeros(Measured::failed())]));
    let Ran { code, out, .. } = machine.judge(&["--roothash", &hash]);
    assert!(code == 3 && out.contains("the boot failed"), "{out}");
}

#[test]
fn the_answer_in_json_has_the_verdict_the_evidence_and_warnings() {
    let machine = Machine::quoted(&[Measured::image(b"image")], "sha256:13");
    let image = machine.file("image");
    let json = |arguments: &[&str]| -> (i32, Value) {
        let answer = machine.judge(&[&["--json"], arguments].concat());
        (answer.code, answer.json())
    };
    let (code, answer) = json(&["--image", &image]);
    assert_eq!((code, &answer["verdict"], &answer["image"]["name"]), (0, &"trusted".into(), &image.clone().into()));
    let evidence = &answer["evidence"];
    assert_eq!((&evidence["nonce"], &evidence["key"]), (&NONCE.into(), &"ECC P-256".into()));
    assert_eq!(evidence["values"]["sha256"], machine.swtpm.tpm2_pcrread("sha256").as_str());
    assert_eq!(evidence["quoted"], serde_json::json!({ "sha256": [13] }));
    assert_eq!(evidence["events"].as_array().unwrap().len(), 1);
    let name = machine.swtpm.tool("tpm2_readpublic", &["-c", &machine.file("ak.ctx")]);
    assert!(name.contains(&format!("name: {}", evidence["key_name"].as_str().unwrap())), "{name}");
    assert!(answer["warnings"][0].as_str().unwrap().contains("is quoted alone"), "{answer}");

    machine.write("other", b"another image");
    let (code, answer) = json(&["--image", &machine.file("other")]);
    assert_eq!((code, &answer["verdict"]), (3, &"not-trusted".into()));
    machine.write("log", b"");
    let (code, answer) = json(&["--image", &image]);
    assert_eq!((code, &answer["verdict"], &answer["check"]), (4, &"broken".into(), &"log".into()));
}

/// Arguments; what the reason names; what the report names as not checked.
type Row<'a> = (&'a [&'a [&'a str]], &'a [&'a str], &'a [&'a str]);

#[test]
fn a_proof_with_a_gap_is_trusted_only_if_the_verifier_accepts_it_by_name() {
    let machine = Machine::quoted(&[Measured::image(b"image")], "sha256:13");
    let (image, own, pem) = (machine.file("image"), machine.file("ak.tss"), machine.file("ak.pem"));
    let (own, pem) = (["--key", &own], ["--key", &pem]);
    let fresh = ["--nonce", NONCE];
    let quote = "the quote may be from any earlier boot";
    let key = "the key does not say that it belongs to a TPM";
    let start = "what started the agent was not checked: ";
    let table: [Row<'_>; 7] = [
        (&[&own, &fresh, &["--image-only"]], &[], &[start]),
        (&[&own, &fresh], &[start], &[]),
        (&[&own, &["--image-only"]], &[quote], &[]),
        (&[&own, &["--image-only", "--any-nonce"]], &[], &["whether the quote is fresh was not checked", start]),
        (&[&pem, &fresh, &["--image-only"]], &[key], &[]),
        (&[&pem, &fresh, &["--image-only", "--key-is-trusted"]], &[], &["whether the key belongs to a TPM", start]),
        (&[&pem], &[quote, key, start], &[]),
    ];
    for (arguments, reasons, named) in table {
        let signature = ["--signature", &machine.file("signature.tss"), "--image", &image];
        let Ran { code, out, .. } = machine.verify(&[&signature, &arguments.concat()[..]].concat());
        let (verdict, report) = out.split_once('\n').unwrap();
        assert_eq!(code, if reasons.is_empty() { 0 } else { 3 }, "{arguments:?}: {out}");
        assert!(verdict.starts_with(if reasons.is_empty() { "trusted: " } else { "not trusted: " }), "{out}");
        for words in [quote, key, start] {
            assert_eq!(verdict.contains(words), reasons.contains(&words), "{arguments:?}: {out}");
        }
        assert!(named.iter().all(|words| report.contains(words)), "{arguments:?}: {out}");
    }
    // A nonce that is given must be in the quote, whatever is accepted.
    let signature = machine.file("signature.tss");
    let wrong = ["--nonce", "00", "--any-nonce", "--signature", &signature, "--image", &image];
    assert_eq!(machine.verify(&[&own[..], &wrong].concat()).code, 4);
}

#[test]
fn a_nonce_that_an_earlier_quote_may_have_does_not_make_a_quote_fresh() {
    let machine = Machine::quoted(&[Measured::image(b"image")], "sha256:13");
    for (nonce, is_fresh) in [("00", false), ("00112233445566", false), ("0011223344556677", true)] {
        machine.quote("sha256:13", nonce, "ecdsa-sha256");
        let (key, signature, image) = (machine.file("ak.tss"), machine.file("signature.tss"), machine.file("image"));
        let judge = |more: &[&str]| {
            let options = ["--key", &key, "--signature", &signature, "--image", &image, "--image-only", "--nonce"];
            machine.verify(&[&options[..], &[nonce], more].concat())
        };
        let Ran { code, out, err } = judge(&[]);
        assert_eq!(code, if is_fresh { 0 } else { 3 }, "{out}");
        let words = format!("a nonce of {} byte", nonce.len() / 2);
        assert!(out.contains(&words) != is_fresh && err.contains("NOT PROVEN TO BE FRESH") != is_fresh, "{out}{err}");
        assert_eq!(judge(&["--json"]).json()["fresh"], is_fresh);
        let Ran { code, out, .. } = judge(&["--any-nonce"]);
        assert!(code == 0 && out.contains("whether the quote is fresh was not checked") != is_fresh, "{out}");
    }
}

#[test]
fn without_a_nonce_a_warning_says_that_the_quote_may_be_old() {
    let machine = Machine::quoted(&[Measured::image(b"image")], "sha256:13");
    let options = ["--key", &machine.file("ak.tss"), "--signature", &machine.file("signature.tss")];
    let accepts = ["--image-only", "--any-nonce", "--image", &machine.file("image")];
    let Ran { code, out, err } = machine.verify(&[&options[..], &accepts].concat());
    assert!(code == 0 && err.contains("NOT PROVEN TO BE FRESH"), "{out}{err}");
}

#[test]
fn errors_have_their_exit_codes() {
    let machine = Machine::quoted(&[Measured::image(b"image")], "sha256:13");
    let image = machine.file("image");
    machine.write("empty", b"");
    let empty = machine.file("empty");
    // The arguments and files of these cannot be read.
    for (arguments, code) in [
        (&["--image", "/no/such/image"][..], 1),
        (&["--allow", "/no/such/list"], 1),
        (&["--image", &image, "--log", "/no/such/log"], 1),
        (&["--image", &image, "--log", "/dev/zero"], 1),
        (&[], 2),
        (&["--image", &image, "--nonce", "xy"], 2),
        (&["--image", &image, "--nonce", ""], 2),
        (&["--image", &image, "--pcr", "16"], 2),
        (&["--image", &image, "--pcr", "23"], 2),
        (&["--image", &image, "--roothash", "00"], 2),
        (&["--allow", &image], 1),
        (&["--image", "/dev/null"], 1),
        (&["--image", "/"], 1),
        (&["--image", &empty], 1),
    ] {
        let (key, signature) = (machine.file("ak.tss"), machine.file("signature.tss"));
        let Ran { code: ended, out, .. } =
            machine.verify(&[&["--key", &key, "--signature", &signature], arguments].concat());
        assert_eq!((ended, out.as_str()), (code, ""), "{arguments:?}");
    }
}

#[test]
fn a_prepared_image_is_known_by_its_root_hash() {
    let hash = "5a".repeat(32);
    let machine = Machine::quoted(&[Measured::image(format!("measureroot: roothash={hash}").as_bytes())], "sha256:13");
    let Ran { code, out, .. } = machine.judge(&["--roothash", &hash]);
    assert_eq!((code, out.starts_with(&format!("trusted: {hash}\n"))), (0, true), "{out}");
    assert_eq!(machine.judge(&["--roothash", &"5b".repeat(32)]).code, 3);
}

//! Reference values for others: each format is read by a program or a library that this project did not write, and no changed byte passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Ran, blocks_of, measureroot, program, run, run_with, shell, squashfs, text};
use corim_rs::{
    ConciseTagTypeChoice, Corim, CorimError, CoseAlgorithm, CoseKey, CoseKeyOwner, CoseVerifier, IntegerType,
    MeasuredElementTypeChoice, MeasurementValuesMap, ReferenceTripleRecord, Ulabel,
};
use measureroot::internal::evidence::{AllowList, SignerKey};
use measureroot::internal::hash::Bank;
use p256::ecdsa::signature::Verifier;
use p256::pkcs8::DecodePublicKey;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The kinds of keys, as `openssl genpkey` makes them.
const KINDS: [(&str, &[&str]); 3] = [
    ("P-256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("P-384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("Ed25519", &["-algorithm", "ED25519"]),
];

/// A folder with an image, a private key and its public key.
struct Builder(TempDir);

impl Builder {
    fn with(kind: &[&str]) -> Self {
        let builder = Self(tempfile::tempdir().unwrap());
        fs::write(builder.path("image"), squashfs(b"image")).unwrap();
        run("openssl", &[&["genpkey", "-out", &builder.file("key")], kind].concat());
        run("openssl", &["pkey", "-in", &builder.file("key"), "-pubout", "-out", &builder.file("pub")]);
        builder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        text(&self.path(name)).to_owned()
    }

    /// Predicts the image with these options.
    fn predict(&self, options: &[&str]) -> Vec<u8> {
        let output = Command::new(program()).arg("predict").args(options).arg(self.path("image")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The signed output in a format.
    fn signed(&self, format: &str) -> Vec<u8> {
        self.predict(&["--format", format, "--sign", &self.file("key")])
    }

    /// What the JSON says about the SHA-256 bank: the digest, and the PCR after.
    fn sha256(&self) -> (String, String) {
        let json: Value = serde_json::from_slice(&self.predict(&["--json"])).unwrap();
        let of = |name: &str| json["banks"]["sha256"][name].as_str().unwrap().to_owned();
        (of("digest"), of("after"))
    }

    fn signer(&self) -> SignerKey {
        SignerKey::parse(&fs::read(self.path("pub")).unwrap()).unwrap()
    }
}

#[test]
fn a_signed_list_reads_back_with_its_key_alone() {
    for (name, kind) in KINDS {
        let (builder, other) = (Builder::with(kind), Builder::with(kind));
        let signed = String::from_utf8(builder.signed("in-toto")).unwrap();
        let list = AllowList::of_signed(&signed, &builder.signer()).unwrap();
        assert_eq!(
            list.to_statement().unwrap() + "\n",
            String::from_utf8(builder.predict(&["--format", "in-toto"])).unwrap()
        );
        // The same image and key have the same bytes: a release can be made again.
        assert_eq!(signed.as_bytes(), builder.signed("in-toto"), "{name}");
        let error = AllowList::of_signed(&signed, &other.signer()).unwrap_err().to_string();
        assert!(error.contains(&format!("IS NOT SIGNED BY THIS KEY: {name}, key ID ")), "{error}");
        // The key in the other form that OpenSSL writes, and the public key in DER.
        if name != "Ed25519" {
            run("openssl", &["pkey", "-in", &builder.file("key"), "-traditional", "-out", &builder.file("older")]);
            assert!(fs::read_to_string(builder.path("older")).unwrap().contains("EC PRIVATE KEY"));
            fs::rename(builder.path("older"), builder.path("key")).unwrap();
            assert_eq!(signed.as_bytes(), builder.signed("in-toto"), "{name}");
        }
        run(
            "openssl",
            &["pkey", "-pubin", "-in", &builder.file("pub"), "-outform", "DER", "-out", &builder.file("der")],
        );
        fs::rename(builder.path("der"), builder.path("pub")).unwrap();
        assert!(AllowList::of_signed(&signed, &builder.signer()).is_ok(), "{name}");
    }
}

#[test]
fn one_flipped_bit_of_a_signed_list_is_refused() {
    for (name, kind) in KINDS {
        let builder = Builder::with(kind);
        // One bank: the file is shorter.
        let signed = builder.predict(&["--bank", "sha256", "--format", "in-toto", "--sign", &builder.file("key")]);
        let key = builder.signer();
        let whole = std::str::from_utf8(&signed).unwrap();
        assert!(AllowList::of_signed(whole, &key).is_ok());
        // Only this is not signed: a hint which key may fit, and nothing here reads it.
        let hint = whole.find("\"keyid\":\"").unwrap() + "\"keyid\":\"".len();
        let hint = hint..hint + 64;
        for at in 0..signed.len() {
            let mut flipped = signed.clone();
            flipped[at] ^= 1 << (at % 8);
            let read = std::str::from_utf8(&flipped).map(|text| AllowList::of_signed(text, &key));
            let is_refused = !matches!(read, Ok(Ok(_)));
            assert!(
                is_refused || hint.contains(&at),
                "{name}: byte {at} of {}: {:?}",
                signed.len(),
                flipped[at] as char
            );
        }
    }
}

#[test]
fn what_another_program_signed_is_read_and_what_it_signed_wrongly_is_not() {
    let builder = Builder::with(KINDS[0].1);
    let sign = |kind: &str, statement: &str| {
        let message = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        fs::write(builder.path("message"), message).unwrap();
        let signature = builder.file("signature");
        run(
            "openssl",
            &["dgst", "-sha256", "-sign", &builder.file("key"), "-out", &signature, &builder.file("message")],
        );
        let (payload, sig) = (run_with("base64", &["--wrap=0"], statement), run("base64", &["--wrap=0", &signature]));
        json!({"payloadType": kind, "payload": payload, "signatures": [{"sig": sig}]})
    };
    let in_toto = "application/vnd.in-toto+json";
    let statement = String::from_utf8(builder.predict(&["--format", "in-toto"])).unwrap();
    let read = |envelope: &Value| AllowList::of_signed(&envelope.to_string(), &builder.signer());
    let good = sign(in_toto, &statement);
    assert_eq!(read(&good).unwrap().to_statement().unwrap(), statement.trim_end());
    // One good signature among others.
    let mut several = good.clone();
    several["signatures"] = json!([{"keyid": "another", "sig": "MAYCAQECAQE="}, good["signatures"][0]]);
    assert!(read(&several).is_ok());
    let refused = |envelope: &Value, part: &str| {
        let error = read(envelope).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    };
    several["signatures"] = Value::Array(vec![good["signatures"][0].clone(); 17]);
    refused(&several, "has 17 signatures");
    let mut changed = good.clone();
    changed["signatures"] = json!([]);
    refused(&changed, "has 0 signatures");
    changed = good.clone();
    changed["unknown"] = json!(1);
    refused(&changed, "the field \"unknown\" is not known");
    // Well signed, but not what is asked for.
    refused(&sign("text/plain", &statement), "has the type \"text/plain\"");
    refused(&sign(in_toto, &statement.replace("TRUSTED_IMAGES", "REPRODUCIBLE")), "is about something else");
    refused(&sign(in_toto, &statement.replace("scai/v0.3", "scai/v9")), "is about something else");
    refused(&sign(in_toto, &statement.replacen("\"name\":\"image\"", "\"name\":\"other\"", 1)), "its subjects are not");
    refused(&sign(in_toto, "{\"images\":[]}"), "signed statement, line 1");
    refused(&sign(in_toto, &statement.replace("\"pcr\":13", "\"pcr\":16")), "image 1 (image)");
    refused(&json!({"images": []}), "is NOT SIGNED");
}

#[test]
fn the_command_line_keeps_signed_and_unsigned_apart() {
    let builder = Builder::with(KINDS[0].1);
    let (list, signed, key) = (builder.file("list"), builder.file("signed"), builder.file("pub"));
    let image = builder.file("image");
    let more = ["--allow-entry", &list, "--name", "release 7", "--until", "2099-12-31"];
    fs::write(
        &signed,
        builder.predict(&[&["--format", "in-toto", "--sign", &builder.file("key")], &more[..]].concat()),
    )
    .unwrap();
    // The signed list is the one that was written, with the new entry.
    let written: AllowList = fs::read_to_string(&list).unwrap().parse().unwrap();
    let public = builder.signer();
    assert_eq!(AllowList::of_signed(&fs::read_to_string(&signed).unwrap(), &public).unwrap(), written);
    let verify = |more: &[&str]| {
        let quote = ["verify", "--quote", &image, "--signature", &image, "--key", &image, "--log", &image];
        measureroot(&[&quote, more].concat())
    };
    for (arguments, part) in [
        (
            &["--allow", &signed][..],
            "signed: list of trusted images: is a signed list, and no key is given that checks it",
        ),
        (&["--allow", &list, "--signed-by", &key], "list: list of trusted images: is NOT SIGNED, and --signed-by asks"),
        (&["--allow", &signed, "--signed-by", &image], "image: key: is no public key of a signer"),
        (&["--allow", &signed, "--signed-by", &builder.file("key")], "never give a private key to another machine"),
    ] {
        let Ran { code, out, err } = verify(arguments);
        assert!(code == 1 && err.contains(part) && !err.contains("signed by the key"), "{arguments:?}: {out}{err}");
    }
    // The image is no quote. The list was read before.
    let Ran { code, err, .. } = verify(&["--allow", &signed, "--signed-by", &key]);
    assert!(code == 4 && err.contains(&format!("{signed}: signed by the key in {key} (P-256)")), "{err}");
    assert_eq!(verify(&["--image", &image, "--signed-by", &key]).code, 2);
    // A list that is signed is not added to.
    let ran = measureroot(&["predict", "--format", "hex", "--allow-entry", &signed, &image]);
    assert!(ran.code == 1 && ran.err.contains("predict adds to the list that is not signed"), "{ran:?}");
    let bare = builder.file("bare");
    fs::write(&bare, builder.predict(&["--format", "in-toto"])).unwrap();
    let ran = verify(&["--allow", &bare]);
    assert!(ran.code == 1 && ran.err.contains("is a statement of in-toto WITHOUT A SIGNATURE"), "{ran:?}");
}

#[test]
fn a_key_that_cannot_sign_is_named_before_the_image_is_read() {
    let builder = Builder::with(KINDS[0].1);
    let (key, image) = (builder.file("key"), builder.file("image"));
    let (encrypted, older, rsa) = (builder.file("encrypted"), builder.file("older"), builder.file("rsa"));
    run("openssl", &["pkcs8", "-topk8", "-in", &key, "-passout", "pass:x", "-out", &encrypted]);
    run("openssl", &["pkey", "-in", &key, "-traditional", "-aes128", "-passout", "pass:x", "-out", &older]);
    run("openssl", &["genpkey", "-algorithm", "RSA", "-out", &rsa]);
    for (key, part) in [
        (&*encrypted, "encrypted: private key: is encrypted"),
        (&older, "older: private key: is encrypted"),
        (&rsa, "rsa: private key: is of another type than P-256, P-384 or Ed25519"),
        (&builder.file("pub"), "there is PEM of \"PUBLIC KEY\", not of \"PRIVATE KEY\""),
        (&image, "private key: "),
        ("/nowhere", "/nowhere: "),
    ] {
        // The image does not exist: the error about the key comes first.
        let ran = measureroot(&["predict", "--format", "corim", "--sign", key, "no image"]);
        assert!(ran.code == 1 && ran.out.is_empty() && ran.err.contains(part), "{key}: {ran:?}");
    }
    let opened =
        format!("measureroot predict --format in-toto --sign <(openssl pkey -in {encrypted} -passin pass:x) {image}");
    assert_eq!(shell(&opened, builder.0.path(), &[]).printed().as_bytes(), builder.signed("in-toto"));
    for (format, more) in [("hex", &[][..]), ("rvps", &[]), ("json", &["--rtmr"])] {
        let ran = measureroot(&[&["predict", "--format", format, "--sign", &key, &image], more].concat());
        assert!(ran.code == 2 && ran.err.contains("--sign: this format has no place for a signature"), "{ran:?}");
    }
    let ran = measureroot(&["predict", "--format", "corim", "--bank", "sha1", &image]);
    assert!(ran.code == 2 && ran.err.contains("a CoRIM names no SHA-1"), "{ran:?}");
    // Without a key, the output is there, and the user reads that nobody signed it.
    for format in ["in-toto", "corim"] {
        let output = Command::new(program()).args(["predict", "--format", format, &image]).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains(&format!("{format}: IS NOT SIGNED")) && !output.stdout.is_empty(), "{err}");
    }
}

#[test]
fn the_commands_of_the_page_work_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rootfs.squashfs"), squashfs(b"image")).unwrap();
    // tests/token.rs has a token.
    let commands = blocks_of("docs/reference-values.md", |heading| heading != "A key on a token");
    shell(&commands.concat(), folder.path(), &[]).printed();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let key = SignerKey::parse(&read("pub.pem")).unwrap();
    for signed in ["trusted.dsse", "outside.dsse"] {
        AllowList::of_signed(std::str::from_utf8(&read(signed)).unwrap(), &key).unwrap();
    }
    assert!(matches!(Corim::from_cbor(read("rootfs.corim").as_slice()), Ok(Corim::Signed(_))));
    assert!(rvps(&read("message.json"))["tpm_pcr13"].is_array());
}

/// The values of a message, by name.
fn rvps(message: &[u8]) -> Value {
    let message: Value = serde_json::from_slice(message).unwrap();
    // rvps/src/lib.rs and rvps/README.md of Trustee: no other version is taken, and no other field is there.
    assert_eq!((&message["version"], &message["type"]), (&json!("0.1.0"), &json!("sample")));
    assert_eq!(message.as_object().unwrap().len(), 3);
    serde_json::from_str(&run_with("base64", &["--decode"], message["payload"].as_str().unwrap())).unwrap()
}

#[test]
fn trustee_gets_the_names_that_its_policies_ask_for() {
    let builder = Builder::with(KINDS[0].1);
    let (_, after) = builder.sha256();
    let one = builder.predict(&["--format", "rvps", "--bank", "sha256"]);
    assert_eq!(rvps(&one), json!({"tpm_pcr13": [after]}));
    let values = rvps(&builder.predict(&["--format", "rvps", "--pcr", "8"]));
    let values = values["tpm_pcr8"].as_array().unwrap();
    // A policy accepts each value, so there is none of SHA-1.
    assert!(values.len() == 3 && values.iter().all(|value| value.as_str().unwrap().len() > 40), "{values:?}");
    let rtmr = String::from_utf8(builder.predict(&["--rtmr", "--format", "hex"])).unwrap();
    assert_eq!(rvps(&builder.predict(&["--rtmr", "--format", "rvps"])), json!({"rtmr_2": [rtmr.trim()]}));
    let initrd = builder.file("initrd");
    fs::write(&initrd, "an initrd").unwrap();
    let kernel = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
    let chain = ["--kernel", kernel, "--initrd", &initrd, "--append", "ro", "--bank", "sha256"];
    let values = rvps(&builder.predict(&[&["--format", "rvps"], &chain[..]].concat()));
    let keylime: Value =
        serde_json::from_slice(&builder.predict(&[&["--format", "keylime"], &chain[..]].concat())).unwrap();
    let named = keylime.as_object().unwrap().iter().map(|(pcr, values)| (format!("tpm_pcr{pcr}"), values.clone()));
    assert_eq!(values, Value::Object(named.collect()));
    assert!(values["tpm_pcr9"].is_array() && values["tpm_pcr13"] == json!([after]), "{values}");
    // A list of the chain, signed, needs a list; a CoRIM has no alternatives here.
    let (list, key, image) = (builder.file("list"), builder.file("key"), builder.file("image"));
    let in_toto = [&["predict", "--format", "in-toto", "--sign", &key, &image], &chain[..]].concat();
    let ran = measureroot(&in_toto);
    assert!(ran.code == 2 && ran.err.contains("--allow-entry FILE names it"), "{ran:?}");
    let signed = measureroot(&[&in_toto[..], &["--allow-entry", &list]].concat()).printed();
    let written: AllowList = fs::read_to_string(&list).unwrap().parse().unwrap();
    assert_eq!(AllowList::of_signed(&signed, &builder.signer()).unwrap(), written);
    assert!(fs::read_to_string(&list).unwrap().contains("\"chain\""));
    let ran = measureroot(&[&["predict", "--format", "corim", &image], &chain[..]].concat());
    assert!(ran.code == 2 && ran.err.contains("use json, keylime, rvps or in-toto"), "{ran:?}");
}

/// The public key of a CoRIM's signer, for the crate corim-rs, which has no cryptography of its own.
enum Signer {
    P256(p256::ecdsa::VerifyingKey),
    /// The file of another key; OpenSSL checks.
    File(PathBuf),
}

impl CoseKeyOwner for &Signer {
    fn to_cose_key(&self) -> CoseKey {
        CoseKey::default()
    }
}

impl CoseVerifier for &Signer {
    fn verify_signature(&self, algorithm: CoseAlgorithm, signature: &[u8], data: &[u8]) -> Result<(), CorimError> {
        match self {
            Signer::P256(key) => {
                let parsed = p256::ecdsa::Signature::from_slice(signature).map_err(CorimError::custom)?;
                assert_eq!(algorithm, CoseAlgorithm::ES256);
                key.verify(data, &parsed).map_err(CorimError::custom)
            }
            Signer::File(key) => verified_by_openssl(key, algorithm, signature, data),
        }
    }
}

/// OpenSSL checks a signature as COSE has it: of Ed25519, and of ECDSA on P-384, whose two numbers become DER.
fn verified_by_openssl(key: &Path, algorithm: CoseAlgorithm, signature: &[u8], data: &[u8]) -> Result<(), CorimError> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| text(&folder.path().join(name)).to_owned();
    fs::write(file("data"), data).unwrap();
    let arguments: &[&str] = if algorithm == CoseAlgorithm::EdDSA {
        fs::write(file("signature"), signature).unwrap();
        &[
            "pkeyutl",
            "-verify",
            "-rawin",
            "-pubin",
            "-inkey",
            text(key),
            "-sigfile",
            &file("signature"),
            "-in",
            &file("data"),
        ]
    } else {
        assert_eq!((algorithm, signature.len()), (CoseAlgorithm::ES384, 96));
        // A zero byte before each number: DER would take a number with a first bit of 1 for a negative one.
        let number = |part: &[u8]| format!("INTEGER:0x{}", hex::encode(part));
        let (r, s) = signature.split_at(48);
        let fields = format!("asn1=SEQUENCE:s\n[s]\nr={}\ns={}\n", number(r), number(s));
        fs::write(file("numbers"), fields).unwrap();
        run("openssl", &["asn1parse", "-genconf", &file("numbers"), "-noout", "-out", &file("signature")]);
        &["dgst", "-sha384", "-verify", text(key), "-signature", &file("signature"), &file("data")]
    };
    let output = Command::new("openssl").args(arguments).output().unwrap();
    output.status.success().then_some(()).ok_or(CorimError::InvalidSignature)
}

fn is_accepted(bytes: &[u8], own: &Signer) -> bool {
    let Ok(Corim::Signed(signed)) = Corim::from_cbor(bytes) else { return false };
    signed.unwrap().verify_signature(own).is_ok()
}

/// The digests by their algorithm.
fn digests(of: &[corim_rs::Digest]) -> Vec<(String, String)> {
    of.iter()
        .map(|digest| (format!("{:?}", digest.alg).to_lowercase(), hex::encode(digest.val.as_ref() as &[u8])))
        .collect()
}

/// The only measurement of a triple, which has this key.
fn claim<'a, 'b>(triple: &'a ReferenceTripleRecord<'b>, key: &str) -> &'a MeasurementValuesMap<'b> {
    let class = triple.ref_env.class.as_ref().unwrap();
    assert_eq!(class.vendor.as_ref().unwrap().to_string(), "measureroot");
    assert_eq!(class.model.as_ref().unwrap().to_string(), "root-image");
    let [claim] = triple.ref_claims.as_slice() else { panic!("{} measurements", triple.ref_claims.len()) };
    assert!(matches!(&claim.mkey, Some(MeasuredElementTypeChoice::Tstr(own)) if **own == *key), "{key}");
    &claim.mval
}

#[test]
fn the_crate_corim_rs_reads_the_values_and_checks_the_signature() {
    for (name, kind) in KINDS {
        let builder = Builder::with(kind);
        let signed = builder.signed("corim");
        let own = match name {
            "P-256" => {
                let pem = fs::read_to_string(builder.path("pub")).unwrap();
                Signer::P256(p256::ecdsa::VerifyingKey::from_public_key_pem(&pem).unwrap())
            }
            _ => Signer::File(builder.path("pub")),
        };
        assert!(is_accepted(&signed, &own), "{name}");
        let other = Builder::with(kind);
        assert!(!is_accepted(&other.signed("corim"), &own), "{name}");
        // The payload is the manifest that is printed without a key.
        let bare = builder.predict(&["--format", "corim"]);
        assert!(signed.windows(bare.len()).any(|window| window == bare), "{name}");
        let json: Value = serde_json::from_slice(&builder.predict(&["--json"])).unwrap();
        let expected = |field: &str| {
            let of = |bank: &str| (bank.to_owned(), json["banks"][bank][field].as_str().unwrap().to_owned());
            ["sha256", "sha384", "sha512"].map(of).to_vec()
        };
        for bytes in [&signed, &bare] {
            let corim = Corim::from_cbor(bytes.as_slice()).unwrap();
            let [ConciseTagTypeChoice::Mid(tag)] = corim.as_map_ref().tags.as_slice() else { panic!("{name}: tags") };
            let triples = tag.as_ref().triples.reference_triples.clone().unwrap();
            let [registers, pcr, image] = triples.as_slice() else { panic!("{name}: {} triples", triples.len()) };
            let registers = &claim(registers, "tpm").integrity_registers.as_ref().unwrap().0;
            assert_eq!(registers.len(), 1, "{name}");
            let (number, values) = registers.first_key_value().unwrap();
            assert!(matches!(number, Ulabel::Uint(number) if number.as_i128() == 13), "{number:?}");
            assert_eq!(digests(values), expected("after"));
            // The name that Trustee's extractor gives it: measureroot/root-image/tpm_pcr13/digests.
            assert_eq!(digests(claim(pcr, "tpm_pcr13").digests.as_ref().unwrap()), expected("after"));
            let image = claim(image, "root-image");
            assert_eq!(digests(image.digests.as_ref().unwrap()), expected("digest"));
            assert_eq!(image.name.as_ref().unwrap().to_string(), "image");
        }
    }
}

#[test]
fn one_flipped_bit_of_a_signed_corim_is_refused() {
    let builder = Builder::with(KINDS[0].1);
    let signed = builder.signed("corim");
    let pem = fs::read_to_string(builder.path("pub")).unwrap();
    let own = Signer::P256(p256::ecdsa::VerifyingKey::from_public_key_pem(&pem).unwrap());
    assert!(is_accepted(&signed, &own));
    for at in 0..signed.len() {
        let mut flipped = signed.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(!is_accepted(&flipped, &own), "byte {at} of {}", signed.len());
    }
    // In a bank that the quote does not have, nothing would be compared.
    assert_eq!(Bank::Sha256.digest(&squashfs(b"image")).to_string(), builder.sha256().0);
}

//! `predict` with `--uki`, `--kernel` and `--esp`, compared with programs that others wrote: osslsigncode for Authenticode, systemd-measure
//! for PCR 11, iconv and openssl for PCR 9. The unified kernel image has the stub of Debian's systemd-boot-efi. The stub is the
//! kernel, too: any program for UEFI will do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::{measureroot, run, squashfs, text};
use serde_json::Value;

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const BANKS: [&str; 4] = ["sha1", "sha256", "sha384", "sha512"];
/// Each section with its content and its place in memory, as systemd-stub(7) of systemd 252 puts them.
const SECTIONS: [(&str, &str, &str); 3] =
    [("osrel", "ID=test\n", "0x20000"), ("cmdline", "root=/dev/vda ro", "0x30000"), ("initrd", "an initrd", "0x40000")];

/// Writes a unified kernel image and its parts into a folder.
fn uki(folder: &Path) -> String {
    let path = folder.join("measured.efi");
    let mut arguments = Vec::new();
    let linux = ("linux", STUB.to_owned(), "0x2000000");
    let parts = SECTIONS.iter().map(|(name, content, place)| {
        let part = folder.join(name);
        fs::write(&part, content).unwrap();
        (*name, text(&part).to_owned(), *place)
    });
    for (name, file, place) in parts.chain([linux]) {
        arguments.extend(["--add-section".to_owned(), format!(".{name}={file}")]);
        arguments.extend(["--change-section-vma".to_owned(), format!(".{name}={place}")]);
    }
    arguments.extend([STUB.to_owned(), text(&path).to_owned()]);
    run("objcopy", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    // Programs that sign fill up the file to eight bytes, and the digest changes with it.
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len().next_multiple_of(8)).unwrap();
    text(&path).to_owned()
}

fn predicted(uki: &str, pcr: &str) -> Value {
    measureroot(&["predict", "--json", "--uki", uki]).json()["pcrs"][pcr].clone()
}

/// The events that are in every case, and those while Secure Boot is off.
fn events(pcr: &Value) -> Vec<Value> {
    let is_off = |answer: &&Value| answer["name"] == "Secure Boot is off";
    let of = |part: &Value| -> Vec<Value> {
        if let Some(event) = part.get("event") {
            return vec![event.clone()];
        }
        let answers = part["choice"]["answers"].as_array().unwrap().iter().filter(is_off);
        answers.flat_map(|answer| answer["events"].as_array().unwrap().clone()).collect()
    };
    pcr["parts"].as_array().unwrap().iter().flat_map(of).collect()
}

#[test]
fn the_digest_of_a_program_is_that_of_osslsigncode_signed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let uki = uki(folder.path());
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let (key, certificate) = (path("key"), path("certificate"));
    let request =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a test", "-keyout", &key, "-out", &certificate];
    run("openssl", &request);
    let own = events(&predicted(&uki, "4"));
    assert_eq!((own.len(), own[2]["from"].as_str()), (4, Some("measured.efi")));
    for bank in BANKS {
        let signed = path(bank);
        run("osslsigncode", &["sign", "-certs", &certificate, "-key", &key, "-h", bank, "-in", &uki, "-out", &signed]);
        // It fails, because nothing vouches for the certificate; it prints the digest all the same.
        let check = format!("osslsigncode verify -in {signed} 2>&1 || true");
        let said = run("sh", &["-c", &check]);
        let digest = said.lines().find_map(|line| line.strip_prefix("Calculated message digest : ")).expect(&said);
        for events in [&own, &events(&predicted(&signed, "4"))] {
            assert_eq!(events[2]["digests"][bank].as_str().unwrap().to_uppercase(), digest.trim(), "{bank}");
        }
    }
}

#[test]
fn the_firmware_s_own_pcrs_are_those_that_the_tpm_had_when_the_log_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let (uki, log) = (uki(folder.path()), "tests/eventlog/ovmf.bin");
    let ran = measureroot(&["predict", "--json", "--bank", "sha1", "--bank", "sha256", "--uki", &uki, "--like", log]);
    let pcrs = ran.json()["pcrs"].clone();
    let held = fs::read_to_string("tests/eventlog/ovmf.pcrs").unwrap().to_lowercase();
    let (sha1, sha256) = held.split_once("sha256:").unwrap();
    for (bank, held) in [("sha1", sha1), ("sha256", sha256)] {
        for pcr in ["0", "1", "2", "3", "6"] {
            let value = pcrs[pcr]["values"][0]["pcr"][bank].as_str().unwrap();
            let line = held.lines().find(|line| line.trim_start().starts_with(&format!("{pcr} :"))).unwrap();
            assert!(line.ends_with(&format!("0x{value}")), "PCR {pcr}, {bank}: {line}");
        }
    }
    // QEMU's option -kernel starts the kernel before the firmware looks for a boot option.
    assert!(
        pcrs["4"]["why"]
            .as_str()
            .unwrap()
            .starts_with("ovmf.bin has no program that the firmware starts from a medium")
    );
    // The words are those of the log, with the number of the event.
    let said = measureroot(&["predict", "--bank", "sha256", "--uki", &uki, "--like", log]).printed();
    assert!(said.contains("  EV_EFI_VARIABLE_BOOT: BootOrder: 0000 (ovmf.bin, event 11)\n"), "{said}");
    let refused = measureroot(&["predict", "--bank", "sha512", "--uki", &uki, "--like", "tests/eventlog/words.bin"]);
    assert!(refused.err.contains("words.bin: has no "), "{}", refused.err);
    // What another boot of the same machine has otherwise.
    let with = |pcrs: &str| measureroot(&["predict", "--json", "--uki", &uki, "--like", log, "--leave-out", pcrs]);
    let rest = with("1,3").json()["pcrs"].clone();
    assert!(rest["0"]["values"].is_array() && rest["1"]["values"].is_null() && rest["3"]["values"].is_null(), "{rest}");
    assert!(rest["1"]["why"].as_str().unwrap().starts_with("--leave-out"), "{rest}");
    for wrong in ["24", "13", "x", ""] {
        assert_eq!(with(wrong).code, 2, "{wrong}");
    }
}

#[test]
fn pcr_11_is_that_of_systemd_measure() {
    let folder = tempfile::tempdir().unwrap();
    let uki = uki(folder.path());
    let mut arguments = vec!["calculate".to_owned(), format!("--linux={STUB}"), "--json=short".to_owned()];
    arguments.extend(SECTIONS.map(|(name, ..)| format!("--{name}={}", text(&folder.path().join(name)))));
    arguments.extend(["sysinit", "sysinit:ready", "sysinit:ready:shutdown"].map(|phase| format!("--phase={phase}")));
    let said = run("/usr/lib/systemd/systemd-measure", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let measured: Value = serde_json::from_str(&said).unwrap();
    let pcr = predicted(&uki, "11");
    for bank in BANKS {
        for (number, value) in measured[bank].as_array().unwrap().iter().enumerate() {
            assert_eq!(pcr["values"][number + 1]["pcr"][bank], value["hash"], "{bank}: {value}");
        }
        assert_eq!(measured[bank].as_array().unwrap().len(), 3);
    }
}

#[test]
fn each_format_says_the_same_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let uki = uki(folder.path());
    let pcr = predicted(&uki, "9");
    let value = pcr["values"][0]["pcr"]["sha256"].as_str().unwrap().to_owned();
    let said = measureroot(&["predict", "--bank", "sha256", "--uki", &uki]).printed();
    for part in [
        "measured.efi: a unified kernel image with systemd-stub 25",
        &format!("\nPCR 9\n    sha256 {value}\n"),
        "\n  EV_EVENT_TAG: the command line \"root=/dev/vda ro\" (measured.efi, .cmdline)\n",
        "\nPCR 7 does not follow from the files: ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = measureroot(&["predict", "--format", "keylime", "--append", "a\nb", "--uki", &uki]).json();
    assert_eq!((said["12"].as_array().unwrap().len(), &said["7"]), (6, &Value::Null));
    for format in ["hex", "tpm2-yaml", "pcrlock", "policy"] {
        let ran = measureroot(&["predict", "--format", format, "--uki", &uki]);
        assert!(ran.code == 2 && ran.err.contains("use json, keylime, rvps or in-toto"), "{}", ran.err);
    }
    for more in
        [["--pcr", "9"], ["--before", "00"], ["--allow-entry", "list"], ["--image-format", "plain"], ["--kernel", &uki]]
    {
        assert_eq!(measureroot(&[&["predict", "--uki", &uki], &more[..]].concat()).code, 2, "{more:?}");
    }
    assert_eq!(measureroot(&["predict", "--append", "x", "/none"]).code, 2);
    let ran = measureroot(&["predict", "--uki", STUB]);
    assert!(ran.code == 1 && ran.err.contains("has no kernel in a section .linux (is it an addon"), "{}", ran.err);
}

#[test]
fn a_kernel_has_its_program_its_command_line_and_its_initrds() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &[u8]| {
        fs::write(folder.path().join(name), content).unwrap();
        text(&folder.path().join(name)).to_owned()
    };
    let (first, second) = (path("first", b"an init"), path("second", b"rd"));
    let arguments = ["predict", "--json", "--kernel", STUB, "--initrd", &first, "--initrd", &second, "--append", "ro"];
    let predicted = measureroot(&arguments).json();
    assert_eq!(
        (&predicted["linux"], &predicted["unmeasured"]),
        (&"a Linux of unknown version".into(), &Value::Array(vec![]))
    );
    assert_eq!(predicted["initrds"], serde_json::json!(["first", "second"]));
    // Both are the digest of the same program; that of a unified kernel image is compared with osslsigncode above.
    let of_uki = events(&self::predicted(&uki(folder.path()), "4"));
    assert_eq!(events(&predicted["pcrs"]["4"])[2]["digests"], of_uki[3]["digests"]);
    for (number, end) in ["\\0", ""].into_iter().enumerate() {
        for (bank, bytes) in BANKS.into_iter().zip([20, 32, 48, 64]) {
            let digest = format!("openssl dgst -{bank} -binary");
            let pcr = format!(
                "{{ head -c {bytes} /dev/zero; printf 'ro{end}' | iconv -f UTF-8 -t UTF-16LE | {digest}; }} | {digest} |
                 {{ cat; cat {first} {second} | {digest}; }} | openssl dgst -{bank} -r"
            );
            let value = predicted["pcrs"]["9"]["values"][number]["pcr"][bank].as_str().unwrap();
            assert_eq!(run("sh", &["-c", &pcr]).split(' ').next(), Some(value), "{bank} {end}");
        }
    }
    // A boot loader that knows only initrd= leaves the agent unmeasured.
    let ran = measureroot(&["predict", "--kernel", STUB, "--append", "ro"]);
    assert!(
        ran.code == 0 && ran.err.contains(": gets no initrd: if the agent is not built into the kernel"),
        "{}",
        ran.err
    );
    let arguments = ["predict", "--kernel", STUB, "--append", "ro initrd=\\initrd.img"];
    assert!(!measureroot(&arguments).err.contains("gets no initrd"));
    let said = measureroot(&arguments).printed();
    assert!(said.contains("\nNOT MEASURED: the initrd that initrd= names: "), "{said}");
    let ran = measureroot(&[&arguments[..], &["--format", "keylime"]].concat());
    assert!(ran.code == 0 && ran.err.contains("not measured: the initrd that initrd= names"), "{}", ran.err);
    for wrong in [["--initrd", &first, "--uki", STUB], ["--initrd", &first, "--append", "x"]] {
        assert_eq!(measureroot(&[&["predict"], &wrong[..]].concat()).code, 2, "{wrong:?}");
    }
}

#[test]
fn a_partition_has_a_boot_for_each_entry_of_its_menu() {
    let top = tempfile::tempdir().unwrap();
    let esp = top.path().join("esp");
    for folder in ["EFI/BOOT", "EFI/Linux", "debian", "loader/entries"] {
        fs::create_dir_all(esp.join(folder)).unwrap();
    }
    fs::copy(LOADER, esp.join("EFI/BOOT/BOOTX64.EFI")).unwrap();
    let uki = uki(top.path());
    fs::copy(&uki, esp.join("EFI/Linux/measured.efi")).unwrap();
    fs::copy(STUB, esp.join("debian/vmlinuz")).unwrap();
    fs::write(esp.join("debian/initrd.img"), "an initrd").unwrap();
    let entry = "title Debian\nlinux /debian/vmlinuz\ninitrd /debian/initrd.img\noptions root=/dev/vda\noptions ro\n";
    fs::write(esp.join("loader/entries/debian.conf"), entry).unwrap();
    fs::write(esp.join("loader/loader.conf"), "timeout 3\ndefault debian*\n").unwrap();
    let predict = |more: &[&str]| measureroot(&[&["predict", "--esp", text(&esp)], more].concat());
    let predicted = predict(&["--json"]).json();
    assert!(predicted["loader"].as_str().unwrap().starts_with("systemd-boot 252"), "{predicted}");
    let [of_uki, of_kernel] = predicted["entries"].as_array().unwrap().as_slice() else { panic!("{predicted}") };
    assert_eq!((&of_uki["id"], &of_uki["default"]), (&"measured.efi".into(), &false.into()));
    assert_eq!((&of_kernel["id"], &of_kernel["default"]), (&"debian.conf".into(), &true.into()));
    assert_eq!((&of_kernel["title"], &of_kernel["unmeasured"]), (&"Debian".into(), &Value::Array(vec![])));

    // The boot loader is before what it starts.
    let said = run("sh", &["-c", &format!("osslsigncode verify -in {LOADER} 2>&1 || true")]);
    let alone = events(&self::predicted(&uki, "4"));
    for boot in [of_uki, of_kernel] {
        let events = events(&boot["pcrs"]["4"]);
        let digest = events[2]["digests"]["sha256"].as_str().unwrap().to_uppercase();
        assert!(
            said.lines().all(|line| line.strip_prefix("Calculated message digest : ").is_none_or(|own| own == digest))
        );
        assert_eq!(events.last().unwrap()["digests"], alone[3]["digests"]);
    }
    assert_eq!(events(&of_uki["pcrs"]["4"])[3]["digests"], alone[2]["digests"]);

    let words = "initrd=\\debian\\initrd.img root=/dev/vda ro";
    for (bank, bytes) in BANKS.into_iter().zip([20, 32, 48, 64]) {
        let digest = format!("openssl dgst -{bank} -binary");
        let first = format!(
            "{{ head -c {bytes} /dev/zero; printf '%s\\0' '{words}' | iconv -f UTF-8 -t UTF-16LE | {digest}; }}"
        );
        let twelve = run("sh", &["-c", &format!("{first} | openssl dgst -{bank} -r")]);
        let second = format!("{{ cat; printf 'an initrd' | {digest}; }}");
        let nine = run("sh", &["-c", &format!("{first} | {digest} | {second} | openssl dgst -{bank} -r")]);
        for (pcr, value) in [("12", twelve), ("9", nine)] {
            let found = &of_kernel["pcrs"][pcr]["values"][0]["pcr"][bank];
            assert_eq!(Some(value.split(' ').next().unwrap()), found.as_str(), "PCR {pcr}, {bank}");
        }
    }
    for pcr in ["9", "12"] {
        assert_eq!(events(&of_kernel["pcrs"][pcr])[0]["from"], "loader/entries/debian.conf");
    }
    assert_eq!(events(&of_uki["pcrs"]["12"])[0]["from"], "EFI/Linux/measured.efi, .cmdline");
    // The image is in each boot, and a policy accepts each of them.
    let image = top.path().join("root.squashfs");
    fs::write(&image, squashfs(b"content")).unwrap();
    let policy = predict(&["--format", "keylime", "--bank", "sha256", text(&image)]).json();
    assert_eq!(["4", "12", "13"].map(|pcr| policy[pcr].as_array().unwrap().len()), [15, 3, 1]);
    let said = predict(&[]).printed();
    assert!(said.contains("\n\nENTRY debian.conf \"Debian\", the default\n"), "{said}");
    let ran = predict(&["--append", "x"]);
    assert!(ran.code == 1 && ran.err.contains("BOOTX64.EFI: is a boot loader: "), "{}", ran.err);
    // A boot option that starts the image alone gives it the words.
    let (own, words) = (esp.join("EFI/Linux/measured.efi"), ["--json", "--append", "ro from=outside"]);
    let alone = measureroot(&[&["predict", "--uki", text(&own)], &words[..]].concat()).json();
    let option = predict(&[&["--boot", "\\EFI\\linux\\measured.efi"], &words[..]].concat()).json();
    assert_eq!(option["append"], "ro from=outside");
    for pcr in ["4", "9", "12"] {
        assert_eq!(option["entries"][0]["pcrs"][pcr]["values"], alone["pcrs"][pcr]["values"], "PCR {pcr}");
    }
    assert!(!predict(&[]).err.contains("is a program for x64"));
    fs::rename(esp.join("EFI/BOOT/BOOTX64.EFI"), esp.join("EFI/BOOT/bootaa64.efi")).unwrap();
    let ran = predict(&[]);
    let words = "EFI/BOOT/bootaa64.efi: is a program for x64, and only firmware for aa64 looks for this name";
    assert!(ran.code == 0 && ran.err.contains(words), "{}", ran.err);
    fs::remove_dir_all(esp.join("EFI/BOOT")).unwrap();
    let ran = predict(&[]);
    assert!(ran.code == 1 && ran.err.contains("EFI/BOOT: has no program"), "{}", ran.err);
}

#[test]
fn a_root_image_beside_the_chain_has_the_pcr_that_it_has_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (uki, image) = (uki(folder.path()), folder.path().join("root.squashfs"));
    fs::write(&image, squashfs(b"content")).unwrap();
    let image = text(&image);
    let alone = measureroot(&["predict", "--json", image]).json();
    for start in [["--uki", &uki], ["--kernel", STUB]] {
        let predict = ["predict", "--json", start[0], start[1], image];
        let both = measureroot(&predict).json();
        assert_eq!((&both["root"]["image"], &both["root"]["bytes"]), (&alone["image"], &alone["bytes"]));
        for bank in BANKS {
            assert_eq!(both["pcrs"]["13"]["values"][0]["pcr"][bank], alone["banks"][bank]["after"]);
        }
        // In another PCR, it is behind what started the agent and before what systemd adds later. The command line must say so.
        let eleven = measureroot(&[&predict[..], &["--pcr", "11"]].concat());
        assert!(eleven.err.contains("rootimgpcr=11"), "{}", eleven.err);
        for pcr in ["11", "13"] {
            let why = eleven.json()["pcrs"][pcr]["why"].to_string();
            assert!(why.contains("without rootimgpcr=11 on the command line"), "{why}");
        }
        if start[0] == "--kernel" {
            let append = ["--pcr", "11", "--append", "ro rootimgpcr=11"];
            let eleven = &measureroot(&[&predict[..], &append].concat()).json()["pcrs"];
            assert_ne!(eleven["11"]["values"], both["pcrs"]["11"]["values"]);
            assert_eq!(eleven["13"]["values"][0]["pcr"]["sha1"], "0".repeat(40));
        }
        let format = ["predict", "--format", "keylime", start[0], start[1], image];
        let values = measureroot(&format).json()["13"].clone();
        assert_eq!(values[0], alone["banks"]["sha256"]["after"]);
        let said = measureroot(&["predict", start[0], start[1], image]).printed();
        assert!(said.contains("\n  EV_EVENT_TAG: the root image (root.squashfs)\n"), "{said}");
    }
    // The root hash of a prepared image is one, too.
    let hash = "5a".repeat(32);
    let both = measureroot(&["predict", "--json", "--uki", &uki, "--roothash", &hash]).json();
    let alone = measureroot(&["predict", "--json", "--roothash", &hash]).json();
    assert_eq!(both["pcrs"]["13"]["values"][0]["pcr"]["sha256"], alone["banks"]["sha256"]["after"]);
    // What the format cannot express is said before the image is read.
    let ran = measureroot(&["predict", "--format", "hex", "--uki", &uki, "/none"]);
    assert!(ran.code == 2 && ran.err.contains("use json, keylime, rvps or in-toto"), "{}", ran.err);
}

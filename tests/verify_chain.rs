//! `measureroot verify` with a list that says what must have started the agent: `predict --allow-entry` wrote it. The quotes are those of a
//! software TPM, and the report is what docs/verify.schema.json says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::disks::{disk, fat};
use common::{Ran, measureroot, squashfs, text};
use evidence::{Machine, Measured};
use measureroot::internal::hash::{Bank, Digest};
use serde_json::Value;

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const QUOTED: &str = "sha256:0,2,4,7,8,9,11,12,13,14";

/// An EFI system partition with systemd-boot and an entry. Debian's stub stands for the kernel: any program for UEFI will do.
fn esp(top: &Path) -> String {
    let esp = top.join("esp");
    for folder in ["EFI/BOOT", "debian", "loader/entries"] {
        fs::create_dir_all(esp.join(folder)).unwrap();
    }
    fs::copy(LOADER, esp.join("EFI/BOOT/BOOTX64.EFI")).unwrap();
    fs::copy(STUB, esp.join("debian/vmlinuz")).unwrap();
    fs::write(esp.join("debian/initrd.img"), "an initrd").unwrap();
    let entry = "linux /debian/vmlinuz\ninitrd /debian/initrd.img\noptions root=/dev/vda ro\n";
    fs::write(esp.join("loader/entries/debian.conf"), entry).unwrap();
    text(&esp).to_owned()
}

/// The events of the first alternative that is predicted, with the text of command lines that systemd-boot logs.
fn booted(predicted: &Value) -> Vec<Measured> {
    let mut events = Vec::new();
    for (pcr, forecast) in predicted["entries"][0]["pcrs"].as_object().unwrap() {
        for part in forecast["parts"].as_array().into_iter().flatten() {
            let of_answer = part["choice"]["answers"][0]["events"].as_array().into_iter().flatten();
            for event in part.get("event").into_iter().chain(of_answer) {
                let digest = |(bank, text): (&String, &Value)| {
                    let bank: Bank = bank.parse().unwrap();
                    (bank, Digest::from_bytes(bank, &hex::decode(text.as_str().unwrap()).unwrap()).unwrap())
                };
                let digests: BTreeMap<_, _> = event["digests"].as_object().unwrap().iter().map(digest).collect();
                let what = event["what"].as_str().unwrap();
                let line = what.strip_prefix("the command line \"").and_then(|rest| rest.split_once('"'));
                let line = line.map(|(line, _)| line.replace("\\\\", "\\"));
                let data: Vec<u8> = match line {
                    _ if what == "the root image" => Measured::image(b"").data,
                    Some(line) => line.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect(),
                    None => what.into(),
                };
                let kind = event["type"].as_str().unwrap().parse().unwrap();
                events.push(Measured { pcr: pcr.parse().unwrap(), kind, digests, data });
            }
        }
    }
    events
}

#[test]
fn the_chain_of_a_list_is_compared_and_the_file_that_differs_is_named() {
    let top = tempfile::tempdir().unwrap();
    let (esp, image, list) = (esp(top.path()), top.path().join("root.squashfs"), top.path().join("list"));
    fs::write(&image, squashfs(b"content")).unwrap();
    let (image, list) = (text(&image), text(&list));
    let predict = |more: &[&str]| measureroot(&[&["predict", "--json", "--esp", &esp], more, &[image]].concat());
    let added = predict(&["--allow-entry", list, "--name", "release 7"]);
    assert!(added.err.contains("trusts release 7 without end, started by debian.conf"), "{}", added.err);
    let firmware = || vec![Measured::other(0, "firmware")];
    let good = [firmware(), booted(&added.json())].concat();
    let machine = Machine::quoted(&good, QUOTED);
    let Ran { code, out, err } = machine.judge_all(&["--allow", list, "--any-firmware"]);
    assert!(code == 0 && out.starts_with("trusted: release 7\nPCR 13 was extended with sha256 "), "{out}{err}");
    for line in [
        "PCR 4 is as expected: EFI/BOOT/BOOTX64.EFI; debian/vmlinuz; if the first boot option starts it\n",
        "PCR 7 is not predicted, and nothing vouches for it\n",
        "PCR 13 is as expected: root.squashfs\n",
    ] {
        assert!(out.contains(line), "{out}");
    }
    // The files do not tell what the firmware is.
    let open = "what started the agent was not checked: nothing vouches for PCR 0, 2 (the firmware)";
    assert!(out.ends_with(&format!("{open}\n")), "{out}");
    let strict = machine.judge_all(&["--allow", list]);
    assert!(strict.code == 3 && strict.out.contains(&format!("but {open} (give --expect ")), "{}", strict.out);
    assert!(err.contains("the values of other quoted PCRs (0, 2, 7), but no expected values"), "{err}");
    let report = machine.judge_all(&["--allow", list, "--json"]).json();
    assert!(report["chain_checked"] == false && report["chain"]["boot"] == "debian.conf", "{report}");

    // A value that the user expects, too, and one that is not as expected.
    machine.write("known", machine.swtpm.tool("tpm2_pcrread", &["sha256:0,2,4,7"]).as_bytes());
    let ran = machine.judge_all(&["--allow", list, "--expect", &machine.file("known"), "--json"]);
    let report = ran.json();
    assert!(
        ran.code == 0 && report["verdict"] == "trusted" && report["not_checked"] == serde_json::json!([]),
        "{report}"
    );
    let of = |report: &Value, pcr: u64| {
        report["pcrs"].as_array().unwrap().iter().find(|one| one["pcr"] == pcr).cloned().unwrap()
    };
    assert!(report["chain_checked"] == true, "{report}");
    assert_eq!(of(&report, 4)["vouched_by"], serde_json::json!(["entry", "expect"]));
    assert_eq!(
        (&of(&report, 7)["result"], &of(&report, 7)["vouched_by"][0]),
        (&"as-expected".into(), &"expect".into())
    );

    // Another command line, in the same place: the event log has its text.
    let entry = Path::new(&esp).join("loader/entries/debian.conf");
    let conf = fs::read_to_string(&entry).unwrap();
    fs::write(&entry, conf.replace("vda ro", "vda ro init=/bin/sh")).unwrap();
    let changed = booted(&predict(&[]).json());
    fs::write(&entry, conf).unwrap();
    let machine = Machine::quoted(&changed, QUOTED);
    let Ran { code, out, .. } = machine.judge_all(&["--allow", list]);
    let words = "not trusted: release 7 was booted, but what started it is not as expected: \
                 PCR 9, 12: the command line (loader/entries/debian.conf) has \"init=/bin/sh\" added\n";
    assert!(code == 3 && out.starts_with(words), "{out}");
    let report = machine.judge_all(&["--allow", list, "--json"]).json();
    let nine = of(&report, 9);
    assert_eq!((&nine["result"], &nine["differences"][0]["kind"]), (&"different".into(), &"differs".into()));
    assert!(report["chain_checked"] == false, "{report}");
    // With another list, or with the image alone, it is as before. The verdict says what it does not know.
    let Ran { code, out, .. } = machine.judge_all(&["--image", image, "--image-only"]);
    let words = "\nwhat started the agent was not checked: nothing vouches for PCR 0, 2 (the firmware); nothing vouches for PCR";
    assert!(code == 0 && out.contains(words) && !out.contains("PCR 9 "), "{out}");
    // Also what differs from the list does then not count. The report names it.
    let Ran { code, out, .. } = machine.judge_all(&["--allow", list, "--image-only"]);
    assert!(
        code == 0
            && out.contains("PCR 9 is different: the command line (")
            && out.contains("PCR 9, 12 is not as expected"),
        "{out}"
    );
    // The image on the command line does not make the chain of the list void.
    assert_eq!(machine.judge_all(&["--image", image, "--allow", list]).code, 3);

    // A machine must not choose what its quote leaves out.
    let machine = Machine::quoted(&good, "sha256:4,13+sha1:9");
    let Ran { code, out, .. } = machine.judge_all(&["--allow", list]);
    assert!(
        code == 3 && out.contains("PCR 8 is not quoted in a bank that counts, so nothing vouches for it\n"),
        "{out}"
    );
    let banks = "the entry of the list has sha1, sha256, sha384, sha512, the quote has sha1 alone, and sha1 counts only with --sha1";
    assert!(out.contains(&format!("PCR 9 cannot be compared, so nothing vouches for it: {banks}\n")), "{out}");
    let words = "and PCR 8, 12 is not quoted; PCR 9 cannot be compared: ";
    assert!(out.contains(&format!("{words}{banks} (quote sha256, or accept sha1 with --sha1)\n")), "{out}");
}

/// Takes from the chain of a list the digests of all banks but one.
fn keep_bank(list: &Path, bank: &str) {
    fn keep(value: &mut Value, bank: &str) {
        if let Some(digests) = value.get_mut("digests").and_then(Value::as_object_mut) {
            digests.retain(|name, _| name == bank);
        }
        match value {
            Value::Array(all) => all.iter_mut().for_each(|one| keep(one, bank)),
            Value::Object(all) => all.values_mut().for_each(|one| keep(one, bank)),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_slice(&fs::read(list).unwrap()).unwrap();
    keep(&mut value["images"][0]["chain"], bank);
    fs::write(list, value.to_string()).unwrap();
}

#[test]
fn a_list_and_a_quote_without_a_common_bank_are_named_so() {
    let top = tempfile::tempdir().unwrap();
    let (esp, image, list) = (esp(top.path()), top.path().join("root.squashfs"), top.path().join("list"));
    fs::write(&image, squashfs(b"content")).unwrap();
    let add = ["predict", "--json", "--esp", &esp, "--allow-entry", text(&list), "--name", "release 7", text(&image)];
    let added = measureroot(&add).json();
    let machine = Machine::quoted(&[vec![Measured::other(0, "firmware")], booted(&added)].concat(), QUOTED);
    keep_bank(&list, "sha1");
    let ran = machine.judge_all(&["--allow", text(&list), "--any-firmware"]);
    let banks = "the entry of the list has sha1 alone, the quote has sha256 alone";
    let reason = "not trusted: release 7 was booted, but the entry says what must have started it, and PCR 4, 8, 9, 12, 13 cannot be \
                  compared: ";
    let advice = " (add the entry again with predict --bank sha256)\n";
    assert!(ran.code == 3 && ran.out.starts_with(&format!("{reason}{banks}{advice}")), "{}", ran.out);
    assert!(
        ran.out.contains(&format!("PCR 4 cannot be compared, so nothing vouches for it: {banks}\n")),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("not quoted") && !ran.err.contains("(0, 2, 4"), "{}{}", ran.out, ran.err);
    let report = machine.judge_all(&["--allow", text(&list), "--json"]).json();
    let four = report["pcrs"].as_array().unwrap().iter().find(|one| one["pcr"] == 4).unwrap();
    let expected = serde_json::json!({
        "pcr": 4, "result": "no-common-bank", "vouched_by": [], "expected_banks": ["sha1"], "quoted_banks": ["sha256"]
    });
    assert_eq!(*four, expected);
    // What it says helps.
    measureroot(&[&add[..2], &["--bank", "sha256"], &add[2..]].concat()).printed();
    assert_eq!(machine.judge_all(&["--allow", text(&list), "--any-firmware"]).code, 0);
    // The same of the image.
    fs::remove_file(&list).unwrap();
    measureroot(&[&add[..2], &["--bank", "sha384"], &add[2..]].concat()).printed();
    let ran = machine.judge_all(&["--allow", text(&list)]);
    let words = "not trusted: an image was booted that is not known; release 7 cannot be compared: the entry of the list has sha384 \
                 alone, the quote has sha256 alone (add the entry again with predict --bank sha256, or quote sha384)\n";
    assert!(ran.code == 3 && ran.out.starts_with(words), "{}", ran.out);
}

#[test]
fn of_two_slots_with_one_image_none_is_claimed_that_is_not_known() {
    let top = tempfile::tempdir().unwrap();
    let (esp, image, list) = (esp(top.path()), top.path().join("root.squashfs"), top.path().join("list"));
    fs::write(&image, squashfs(b"content")).unwrap();
    let conf = |slot: &str| {
        let entry =
            format!("linux /debian/vmlinuz\ninitrd /debian/initrd.img\noptions root=PARTLABEL=root-{slot} ro\n");
        fs::write(Path::new(&esp).join(format!("loader/entries/{slot}.conf")), entry).unwrap();
    };
    fs::remove_file(Path::new(&esp).join("loader/entries/debian.conf")).unwrap();
    conf("a");
    conf("b");
    let partition = top.path().join("esp.img");
    fat(&partition, 8 << 10, &[], Path::new(&esp), false);
    let script = "label: gpt\nsize=8MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\nsize=1MiB, type=L, name=root-a\n\
                  size=1MiB, type=L, name=root-b";
    let disk = disk(top.path(), 12, script, &[(&partition, 1), (&image, 9), (&image, 10)]);
    let added = measureroot(&["predict", "--json", "--disk", &disk, "--allow-entry", text(&list)]);
    let name = "disk.img, partition 2 (PARTLABEL=root-a) or partition 3 (PARTLABEL=root-b)";
    assert!(added.err.contains(&format!("trusts {name} without end, started by")), "{}", added.err);
    let mut added = added.json();
    let entries = added["entries"].as_array_mut().unwrap();
    entries.sort_by_key(|entry| entry["id"].to_string());
    // The second slot boots.
    entries.swap(0, 1);
    let events = [vec![Measured::other(0, "firmware")], booted(&added)].concat();
    let slots = ["disk.img, partition 2 (PARTLABEL=root-a)", "disk.img, partition 3 (PARTLABEL=root-b)"];
    for (quoted, more, boot, file) in [
        (QUOTED, "--any-firmware", "b.conf on partition 1".to_owned(), slots[1].to_owned()),
        (
            "sha256:4,13",
            "--image-only",
            "a.conf on partition 1 or b.conf on partition 1".to_owned(),
            slots.join(" or "),
        ),
    ] {
        let machine = Machine::quoted(&events, quoted);
        let ran = machine.judge_all(&["--allow", text(&list), more]);
        assert!(ran.code == 0 && ran.out.starts_with(&format!("trusted: {name}\n")), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains(&format!("\nPCR 13 is as expected: {file}\n")), "{}", ran.out);
        let report = machine.judge_all(&["--allow", text(&list), more, "--json"]).json();
        assert_eq!(report["chain"]["boot"], boot, "{report}");
    }
}

#[test]
fn an_entry_with_a_chain_needs_an_image_in_a_pcr_of_its_own() {
    let top = tempfile::tempdir().unwrap();
    let (esp, image, list) = (esp(top.path()), top.path().join("root.squashfs"), top.path().join("list"));
    fs::write(&image, squashfs(b"content")).unwrap();
    let predict =
        |more: &[&str]| measureroot(&[&["predict", "--esp", &esp, "--allow-entry", text(&list)], more].concat());
    let ran = predict(&[]);
    assert!(ran.code == 2 && ran.err.contains("an entry of the list is about a root image"), "{}", ran.err);
    // The command line decides which PCR the image is in.
    let ran = predict(&["--pcr", "9", text(&image)]);
    assert!(ran.code == 1 && ran.err.contains("without rootimgpcr=9 on the command line"), "{}", ran.err);
    let program = Path::new(&esp).join("loader/entries/debian.conf");
    let conf = fs::read_to_string(&program).unwrap();
    fs::write(&program, conf.replace("vda ro", "vda ro rootimgpcr=9")).unwrap();
    let ran = predict(&["--pcr", "9", text(&image)]);
    assert!(ran.code == 1 && ran.err.contains("is measured into PCR 9, too"), "{}", ran.err);
    assert!(!list.exists());
    fs::copy(LOADER, Path::new(&esp).join("debian/other.efi")).unwrap();
    fs::write(program, "efi /debian/other.efi\n").unwrap();
    let ran = predict(&[text(&image)]);
    let words =
        "list: nothing would vouch for what starts the agent: debian.conf: PCR 4 and 9 do not follow: what the program";
    assert!(ran.code == 1 && ran.err.contains(words) && !list.exists(), "{}", ran.err);
    // One of several is left out, and the reason is said.
    fs::write(Path::new(&esp).join("loader/entries/good.conf"), conf).unwrap();
    let ran = predict(&[text(&image)]);
    let words = "list: leaves out debian.conf: PCR 4 and 9 do not follow: what the program";
    assert!(ran.code == 0 && ran.err.contains(words) && list.exists(), "{}", ran.err);
}

/// The part of JSON Schema that docs/verify.schema.json uses. Returns what does not hold.
fn violations(schema: &Value, root: &Value, value: &Value, path: &str) -> Vec<String> {
    const KNOWN: [&str; 14] = [
        "$schema",
        "$id",
        "title",
        "description",
        "$defs",
        "$ref",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "pattern",
    ];
    let mut found = Vec::new();
    for (key, rule) in schema.as_object().unwrap() {
        assert!(KNOWN.contains(&key.as_str()), "{key} is not checked here");
        let holds = match key.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                found.extend(violations(&root["$defs"][name], root, value, path));
                true
            }
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_u64(),
                other => panic!("{other}"),
            },
            "required" => rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "items" => {
                let each = value.as_array().into_iter().flatten().enumerate();
                found.extend(each.flat_map(|(at, item)| violations(rule, root, item, &format!("{path}/{at}"))));
                true
            }
            // Only one pattern is used: lower-case hex.
            "pattern" => {
                rule == "^[0-9a-f]*$" && value.as_str().unwrap().bytes().all(|byte| b"0123456789abcdef".contains(&byte))
            }
            "properties" | "additionalProperties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    let own = schema["properties"].get(name);
                    match (key.as_str(), own, rule) {
                        ("properties", Some(own), _) => {
                            found.extend(violations(own, root, field, &format!("{path}/{name}")));
                        }
                        ("additionalProperties", None, Value::Bool(false)) => {
                            found.push(format!("{path}/{name} is not known"));
                        }
                        ("additionalProperties", None, rule) => {
                            found.extend(violations(rule, root, field, &format!("{path}/{name}")));
                        }
                        _ => {}
                    }
                }
                true
            }
            _ => true,
        };
        if !holds {
            found.push(format!("{path}: {key} {rule} does not hold: {value}"));
        }
    }
    found
}

/// The names of all properties of a schema.
fn properties(schema: &Value) -> Vec<String> {
    let of = |value: &Value| {
        value["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let nested =
        schema["properties"].as_object().into_iter().flatten().flat_map(|(_, value)| of(value)).collect::<Vec<_>>();
    let defs =
        schema["$defs"].as_object().into_iter().flatten().flat_map(|(_, value)| properties(value)).collect::<Vec<_>>();
    [of(schema), nested, defs].concat()
}

#[test]
fn the_report_is_what_the_schema_says() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let top = tempfile::tempdir().unwrap();
    let (esp, image, list) = (esp(top.path()), top.path().join("root.squashfs"), top.path().join("list"));
    fs::write(&image, squashfs(b"content")).unwrap();
    let options = ["--allow-entry", text(&list), "--until", "2099-12-31", text(&image)];
    let predicted = measureroot(&[&["predict", "--json", "--esp", &esp], &options[..]].concat()).json();
    let good = booted(&predicted);
    let mut bad = good.clone();
    bad.retain(|event| event.pcr != 12);
    bad.extend([Measured::other(8, "grub_cmd: x"), Measured::other(9, "another")]);
    let mut all = String::new();
    for (events, code) in [(&good, 0), (&bad, 3), (&vec![Measured::image(b"another")], 3)] {
        let machine = Machine::quoted(events, QUOTED);
        let ran = machine.judge_all(&["--allow", text(&list), "--any-firmware", "--json"]);
        assert_eq!(ran.code, code, "{}", ran.out);
        let mut reports = vec![ran.out];
        // A key in PEM, no nonce; a nonce that is wrong.
        let files =
            ["--key", &machine.file("ak.pem"), "--signature", &machine.file("signature.tss"), "--allow", text(&list)];
        reports.push(machine.verify(&[&files[..], &["--json"]].concat()).out);
        reports.push(machine.verify(&[&files[..], &["--json", "--nonce", "00"]].concat()).out);
        // A list without the bank of the quote.
        let other = top.path().join("other");
        fs::copy(&list, &other).unwrap();
        keep_bank(&other, "sha384");
        reports.push(machine.judge_all(&["--allow", text(&other), "--json"]).out);
        for report in reports {
            let report: Value = serde_json::from_str(&report).unwrap();
            assert_eq!(violations(&schema, &schema, &report, ""), [""; 0], "{report:#}");
            assert!(
                report["version"] == 1 && report["fresh"].is_boolean() && report["key_is_tpm"].is_boolean(),
                "{report}"
            );
            all += &report.to_string();
        }
    }
    let unused: Vec<_> =
        properties(&schema).into_iter().filter(|name| !all.contains(&format!("\"{name}\":"))).collect();
    assert_eq!(unused, [""; 0], "the schema has fields that no report has");
    // The test notices what is wrong.
    let wrong = serde_json::json!({"version": 2, "verdict": "good", "more": 1});
    assert!(violations(&schema, &schema, &wrong, "").len() > 3);
}

#[test]
fn a_list_takes_the_firmware_of_a_log_along() {
    let top = tempfile::tempdir().unwrap();
    let (esp, image, list) = (esp(top.path()), top.path().join("root.squashfs"), top.path().join("list"));
    fs::write(&image, squashfs(b"content")).unwrap();
    let (image, list) = (text(&image), text(&list));
    let like = ["--like", "tests/eventlog/ovmf.bin", "--allow-entry", list, "--name", "release 7", image];
    measureroot(&[&["predict", "--esp", &esp][..], &like].concat()).printed();
    let list: Value = serde_json::from_str(&fs::read_to_string(list).unwrap()).unwrap();
    let firmware = &list["images"][0]["chain"]["boots"][0]["pcrs"];
    for pcr in [0, 2] {
        let parts = firmware.as_array().unwrap().iter().find(|one| one["pcr"] == pcr).unwrap();
        assert!(parts.to_string().contains("ovmf.bin, event "), "{list}");
    }
}

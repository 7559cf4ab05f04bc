//! Event logs and quotes of machines that differ from the usual one, and files that are no logs: each is read and judged as its
//! README says (tests/eventlog/README.md, tests/evidence/README.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::{ROOT, Ran, measureroot, text};

fn log(name: &str) -> String {
    format!("{ROOT}/tests/eventlog/{name}")
}

fn evidence(name: &str) -> String {
    format!("{ROOT}/tests/evidence/{name}")
}

/// Judges a recorded boot. All trust the same image.
fn verify(boot: &str, options: &[&str]) -> Ran {
    let file = |ending: &str| evidence(&format!("{boot}.{ending}"));
    let (quote, signature, key, log, list) =
        (file("quote"), file("sig"), file("ak.pub"), file("log"), evidence("trusted.json"));
    let arguments = ["verify", "--quote", &quote, "--signature", &signature, "--key", &key, "--log", &log];
    measureroot(
        &[&arguments[..], &["--allow", &list, "--nonce", "00112233", "--any-nonce", "--image-only"], options].concat(),
    )
}

#[test]
fn each_recorded_log_is_read() {
    let table: [(&str, i32, &[&str], &str); 11] = [
        (
            "cel-tlv.bin",
            0,
            &[
                "# event 1, PCR 4, proven: EV_IPL: loader\n",
                "# event 2, PCR 13, proven: 80: registry.example/service:1\n",
                "# event 3, PCR 13, proven: 80: LANG=C\n",
                "    13: 0x9E3B2AB4",
            ],
            "",
        ),
        ("cel-hashalg-hex.json", 0, &["EV_S_CRTM_VERSION", "sha256:\n    13: 0xD38AC819"], ""),
        ("cel-hashalg-number.json", 0, &["EV_S_CRTM_VERSION", "sha256:\n    13: 0xD38AC819"], ""),
        ("cel-hashalg-typo.json", 0, &["EV_S_CRTM_VERSION"], "hashes that are not known here (sha265)"),
        ("cel-type-lowercase.json", 0, &["EV_S_CRTM_VERSION", "13: 0xD38AC819"], ""),
        ("cel-type-unknown-name.json", 0, &["EV_EFI_SPDM_FIRMWARE_BLOB", "13: 0xD38AC819"], ""),
        ("json-single-object.json", 2, &[], "is a JSON object; a JSON log is an array of records"),
        ("sha1-only.bin", 0, &["sha1:\n    0 : 0x3637"], "only SHA-1 digests: such a log can be forged"),
        (
            "txt-tpm12.bin",
            0,
            &[
                "# event 1, PCR 17, proven: EVTYPE_HASH_START: SINIT\n",
                "# event 4, PCR 17, not measured: TXT_EVTYPE_SLAUNCH_START",
                "# event 6, PCR 18, proven: TXT_EVTYPE_SLAUNCH: Measured initrd\n",
                "sha1:\n    17: 0x38771BAC6E675C5B3B5869EB8BA453902DB14A5F\n    18: 0xE33FD1ECFDF75F97590D9BE5C1FF0A2D94FD15F1\n",
            ],
            "has 64 bytes behind its last event",
        ),
        (
            "txt-tpm20.bin",
            0,
            &[
                "# event 2, PCR 17, not measured: TXT_EVTYPE_SLAUNCH_START",
                "    17: 0xBC2FFD3AB985F48417C2F43BF6F4DD1FFE24FFB90B6E542076B335FDB54C1C29\n    18: 0x93E27049",
            ],
            "ends with 64 bytes of padding",
        ),
        (
            "words.bin",
            0,
            &[
                "# event 1, PCR 0, not measured: EV_NO_ACTION: the TPM was started from locality 3\n",
                "# event 2, PCR 7, proven: EV_SEPARATOR: AN ERROR of the firmware\n",
                "# event 3, PCR 8, claimed: EV_IPL: grub_cmd: menuentry x {\\n\\tlinux /evil\\n}\n",
                "# event 4, PCR 8, claimed: EV_IPL: grub_cmd: linux /ok \\u{202e}live/\\u{202c}\n",
                "# event 5, PCR 9, claimed: EV_EVENT_TAG: tag 0x8f3b22ec: Linux initrd\n",
                "# event 6, PCR 2, claimed: EV_EFI_SPDM_FIRMWARE_BLOB: SPDM Device Sec\n",
            ],
            "",
        ),
    ];
    for (name, code, shown, said) in table {
        let Ran { code: ended, out, err } = measureroot(&["replay", &log(name)]);
        assert!(ended == code && shown.iter().all(|part| out.contains(part)), "{name}: {ended} {out}{err}");
        assert!(err.contains(said) && err.is_empty() == said.is_empty(), "{name}: {err}");
    }
}

#[test]
fn each_recorded_boot_is_judged() {
    for boot in ["hcrtm", "drtm"] {
        let (log, pcrs) = (evidence(&format!("{boot}.log")), evidence(&format!("{boot}.pcrread")));
        let Ran { code, err, .. } = measureroot(&["replay", &log, "--pcrs", &pcrs]);
        assert_eq!(code, 0, "{boot}: {err}");
        assert_eq!(verify(boot, &[]).code, 0, "{boot}");
    }
    // `--expect` asks for the PCRs of the dynamic launch.
    let (pcrs, pcrread) = (evidence("drtm.pcrs"), evidence("drtm.pcrread"));
    let Ran { code, out, err } = verify("drtm", &["--pcrs", &pcrs, "--expect", &pcrread]);
    assert_eq!(code, 0, "{out}{err}");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other launch");
    fs::write(&other, fs::read_to_string(pcrread).unwrap().replace("17: 0x2D", "17: 0x2E")).unwrap();
    let Ran { code, out, .. } = verify("drtm", &["--pcrs", &pcrs, "--expect", text(&other)]);
    assert!(code == 3 && out.contains("PCR 17, sha256, is 2d"), "{out}");
    // IMA keeps its own log. The value of its PCR is proven if it was sent.
    let (pcrs, pcrread) = (evidence("unlogged-pcr10.pcrs"), evidence("unlogged-pcr10.pcrread"));
    let Ran { code, out, err } = verify("unlogged-pcr10", &["--pcrs", &pcrs]);
    assert!(code == 0 && err.contains("no log has events of other quoted PCRs (10)"), "{out}{err}");
    assert!(err.contains("other quoted PCRs (0, 1, 2, 3, 4, 5, 6, 7), but"), "{err}");
    let Ran { code, out, err } = verify("unlogged-pcr10", &["--pcrs", &pcrs, "--expect", &pcrread]);
    assert!(code == 0 && !err.contains("quoted PCRs"), "{out}{err}");
    let Ran { code, out, .. } = verify("unlogged-pcr10", &[]);
    assert!(code == 4 && out.contains("needs no log for a PCR such as 10"), "{out}");
    // The value of the PCR that is judged must come from its log.
    let Ran { code, out, .. } = verify("unlogged-pcr10", &["--pcrs", &pcrs, "--pcr", "10"]);
    assert!(code == 4 && out.contains("PCR 10"), "{out}");
    let other = folder.path().join("known");
    fs::write(&other, fs::read_to_string(pcrread).unwrap().replace("10: 0xA6", "10: 0xA7")).unwrap();
    let Ran { code, out, .. } = verify("unlogged-pcr10", &["--pcrs", &pcrs, "--expect", text(&other)]);
    assert!(code == 3 && out.contains("PCR 10, sha256, is a6"), "{out}");
    let Ran { code, out, .. } = verify("os-separator", &[]);
    assert!(
        code == 3
            && out.contains(
                "but behind the os-separator of systemd-pcrosseparator.service (an initramfs with systemd ran"
            ),
        "{out}"
    );
    let Ran { code, err, .. } = measureroot(&["replay", &evidence("os-separator.log")]);
    assert!(
        code == 0 && err.contains(": PCR 13 has the os-separator of systemd-pcrosseparator.service (event "),
        "{err}"
    );
}

/// What takes the place of a file.
type Replace<'a> = dyn Fn(Vec<u8>) -> Vec<u8> + 'a;

/// Judges the recorded boot "hcrtm" with one of its files changed.
fn verify_changed(ending: &str, change: &Replace<'_>) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["quote", "sig", "ak.pub", "log"] {
        fs::copy(evidence(&format!("hcrtm.{ending}")), folder.path().join(ending)).unwrap();
    }
    let file = |ending: &str| text(&folder.path().join(ending)).to_owned();
    fs::write(file(ending), change(fs::read(file(ending)).unwrap())).unwrap();
    let (quote, signature, key, log, list) =
        (file("quote"), file("sig"), file("ak.pub"), file("log"), evidence("trusted.json"));
    let arguments = ["verify", "--quote", &quote, "--signature", &signature, "--key", &key, "--log", &log];
    measureroot(&[&arguments[..], &["--allow", &list, "--nonce", "00112233", "--any-nonce", "--image-only"]].concat())
}

#[test]
fn an_event_of_a_pcr_that_no_tpm_has_is_shown_and_not_judged() {
    let foreign = |mut log: Vec<u8>| {
        // In front of the other events, behind the header: 69 bytes, as of sha1 and sha256.
        let event = [&[24, 0, 0, 0, 0xD, 0, 0, 0, 1, 0, 0, 0, 0xB, 0][..], &[7; 32], &[3, 0, 0, 0], b"odd"].concat();
        log.splice(69..69, event);
        log
    };
    let Ran { code, out, err } = verify_changed("log", &foreign);
    assert!(
        code == 0 && err.contains("log: has events of PCRs that no TPM has (24): they extend nothing"),
        "{out}{err}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = changed(folder.path(), "foreign", &|log| *log = foreign(log.clone()));
    let Ran { code, out, err } = measureroot(&["replay", &path, "--pcrs", &evidence("hcrtm.pcrread")]);
    assert!(code == 0 && out.contains("# event 1, PCR 24, not measured: EV_IPL: odd\n"), "{out}{err}");
}

#[test]
fn a_quote_may_have_its_length_in_front() {
    let counted = |quote: Vec<u8>| [&u16::try_from(quote.len()).unwrap().to_be_bytes()[..], &quote].concat();
    let Ran { code, out, err } = verify_changed("quote", &counted);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(verify_changed("quote", &|quote| counted(counted(quote))).code, 4);
}

#[test]
fn evidence_that_is_text_is_named() {
    let hex = |bytes: Vec<u8>| hex::encode(bytes).into_bytes();
    // The letters of hex are letters of base64, too.
    let base64 = |bytes: Vec<u8>| (hex::encode(bytes) + "+/==\n").into_bytes();
    let keylime = |quote: Vec<u8>| {
        let part = hex::encode(quote);
        format!("r{part}:{part}:{part}").into_bytes()
    };
    // The fields 1 and 2 of go-tpm-tools' message, the second one empty.
    let protobuf = |bytes: Vec<u8>| {
        let length = [u8::try_from(bytes.len() & 0x7F).unwrap() | 0x80, u8::try_from(bytes.len() >> 7).unwrap()];
        [&[0x0A, length[0], length[1]], &bytes[..], &[0x12, 0]].concat()
    };
    let table: [(&str, &Replace<'_>, &str); 8] = [
        ("quote", &protobuf, "(this is an attestation in the protobuf form of go-tpm-tools: write its fields ak_pub"),
        ("ak.pub", &|bytes| protobuf(bytes[2..].to_vec()), "in the protobuf form of go-tpm-tools"),
        ("log", &|_| protobuf(vec![0, 1, 2]), "is not a log alone (this is an attestation in the protobuf form"),
        (
            "quote",
            &base64,
            "begins with 0x66663534, but what a TPM attests begins with 0xff544347 (this is text in base64",
        ),
        ("quote", &keylime, "this is what Keylime's agent sends: cut -c2- FILE"),
        ("quote", &hex, "xxd -revert -plain writes the bytes"),
        ("sig", &base64, "this is text in base64: base64 --decode writes the bytes"),
        ("ak.pub", &base64, "this is text in base64: base64 --decode writes the bytes"),
    ];
    for (ending, change, part) in table {
        let Ran { code, out, err } = verify_changed(ending, change);
        assert!(code == 4 && out.contains(part), "{ending}: {out}{err}");
    }
}

#[test]
fn a_log_with_sha1_digests_alone_is_judged_only_with_sha1() {
    let sha1 = log("sha1-only.bin");
    let Ran { code, out, .. } = verify("hcrtm", &["--log", &sha1]);
    assert!(code == 4 && out.contains("sha1-only.bin: has only SHA-1 digests"), "{out}");
    // Its events come after those that the quote proves.
    let Ran { code, out, err } = verify("hcrtm", &["--log", &sha1, "--sha1"]);
    assert!(code == 0 && err.contains("does not prove 9 events") && err.contains("can be forged"), "{out}{err}");
}

/// What is done to the bytes of a log.
type Change = dyn Fn(&mut Vec<u8>);

/// A file that is made from a recorded log.
fn changed(folder: &Path, name: &str, change: &dyn Fn(&mut Vec<u8>)) -> String {
    let mut bytes = fs::read(evidence("hcrtm.log")).unwrap();
    change(&mut bytes);
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    text(&path).to_owned()
}

/// Its form is that of a TPM's log, but for the number in its first event.
#[test]
fn the_log_of_a_confidential_machine_is_replayed_alone_and_trusted_never() {
    let folder = tempfile::tempdir().unwrap();
    let ccel = changed(folder.path(), "ccel", &|log| log[0] = 1);
    let Ran { code, out, err } = measureroot(&["replay", &ccel]);
    assert!(code == 0 && out.contains("# event 1, no RTMR, ") && out.contains(", RTMR 3, "), "{out}{err}");
    assert!(
        !out.contains("PCR") && err.contains("RTMR 3: no value, because an event has no digest for sha384"),
        "{out}{err}"
    );
    for (options, part) in [
        (&["--rtmrs=/nowhere"][..], "no event extends an RTMR"),
        (&["--pcrs", "/dev/null"], "it leads to RTMRs, not to PCRs"),
        (&["--tpm"], "it leads to RTMRs, not to PCRs"),
        (&["--to", "cel"], "it leads to RTMRs, not to PCRs"),
        (&[&evidence("hcrtm.log")], "so it is replayed alone"),
    ] {
        let Ran { code, err, .. } = measureroot(&[&["replay", &ccel], options].concat());
        assert!(code == 2 && err.contains(part), "{options:?}: {err}");
    }
    let Ran { code, err, .. } = measureroot(&["replay", &evidence("hcrtm.log"), "--rtmrs=/nowhere"]);
    assert!(code == 2 && err.contains("no log is that of a confidential machine"), "{err}");
    let Ran { code, out, err } = verify("hcrtm", &["--log", &ccel]);
    assert!(code == 4 && out.contains("confidential virtual machine (CCEL)"), "{out}{err}");
}

/// A log of RTMR 0 and 2 with SHA-384 alone, and an event of register 9, which is no RTMR.
fn log_of_rtmrs() -> Vec<u8> {
    use measureroot::internal::hash::Bank;
    let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let header = [&b"Spec ID Event03\0"[..], &[0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 0x0C, 0, 48, 0, 0]].concat();
    let mut log = [&number(1)[..], &number(3), &[0; 20], &number(header.len()), &header].concat();
    for (register, text) in [(1, "firmware"), (3, "kernel"), (3, "image"), (9, "forged")] {
        let digest = Bank::Sha384.digest(text.as_bytes());
        log.extend([&number(register)[..], &number(13), &number(1), &[0x0C, 0], digest.as_bytes()].concat());
        log.extend([&number(text.len()), text.as_bytes()].concat());
    }
    log
}

#[test]
fn rtmrs_that_differ_are_named_with_the_event_and_other_registers_are_not_measured() {
    use measureroot::internal::hash::{Bank, Digest};
    let folder = tempfile::tempdir().unwrap();
    let (path, sysfs) = (folder.path().join("ccel.bin"), folder.path().join("measurements"));
    fs::write(&path, log_of_rtmrs()).unwrap();
    fs::create_dir(&sysfs).unwrap();
    let value = |texts: &[&str]| {
        let extend = |value: Digest, text: &&str| value.extended(Bank::Sha384, &Bank::Sha384.digest(text.as_bytes()));
        texts.iter().fold(Digest::zero(Bank::Sha384), extend)
    };
    // The texts of RTMR 2 and 3; the exit code; what is said.
    let table = [
        (&["kernel", "image"][..], &[][..], 0, "leads to each value that was compared (2 RTMR values)"),
        (&["kernel"], &[], 1, "they diverge after event 2 ("),
        (&[], &[], 1, "RTMR 2: it is 0000"),
        (&["kernel", "image", "more"], &[], 1, "none of its events leads to this value"),
        (&["kernel", "image"], &["x"], 0, "RTMR 3 is not zeros, but the log has no event of it"),
    ];
    let rtmrs = format!("--rtmrs={}", sysfs.display());
    for (second, third, code, said) in table {
        for (rtmr, texts) in [(0, &["firmware"][..]), (2, second), (3, third)] {
            fs::write(sysfs.join(format!("rtmr{rtmr}:sha384")), value(texts).as_bytes()).unwrap();
        }
        let ran = measureroot(&["replay", text(&path), &rtmrs]);
        assert!(ran.code == code && ran.err.contains(said), "{second:?}: {ran:?}");
        assert!(ran.out.contains("# event 4, no RTMR, not measured: EV_IPL: forged"), "{ran:?}");
        assert!(ran.err.contains("has events of registers that are no RTMRs (9)"), "{ran:?}");
        let ran = measureroot(&["replay", "--json", text(&path), &rtmrs]);
        assert_eq!(ran.out.contains("\"proven\": true"), second.is_empty() || ran.out.contains("kernel"), "{ran:?}");
    }
    let ran = measureroot(&["replay", text(&path), "--rtmrs=/nowhere"]);
    assert!(ran.code == 2 && ran.err.contains("is the folder named rightly?"), "{ran:?}");
}

#[test]
fn a_file_that_is_no_whole_log_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let replayed =
        |name: &str, change: &dyn Fn(&mut Vec<u8>)| measureroot(&["replay", &changed(folder.path(), name, change)]);
    let values =
        |ran: &Ran| ran.out.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let whole = replayed("whole", &|_| {});
    for fill in [0, 0xFF] {
        let padded = replayed("padded", &|log| log.resize(log.len() + 512, fill));
        assert_eq!((padded.code, values(&padded)), (0, values(&whole)), "{}", padded.err);
        assert!(padded.err.contains("ends with 512 bytes of padding (0x"), "{}", padded.err);
    }
    let table: [(&str, &Change, i32, &str); 11] = [
        (
            "a log in base64",
            &|log| *log = (hex::encode(&*log) + "+/==\n").into_bytes(),
            2,
            "holds its bytes as text (this is text in base64: base64 --decode writes the bytes)",
        ),
        ("a key", &|log| *log = b"-----BEGIN PUBLIC KEY-----\n".to_vec(), 2, "is PEM: a key or a certificate"),
        ("a header alone", &|log| log.truncate(69), 0, "has a header, but no event"),
        (
            "an ACPI table",
            &|log| log.splice(..0, *b"CCEL").for_each(drop),
            2,
            "the ACPI table that says where the log is",
        ),
        (
            "an ACPI table",
            &|log| log.splice(..0, *b"TPM2").for_each(drop),
            2,
            "the ACPI table that says where the log is",
        ),
        ("nothing", &Vec::clear, 2, "is empty"),
        ("YAML", &|log| *log = b"---\nversion: 1\n".to_vec(), 2, "as tpm2_eventlog prints it"),
        (
            "IMA's log",
            &|log| *log = b"11 91f34b5c ima-sig sha1:00 boot_aggregate\n".to_vec(),
            2,
            "evmctl ima_measurement",
        ),
        (
            "IMA's log in binary",
            &|log| *log = [&[10, 0, 0, 0][..], &[7; 20], &[6, 0, 0, 0], b"ima-ng", &[0; 40]].concat(),
            2,
            "is the log of Linux's IMA, which explains only the PCR of IMA",
        ),
        // Positions count from the beginning of the file: the header's data begins at byte 32, its list of hashes at 60.
        ("a header that was cut", &|log| log[56] = 3, 2, "event log, byte 68: ends 1 byte too early"),
        (
            "a hash that is not listed",
            &|log| log[60] = 0x12,
            2,
            "event log, byte 69: an event has a digest of the unlisted",
        ),
    ];
    for (name, change, code, part) in table {
        let Ran { code: ended, out, err } = replayed("log", change);
        assert!(ended == code && err.contains(part), "{name}: {ended} {out}{err}");
    }
}

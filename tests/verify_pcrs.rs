//! `measureroot verify` and PCRs: which ones the quote has, what they must hold, and which events explain them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use common::{Ran, measureroot, squashfs};
use evidence::{Machine, Measured, log};

#[test]
fn a_pcr_can_hold_earlier_events_of_other_programs() {
    let events =
        [Measured::other(9, "kernel"), Measured::other(9, "initrd"), Measured::image(&squashfs(b"image")).into_pcr(9)];
    let machine = Machine::quoted(&events, "sha256:9");
    machine.write("image", &squashfs(b"image"));
    let (image, list) = (machine.file("image"), machine.file("list"));
    let before = measureroot::internal::hash::Bank::Sha256;
    let zero = measureroot::internal::hash::Digest::zero(before);
    let value = events[..2].iter().fold(zero, |value, event| value.extended(before, &event.digests[&before]));
    let options = ["--pcr", "9", "--bank", "sha256", "--allow-entry", &list, "--before", &value.to_string()];
    measureroot(&[&["predict"], &options[..], &[&image]].concat()).printed();
    assert_eq!(machine.judge(&["--pcr", "9", "--allow", &list]).code, 0);
    assert_eq!(machine.judge(&["--pcr", "9", "--image", &image]).code, 3, "from zero, it would be another boot");
    let Ran { code, out, .. } = machine.judge(&["--allow", &list]);
    assert!(code == 4 && out.contains("PCR 13: is not in the quote"), "{out}");
}

#[test]
fn an_image_that_was_measured_into_another_pcr_makes_the_machine_not_trusted() {
    // The image that ran, with rootimgpcr=14, extends the default PCR with the digest of a good image.
    let events = [Measured::image(b"another").into_pcr(14), Measured::image(b"image")];
    let words = "not trusted: PCR 13 has the digest of ";
    let other = "but the logs say that an image was measured into PCR 14, too (rootimgpcr=): if that one ran, it could";
    for (quoted, events) in [
        ("sha256:13", events.to_vec()),
        ("sha256:13,14", events.to_vec()),
        // It does not matter which one came first, and whether the quote proves it.
        ("sha256:13,14", vec![events[1].clone(), events[0].clone()]),
        ("sha256:13", vec![events[1].clone(), events[1].clone().into_pcr(14)]),
    ] {
        let machine = Machine::quoted(&events, quoted);
        let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
        assert!(code == 3 && out.starts_with(words) && out.contains(other), "{out}");
        let judged = machine.judge(&["--image", &machine.file("image"), "--pcr", "14"]);
        assert!(judged.code == 3 + i32::from(quoted == "sha256:13"), "{}", judged.out);
    }
    let machine = Machine::quoted(&events[1..], "sha256:13");
    let Ran { code, out, err } = machine.judge(&["--image", &machine.file("image")]);
    assert!(code == 0 && !err.contains("rootimgpcr="), "{out}{err}");
    // The list names another PCR than the command line of the boot.
    let machine = Machine::quoted(&[Measured::image(b"image").into_pcr(14)], "sha256:13,14");
    let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
    let words =
        "nothing was measured into PCR 13; the logs say that an image was measured into PCR 14 (rootimgpcr=): judge";
    assert!(code == 3 && out.contains(words), "{out}");
    assert_eq!(machine.judge(&["--image", &machine.file("image"), "--pcr", "14"]).code, 0);
}

#[test]
fn a_mark_before_the_image_counts_whatever_value_the_list_expects() {
    let bank = measureroot::internal::hash::Bank::Sha256;
    for (mark, part) in
        [(Measured::failed(), "the boot failed"), (Measured::unmeasured(), "the boot did not measure its image")]
    {
        let before = measureroot::internal::hash::Digest::zero(bank).extended(bank, &mark.digests[&bank]);
        let machine = Machine::quoted(&[mark, Measured::image(&squashfs(b"image"))], "sha256:13");
        machine.write("image", &squashfs(b"image"));
        let (image, list) = (machine.file("image"), machine.file("list"));
        let options = ["--bank", "sha256", "--allow-entry", &list, "--before", &before.to_string()];
        measureroot(&[&["predict"], &options[..], &[&image]].concat()).printed();
        let Ran { code, out, .. } = machine.judge(&["--allow", &list]);
        assert!(code == 3 && out.contains(part), "{out}");
    }
}

#[test]
fn the_log_must_explain_all_pcrs_of_the_quote() {
    let events = [Measured::other(4, "boot loader"), Measured::other(7, "keys"), Measured::image(b"image")];
    for pcrs in ["sha256:4,7,13", "sha1:4,13+sha256:0,7,13+sha512:13", "sha256:13+sha1:4,7", "sha384:4+sha256:13"] {
        let machine = Machine::quoted(&events, pcrs);
        let Ran { code, out, err } = machine.judge(&["--image", &machine.file("image")]);
        assert!(
            code == 0 && err.contains("but no expected values are given for them (--expect)"),
            "{pcrs}: {out}{err}"
        );
        machine.write("log", &log(&events[1..]));
        let Ran { code, out, .. } = machine.judge(&["--image", &machine.file("image")]);
        assert!(code == 4 && out.contains("do not lead to the quoted PCRs"), "{pcrs}: {out}");
        // Two files: the firmware's log and measureroot's.
        machine.write("log", &log(&events[..2]));
        machine.write("ours", &log(&events[2..]));
        assert_eq!(
            machine.judge(&["--image", &machine.file("image"), "--log", &machine.file("ours")]).code,
            0,
            "{pcrs}"
        );
    }
}

#[test]
fn the_other_pcrs_must_hold_the_expected_values() {
    let events = [Measured::other(4, "boot loader"), Measured::other(7, "keys"), Measured::image(b"image")];
    let machine = Machine::quoted(&events, "sha256:0,4,7,13");
    let (image, known) = (machine.file("image"), machine.file("known"));
    let expect = |pcrs: &str, change: (&str, &str)| {
        let text = machine.swtpm.tool("tpm2_pcrread", &[pcrs]).replacen(change.0, change.1, 1);
        machine.write("known", text.as_bytes());
        machine.judge(&["--image", &image, "--expect", &known])
    };
    let Ran { code, out, err } = expect("sha256:0,4,7", ("", ""));
    assert!(code == 0 && !err.contains("measureroot: "), "{out}{err}");
    let Ran { code, out, err } = expect("sha256:4", ("", ""));
    assert!(
        code == 0 && err.contains("other quoted PCRs (0, 7), but no expected values are given for them (--expect)"),
        "{out}{err}"
    );
    for (pcrs, change, part) in [
        ("sha256:0,4", ("0 : 0x00", "0 : 0x01"), "PCR 0, sha256, is 00"),
        ("sha256:0,4", ("4 : ", "7 : "), "PCR 7, sha256, is "),
        ("sha256:4,5", ("", ""), "PCR 5, sha256, is not quoted"),
        ("sha384:4", ("", ""), "PCR 4, sha384, is not quoted"),
    ] {
        let Ran { code, out, .. } = expect(pcrs, change);
        assert!(code == 3 && out.contains(part) && out.contains(" is expected\n"), "{pcrs} {change:?}: {out}");
    }
    // The value in the sha1 bank alone counts only if SHA-1 is accepted.
    let machine = Machine::quoted(&events, "sha1:4,7,13+sha256:7,13");
    let expect_sha1 = |pcrs: &str, options: &[&str]| {
        machine.write("known", machine.swtpm.tool("tpm2_pcrread", &[pcrs]).as_bytes());
        let files = ["--image", &machine.file("image"), "--expect", &machine.file("known")];
        machine.judge(&[&files[..], options].concat())
    };
    let Ran { code, out, err } = expect_sha1("sha1:4,7+sha256:7", &[]);
    assert!(code == 1 && out.is_empty() && err.contains("PCR 4 in the sha1 bank alone"), "{out}{err}");
    assert_eq!(expect_sha1("sha1:4,7+sha256:7", &["--sha1"]).code, 0);
    assert_eq!(expect_sha1("sha1:7+sha256:7", &[]).code, 0);
    let Ran { code, out, .. } = expect("sha256:4", ("sha256", "what"));
    assert!(code == 1 && out.is_empty(), "{out}");
}

/// What is expected is expected of one bank. The firmware measures into it, or the running system could extend all of it.
#[test]
fn all_pcrs_must_be_as_expected_in_one_bank_that_the_firmware_measures_into() {
    let firmware = || vec![Measured::other(0, "firmware")];
    let boot = || vec![Measured::other(4, "boot loader"), Measured::image(b"image")];
    let table: [(Vec<Measured>, &str, &str); 5] = [
        (firmware(), "sha256:0,2,4,8,9,12,13", ""),
        (firmware(), "sha256:13+sha384:0,2,4,8,9,12", "as expected in different banks"),
        (firmware(), "sha256:0,2,13+sha384:4,8,9,12", "as expected in different banks"),
        (firmware(), "sha256:0,2+sha384:4,8,9,12,13", "as expected in another bank than the other PCRs"),
        (vec![], "sha256:0,2,4,8,9,12,13", "PCR 0 has no event in sha256"),
    ];
    for (firmware, quoted, part) in table {
        let machine = Machine::quoted(&[firmware, boot()].concat(), quoted);
        let (image, known) = (machine.file("image"), machine.file("known"));
        machine.write("known", machine.swtpm.tool("tpm2_pcrread", &[quoted]).as_bytes());
        let arguments = ["--image", &image, "--expect", &known];
        let Ran { code, out, .. } = machine.judge_all(&arguments);
        assert!(code == if part.is_empty() { 0 } else { 3 } && out.contains(part), "{quoted}: {out}");
        let Ran { code, out, .. } = machine.judge_all(&[&arguments[..], &["--any-firmware"]].concat());
        assert_eq!(code, if part.contains("different") { 3 } else { 0 }, "{quoted}: {out}");
    }
    // What the option accepts need not be in the quote either.
    let machine = Machine::quoted(&boot(), "sha256:4,8,9,12,13");
    machine.write("known", machine.swtpm.tool("tpm2_pcrread", &["sha256:4,8,9,12"]).as_bytes());
    let arguments = ["--image", &machine.file("image"), "--expect", &machine.file("known"), "--any-firmware"];
    let Ran { code, out, .. } = machine.judge_all(&arguments);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn the_values_of_the_pcrs_show_which_one_the_log_does_not_explain() {
    let events = [Measured::other(4, "boot loader"), Measured::other(7, "keys"), Measured::image(b"image")];
    let machine = Machine::quoted(&events, "sha1:0,4,13+sha256:4,7,13+sha512:1,2,4,13");
    let (image, pcrs) = (machine.file("image"), machine.file("pcrs"));
    let judge = |arguments: &[&str]| machine.judge(&[&["--image", &image], arguments].concat());
    let (ak, values) = (machine.file("ak.ctx"), machine.file("values"));
    let line = ["-Q", "-c", &ak, "-l", "sha1:0,4,13+sha256:4,7,13+sha512:1,2,4,13", "-F", "values", "-o", &values];
    machine.tool("tpm2_quote", &line);
    for form in [&pcrs, &values] {
        machine.write("log", &log(&events));
        let Ran { code, out, .. } = judge(&["--pcrs", form]);
        assert_eq!(code, 0, "{out}");
        // A later event of PCR 4 is no cause.
        let [first, other, last] = [events[0].clone(), Measured::other(7, "other keys"), events[2].clone()];
        machine.write("log", &log(&[first, other, last, Measured::other(4, "later")]));
        let Ran { code, out, .. } = judge(&["--pcrs", form]);
        assert!(code == 4 && out.contains("(PCR 7, sha256: it is ") && !out.contains("PCR 4,"), "{out}");
        assert!(judge(&[]).out.contains("--pcrs"));
    }
    // The text of tpm2_pcrread serves as well, also with more PCRs than are quoted.
    machine.write("text", machine.swtpm.tool("tpm2_pcrread", &[]).as_bytes());
    assert!(judge(&["--pcrs", &machine.file("text")]).out.contains("(PCR 7, sha256: it is "));
    machine.write("log", &log(&events));
    assert_eq!(judge(&["--pcrs", &machine.file("text")]).code, 0);
    machine.write("text", machine.swtpm.tool("tpm2_pcrread", &["sha1:0,4,13+sha256:4,7,13"]).as_bytes());
    let Ran { code, out, .. } = judge(&["--pcrs", &machine.file("text")]);
    assert!(code == 4 && out.contains("no value for PCR 1, sha512"), "{out}");
    // And `replay` reads the file of tpm2_quote.
    let replay = |pcrs: &str| measureroot(&["replay", &machine.file("log"), "--pcrs", pcrs]);
    machine.swtpm.tool("tpm2_pcrread", &["sha256:4,7,13", "-F", "serialized", "-o", &machine.file("some")]);
    assert_eq!(replay(&machine.file("some")).code, 0, "{}", replay(&machine.file("some")).err);
    // This one has ten values: more than fit into one list of the TPM.
    assert_eq!(replay(&pcrs).code, 0, "{}", replay(&pcrs).err);
    let Ran { code, err, .. } = replay(&values);
    assert!(code == 2 && err.contains("without the numbers of their PCRs"), "{err}");
    let good = machine.read("pcrs");
    // One flipped bit of the first digest, fewer bytes, and one byte more.
    let flipped = good.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 150)).collect();
    for bytes in [flipped, good[..600].to_vec(), [good.as_slice(), &[0]].concat()] {
        machine.write("changed", &bytes);
        let Ran { code, out, .. } = judge(&["--pcrs", &machine.file("changed")]);
        assert!(code == 4 && out.contains("PCR values: are not the quoted values"), "{out}");
    }
}

#[test]
fn a_log_may_have_events_after_the_quote_but_not_lack_earlier_ones() {
    let events = [Measured::other(11, "phase 1"), Measured::image(b"image"), Measured::other(11, "phase 2")];
    let machine = Machine::quoted(&events[..2], "sha256:11,13");
    machine.write("log", &log(&events));
    let Ran { code, out, err } = machine.judge(&["--image", &machine.file("image")]);
    assert!(code == 0 && err.contains("the quote does not prove 1 event that the logs have after it"), "{out}{err}");
    // What the log says against the boot counts, although the quote does not prove it: nobody gains from such a lie.
    machine.write("log", &log(&[events[0].clone(), events[1].clone(), Measured::failed()]));
    assert_eq!(machine.judge(&["--image", &machine.file("image")]).code, 3);
    machine.write("log", &log(&events[..1]));
    assert_eq!(machine.judge(&["--image", &machine.file("image")]).code, 4);
}

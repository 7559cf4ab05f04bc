//! Verdicts of other verifiers that people reported as wrong or misleading: `measureroot verify` does not give them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use common::Ran;
use evidence::{Machine, Measured, NONCE};

/// What tpm2_pcrread printed on a machine that is trusted, with one value changed.
fn expected(machine: &Machine, pcrs: &str, change: &str) -> String {
    let mut text = machine.swtpm.tool("tpm2_pcrread", &[pcrs]);
    if let Some(at) = text.rfind(change) {
        // The first digit of the value behind it.
        let digit = at + text[at..].find("0x").unwrap() + 2;
        let other = if &text[digit..=digit] == "0" { "1" } else { "0" };
        text.replace_range(digit..=digit, other);
    }
    machine.write("expected", text.as_bytes());
    machine.file("expected")
}

#[test]
fn expected_values_count_in_each_pcr_and_bank_and_there_must_be_some() {
    let machine = Machine::quoted(&[Measured::other(4, "loader"), Measured::image(b"image")], "sha256:4,13+sha384:4");
    let image = machine.file("image");
    let judge = |expect: &str| machine.judge(&["--image", &image, "--expect", expect]);
    let Ran { code, out, .. } = judge(&expected(&machine, "sha256:4+sha384:4", "none"));
    assert!(code == 0, "{out}");
    // A wrong value, with --image-only, too; one of two banks; a PCR that is not quoted.
    for (pcrs, change, reason) in [
        ("sha256:4", "4 :", "PCR 4, sha256, is "),
        ("sha256:4+sha384:4", "4 :", "PCR 4, sha384, is "),
        ("sha256:4,7", "none", "PCR 7, sha256, is not quoted; "),
    ] {
        let Ran { code, out, .. } = judge(&expected(&machine, pcrs, change));
        assert!(code == 3 && out.contains(reason), "{pcrs}: {out}");
    }
    // tpm2_pcrread ends with 0 for a bank that is not active, and prints no value.
    for nothing in ["", "  sha256:\n"] {
        machine.write("expected", nothing.as_bytes());
        let Ran { code, out, err } = judge(&machine.file("expected"));
        assert!(code == 1 && out.is_empty() && err.contains("expected: PCRs: no value found"), "{nothing}: {out}{err}");
    }
}

#[test]
fn an_answer_to_another_nonce_and_a_log_without_events_prove_nothing() {
    let machine = Machine::quoted(&[Measured::image(b"image")], "sha256:13");
    let image = machine.file("image");
    machine.quote("sha256:13", "1122334455667788", "ecdsa-sha256");
    let Ran { code, out, .. } = machine.judge(&["--image", &image]);
    assert!(code == 4 && out.contains("the quote has \"1122334455667788\""), "{out}");
    // The firmware of some clouds shows a log without bytes.
    machine.quote("sha256:13", NONCE, "ecdsa-sha256");
    machine.write("log", b"");
    let Ran { code, out, .. } = machine.judge(&["--image", &image]);
    assert!(code == 4 && out.contains("event log: is empty"), "{out}");
}

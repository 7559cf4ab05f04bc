//! `measureroot verify` with several entries for one image: the best one counts, whatever the order of the list is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use common::Ran;
use evidence::{Machine, Measured};
use measureroot::internal::hash::Bank;
use serde_json::{Value, json};

const QUOTED: &str = "sha256:0,2,4,7,8,9,11,12,13,14";

/// An expected event with these bytes, from a file.
fn event(bytes: &str, file: &str) -> Value {
    let digest = Bank::Sha256.digest(bytes.as_bytes()).to_string();
    json!({"event": {"type": "EV_IPL", "what": "the file", "from": file, "digests": {"sha256": digest}}})
}

/// An entry for the image, with a chain that expects these events.
fn entry(name: &str, digest: &str, events: &[(u32, &str, &str)]) -> Value {
    let mut pcrs: Vec<Value> = Vec::new();
    for pcr in [0, 2, 4, 8, 9, 12] {
        let of = events.iter().filter(|(own, ..)| *own == pcr).map(|(_, bytes, file)| event(bytes, file));
        let parts: Vec<_> = of.collect();
        // "-" for a PCR that the prediction leaves open.
        if !events.contains(&(pcr, "-", "-")) {
            pcrs.push(json!({"pcr": pcr, "parts": parts}));
        }
    }
    let boots = json!([{"name": "boot", "unmeasured": [], "pcrs": pcrs}]);
    json!({"name": name, "digests": {"sha256": digest}, "chain": {"version": 1, "boots": boots}})
}

/// A machine with a loader in PCR 4 and an initrd in PCR 9.
fn machine() -> (Machine, String) {
    let events = [
        Measured::other(0, "firmware"),
        Measured::other(4, "loader 2"),
        Measured::other(9, "initrd"),
        Measured::image(b"image"),
    ];
    (Machine::quoted(&events, QUOTED), Bank::Sha256.digest(b"image").to_string())
}

/// The answers for each order of the entries.
fn judged(machine: &Machine, entries: &[&Value], more: &[&str]) -> Vec<Ran> {
    let orders: Vec<Vec<&Value>> = (0..entries.len())
        .flat_map(|first| {
            let mut turned = entries.to_vec();
            turned.rotate_left(first);
            let mut reversed = turned.clone();
            reversed.reverse();
            [turned, reversed]
        })
        .collect();
    let list = machine.file("list");
    let judge = |order: &Vec<&Value>| {
        machine.write("list", json!({ "images": order }).to_string().as_bytes());
        machine.judge_all(&[&["--allow", &list], more].concat())
    };
    orders.iter().map(judge).collect()
}

const FIRMWARE: (u32, &str, &str) = (0, "firmware", "good.log");
const INITRD: (u32, &str, &str) = (9, "initrd", "initrd.img");
const LOADER: (u32, &str, &str) = (4, "loader 2", "loader2.efi");

/// What an entry expects that leaves all but the loader open.
const LITTLE: [(u32, &str, &str); 6] =
    [LOADER, (0, "-", "-"), (2, "-", "-"), (8, "-", "-"), (9, "-", "-"), (12, "-", "-")];

#[test]
fn the_entry_whose_whole_chain_is_as_expected_counts() {
    let (machine, digest) = machine();
    let good = entry("b: good", &digest, &[FIRMWARE, LOADER, INITRD]);
    let others = [
        // An earlier release of the loader; one that expects less; one whose initrd differs; one without the firmware; no chain.
        entry("a: old", &digest, &[FIRMWARE, (4, "loader 1", "loader1.efi"), INITRD]),
        entry("c: open", &digest, &[FIRMWARE, LOADER, (9, "-", "-"), (12, "-", "-")]),
        entry("d: other", &digest, &[FIRMWARE, LOADER, (9, "another", "initrd.img")]),
        entry("e: any", &digest, &[(0, "-", "-"), (2, "-", "-"), LOADER, INITRD]),
        entry("a: little", &digest, &LITTLE),
        json!({"name": "a: image alone", "digests": {"sha256": digest}}),
    ];
    for other in &others {
        for Ran { code, out, .. } in judged(&machine, &[&good, other], &[]) {
            assert!(code == 0 && out.starts_with("trusted: b: good\n"), "{other}: {out}");
        }
    }
    let all: Vec<_> = [&good].into_iter().chain(&others).collect();
    for Ran { code, out, .. } in judged(&machine, &all, &["--json"]) {
        let report: Value = serde_json::from_str(&out).unwrap();
        assert!(code == 0 && report["chain"]["entry"] == "b: good" && report["chain_checked"] == true, "{report}");
    }
    // Nothing that is accepted by name may be lost to an entry that lacks something else.
    let without: Vec<_> = others.iter().collect();
    for Ran { code, out, .. } in judged(&machine, &without, &["--any-firmware"]) {
        assert!(code == 0 && out.starts_with("trusted: e: any\n"), "{out}");
    }
    // The quote does not tell whether it was this one, which has the same PCRs.
    let mut unmeasured = good.clone();
    unmeasured["name"] = "a: device tree".into();
    unmeasured["chain"]["boots"][0]["unmeasured"] = json!(["the device tree x.dtb"]);
    for Ran { code, out, .. } in judged(&machine, &[&good, &unmeasured], &[]) {
        assert!(code == 3 && out.contains("not measured: the device tree x.dtb"), "{out}");
    }
    // An end that one of them has counts, whichever chain it was.
    let mut ended = others[0].clone();
    ended["until"] = "2020-01-31".into();
    for Ran { code, out, .. } in judged(&machine, &[&good, &ended], &[]) {
        assert!(code == 3 && out.starts_with("not trusted: a: old was booted, which was trusted until 2020"), "{out}");
    }
}

#[test]
fn if_no_chain_is_as_expected_the_nearest_one_is_explained() {
    let (machine, digest) = machine();
    let near = entry("b: near", &digest, &[FIRMWARE, LOADER, (9, "another", "initrd.img")]);
    let far = entry("a: far", &digest, &[FIRMWARE, (4, "loader 1", "loader1.efi"), (9, "another", "initrd.img")]);
    let twin = entry("c: twin", &digest, &[FIRMWARE, LOADER, (9, "a third", "initrd.img")]);
    let little = entry("a: little", &digest, &LITTLE);
    let words =
        "not trusted: b: near was booted, but what started it is not as expected: PCR 9: initrd.img (the file) differs";
    for Ran { code, out, .. } in judged(&machine, &[&near, &far, &twin, &little], &[]) {
        assert!(code == 3 && out.starts_with(words), "{out}");
    }
}

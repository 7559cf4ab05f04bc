//! docs/licences.md lists what Cargo.lock links into both programs, and the packages name every licence of the agent.
//! `MEASUREROOT_UPDATE=1` rewrites the page's tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const AGENT: &[&str] = &["--no-default-features"];
const HEAD: &str = "| crate | licence |\n|---|---|\n";

/// The crates that are linked for this target, a table's row each; our own are not listed.
fn rows(target: &str, features: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap());
    cargo.args(["tree", "--locked", "--no-dedupe", "--edges", "normal,no-proc-macro", "--prefix", "none"]);
    cargo.args(["--format", "{p} | {l}", "--target", target]).args(features).current_dir(ROOT);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // A crate of ours is followed by its path.
    let others = text.lines().filter(|line| !line.contains(" (/"));
    // The older way to write "or".
    others.map(|line| format!("| {} |", line.replace("MIT/Apache-2.0", "MIT OR Apache-2.0"))).collect()
}

fn table(rows: impl IntoIterator<Item = String>) -> String {
    rows.into_iter().fold(HEAD.to_owned(), |table, row| table + &row + "\n")
}

/// The crates of the agent, for PCs and for arm64.
fn of_agent() -> BTreeSet<String> {
    &rows("x86_64-unknown-linux-musl", AGENT) | &rows("aarch64-unknown-linux-musl", AGENT)
}

#[test]
fn the_tables_are_what_the_programs_contain() {
    let agent = of_agent();
    let more = &rows("x86_64-unknown-linux-gnu", &[]) - &agent;
    assert!(agent.iter().any(|row| row.starts_with("| subtle v") && row.ends_with(" | BSD-3-Clause |")), "{agent:?}");
    let page = Path::new(ROOT).join("docs/licences.md");
    let text = fs::read_to_string(&page).unwrap();
    let parts: Vec<_> = text.split(HEAD).collect();
    let [before, between, _] = parts.as_slice() else { panic!("not two tables") };
    let (_, between) = between.split_once("\n\n").unwrap();
    let made = format!("{before}{}\n{between}{}", table(agent), table(more));
    if std::env::var_os("MEASUREROOT_UPDATE").is_some() {
        fs::write(&page, &made).unwrap();
    }
    let now = fs::read_to_string(&page).unwrap();
    let differs = made.lines().zip(now.lines()).find(|(made, now)| made != now);
    assert!(made == now, "out of date at {differs:?}: run MEASUREROOT_UPDATE=1 cargo test --test licences");
}

/// If there is a choice, MIT is taken.
#[test]
fn every_package_names_every_licence_of_the_agent() {
    let crates = of_agent();
    let licences = crates.iter().filter_map(|row| row.strip_suffix(" |")?.rsplit(" | ").next());
    let licences = licences.flat_map(|licence| licence.split(" AND "));
    let others: BTreeSet<_> = licences.filter(|licence| !licence.contains("MIT")).chain(["BSD-2-Clause"]).collect();
    let notes = [
        ("installed/openembedded/recipes-core/measureroot/measureroot_git.bb", "LICENSE = "),
        ("installed/buildroot/package/measureroot/measureroot.mk", "MEASUREROOT_LICENSE = "),
        ("installed/debian/copyright", "License: "),
    ];
    for (file, start) in notes {
        let text = fs::read_to_string(Path::new(ROOT).join("initramfs").join(file)).unwrap();
        let note: String = text.lines().filter_map(|line| line.strip_prefix(start)).collect();
        assert!(note.contains("MIT"), "{file}: {note}");
        assert!(others.iter().all(|licence| note.contains(licence)), "{file}: {note}: not all of {others:?}");
    }
}

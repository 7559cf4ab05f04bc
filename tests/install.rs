//! The commands of docs/cargo.md: `cargo install` from the checkout, and from a repository. The programs are not optimised, which
//! saves minutes, and share the crates that cargo has compiled for the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::path::Path;
use std::process::Command;

use common::{ROOT, blocks, run, text};

/// Runs a block of the page with these changes, and the program that it installs. No pkg-config can find a tpm2-tss.
fn installs(block: &str, changes: &[(&str, &str)]) {
    let root = tempfile::tempdir().unwrap();
    let commands = blocks("docs/cargo.md").into_iter().find(|commands| commands.contains(block)).expect(block);
    let commands =
        commands.replace("cargo install ", "cargo install --quiet --debug --root \"$ROOT\" --target-dir \"$TARGET\" ");
    let commands = changes.iter().fold(commands, |commands, (old, new)| {
        assert!(commands.contains(old), "{old}: {commands}");
        commands.replace(old, new)
    });
    let target = Path::new(env!("CARGO_BIN_EXE_measureroot")).ancestors().nth(2).unwrap();
    // The cargo that runs this test: an older one may come first.
    let tools = Path::new(env!("CARGO")).parent().unwrap().display();
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands])
        .current_dir(ROOT)
        .env("PATH", path)
        .env("ROOT", root.path())
        .env("TARGET", target)
        .env("ADDRESS", format!("file://{ROOT}"))
        .env("PKG_CONFIG", "/bin/false")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
    let version = run(text(&root.path().join("bin/measureroot")), &["--version"]);
    assert_eq!(version, format!("measureroot {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn cargo_installs_the_command_from_a_checkout() {
    installs("--path .", &[]);
}

#[test]
fn cargo_installs_the_command_from_a_repository() {
    installs("--git", &[("$PWD/tpm2-tss", "$PWD/target/sources/tpm2-tss")]);
}

#[test]
fn a_test_runs_each_block() {
    assert_eq!(blocks("docs/cargo.md").len(), 2);
}

//! The commands of docs/cargo.md: `cargo install` from the checkout, and from a repository. The programs are not optimised, which
//! saves minutes, and share the crates that cargo has compiled for the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::path::Path;
use std::process::Command;

use common::{ROOT, blocks, run, text};

/// Runs a block of the page with these changes, and the program that it installs. No pkg-config can find a tpm2-tss. Returns the
/// messages of cargo if it fails.
fn install(block: &str, changes: &[(&str, &str)]) -> Result<(), String> {
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
    if !output.status.success() {
        return Err(format!("{commands}\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let version = run(text(&root.path().join("bin/measureroot")), &["--version"]);
    assert_eq!(version, format!("measureroot {}", env!("CARGO_PKG_VERSION")));
    Ok(())
}

#[test]
fn cargo_installs_the_command_from_a_checkout() {
    install("--path .", &[]).unwrap();
}

/// Debian's newer cargo cannot clone any repository. Then the page must say what to do.
#[test]
fn cargo_installs_the_command_from_a_repository_or_the_page_says_how() {
    let known = "invalid version 0 on git_proxy_options";
    match install("--git", &[("$PWD/tpm2-tss", "$PWD/target/sources/tpm2-tss")]) {
        Err(messages) if messages.contains(known) => {
            let page = std::fs::read_to_string(Path::new(ROOT).join("docs/cargo.md")).unwrap();
            assert!(page.contains(&format!("| `{known}` |")), "{messages}");
        }
        installed => installed.unwrap(),
    }
}

#[test]
fn a_test_runs_each_block() {
    assert_eq!(blocks("docs/cargo.md").len(), 2);
}

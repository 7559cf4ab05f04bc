//! The commands of docs/meta-measured.md, as they stand: coreutils and `predict` agree on what meta-measured extends with.
#![allow(clippy::unwrap_used)] // A failed test says what it found.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_value_by_hand_is_the_predicted_one() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/meta-measured.md")).unwrap();
    let commands: String = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(commands.contains("measureroot predict") && commands.contains("sha1sum"));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rootfs.squashfs"), "image").unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_measureroot")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    let output =
        shell.args(["-euo", "pipefail", "-c", &commands]).current_dir(folder.path()).env("PATH", path).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(folder.path().join("by-hand")).unwrap().trim().len(), 40);
}

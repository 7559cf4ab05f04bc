//! What the tests share: runs of measureroot and of other programs, and the commands of a page of the documentation.
#![allow(dead_code)] // Each test uses a part of it.

pub(crate) mod disks;
pub(crate) mod elf;
pub(crate) mod files;
pub(crate) mod hashed;
pub(crate) mod secured;
pub(crate) mod written;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The checkout.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The path of measureroot.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_measureroot"))
}

/// A program that has run to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output in UTF-8");
        let code = output.status.code().unwrap_or_else(|| panic!("{}", output.status));
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// Standard output of a run that must have succeeded.
    pub(crate) fn printed(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// The JSON on standard output, whatever the exit code is.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// Runs measureroot.
pub(crate) fn measureroot(arguments: &[&str]) -> Ran {
    Command::new(program()).args(arguments).output().unwrap().into()
}

/// Runs another program, which must succeed, and returns its standard output without white space at its ends.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    run_with(program, arguments, "")
}

/// The same with this standard input.
pub(crate) fn run_with(program: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}: install it"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The text of a path.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// An image with this content: a superblock of a squashfs, as much of it as measureroot reads, and its padding.
pub(crate) fn squashfs(content: &[u8]) -> Vec<u8> {
    // kernel, fs/squashfs/squashfs_fs.h: struct squashfs_super_block.
    let mut image = vec![0; 96];
    image[..4].copy_from_slice(b"hsqs");
    image[28] = 4;
    image.extend(content);
    let bytes = image.len() as u64;
    image[40..48].copy_from_slice(&bytes.to_le_bytes());
    image.resize(image.len().next_multiple_of(4096), 0);
    image
}

/// The blocks of shell commands of a page.
pub(crate) fn blocks(page: &str) -> Vec<String> {
    blocks_of(page, |_| true)
}

/// The blocks of shell commands in the sections of a page whose headings are wanted.
pub(crate) fn blocks_of(page: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
    let sections = text.split("\n## ").filter(|section| is_wanted(section.lines().next().unwrap_or_default()));
    let blocks = sections.flat_map(|section| section.split("```sh\n").skip(1));
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Runs shell commands in `folder`, with measureroot on the path and these variables in the environment.
pub(crate) fn shell(commands: &str, folder: &Path, environment: &[(&str, &str)]) -> Ran {
    let path = format!("{}:/sbin:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", commands]).current_dir(folder).env("PATH", path);
    // `kernel-fragments/check` would look for the program there.
    bash.env_remove("CARGO_TARGET_DIR");
    bash.envs(environment.iter().copied()).output().unwrap().into()
}

/// What `explain` says about a command line that the boot would reject: one message on standard error, then the explanation.
pub(crate) fn rejected(line: &str) -> String {
    let Ran { code, out, err } = measureroot(&["explain", line]);
    let failed = "FAILED at step \"read the command line\": ";
    // A script that throws the explanation away still shows why the boot would fail.
    assert!(code == 1 && err.starts_with(failed) && err.lines().count() == 1, "{line}: {out}{err}");
    assert!(!out.contains(failed), "{line}: {out}");
    err + &out
}

/// The text with one bit flipped of what a letter of base64 at this place stands for.
pub(crate) fn flipped_base64(text: &str, at: usize) -> Vec<u8> {
    // In the order of their values (RFC 4648, section 4).
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut flipped = text.as_bytes().to_vec();
    let value = LETTERS.iter().position(|letter| *letter == flipped[at]).expect("a letter of base64");
    flipped[at] = LETTERS[value ^ 1];
    flipped
}

//! A Debian with an image builder (see `test-vm/builder`), and what it builds.

use crate::{Image, Result, assets, ensure, scratch::Scratch, tool};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A Debian. Its commands start in a folder of the host, and their changes to all other folders are lost.
#[derive(Debug)]
pub struct Builder {
    folder: Scratch,
    /// Its name for `test-vm/builder`.
    debian: &'static str,
}

impl Builder {
    /// A new one with dracut and initramfs-tools.
    pub fn initramfs() -> Result<Self> {
        Ok(Self { folder: Scratch::new()?, debian: "builders" })
    }

    /// A new one with mkosi.
    pub fn mkosi() -> Result<Self> {
        Ok(Self { folder: Scratch::new()?, debian: "mkosi" })
    }

    /// Runs shell commands, which must succeed, and returns what they print.
    pub fn run(&self, commands: &str) -> Result<String> {
        let (succeeded, said) = self.try_run(commands)?;
        ensure!(succeeded, "{commands}\n{said}");
        Ok(said)
    }

    /// Runs shell commands, of which one must fail, and returns what they print.
    pub fn refuses(&self, commands: &str) -> Result<String> {
        let (succeeded, said) = self.try_run(commands)?;
        ensure!(!succeeded, "this should have failed: {commands}\n{said}");
        Ok(said)
    }

    fn try_run(&self, commands: &str) -> Result<(bool, String)> {
        let program = assets::checkout().join("test-vm/builder");
        let mut builder = tool::limited(Duration::from_secs(300), program);
        builder.arg(self.folder.folder()).arg(self.debian).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = builder.stderr(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().ok_or("no standard input")?;
        input.write_all(commands.as_bytes())?;
        drop(input);
        let done = child.wait_with_output()?;
        let said = [done.stdout, done.stderr].concat();
        Ok((done.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// Copies an image into the folder.
    pub fn put(&self, name: &str, image: &Image) -> Result<()> {
        std::fs::copy(image.path(), self.folder.path(name))?;
        Ok(())
    }

    /// The path of a file in the folder that is not there yet.
    #[must_use]
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// The path of a file that the commands left in the folder.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.path(name);
        ensure!(path.is_file(), "{} was not built", path.display());
        Ok(path)
    }

    /// The files, links and device nodes in an initramfs that zstd compressed, as `cpio --list --verbose` shows them.
    pub fn contents(&self, name: &str) -> Result<Vec<String>> {
        let list = self.unpacked(name, "cpio --list --quiet --verbose", None)?;
        Ok(list.lines().filter(|entry| !entry.starts_with('d')).map(str::to_owned).collect())
    }

    /// The file names of the kernel modules in it.
    pub fn modules(&self, name: &str) -> Result<Vec<String>> {
        let entries = self.contents(name)?.into_iter();
        let files = entries.filter_map(|entry| Some(entry.rsplit_once('/')?.1.to_owned()));
        Ok(files.filter(|file| file.rsplit('.').next() == Some("ko")).collect())
    }

    /// Checks that an initramfs has the agent as its /init, bit by bit. Beside it there may be only device nodes, modules,
    /// depmod's lists, and the files `notes`, none of which can be executed.
    pub fn is_lean(&self, name: &str, notes: &[&str]) -> Result<()> {
        let agent = assets::product("initramfs/init")?;
        self.unpacked(name, "cpio --extract --to-stdout --quiet init | cmp - \"$2\"", Some(&agent))?;
        let ends = self.unpacked(name, "grep --text --only-matching TRAILER!!!", None)?;
        ensure!(ends.lines().count() == 1, "another archive follows the first one");
        for entry in self.contents(name)? {
            let path = entry.split(' ').next_back().unwrap_or_default().trim_start_matches("usr/");
            let in_modules = path.strip_prefix("lib/modules/").and_then(|path| path.rsplit('/').next());
            let known = match entry.as_bytes()[0] {
                b'c' => path.starts_with("dev/"),
                b'l' => path == "lib",
                _ if path == "init" => true,
                _ => {
                    let data = in_modules
                        .is_some_and(|file| file.rsplit('.').next() == Some("ko") || file.starts_with("modules."));
                    entry.starts_with("-rw-r--r--") && (data || notes.contains(&path))
                }
            };
            ensure!(known, "this should not be in the initramfs: {entry}");
        }
        Ok(())
    }

    /// Passes an unpacked archive to a shell command, and returns what that prints.
    fn unpacked(&self, name: &str, line: &str, other: Option<&Path>) -> Result<String> {
        let mut bash = tool::limited(Duration::from_secs(60), "bash");
        bash.args(["-euo", "pipefail", "-c", &format!("zstd --decompress --stdout \"$1\" | {line}"), "bash"]);
        tool::finish(bash.arg(self.file(name)?).args(other))
    }
}

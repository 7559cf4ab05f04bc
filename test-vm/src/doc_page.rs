//! A page of the documentation. The tests run its commands unchanged.

use crate::{Bank, Guest, Image, Result, assets, ensure, scratch::Scratch, tool};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// The blocks of shell commands of a page.
#[derive(Clone, Debug)]
pub struct DocPage(Vec<String>);

impl DocPage {
    /// Reads the page at this path in the checkout.
    pub fn open(path: &str) -> Result<Self> {
        let text = assets::text(path)?;
        let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(rest).to_owned());
        Ok(Self(blocks.collect()))
    }

    /// The one block with `part` in it.
    pub fn block(&self, part: &str) -> Result<String> {
        let found: Vec<_> = self.0.iter().filter(|block| block.contains(part)).collect();
        ensure!(found.len() == 1, "{} blocks have {part:?}", found.len());
        Ok(found[0].clone())
    }

    /// Checks that every block has exactly one of these parts: a test runs each of them.
    pub fn has_only(&self, parts: &[&str]) -> Result<()> {
        for block in &self.0 {
            ensure!(
                parts.iter().filter(|part| block.contains(**part)).count() == 1,
                "no test runs this block:\n{block}"
            );
        }
        Ok(())
    }

    /// Runs the page's QEMU command with these files until its console says that the image was measured.
    pub fn boot(&self, kernel: &Path, initramfs: &Path, image: &Image) -> Result<()> {
        let (here, command) = self.prepared("qemu-system-x86_64", kernel, initramfs, image)?;
        // QEMU and the TPM in the background end with the first process of their namespace.
        let mut bash = tool::tied("unshare");
        bash.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--"]);
        bash.args(["timeout", "180", "bash", "-euc", &command]).current_dir(here.folder());
        let mut boot =
            tool::Process(bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?);
        let digest = format!("sha256={}", Bank::Sha256.of_file(image.path())?);
        let mut said = Vec::new();
        for line in BufReader::new(boot.0.stdout.take().ok_or("no console")?).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            if line.contains(" measured into PCR 13 ") && line.contains(&digest) {
                return Ok(());
            }
            said.push(line);
        }
        Err(format!("{command}\n{}", said.join("\n")).into())
    }

    /// The folder for the block with `part`, which has these files, and its commands.
    fn prepared(&self, part: &str, kernel: &Path, initramfs: &Path, image: &Image) -> Result<(Scratch, String)> {
        let here = Scratch::new()?;
        for (name, file) in [("vmlinuz-K", kernel), ("measureroot.img", initramfs), ("rootfs.squashfs", image.path())] {
            std::os::unix::fs::symlink(file, here.path(name))?;
        }
        let command = self.block(part)?;
        ensure!(command.contains("\"/boot/vmlinuz-$KERNEL\""), "{command}");
        Ok((here, format!("KERNEL=K\n{}", command.replace("/boot/", ""))))
    }

    /// Runs the page's command that predicts all PCRs of these files, and returns what it writes.
    pub fn chain(&self, kernel: &Path, initramfs: &Path, image: &Image) -> Result<String> {
        let (here, command) = self.prepared("chain.json", kernel, initramfs, image)?;
        std::os::unix::fs::symlink(assets::product("release/measureroot")?, here.path("measureroot"))?;
        let mut bash = tool::limited(Duration::from_secs(300), "bash");
        bash.args(["-euc", &format!("PATH=.:$PATH; {command}")]);
        tool::finish(bash.current_dir(here.folder()))?;
        Ok(fs::read_to_string(here.path("measureroot.chain.json"))?)
    }

    /// Runs the page's last block: the line that predicts the PCR for `rootfs.squashfs` here, and the line that compares it in
    /// the guest.
    pub fn check(&self, guest: &mut Guest, image: &Image) -> Result<()> {
        let block = self.block("> expected")?;
        let (predict, compare) = block.trim().split_once('\n').ok_or("not two lines")?;
        let here = Scratch::new()?;
        std::os::unix::fs::symlink(image.path(), here.path("rootfs.squashfs"))?;
        std::os::unix::fs::symlink(assets::product("release/measureroot")?, here.path("measureroot"))?;
        let mut bash = tool::limited(Duration::from_secs(300), "bash");
        bash.args(["-euc", &format!("PATH=.:$PATH; {predict}")]);
        tool::finish(bash.current_dir(here.folder()))?;
        guest.write("/expected", &fs::read_to_string(here.path("expected"))?)?;
        let said = guest.run(&["sh", "-c", &format!("cd / && {compare}")])?;
        ensure!(said == "this is rootfs.squashfs", "{compare}: {said}");
        Ok(())
    }
}

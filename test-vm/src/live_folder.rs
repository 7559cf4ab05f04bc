//! A folder with a root directory. `initramfs/installed/live` makes a live medium of it.

use crate::{Bank, Result, assets, ensure, predict, scratch::Scratch, stopped_vm::DEFAULT_PCR, tool};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The kernel in the root directory. It has the drivers of real PCs.
const KERNEL: &str = "test-vm/kernel-pc";

/// The folder. Its folder `root` has the probe as init, and a kernel with its modules.
#[derive(Debug)]
pub struct LiveFolder(Scratch);

impl LiveFolder {
    /// A new one.
    pub fn new() -> Result<Self> {
        let live = Self(Scratch::new()?);
        let (kernel, probe) = (assets::product(KERNEL)?, assets::probe()?);
        // The modules would make the root image large. A link leads to them here, and to nowhere in the guest.
        let make =
            "mkdir -p root/dev root/proc root/sys root/run root/tmp root/etc root/sbin root/boot root/lib/modules
            install --mode=0755 \"$2\" root/sbin/init
            cp \"$1\"/boot/vmlinuz-* root/boot
            ln -s \"$1\"/lib/modules/* root/lib/modules
            find root -exec touch --no-dereference --date=@1735689600 {} +";
        let mut bash = tool::limited(Duration::from_secs(60), "bash");
        bash.current_dir(live.0.folder()).args(["-euc", make, "bash"]).arg(kernel).arg(probe);
        tool::finish(&mut bash)?;
        Ok(live)
    }

    /// Runs shell commands there. The folder `initramfs` is the checkout's, and `measureroot` is on the path.
    pub fn run(&self, commands: &str) -> Result<String> {
        tool::finish(&mut self.bash(commands))
    }

    /// Runs shell commands that must fail, and returns their messages.
    pub fn refuses(&self, commands: &str) -> Result<String> {
        let done = self.bash(commands).stdin(Stdio::null()).output()?;
        ensure!(!done.status.success(), "this should have failed: {commands}");
        Ok(String::from_utf8_lossy(&done.stderr).into_owned())
    }

    fn bash(&self, commands: &str) -> Command {
        let begin = "ln -sfn \"$0/initramfs\" initramfs; PATH=$PATH:$0/target/release";
        let mut bash = tool::limited(Duration::from_secs(300), "bash");
        bash.current_dir(self.0.folder())
            .args(["-euo", "pipefail", "-c", &format!("{begin}\n{commands}")])
            .arg(assets::checkout());
        bash
    }

    /// The path of a file in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// The default PCR in every bank, from the file that `initramfs/installed/live` writes beside the medium.
    pub fn predicted(&self, name: &str) -> Result<BTreeMap<Bank, String>> {
        let text = fs::read_to_string(self.path(name))?;
        let values = predict::read_pcrs(&text, DEFAULT_PCR)?;
        ensure!(values.len() == Bank::ALL.len(), "not every bank is in {name}:\n{text}");
        Ok(values)
    }
}

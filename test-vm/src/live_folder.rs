//! A folder with a root directory, of which `initramfs/live` makes a medium.

use crate::{Bank, Result, ensure, scratch::Scratch, tool};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The kernel that is in the root directory, a PC's.
const KERNEL: &str = "test-vm/kernel-pc";

/// The folder: `root` in it has the probe as its init, and a kernel with its modules.
#[derive(Debug)]
pub struct LiveFolder(Scratch);

impl LiveFolder {
    /// A new one.
    pub fn new() -> Result<Self> {
        let live = Self(Scratch::new()?);
        let kernel = crate::assets::product(KERNEL)?;
        let probe = crate::assets::product("test-vm/probe/x86_64-unknown-linux-gnu/release/probe")?;
        // The modules are too many for every root image; a link leads to them here, and to nowhere in the guest.
        let make =
            "mkdir -p root/dev root/proc root/sys root/run root/tmp root/etc root/sbin root/boot root/lib/modules
            install --mode=0755 \"$2\" root/sbin/init
            cp \"$1\"/boot/vmlinuz-* root/boot
            ln -s \"$1\"/lib/modules/* root/lib/modules
            find root -exec touch --no-dereference --date=@1735689600 {} +";
        let mut bash = tool::limited(Duration::from_mins(1), "bash");
        bash.current_dir(live.0.folder()).args(["-euc", make, "bash"]).arg(kernel).arg(probe);
        tool::finish(&mut bash)?;
        Ok(live)
    }

    /// Runs shell commands there, where the name `initramfs` is that of the checkout's folder, and `measureroot` is on the path.
    pub fn run(&self, commands: &str) -> Result<String> {
        tool::finish(&mut self.bash(commands))
    }

    /// The same of commands that must fail; what they complain about.
    pub fn refuses(&self, commands: &str) -> Result<String> {
        let done = self.bash(commands).stdin(Stdio::null()).output()?;
        ensure!(!done.status.success(), "this should have failed: {commands}");
        Ok(String::from_utf8_lossy(&done.stderr).into_owned())
    }

    fn bash(&self, commands: &str) -> Command {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let begin = "ln -sfn \"$0/initramfs\" initramfs; PATH=$PATH:$0/target/release";
        let mut bash = tool::limited(Duration::from_mins(5), "bash");
        bash.current_dir(self.0.folder())
            .args(["-euo", "pipefail", "-c", &format!("{begin}\n{commands}")])
            .arg(checkout);
        bash
    }

    /// A file in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// What the file beside the medium says about the PCR 13, by bank.
    pub fn predicted(&self, name: &str) -> Result<BTreeMap<Bank, String>> {
        let text = fs::read_to_string(self.path(name))?;
        let value = |bank: Bank| {
            let (_, behind) = text.split_once(&format!("  {}:\n    13: 0x", bank.name()))?;
            Some((bank, behind.lines().next()?.to_lowercase()))
        };
        Bank::ALL
            .into_iter()
            .map(|bank| value(bank).ok_or_else(|| format!("no {}: {text}", bank.name()).into()))
            .collect()
    }
}

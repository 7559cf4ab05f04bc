//! An initramfs whose PID 1 runs other commands before it becomes the agent.

use crate::{Kernel, Result, scratch::Scratch, tool};
use std::path::PathBuf;
use std::time::Duration;

/// The initramfs. [`crate::Vm::wrapped`] boots it.
#[derive(Debug)]
pub struct WrappedInitramfs(Scratch);

impl WrappedInitramfs {
    /// The parameter with which the kernel starts the commands first.
    pub const PARAMETER: &str = "rdinit=/init-before";

    /// The kernel's own initramfs. PID 1 runs these commands of busybox, one a line and without `/busybox`, and then
    /// the agent.
    pub fn new(kernel: Kernel, commands: &[&str]) -> Result<Self> {
        Self::with_files(kernel, &[], commands)
    }

    /// The same, with these files of the host at the same places.
    pub fn with_files(kernel: Kernel, files: &[PathBuf], commands: &[&str]) -> Result<Self> {
        let scratch = Scratch::new()?;
        let commands = commands.join("\n/busybox ");
        std::fs::copy("/bin/busybox", scratch.path("busybox"))?;
        std::fs::write(
            scratch.path("init-before"),
            format!("#!/busybox sh\nset -e\n/busybox {commands}\nexec /init\n"),
        )?;
        // The kernel unpacks one archive after the other. It finds this one, because the first one's length is a multiple of 4.
        for file in files {
            let copy = scratch.folder().join(file.strip_prefix("/")?);
            std::fs::create_dir_all(copy.parent().ok_or("no folder")?)?;
            std::fs::copy(file, copy)?;
        }
        let pack =
            "chmod +x init-before && find . -mindepth 1 ! -name all | cpio --quiet -o -H newc | cat \"$0\" - >all";
        let mut shell = tool::limited(Duration::from_secs(60), "sh");
        tool::finish(shell.current_dir(scratch.folder()).args(["-c", pack]).arg(kernel.initramfs()?))?;
        Ok(Self(scratch))
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.0.path("all")
    }
}

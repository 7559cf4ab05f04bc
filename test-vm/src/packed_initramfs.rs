//! An initramfs with a scenario's own choice of kernel modules.

use crate::{Result, assets, scratch::Scratch, tool};
use std::path::PathBuf;
use std::time::Duration;

/// The initramfs, packed by `measureroot initramfs`.
#[derive(Debug)]
pub struct PackedInitramfs(Scratch);

impl PackedInitramfs {
    /// The agent, these modules of Debian's 6.1 kernel, and the modules that those depend on.
    pub fn with_modules(modules: &[&str]) -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut pack = tool::measureroot(Duration::from_secs(60))?;
        pack.arg("initramfs").arg("--agent").arg(assets::product("initramfs/init")?);
        pack.arg("--kernel-modules").arg(assets::product("test-vm/kernel-6.1/modules")?);
        for module in modules {
            pack.args(["--module", module]);
        }
        tool::finish(pack.arg("--output").arg(scratch.path("initramfs")))?;
        Ok(Self(scratch))
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.0.path("initramfs")
    }
}

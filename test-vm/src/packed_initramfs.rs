//! An initramfs with a scenario's own choice of kernel modules.

use crate::{Kernel, Result, assets, scratch::Scratch, tool};
use std::path::PathBuf;
use std::time::Duration;

/// The initramfs, packed by `measureroot initramfs`.
#[derive(Debug)]
pub struct PackedInitramfs(Scratch);

impl PackedInitramfs {
    /// The agent, these modules of Debian's 6.1 kernel, and the modules that those depend on.
    pub fn with_modules(modules: &[&str]) -> Result<Self> {
        Self::packed(Kernel::V6_1, modules, "zstd")
    }

    /// The agent, these modules of a kernel, and the modules that those depend on. It is not compressed: that takes minutes for
    /// hundreds of modules.
    pub fn of(kernel: Kernel, modules: &[&str]) -> Result<Self> {
        Self::packed(kernel, modules, "none")
    }

    fn packed(kernel: Kernel, modules: &[&str], compression: &str) -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut pack = tool::measureroot(Duration::from_secs(60))?;
        pack.arg("initramfs").arg("--agent").arg(assets::product("initramfs/init")?);
        pack.arg("--kernel-modules").arg(kernel.modules()?);
        for module in modules {
            pack.args(["--module", module]);
        }
        pack.args(["--compress", compression]);
        tool::finish(pack.arg("--output").arg(scratch.path("initramfs")))?;
        Ok(Self(scratch))
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.0.path("initramfs")
    }
}

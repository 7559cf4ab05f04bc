//! An initramfs with a scenario's own choice of kernel modules.

use crate::{Kernel, Result, assets, scratch::Scratch, tool};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The initramfs, packed by `measureroot initramfs`.
#[derive(Debug)]
pub struct PackedInitramfs(Scratch);

impl PackedInitramfs {
    /// The agent, these modules of Debian's 6.1 kernel, and the modules that those depend on.
    pub fn with_modules(modules: &[&str]) -> Result<Self> {
        Self::packed(Kernel::V6_1, modules, "zstd")
    }

    /// The agent, the modules that the hooks for image builders pack, and the one that the guest's probe needs.
    pub fn as_builders_do(kernel: Kernel) -> Result<Self> {
        let choose = ". ./initramfs/installed/boot-modules.sh
            measureroot_choose \"$0\" all $measureroot_modules && measureroot_choose \"$0\" some $measureroot_drivers";
        let mut shell = tool::limited(Duration::from_secs(60), "sh");
        shell.current_dir(assets::checkout()).args(["-euc", choose]).arg(kernel.modules()?);
        let chosen = tool::finish(&mut shell)?;
        Self::packed(kernel, &chosen.split_whitespace().chain(["virtio_console"]).collect::<Vec<_>>(), "zstd")
    }

    /// The agent, these modules of a kernel, and the modules that those depend on, without a list of the devices that they are for: the
    /// agent loads all of them. It is not compressed: that takes minutes for hundreds of modules.
    pub fn without_aliases(kernel: Kernel, modules: &[&str]) -> Result<Self> {
        let scratch = Scratch::new()?;
        // Its name is the kernel's version.
        let real = kernel.modules()?;
        let folder = scratch.path(&real.file_name().unwrap_or_default().to_string_lossy());
        std::fs::create_dir(&folder)?;
        for entry in std::fs::read_dir(&real)? {
            let entry = entry?;
            if entry.file_name() != "modules.alias" {
                std::os::unix::fs::symlink(entry.path(), folder.join(entry.file_name()))?;
            }
        }
        Self::packed_from(scratch, &folder, modules, "none")
    }

    fn packed(kernel: Kernel, modules: &[&str], compression: &str) -> Result<Self> {
        Self::packed_from(Scratch::new()?, &kernel.modules()?, modules, compression)
    }

    fn packed_from(scratch: Scratch, folder: &Path, modules: &[&str], compression: &str) -> Result<Self> {
        let mut pack = tool::measureroot(Duration::from_secs(60))?;
        pack.arg("initramfs").arg("--agent").arg(assets::product("initramfs/init")?);
        pack.arg("--kernel-modules").arg(folder);
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

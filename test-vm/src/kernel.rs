//! The kernels that the scenarios boot.

use crate::{Result, assets};
use std::path::PathBuf;

/// A kernel, with an initramfs that carries its modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Debian 12's own 6.1 kernel for clouds. Virtio and nearly everything else are modules.
    V6_1,
    /// Debian's 6.12 kernel for clouds. Its modules are compressed.
    V6_12,
    /// Debian 12's own 6.1 kernel for PCs. It has the drivers of real hardware, and no initramfs: a scenario packs its own.
    Pc,
    /// Debian's kernel of the backports, with a module that emulates the RTMRs of a TDX guest.
    Rtmr,
    /// A kernel with what kernel-fragments/ ask for and nothing else. It has no modules.
    Own,
    /// Debian's 6.12 kernel for clouds, for arm64. It runs on another machine (see `board`).
    Aarch64,
}

impl Kernel {
    fn file(self, name: &str) -> Result<PathBuf> {
        let version = match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::Pc => "pc",
            Self::Rtmr => "rtmr",
            Self::Own => "own",
            Self::Aarch64 => "aarch64",
        };
        assets::product(&format!("test-vm/kernel-{version}/{name}"))
    }

    /// The image of the kernel that QEMU boots.
    pub fn image(self) -> Result<PathBuf> {
        self.file("vmlinuz")
    }

    /// The configuration of its build.
    pub fn config(self) -> Result<PathBuf> {
        self.file("config")
    }

    /// The folder with its modules.
    pub fn modules(self) -> Result<PathBuf> {
        self.file("modules")
    }

    /// An initramfs with the agent and this kernel's modules.
    pub fn initramfs(self) -> Result<PathBuf> {
        match self {
            Self::Own => assets::product("initramfs/measureroot.cpio.zst"),
            Self::V6_1 | Self::V6_12 | Self::Pc | Self::Rtmr | Self::Aarch64 => self.file("initramfs.cpio.zst"),
        }
    }

    /// The shell variable that holds this kernel's version in `test-vm/builder`, with its dollar sign.
    pub fn builder_variable(self) -> Result<&'static str> {
        match self {
            Self::V6_1 => Ok("$KERNEL_6_1"),
            Self::V6_12 => Ok("$KERNEL_6_12"),
            Self::Pc | Self::Rtmr | Self::Own | Self::Aarch64 => {
                Err(format!("test-vm/builder has no kernel {self:?}").into())
            }
        }
    }
}

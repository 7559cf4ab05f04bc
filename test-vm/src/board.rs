//! The machines that QEMU is: where a kernel for PCs and one for arm64 find what every scenario needs.

use crate::accel::Accel;
use crate::{Kernel, Result, accel};

/// What differs between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// The program that is this machine.
    pub program: &'static str,
    /// QEMU's name of it.
    pub machine: &'static str,
    /// What the translator is told of its processor.
    pub processor: &'static str,
    /// How its TPM is connected.
    pub tpm: &'static str,
    /// The kernel's name of its serial port.
    pub console: &'static str,
    /// Whether this machine's own processor may run it.
    native: bool,
}

/// q35, not microvm: that one finds no TPM and cannot be switched off. With cmpxchg16b, QEMU 7.2 panics 6.12 kernels in every
/// other boot.
const PC: Board = Board {
    program: "qemu-system-x86_64",
    machine: "q35",
    processor: "max,-cx16",
    tpm: "tpm-tis",
    console: "ttyS0",
    native: true,
};

/// Pointer authentication with the architecture's own cipher takes the translator more time than all the rest.
const ARM: Board = Board {
    program: "qemu-system-aarch64",
    machine: "virt",
    processor: "max,pauth-impdef=on",
    tpm: "tpm-tis-device",
    console: "ttyAMA0",
    native: false,
};

impl Board {
    /// The one for this kernel.
    #[must_use]
    pub fn of(kernel: Kernel) -> Self {
        if kernel == Kernel::Aarch64 { ARM } else { PC }
    }

    /// What works for it here.
    pub fn accel(&self) -> Result<Accel> {
        if self.native { accel::working() } else { Ok(Accel::Tcg) }
    }
}

//! The machines that QEMU emulates: one for the kernels of PCs, and one for the kernels of arm64.

use crate::accel::Accel;
use crate::{Kernel, Result, accel};

/// A machine that QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// The QEMU program that emulates it.
    pub program: &'static str,
    /// QEMU's name for it.
    pub machine: &'static str,
    /// The processor that QEMU's translator emulates.
    pub processor: &'static str,
    /// The device through which its TPM is connected.
    pub tpm: &'static str,
    /// The code of its UEFI firmware, and the usual variables.
    pub uefi: (&'static str, &'static str),
    /// The kernel's name for its serial port.
    pub console: &'static str,
    /// Whether this computer's own processor can run it.
    native: bool,
}

/// q35 and not microvm: a microvm finds no TPM and cannot be switched off. With cmpxchg16b, QEMU 7.2 makes 6.12 kernels panic
/// in every other boot.
const PC: Board = Board {
    program: "qemu-system-x86_64",
    machine: "q35",
    processor: "max,-cx16",
    tpm: "tpm-tis",
    uefi: ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    console: "ttyS0",
    native: true,
};

/// If pointer authentication used the architecture's own cipher, the translator would spend most of its time on it.
const ARM: Board = Board {
    program: "qemu-system-aarch64",
    machine: "virt",
    processor: "max,pauth-impdef=on",
    tpm: "tpm-tis-device",
    uefi: ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    console: "ttyAMA0",
    native: false,
};

impl Board {
    /// The machine for this kernel.
    #[must_use]
    pub fn of(kernel: Kernel) -> Self {
        if kernel == Kernel::Aarch64 { ARM } else { PC }
    }

    /// The accelerator that works for it on this computer.
    pub fn accel(&self) -> Result<Accel> {
        if self.native { accel::working() } else { Ok(Accel::Tcg) }
    }
}

//! The accelerator that runs a guest on this computer. A /dev/kvm that can be opened proves nothing: on a nested host a
//! kernel may take minutes to its first line. So a boot tries KVM, once per start of this computer.

use crate::{Result, Vm, assets};
use std::sync::OnceLock;
use std::time::Duration;
use std::{fmt, fs};

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// The processor.
    Kvm,
    /// QEMU's translator. It works everywhere and is about twenty times slower.
    Tcg,
}

impl fmt::Display for Accel {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(match self {
            Self::Kvm => "with KVM",
            Self::Tcg => "without KVM, which does not work here",
        })
    }
}

/// The accelerator that works on this computer.
pub fn working() -> Result<Accel> {
    static FOUND: OnceLock<Accel> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(*found);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let note = assets::product("test-vm")?.join("accelerator");
    let known = fs::read_to_string(&note).unwrap_or_default();
    let found = match known.strip_prefix(&boot) {
        Some("kvm") => Accel::Kvm,
        Some("tcg") => Accel::Tcg,
        _ => tried(),
    };
    fs::write(note, boot + if found == Accel::Kvm { "kvm" } else { "tcg" })?;
    Ok(*FOUND.get_or_init(|| found))
}

/// Tries KVM. A boot without `root=` fails at once and switches off, which takes two seconds if KVM works.
fn tried() -> Accel {
    let usable = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    let vm = Vm::new("").banks(&[]).accel(Accel::Kvm, Duration::from_secs(8));
    let runs = || vm.start()?.stops();
    if usable && runs().is_ok() { Accel::Kvm } else { Accel::Tcg }
}

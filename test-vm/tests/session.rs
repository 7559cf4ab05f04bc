//! What protects the extend and its reading back on the bus to the TPM, and what it costs there.

use std::time::Duration;
use test_vm::{Image, Kernel, Result, Vm, WrappedInitramfs, ensure, tool};

/// `TPM_CC_CreatePrimary`, `TPM_CC_FlushContext`, `TPM_CC_StartAuthSession` (TPM 2.0 Library, Part 2, section 6.5.2).
const SESSION: [u32; 3] = [0x131, 0x165, 0x176];
/// `TPM_CC_GetRandom`: the kernel's random number generator asks when it likes.
const GET_RANDOM: u32 = 0x17b;

/// A boot with these parameters tells the TPM through this kind of session, and leaves nothing of it there. What the TPM
/// was asked, by the firmware, by the kernel, by us and by the booted system, sorted.
fn tells_through(kernel: Kernel, parameters: &str, session: &str) -> Result<Vec<u32>> {
    let image = Image::small("squashfs")?;
    let mut guest = Vm::new("root=/dev/vda").with(parameters).kernel(kernel).disk(&image).boots()?;
    let used = guest.status()?.session;
    ensure!(used.as_deref() == Some(session), "the session was {used:?}, not {session}");
    let ended = guest.ends_measured(&image)?;
    let mut asked = ended.tpm()?.commands()?;
    asked.retain(|&code| code != GET_RANDOM);
    asked.sort_unstable();
    let relay = format!("cmd:{} {}", env!("CARGO_BIN_EXE_tpm-relay"), ended.tpm()?.control().display());
    for kind in ["handles-transient", "handles-loaded-session", "handles-saved-session"] {
        let mut getcap = tool::limited(Duration::from_secs(30), "tpm2_getcap");
        let left = tool::finish(getcap.args(["-T", &relay, kind]))?;
        ensure!(left.is_empty(), "{kind}: {left}");
    }
    Ok(asked)
}

/// Also where the kernel's resource manager could add commands of its own.
#[test]
fn a_session_is_three_commands_more_on_the_bus() -> Result<()> {
    let mut plain = tells_through(Kernel::V6_1, "measureroot.session=none", "none")?;
    let with_session = tells_through(Kernel::V6_1, "", "hmac")?;
    plain.extend(SESSION);
    plain.sort_unstable();
    assert_eq!(with_session, plain);
    Ok(())
}

#[test]
fn a_newer_kernel_passes_the_session_on_too() -> Result<()> {
    tells_through(Kernel::V6_12, "measureroot.session=hmac", "hmac").map(drop)
}

/// Linux with CONFIG_TCG_TPM2_HMAC made the same key, from a template of its own, when it started.
#[test]
fn a_kernel_that_met_the_key_knows_it_by_the_same_name() -> Result<()> {
    let image = Image::small("squashfs")?;
    let mut guest = Vm::new("root=/dev/vda").kernel(Kernel::Own).disk(&image).boots()?;
    let name = guest.read("/sys/class/tpm/tpm0/null_name")?;
    ensure!(name.starts_with("000b") && name.len() == 2 * (2 + 32), "{name} is no name by SHA-256");
    assert_eq!(guest.status()?.session.as_deref(), Some("hmac"));
    guest.ends_measured(&image).map(drop)
}

/// The kernel's folder of the TPM, with a name in it that an older kernel does not tell.
const OTHER_NAME: [&str; 5] = [
    "mkdir -p /sys",
    "mount -t sysfs sys /sys",
    "mount -t tmpfs tpm /sys/class/tpm/tpm0",
    "echo 2 >/sys/class/tpm/tpm0/tpm_version_major",
    "printf '000b%064d\\n' 0 >/sys/class/tpm/tpm0/null_name",
];

#[test]
fn another_key_than_the_kernel_met_stops_the_boot() -> Result<()> {
    let (before, image) = (WrappedInitramfs::new(Kernel::V6_1, &OTHER_NAME)?, Image::small("squashfs")?);
    let vm = Vm::new("rdinit=/init-before root=/dev/vda").initramfs(before.initramfs()).disk(&image);
    for parameters in ["", "measureroot.session=hmac"] {
        vm.clone().with(parameters).fails()?.at("wait for devices", "salt key of the TPM's null hierarchy")?;
    }
    // Who believes the bus does not ask for the key.
    vm.with("measureroot.session=none").boots().map(drop)
}

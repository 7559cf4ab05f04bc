//! The HMAC session that protects the commands on the bus to the TPM, and what it costs.

use std::time::Duration;
use test_vm::{Image, Kernel, Result, RootFs, Session, Step, Vm, WrappedInitramfs, ensure, tool};

/// `TPM_CC_CreatePrimary`, `TPM_CC_FlushContext`, `TPM_CC_StartAuthSession` (TPM 2.0 Library, Part 2, section 6.5.2).
const SESSION: [u32; 3] = [0x131, 0x165, 0x176];
/// `TPM_CC_GetRandom`: the kernel's random number generator sends it at any time.
const GET_RANDOM: u32 = 0x17b;

/// A boot with these parameters has this kind of session, and leaves no object and no session in the TPM. Returns the sorted
/// codes of all commands: the firmware's, the kernel's, measureroot's and the booted system's.
fn commands(kernel: Kernel, parameters: &str, session: Session) -> Result<Vec<u32>> {
    let image = Image::small(RootFs::Squashfs)?;
    let mut guest = Vm::new("root=/dev/vda").with(parameters).kernel(kernel).disk(&image).boots()?;
    let used = guest.status()?.session;
    ensure!(used == Some(session), "the session was {used:?}, not {session:?}");
    let vm = guest.ends_measured(&image)?;
    let mut codes = vm.tpm()?.commands()?;
    codes.retain(|&code| code != GET_RANDOM);
    codes.sort_unstable();
    for kind in ["handles-transient", "handles-loaded-session", "handles-saved-session"] {
        let mut getcap = tool::limited(Duration::from_secs(30), "tpm2_getcap");
        let tcti = vm.tpm()?.tcti(env!("CARGO_BIN_EXE_tpm-relay"));
        let left = tool::finish(getcap.args(["-T", &tcti, kind]))?;
        ensure!(left.is_empty(), "{kind}: {left}");
    }
    Ok(codes)
}

/// The kernel's resource manager is between the agent and the bus. It adds no commands either.
#[test]
fn a_session_costs_three_commands_on_the_bus() -> Result<()> {
    let mut plain = commands(Kernel::V6_1, "measureroot.session=none", Session::None)?;
    let with_session = commands(Kernel::V6_1, "", Session::Hmac)?;
    plain.extend(SESSION);
    plain.sort_unstable();
    assert_eq!(with_session, plain);
    Ok(())
}

#[test]
fn a_session_works_with_a_newer_kernel() -> Result<()> {
    commands(Kernel::V6_12, "measureroot.session=hmac", Session::Hmac).map(drop)
}

/// Linux with `CONFIG_TCG_TPM2_HMAC` makes the same key when it starts, from its own template, and shows the key's name.
#[test]
fn the_kernel_and_measureroot_agree_on_the_name_of_the_null_hierarchy_s_key() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let mut guest = Vm::new("root=/dev/vda").kernel(Kernel::Own).disk(&image).boots()?;
    let name = guest.read("/sys/class/tpm/tpm0/null_name")?;
    ensure!(name.starts_with("000b") && name.len() == 2 * (2 + 32), "{name} is no name with a SHA-256 digest");
    assert_eq!(guest.status()?.session, Some(Session::Hmac));
    guest.ends_measured(&image).map(drop)
}

/// Makes the kernel's folder of the TPM show the name of another key. This kernel is too old to show one itself.
const OTHER_NAME: [&str; 5] = [
    "mkdir -p /sys",
    "mount -t sysfs sys /sys",
    "mount -t tmpfs tpm /sys/class/tpm/tpm0",
    "echo 2 >/sys/class/tpm/tpm0/tpm_version_major",
    "printf '000b%064d\\n' 0 >/sys/class/tpm/tpm0/null_name",
];

#[test]
fn a_key_with_another_name_than_the_kernel_shows_fails_the_boot() -> Result<()> {
    let initramfs = WrappedInitramfs::new(Kernel::V6_1, &OTHER_NAME)?;
    let vm = Vm::new("root=/dev/vda").wrapped(&initramfs).disk(&Image::small(RootFs::Squashfs)?);
    for parameters in ["", "measureroot.session=hmac"] {
        vm.clone().with(parameters).fails()?.at(Step::WaitForDevices, "salt key of the TPM's null hierarchy")?;
    }
    // Without a session, measureroot does not make the key.
    vm.with("measureroot.session=none").boots().map(drop)
}

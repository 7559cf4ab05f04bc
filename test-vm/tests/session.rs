//! The HMAC session that protects the commands on the bus to the TPM, and what it costs.

use std::time::Duration;
use test_vm::stopped_vm::DEFAULT_PCR;
use test_vm::{Bank, Image, Kernel, Prediction, Result, RootFs, Session, Step, Vm, WrappedInitramfs, ensure, tool};

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

/// TPM2_CreatePrimary of an ECC storage key below the null hierarchy; TPM2_StartAuthSession without salt; TPM2_PCR_Extend of PCR 13
/// in the SHA-256 bank with zeros (TPM 2.0 Library, Part 3).
const CREATE_PRIMARY: &str = "8002000000430000013140000007000000094000000900000000000004000000\
                              00001a0023000b00030472000000060080004300100003001000000000000000000000";
const START_AUTH_SESSION: &str = "80010000002b000001764000000740000007001001020304050607080910\
                                  1112131415160000000010000b";
const EXTEND: &str = "800200000041000001820000000d0000000940000009000000000000000001000b\
                      0000000000000000000000000000000000000000000000000000000000000000";

/// An initramfs whose PID 1 sends this command to the TPM `times` times before it becomes the agent, and reads each answer.
fn after(command: &str, times: usize) -> Result<WrappedInitramfs> {
    let bytes: String = command
        .as_bytes()
        .chunks(2)
        .map(|digits| Ok(format!("\\\\x{}", std::str::from_utf8(digits)?)))
        .collect::<Result<_>>()?;
    let send = format!(
        "sh -c \"exec 3<>/dev/tpm0; /busybox printf '{bytes}' >/command; /busybox dd if=/command bs=4096 count=1 >&3; \
         /busybox dd of=/answer bs=4096 count=1 <&3\""
    );
    let mut commands = vec!["mkdir -p /dev", "mount -t devtmpfs dev /dev", "sleep 1"];
    commands.extend(std::iter::repeat_n(send.as_str(), times));
    WrappedInitramfs::new(Kernel::V6_1, &commands)
}

/// The TPM has room for three objects and for three sessions.
#[test]
fn objects_and_sessions_of_an_earlier_user_are_flushed() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    for (command, flushed) in
        [(CREATE_PRIMARY, "3 objects and 0 sessions"), (START_AUTH_SESSION, "0 objects and 3 sessions")]
    {
        let guest = Vm::new("root=/dev/vda").wrapped(&after(command, 3)?).disk(&image).boots()?;
        guest.ends_measured(&image)?.says(&["flushed", flushed, "of an earlier user"])?;
    }
    Ok(())
}

#[test]
fn a_pcr_that_was_extended_before_the_boot_has_a_warning() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let vm = Vm::new("root=/dev/vda").wrapped(&after(EXTEND, 1)?).disk(&image).boots()?.power_off()?;
    vm.says(&["PCR 13 was not zero"])?;
    let before = Bank::Sha256.extend(&Bank::Sha256.zeros(), &"00".repeat(32))?;
    let expected = Prediction::with(image.path(), &["--bank", "sha256", "--before", &before])?.after();
    ensure!(vm.pcrs(DEFAULT_PCR)?[&Bank::Sha256] == expected[&Bank::Sha256], "the PCR has another value");
    Ok(())
}

/// A program of the initramfs before the agent holds the TPM for some seconds.
#[test]
fn a_tpm_that_another_program_holds_at_first_is_waited_for() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let hold = "sh -c \"(exec 3<>/dev/tpm0; exec /busybox sleep 8) & /busybox sleep 1\"";
    let wrapped =
        WrappedInitramfs::new(Kernel::V6_1, &["mkdir -p /dev", "mount -t devtmpfs dev /dev", "sleep 1", hold])?;
    let guest = Vm::new("root=/dev/vda").wrapped(&wrapped).disk(&image).boots()?;
    guest.ends_measured(&image)?.says(&["another program holds the TPM"])
}

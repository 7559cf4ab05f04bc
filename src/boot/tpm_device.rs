//! Waiting for the TPM and opening it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::fchdir;

use crate::boot::firmware_tpm::FirmwareTpm;
use crate::boot::patient_tpm::{PatientTpm, Waiting};
use crate::error::{Context, Error, Result};
use crate::measure::pcrs::Pcrs;
use crate::measure::session::SessionChoice;
use crate::media::wait::Wait;
use crate::sys::random::random;
use crate::tpm::EsysPcrs;

/// The TPM that the boot uses, or `None`.
type Opened = Result<Option<Box<dyn Pcrs>>>;

/// The kernel's resource manager has a node for a TPM 2.0 only, so that node shows that there is one. It is used if /dev/tpm0
/// cannot be opened a second time. Otherwise it is not: for each command it would save and load the session, which takes 18 more
/// commands.
const MANAGED: &str = "tpmrm0";
const NODE: &str = "tpm0";
const VERSION: &str = "class/tpm/tpm0/tpm_version_major";

/// No command to the TPM gets less time than this, even with `measureroot.timeout=0`: TPM2_CreatePrimary takes some TPMs several
/// seconds.
const SHORTEST: Duration = Duration::from_secs(20);

/// The folders in which the kernel shows the TPM. They are open, because a failure must be marked wherever /dev and /sys are: they
/// move to the new root before the boot is over.
struct Folders {
    dev: File,
    sys: File,
}

static FOLDERS: OnceLock<Folders> = OnceLock::new();

/// Opens /dev and /sys. Later calls find the TPM there, wherever both are mounted then.
///
/// # Errors
/// When one of them is no folder.
pub(super) fn remember_folders() -> Result<()> {
    folders().map(drop)
}

fn folders() -> Result<&'static Folders> {
    if let Some(folders) = FOLDERS.get() {
        return Ok(folders);
    }
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let open = |path: &str| nix::fcntl::open(path, flags, Mode::empty()).map(File::from).about(path);
    let opened = Folders { dev: open("/dev")?, sys: open("/sys")? };
    Ok(FOLDERS.get_or_init(|| opened))
}

/// Does `work` in this folder, which can be mounted anywhere: tpm2-tss takes the path of a device, not a descriptor.
fn inside<T>(folder: &File, work: impl FnOnce() -> Result<T>) -> Result<T> {
    fchdir(folder).about("fchdir")?;
    let done = work();
    std::env::set_current_dir("/").about("/")?;
    done
}

/// What the kernel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Version2,
    Version12,
}

fn shown() -> Result<Option<Shown>> {
    let folders = folders()?;
    if inside(&folders.dev, || Ok(Path::new(MANAGED).exists()))? {
        return Ok(Some(Shown::Version2));
    }
    let version = inside(&folders.sys, || Ok(fs::read_to_string(VERSION)))?;
    Ok(version.is_ok_and(|version| version.trim() == "1").then_some(Shown::Version12))
}

/// Waits until the kernel shows a TPM that is `wanted`, and says so if it takes long.
fn wait_for(patience: Duration, wanted: impl Fn(Shown) -> bool + Sync) -> Result<Option<Shown>> {
    Waiting::ForTheNode(patience)
        .during(|| Wait::at_most(patience).until_found(|| Ok(shown()?.filter(|&shown| wanted(shown)))))
}

/// Opens the TPM that the image is measured into; `None` if none appears within `patience`.
///
/// # Errors
/// When it is a TPM 1.2, when it cannot be opened, or when the session cannot be started.
pub(super) fn open(patience: Duration, session: SessionChoice) -> Opened {
    match wait_for(patience, |_| true)? {
        Some(Shown::Version2) => open_node(NODE, patience, session).map(Some),
        Some(Shown::Version12) => {
            Err(Error::new(format!("/dev/{NODE}"), "is a TPM 1.2").hint("measureroot needs a TPM 2.0"))
        }
        None => Ok(None),
    }
}

/// How long an unmeasured boot waits for a TPM that the firmware names, and for one that it does not name.
const NAMED: Duration = Duration::from_secs(30);
const UNNAMED: Duration = Duration::from_secs(5);

/// Opens the TPM that an unmeasured boot marks; `None` if the machine has no TPM 2.0. `patience` can only make the wait longer:
/// the same command line says `measureroot=off`.
///
/// # Errors
/// When the firmware names a TPM and none appears, or as [`open`].
pub(super) fn open_unmeasured(patience: Duration, session: SessionChoice) -> Opened {
    let named = FirmwareTpm::named_in(Path::new("/sys/firmware"));
    let patience = patience.max(NAMED);
    let (wait, wanted) = match named {
        FirmwareTpm::Version2 => (patience, Some(Shown::Version2)),
        FirmwareTpm::AnyVersion => (patience, None),
        FirmwareTpm::None | FirmwareTpm::Unknown => (UNNAMED, None),
    };
    match wait_for(wait, |shown| wanted.is_none_or(|wanted| wanted == shown))? {
        Some(Shown::Version2) => open_node(NODE, patience, session).map(Some),
        Some(Shown::Version12) => {
            log::warn!(
                "/dev/{NODE} is a TPM 1.2: it is not told that the boot is unmeasured, and cannot be taken for measured"
            );
            Ok(None)
        }
        None => absent(named, wait).map(|()| None),
    }
}

/// Whether an unmeasured boot may go on without a TPM.
fn absent(named: FirmwareTpm, waited: Duration) -> Result<()> {
    let hidden = "measureroot=off tells every TPM 2.0, because the booted system could use it";
    match named {
        FirmwareTpm::None => Ok(()),
        FirmwareTpm::Unknown => Err(Error::new("TPM", "the kernel shows neither ACPI's tables nor a device tree")
            .hint(format_args!("is acpi=off on the command line? {hidden}"))),
        FirmwareTpm::Version2 | FirmwareTpm::AnyVersion => {
            let cause = format!("the firmware names one, but none appeared in {} s", waited.as_secs());
            Err(Error::new("TPM", cause).hint(format_args!(
                "does the command line keep its driver from loading, or does the initramfs lack it? {hidden}"
            )))
        }
    }
}

/// Opens the TPM to mark a boot that failed; `None` if there is no TPM 2.0. Without a session, a TPM that this program has open
/// already is used through the kernel's resource manager.
///
/// # Errors
/// As [`open`].
pub(super) fn open_to_mark(session: SessionChoice) -> Opened {
    let named = FirmwareTpm::named_in(Path::new("/sys/firmware"));
    // A boot that fails early can be faster than the TPM's driver.
    let patience = if matches!(named, FirmwareTpm::None) { Duration::ZERO } else { UNNAMED };
    if wait_for(patience, |_| true)? != Some(Shown::Version2) {
        return Ok(None);
    }
    let opened = open_node(NODE, Duration::ZERO, session);
    let opened = if session == SessionChoice::None {
        opened.or_else(|_| open_node(MANAGED, Duration::ZERO, session))
    } else {
        opened
    };
    opened.map(Some)
}

fn open_node(node: &str, patience: Duration, session: SessionChoice) -> Result<Box<dyn Pcrs>> {
    if session != SessionChoice::None {
        // The session needs random bytes, and would wait for them without a limit.
        random(patience)?;
    }
    let opened = inside(&folders()?.dev, || Waiting::ForAnAnswer.during(|| EsysPcrs::open(Path::new(node))));
    let pcrs = opened.map_err(|error| error.renamed(format_args!("/dev/{node}")))?;
    let null_name = null_name()?;
    let pcrs = pcrs.within(patience.max(SHORTEST));
    let pcrs = Waiting::ForAnAnswer.during(|| pcrs.protected(session, null_name))?;
    Ok(Box::new(PatientTpm(pcrs)))
}

/// The kernel's name of the key that salts its own sessions (Linux 6.10, CONFIG_TCG_TPM2_HMAC). Our sessions use the same key.
fn null_name() -> Result<Option<String>> {
    let path = "class/tpm/tpm0/null_name";
    match inside(&folders()?.sys, || Ok(fs::read_to_string(path)))? {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        name => name.map(Some).about(format_args!("/sys/{path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unmeasured_boot_goes_on_without_a_tpm_only_if_the_firmware_names_none() {
        assert_eq!(absent(FirmwareTpm::None, UNNAMED), Ok(()));
        for named in [FirmwareTpm::Version2, FirmwareTpm::AnyVersion, FirmwareTpm::Unknown] {
            assert_eq!(absent(named, NAMED).unwrap_err().object(), "TPM", "{named:?}");
        }
    }
}

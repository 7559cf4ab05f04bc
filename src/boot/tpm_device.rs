//! Waiting for the TPMs and opening them.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::fchdir;

use crate::boot::firmware_tpm::FirmwareTpm;
use crate::boot::shown_tpms::{self, ShownTpms, managed, node};
use crate::boot::tpm_wait::{self, wait_for, wait_to_measure};
use crate::error::{Context, Error, Result};
use crate::measure::pcrs::Pcrs;
use crate::measure::session::SessionChoice;
use crate::measure::tpm_version::{TpmChoice, TpmVersion};
use crate::say;
use crate::sys::random::random;
use crate::tpm::{self, EsysPcrs, EveryTpm, TpmRequest, Version12};

/// The TPMs that the boot uses, or `None`.
type Opened = Result<Option<Box<dyn Pcrs>>>;

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

/// The folder of sysfs, wherever it is mounted.
///
/// # Errors
/// As [`remember_folders`].
pub(super) fn sys() -> Result<&'static File> {
    folders().map(|folders| &folders.sys)
}

/// Does `work` in this folder, which can be mounted anywhere: tpm2-tss takes the path of a device, not a descriptor.
fn inside<T>(folder: &File, work: impl FnOnce() -> Result<T>) -> Result<T> {
    fchdir(folder).about("fchdir")?;
    let done = work();
    std::env::set_current_dir("/").about("/")?;
    done
}

fn shown() -> Result<ShownTpms> {
    let folders = folders()?;
    let listed = inside(&folders.sys, || shown_tpms::list(Path::new("class/tpm")))?;
    // In the folder of the nodes.
    let is_version12 = |number| tpm::is_version12(Path::new(&node(number)));
    inside(&folders.dev, || ShownTpms::sort(&listed, Path::new("."), &is_version12))
}

/// Whether the TPMs of a boot appear in this time.
///
/// # Errors
/// When /dev or /sys cannot be read.
pub(super) fn appears(version: TpmChoice, patience: Duration) -> Result<bool> {
    wait_for(version, patience, &shown).map(|shown| shown.is_ready_for(version))
}

/// Opens the TPMs that the image is measured into; `None` if none appears in time.
///
/// # Errors
/// When there is no TPM of the version that is asked for, when a TPM cannot be opened, or when a session cannot be started.
pub(super) fn open(request: TpmRequest) -> Opened {
    let shown = wait_to_measure(request.version, request.patience, &shown)?;
    shown.map(|shown| open_all(&shown, request)).transpose()
}

/// How long an unmeasured boot waits for a TPM that the firmware names, and for one that it does not name.
const NAMED: Duration = Duration::from_secs(30);
const UNNAMED: Duration = Duration::from_secs(5);

/// Opens the TPM that an unmeasured boot marks; `None` if the machine has none. The request can only make the wait longer:
/// the same command line says `measureroot=off`.
///
/// # Errors
/// When the firmware names a TPM and none appears, or as [`open`].
pub(super) fn open_unmeasured(request: TpmRequest) -> Opened {
    let named = FirmwareTpm::named_in(Path::new("/sys/firmware"));
    let patience = request.patience.max(NAMED);
    let (wait, version) = match named {
        FirmwareTpm::Version2 => (patience, TpmChoice::V2_0),
        FirmwareTpm::AnyVersion => (patience, TpmChoice::Any),
        FirmwareTpm::None | FirmwareTpm::Unknown => (UNNAMED, TpmChoice::Any),
    };
    let shown = wait_for(version, wait, &shown)?;
    if shown.is_ready_for(version) {
        return open_all(&shown, TpmRequest { patience, ..request }).map(Some);
    }
    shown.refuse_unsettled().and_then(|()| absent(named, wait)).map(|()| None)
}

/// Whether an unmeasured boot may go on without a TPM.
fn absent(named: FirmwareTpm, waited: Duration) -> Result<()> {
    let hidden = "measureroot=off tells every TPM, because the booted system could use it";
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

/// Opens the TPMs to mark a boot that failed; `None` if there is none. Without a session, a TPM that this program has open
/// already is used through the kernel's resource manager.
///
/// # Errors
/// When none of them can be opened. One that can be opened is marked.
pub(super) fn open_to_mark(request: TpmRequest) -> Opened {
    let named = FirmwareTpm::named_in(Path::new("/sys/firmware"));
    let patience = patience_to_mark(named, tpm_wait::has_waited());
    let shown = wait_for(TpmChoice::Any, patience, &shown)?;
    let open = |(number, version)| match version {
        TpmVersion::V1_2 => {
            // There is no session to be had: a mark without one is better than none.
            open_version12(number, TpmRequest { session: SessionChoice::None, ..request })
        }
        TpmVersion::V2_0 => {
            let opened = open_node(&node(number), number, request);
            if request.session == SessionChoice::None {
                opened.or_else(|_| open_node(&managed(number), number, request))
            } else {
                opened
            }
        }
    };
    let opened: Vec<_> = shown.all().map(|tpm| (node(tpm.0), open(tpm))).collect();
    if opened.is_empty() {
        return Ok(None);
    }
    EveryTpm::of_those_that_opened(opened, Box::new(count)).map(|tpms| Some(Box::new(tpms) as Box<dyn Pcrs>))
}

/// A boot that fails early can be faster than the TPM's driver. One that has waited for the TPM looks once more.
fn patience_to_mark(named: FirmwareTpm, is_absent: bool) -> Duration {
    if is_absent || matches!(named, FirmwareTpm::None) { Duration::ZERO } else { UNNAMED }
}

fn open_all(shown: &ShownTpms, request: TpmRequest) -> Result<Box<dyn Pcrs>> {
    if shown.count() > 1 {
        say::warn!("this machine has {} TPMs: all of them are extended", shown.count());
    }
    let mut tpms = Vec::new();
    for (number, version) in shown.all() {
        let name = node(number);
        let tpm = match version {
            TpmVersion::V1_2 => {
                say::warn!("/dev/{name} is a TPM 1.2: its only bank is sha1");
                open_version12(number, request)?
            }
            TpmVersion::V2_0 => open_node(&name, number, request)?,
        };
        tpms.push((name, tpm));
    }
    Ok(Box::new(EveryTpm::new(tpms, Box::new(count))))
}

/// How many TPMs the kernel shows now.
fn count() -> Result<usize> {
    shown().map(|shown| shown.count())
}

fn open_version12(number: u32, request: TpmRequest) -> Result<Box<dyn Pcrs>> {
    let TpmRequest { patience, session, .. } = request;
    let node = node(number);
    let opened = inside(&folders()?.dev, || Version12::open_when_free(Path::new(&node), patience));
    let pcrs = opened.map_err(|error| error.renamed(format_args!("/dev/{node}")))?.within(patience.max(SHORTEST));
    Ok(Box::new(pcrs.unprotected(session)?))
}

fn open_node(node: &str, number: u32, request: TpmRequest) -> Result<Box<dyn Pcrs>> {
    let TpmRequest { patience, session, .. } = request;
    if session != SessionChoice::None {
        // The session needs random bytes, and would wait for them without a limit.
        random(patience)?;
    }
    let opened = inside(&folders()?.dev, || EsysPcrs::open_when_free(Path::new(node), patience));
    let pcrs = opened.map_err(|error| error.renamed(format_args!("/dev/{node}")))?.within(patience.max(SHORTEST));
    let null_name = null_name(number)?;
    Ok(Box::new(pcrs.protected(session, null_name)?))
}

/// The kernel's name of the key that salts its own sessions (Linux 6.10, CONFIG_TCG_TPM2_HMAC). Our sessions use the same key.
fn null_name(number: u32) -> Result<Option<String>> {
    let path = format!("class/tpm/{}/null_name", node(number));
    match inside(&folders()?.sys, || Ok(fs::read_to_string(&path)))? {
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

    #[test]
    fn a_failed_boot_waits_for_a_tpm_only_if_it_has_not_done_so() {
        for named in [FirmwareTpm::Version2, FirmwareTpm::AnyVersion, FirmwareTpm::Unknown] {
            assert_eq!([false, true].map(|absent| patience_to_mark(named, absent)), [UNNAMED, Duration::ZERO]);
        }
        assert_eq!(patience_to_mark(FirmwareTpm::None, false), Duration::ZERO);
    }
}

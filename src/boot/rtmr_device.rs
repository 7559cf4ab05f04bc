//! Finding the RTMRs of an Intel TDX guest and opening them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::boot::tpm_device;
use crate::error::{Context, Error, Result};
use crate::measure::pcrs::Rtmr;
use crate::measure::rtmr::RtmrIndex;
use crate::measure::rtmr_choice::RtmrChoice;
use crate::say;
use crate::tpm::TsmRegister;

/// The folder of the registers in sysfs. It is there as soon as the driver has started (Linux 6.16,
/// drivers/virt/coco/tdx-guest/tdx-guest.c), and the boot waits for every module of its initramfs: so it need not wait for this folder.
const FOLDER: &str = "devices/virtual/misc/tdx_guest/measurements";

/// What the registers are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RtmrRequest {
    /// The digest of the image.
    Measured(RtmrChoice),
    /// The mark of an unmeasured boot.
    Unmeasured(RtmrChoice),
    /// The mark of a failed boot.
    Mark(RtmrIndex),
}

impl RtmrRequest {
    /// The registers. An unmeasured boot marks the default one, too: a verifier of other machines reads that one.
    fn registers(self) -> (RtmrIndex, Option<RtmrIndex>) {
        match self {
            Self::Measured(choice) => (choice.index(), None),
            Self::Unmeasured(choice) => {
                (RtmrIndex::DEFAULT, Some(choice.index()).filter(|index| *index != RtmrIndex::DEFAULT))
            }
            Self::Mark(index) => (index, None),
        }
    }

    /// Whether a TDX guest without registers is an error.
    fn is_strict(self) -> bool {
        matches!(self, Self::Measured(RtmrChoice::Always(_)) | Self::Unmeasured(RtmrChoice::Always(_)))
    }
}

/// Opens the registers; none if the machine is no TDX guest.
///
/// # Errors
/// When a register that the kernel shows cannot be used, or when a TDX guest shows none, unless the boot failed already.
///
/// A TDX guest has RTMRs, whatever its kernel can do with them. If nothing extends RTMR 2, it looks like that of a machine that has not
/// measured its image yet, and whoever controls the kernel later can extend it with the digest of any image (a module needs only the
/// instruction TDCALL). A verifier of the RTMRs alone would then trust the wrong image, even if a TPM beside them has the right one.
pub(super) fn open(request: RtmrRequest) -> Result<Vec<Rtmr>> {
    open_in(tpm_device::sys()?, request, is_tdx_guest)
}

fn open_in(sys: &File, request: RtmrRequest, is_tdx: impl FnOnce(&File) -> Result<bool>) -> Result<Vec<Rtmr>> {
    if open_below(sys, FOLDER, OFlag::O_PATH | OFlag::O_DIRECTORY)?.is_none() {
        if matches!(request, RtmrRequest::Mark(_)) || !is_tdx(sys)? {
            return Ok(Vec::new());
        }
        let cause = "this machine is a TDX guest, but the kernel shows none of its RTMRs";
        let error = Error::new(format_args!("/sys/{FOLDER}"), cause).hint(
            "they need Linux 6.16 or newer, and its driver tdx-guest in the kernel or the initramfs; measureroot.rtmr=optional boots \
             without them: then no verifier may ask the RTMRs for the image",
        );
        if request.is_strict() {
            return Err(error);
        }
        say::warn!("{error}");
        return Ok(Vec::new());
    }
    let (first, second) = request.registers();
    let mut rtmrs = vec![open_register(sys, first)?];
    if let Some(second) = second {
        rtmrs.push(open_register(sys, second)?);
    }
    Ok(rtmrs)
}

fn open_register(sys: &File, index: RtmrIndex) -> Result<Rtmr> {
    let (name, path) = (format!("RTMR {index}"), format!("{FOLDER}/rtmr{index}:{}", RtmrIndex::BANK));
    let Some(file) = open_below(sys, &path, OFlag::O_RDWR)? else {
        return Err(Error::new(name, "the kernel does not show this register").hint("measureroot.rtmr= names another"));
    };
    Ok(Rtmr { index, register: Box::new(TsmRegister::new(name, file)?) })
}

/// Opens a file of sysfs, wherever that is mounted; `None` if there is no such file.
fn open_below(sys: &File, path: &str, flags: OFlag) -> Result<Option<File>> {
    match openat(sys, path, flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty()) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(Error::new(format_args!("/sys/{path}"), error)),
    }
}

/// Whether the processor or the firmware says so. The command line can hide the processor's flag (`clearcpuid=`) or the firmware's
/// table (`acpi=off`).
fn is_tdx_guest(sys: &File) -> Result<bool> {
    let (path, mut text) = ("/proc/cpuinfo", Vec::new());
    // The flags of the first processor are in the first few thousand bytes.
    File::open(path).and_then(|file| file.take(1 << 14).read_to_end(&mut text)).about(path)?;
    Ok(has_flag(&text) || names_tdx(sys)?)
}

/// Whether the flags of the first processor have TDX's (Linux, arch/x86/include/asm/cpufeatures.h, `X86_FEATURE_TDX_GUEST`).
fn has_flag(cpuinfo: &[u8]) -> bool {
    let flags = cpuinfo.split(|&byte| byte == b'\n').find(|line| line.starts_with(b"flags"));
    flags.is_some_and(|flags| flags.split(u8::is_ascii_whitespace).any(|flag| flag == b"tdx_guest"))
}

/// Whether the firmware's table CCEL names the log of a TDX guest: the byte behind the header of 36 bytes is the type of the machine, and
/// 2 is TDX (UEFI 2.10, section 38.2.1, `EFI_CC_TYPE_TDX`).
fn names_tdx(sys: &File) -> Result<bool> {
    let path = "firmware/acpi/tables/CCEL";
    let Some(table) = open_below(sys, path, OFlag::O_RDONLY)? else { return Ok(false) };
    let mut kind = [0];
    Ok(table.read_at(&mut kind, 36).about(format_args!("/sys/{path}"))? == 1 && kind == [2])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const TWO: RtmrChoice = RtmrChoice::Always(RtmrIndex::DEFAULT);
    const THREE: RtmrChoice = RtmrChoice::Always(RtmrIndex::THREE);

    /// A sysfs with these registers, each a file of this length.
    fn sysfs(folder: &Path, registers: &[(&str, usize)]) -> File {
        if !registers.is_empty() {
            fs::create_dir_all(folder.join(FOLDER)).unwrap();
        }
        for (name, length) in registers {
            fs::write(folder.join(FOLDER).join(name), vec![0; *length]).unwrap();
        }
        File::open(folder).unwrap()
    }

    fn opened(registers: &[(&str, usize)], request: RtmrRequest, tdx: bool) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let rtmrs = open_in(&sysfs(folder.path(), registers), request, |_| Ok(tdx))?;
        Ok(rtmrs.iter().map(|rtmr| rtmr.index.get()).collect())
    }

    #[test]
    fn the_registers_that_the_kernel_shows_are_opened_also_without_the_processors_flag() {
        let all: &[_] = &[("rtmr0:sha384", 48), ("rtmr2:sha384", 48), ("rtmr3:sha384", 48)];
        for (request, registers) in [
            (RtmrRequest::Measured(TWO), vec![2]),
            (RtmrRequest::Measured(THREE), vec![3]),
            (RtmrRequest::Measured(RtmrChoice::Optional), vec![2]),
            (RtmrRequest::Unmeasured(TWO), vec![2]),
            (RtmrRequest::Unmeasured(THREE), vec![2, 3]),
            (RtmrRequest::Unmeasured(RtmrChoice::Optional), vec![2]),
            (RtmrRequest::Mark(RtmrIndex::THREE), vec![3]),
        ] {
            for tdx in [true, false] {
                assert_eq!(opened(all, request, tdx), Ok(registers.clone()), "{request:?}");
            }
        }
    }

    #[test]
    fn a_register_that_is_missing_or_no_register_is_an_error() {
        for registers in [&[("rtmr3:sha384", 48)][..], &[("rtmr2:sha384", 32)], &[("rtmr2:sha256", 48)]] {
            for request in [TWO, RtmrChoice::Optional].map(RtmrRequest::Measured) {
                assert_eq!(opened(registers, request, false).unwrap_err().object(), "RTMR 2", "{registers:?}");
            }
        }
    }

    #[test]
    fn a_tdx_guest_without_registers_boots_only_if_the_command_line_says_so() {
        for request in [RtmrRequest::Measured, RtmrRequest::Unmeasured] {
            for choice in [TWO, THREE] {
                let error = opened(&[], request(choice), true).unwrap_err().to_string();
                assert!(error.contains("but the kernel shows none of its RTMRs"), "{error}");
                assert_eq!(opened(&[], request(choice), false), Ok(vec![]));
            }
            assert_eq!(opened(&[], request(RtmrChoice::Optional), true), Ok(vec![]));
        }
        assert_eq!(opened(&[], RtmrRequest::Mark(RtmrIndex::DEFAULT), true), Ok(vec![]));
    }

    #[test]
    fn the_processor_or_the_firmware_names_a_tdx_guest() {
        for (cpuinfo, expected) in [
            ("processor\t: 0\nflags\t\t: fpu vme tdx_guest nonstop_tsc\nbugs\t\t:\n", true),
            ("processor\t: 0\nflags\t\t: fpu vme\nbugs\t\t: tdx_guest\n", false),
            ("flags\t\t: fpu xtdx_guest tdx_guest_x\n", false),
            ("model name\t: tdx_guest\nFeatures\t: fp asimd\n", false),
            ("", false),
        ] {
            assert_eq!(has_flag(cpuinfo.as_bytes()), expected, "{cpuinfo}");
        }
        for (table, expected) in [(None, false), (Some((2, 56)), true), (Some((1, 56)), false), (Some((2, 36)), false)]
        {
            let folder = tempfile::tempdir().unwrap();
            if let Some((kind, length)) = table {
                let mut bytes = [&b"CCEL"[..], &[0; 32], &[kind], &[0; 19]].concat();
                bytes.truncate(length);
                fs::create_dir_all(folder.path().join("firmware/acpi/tables")).unwrap();
                fs::write(folder.path().join("firmware/acpi/tables/CCEL"), bytes).unwrap();
            }
            assert_eq!(names_tdx(&File::open(folder.path()).unwrap()), Ok(expected), "{table:?}");
        }
    }
}

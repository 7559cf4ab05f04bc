//! The file of a kernel module, and what the kernel answers to it.

use std::fs::{self, File};
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use crate::error::{Context, Error, Result};
use crate::sys::modules_dep::module_name;

/// `MODULE_INIT_COMPRESSED_FILE` (kernel, include/uapi/linux/module.h), which nix does not name yet.
const COMPRESSED: u32 = 4;

/// With this parameter, a module is loaded without a wait for its devices (kernel, kernel/module/main.c, `async_probe_requested`).
const BESIDE: &str = "async_probe ";

/// Loads a module; returns the error of its driver, if the driver answers with one. If `is_beside` is set, its devices may answer later.
pub(super) fn load(path: &Path, settings: &str, is_beside: bool) -> Result<Option<Errno>> {
    // The kernel would check its signature again before it says so.
    let state = format!("/sys/module/{}/initstate", module_name(&path.to_string_lossy()));
    if fs::read_to_string(state.as_str()).is_ok_and(|state| state == "live\n") {
        return Ok(None);
    }
    let file = File::open(path).about_hint(path.display(), "modules.dep lists it; is it in the initramfs?")?;
    let beside = if is_beside { BESIDE } else { "" };
    let text = std::ffi::CString::new([beside, settings].concat()).about(path.display())?;
    let suffix = path.extension().unwrap_or_default().to_string_lossy();
    let flags = ModuleInitFlags::from_bits_retain(if suffix == "ko" { 0 } else { COMPRESSED });
    match finit_module(&file, &text, flags) {
        Ok(()) | Err(Errno::EEXIST) => Ok(None),
        Err(error) => {
            // The kernel has this file if it can decompress modules (kernel/module/decompress.c).
            let decompressed = fs::read_to_string("/sys/module/compression").unwrap_or_default();
            match broken(error, &suffix, decompressed.trim(), settings) {
                Some(hint) => Err(Error::new(path.display(), error).hint(hint)),
                None => Ok(Some(error)),
            }
        }
    }
}

/// What is wrong with the initramfs or the command line, if the kernel answers with `error` for a module with this suffix and these
/// settings; `None` if the driver itself answers.
fn broken(error: Errno, suffix: &str, decompressed: &str, settings: &str) -> Option<String> {
    let packed_with = match suffix {
        "gz" => "gzip",
        "zst" => "zstd",
        suffix => suffix,
    };
    match error {
        // The wrong kernel; a signature that is missing, wrong or unknown; a kernel that takes no modules (kernel/module/main.c).
        Errno::ENOEXEC | Errno::EKEYREJECTED | Errno::ENOKEY | Errno::EBADMSG | Errno::EPERM => {
            Some("was it built, and signed, for this very kernel? does the kernel still take modules?".to_owned())
        }
        _ if packed_with != "ko" && packed_with != decompressed => {
            Some("is CONFIG_MODULE_DECOMPRESS set? if not, pack the modules uncompressed".to_owned())
        }
        Errno::EINVAL if !settings.is_empty() => {
            Some(format!("are its parameters on the command line right? they are {settings}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_is_not_the_driver_s_says_what_is_broken() {
        let hint =
            |error, suffix, decompressed, settings| broken(error, suffix, decompressed, settings).unwrap_or_default();
        for error in [Errno::ENOEXEC, Errno::EKEYREJECTED, Errno::ENOKEY, Errno::EBADMSG, Errno::EPERM] {
            assert!(hint(error, "ko", "", "").contains("for this very kernel"), "{error}");
        }
        for (suffix, decompressed) in [("xz", ""), ("xz", "zstd"), ("gz", "xz"), ("zst", "gzip")] {
            for error in [Errno::EOPNOTSUPP, Errno::EINVAL] {
                assert!(hint(error, suffix, decompressed, "").contains("CONFIG_MODULE_DECOMPRESS"), "{suffix} {error}");
            }
        }
        assert!(hint(Errno::EINVAL, "ko", "", "max_loop=\"x\"").contains("max_loop=\"x\""));
    }

    #[test]
    fn a_driver_that_says_no_does_not_end_the_boot() {
        for error in [
            Errno::ENODEV,
            Errno::ENXIO,
            Errno::EBUSY,
            Errno::EIO,
            Errno::EOPNOTSUPP,
            Errno::EINVAL,
            Errno::ENOENT,
            Errno::ENOMEM,
            Errno::ENOSYS,
            Errno::ETIMEDOUT,
        ] {
            for (suffix, decompressed) in [("ko", ""), ("xz", "xz"), ("gz", "gzip"), ("zst", "zstd")] {
                assert_eq!(broken(error, suffix, decompressed, ""), None, "{suffix} {error}");
            }
        }
        assert_eq!(broken(Errno::ENODEV, "ko", "", "a=1"), None);
    }
}

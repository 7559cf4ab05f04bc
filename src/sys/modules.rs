//! Loads the kernel modules that the initramfs carries, in the order of their dependencies.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use crate::error::{Context, Error, Result};
use crate::sys::modules_dep::{Dependencies, module_name};
use crate::sys::modules_left_out::{LeftOut, Reason};

/// `MODULE_INIT_COMPRESSED_FILE` (kernel, include/uapi/linux/module.h), which nix does not name yet.
const COMPRESSED: u32 = 4;

/// What a part of the initramfs that is broken means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// An error.
    EndsTheBoot,
    /// A message. The boot has failed already, and some other module may show the TPM.
    IsLeftOut,
}

/// Loads every module below `folder`, with the parameters that the command line gives for it, but for those that it forbids.
/// Returns those that are not loaded.
///
/// A driver that is not for this machine answers with an error, and so do the parts of a hypervisor's bus on another machine. It is
/// left out, and so are the modules that need it. If it was needed, then a device, a file system or an image is missing later, and
/// that ends the boot.
///
/// # Errors
/// When the initramfs is broken: a module is missing, or it is not one for this kernel.
pub(crate) fn load_all(
    folder: &Path,
    parameters: &[(String, String)],
    forbidden: &[String],
    broken: Broken,
) -> Result<LeftOut> {
    let list = folder.join("modules.dep");
    let text = match fs::read_to_string(&list) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            log::info!("{}: the initramfs carries no modules for this kernel", folder.display());
            return Ok(LeftOut::default());
        }
        text => text.about(list.display())?,
    };
    let dependencies = Dependencies::parse(&text)?;
    let load = &mut |file: &str| load(&folder.join(file), &settings(&module_name(file), parameters));
    load_each(&dependencies, forbidden, broken, load)
}

/// Loads each module that is not forbidden, with `load`. That returns the driver's error, if the driver answers with one.
fn load_each(
    dependencies: &Dependencies,
    forbidden: &[String],
    broken: Broken,
    load: &mut dyn FnMut(&str) -> Result<Option<Errno>>,
) -> Result<LeftOut> {
    let order = match dependencies.order(dependencies.files()) {
        Err(_) if broken == Broken::IsLeftOut => dependencies.files().collect(),
        order => order?,
    };
    let (mut absent, mut left_out) = (Vec::new(), LeftOut::default());
    for file in &order {
        let name = module_name(file);
        let reason = if forbidden.contains(&name) {
            Some(Reason::Forbidden)
        } else if dependencies.needs_any(file, &absent) {
            Some(Reason::NeedsAnother)
        } else {
            match load(file) {
                Err(error) if broken == Broken::IsLeftOut => {
                    log::warn!("{error}");
                    Some(Reason::NeedsAnother)
                }
                loaded => loaded?.map(Reason::Refused),
            }
        };
        if let Some(reason) = reason {
            absent.push(*file);
            left_out.add(name, reason);
        }
    }
    log::info!("modules loaded: {}", order.len() - left_out.count());
    Ok(left_out)
}

fn settings(module: &str, parameters: &[(String, String)]) -> String {
    let own = parameters.iter().filter(|(name, _)| name == module).map(|(_, setting)| setting.as_str());
    own.collect::<Vec<_>>().join(" ")
}

/// Loads a module; returns the error of its driver, if the driver answers with one.
fn load(path: &Path, settings: &str) -> Result<Option<Errno>> {
    let file = File::open(path).about_hint(path.display(), "modules.dep lists it; is it in the initramfs?")?;
    let text = std::ffi::CString::new(settings).about(path.display())?;
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
    fn a_module_gets_its_own_parameters() {
        let given = [("loop", "max_loop=3"), ("vfat", "x"), ("loop", "max_part=1")].map(|(a, b)| (a.into(), b.into()));
        assert_eq!(settings("loop", &given), "max_loop=3 max_part=1");
    }

    #[test]
    fn a_module_that_is_forbidden_or_not_for_this_machine_is_left_out_with_those_that_need_it() {
        let dependencies = Dependencies::parse("a.ko: b-b.ko\nb-b.ko:\nc.ko: d.ko\nd.ko:\ne.ko:\nf.ko:\n").unwrap();
        let mut tried = Vec::new();
        let mut load = |file: &str| {
            tried.push(file.to_owned());
            Ok(match file {
                "d.ko" => Some(Errno::EIO),
                "e.ko" => Some(Errno::ENODEV),
                _ => None,
            })
        };
        let left_out = load_each(&dependencies, &["b_b".to_owned()], Broken::EndsTheBoot, &mut load).unwrap();
        assert_eq!(tried, ["d.ko", "e.ko", "f.ko"]);
        assert_eq!(
            left_out.describe().unwrap(),
            "d (EIO: I/O error); b_b (forbidden by the command line); a, c (needs a module that is not loaded); \
             e (ENODEV: No such device)"
        );
    }

    #[test]
    fn a_broken_initramfs_ends_the_boot() {
        let dependencies = Dependencies::parse("a.ko:\n").unwrap();
        let missing = &mut |file: &str| Err(Error::new(file, "is missing"));
        assert!(load_each(&dependencies, &[], Broken::EndsTheBoot, missing).is_err());
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

    /// One module of the TPM is whole.
    #[test]
    fn after_a_failure_what_is_whole_in_a_broken_initramfs_is_loaded() {
        for text in ["a.ko:\ntpm.ko:\n", "a.ko: b.ko\nb.ko: a.ko\ntpm.ko:\n", "a.ko: gone.ko\ntpm.ko:\n"] {
            let dependencies = Dependencies::parse(text).unwrap();
            let mut loaded = Vec::new();
            let mut load = |file: &str| {
                if file != "tpm.ko" {
                    return Err(Error::new(file, "is for another kernel"));
                }
                loaded.push(file.to_owned());
                Ok(None)
            };
            load_each(&dependencies, &[], Broken::IsLeftOut, &mut load).unwrap();
            assert_eq!(loaded, ["tpm.ko"], "{text}");
        }
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

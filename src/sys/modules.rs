//! Loads the kernel modules that the initramfs carries, in the order of their dependencies.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use crate::error::{Context, Error, Result};
use crate::sys::modules_dep::{Dependencies, module_name};

/// `MODULE_INIT_COMPRESSED_FILE` (kernel, include/uapi/linux/module.h), which nix does not name yet.
const COMPRESSED: u32 = 4;

/// Loads every module below `folder`, with the parameters that the command line gives for it.
///
/// # Errors
/// When a module cannot be loaded: without it, a device would be missing later, and that error would be less clear. A driver
/// whose hardware is absent is no error. It is left out, and so are the modules that need it, such as the parts of a
/// hypervisor's bus.
pub(crate) fn load_all(folder: &Path, parameters: &[(String, String)]) -> Result<()> {
    let list = folder.join("modules.dep");
    let text = match fs::read_to_string(&list) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            log::info!("{}: the initramfs carries no modules for this kernel", folder.display());
            return Ok(());
        }
        text => text.about(list.display())?,
    };
    let dependencies = Dependencies::parse(&text)?;
    let order = dependencies.order(dependencies.files())?;
    let mut absent = BTreeSet::new();
    for file in &order {
        let needs_absent = dependencies.needs_any(file, &absent);
        if needs_absent || !load(&folder.join(file), &settings(&module_name(file), parameters))? {
            absent.insert(*file);
        }
    }
    log::info!("modules loaded: {}", order.len() - absent.len());
    Ok(())
}

fn settings(module: &str, parameters: &[(String, String)]) -> String {
    let own = parameters.iter().filter(|(name, _)| name == module).map(|(_, setting)| setting.as_str());
    own.collect::<Vec<_>>().join(" ")
}

/// Loads a module; returns `false` if its hardware is absent.
fn load(path: &Path, settings: &str) -> Result<bool> {
    let file = File::open(path).about_hint(path.display(), "modules.dep lists it; is it in the initramfs?")?;
    let settings = std::ffi::CString::new(settings).about(path.display())?;
    let plain = path.extension().is_some_and(|extension| extension == "ko");
    let flags = ModuleInitFlags::from_bits_retain(if plain { 0 } else { COMPRESSED });
    match finit_module(&file, &settings, flags) {
        Ok(()) | Err(Errno::EEXIST) => Ok(true),
        // The driver's hardware is absent. If a device is needed but missing, waiting for it gives the error.
        Err(error @ (Errno::ENODEV | Errno::ENXIO)) => {
            log::info!("{}: {error}", path.display());
            Ok(false)
        }
        Err(error) if plain => Err(Error::new(path.display(), error).hint("was it built for this very kernel?")),
        Err(error) => Err(Error::new(path.display(), error)
            .hint("is CONFIG_MODULE_DECOMPRESS set? if not, pack the modules uncompressed")),
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
}

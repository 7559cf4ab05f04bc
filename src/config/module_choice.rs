//! What the command line says about kernel modules. It is read apart from the other parameters, too: after a failure, the TPM's module
//! is needed, whatever the rest of the command line is like.

use crate::cmdline::tokens::Token;

/// What the command line says about kernel modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleChoice {
    /// `module.parameter[=value]`: each module with the setting that modprobe would pass to it.
    pub parameters: Vec<(String, String)>,
    /// `module_blacklist=` and others: the modules that are not loaded, by the kernel's names for them.
    pub forbidden: Vec<String>,
    /// `modules_load=` and others: the modules that are loaded whether or not the machine needs them.
    pub wanted: Vec<String>,
}

impl ModuleChoice {
    /// Reads the tokens; there are no errors.
    #[must_use]
    pub fn of(tokens: &[Token]) -> Self {
        Self {
            parameters: tokens.iter().filter_map(parameter).collect(),
            forbidden: tokens.iter().flat_map(|token| names(token, &FORBIDDING)).collect(),
            wanted: tokens.iter().flat_map(|token| names(token, &LOADING)).collect(),
        }
    }
}

/// The parameters that forbid modules: `module_blacklist=` of the kernel (kernel/module/main.c), `modprobe.blacklist=` of modprobe(8),
/// `rd.driver.blacklist=` of dracut (`rdblacklist=` in its old versions), `blacklist=` of initramfs-tools(7). The kernel takes `-` for
/// `_` in its own parameters.
const FORBIDDING: [&str; 6] =
    ["module_blacklist", "module-blacklist", "modprobe.blacklist", "rd.driver.blacklist", "rdblacklist", "blacklist"];
/// The parameters that name modules to load: those of systemd-modules-load.service(8), and of dracut.cmdline(7).
const LOADING: [&str; 6] =
    ["modules_load", "modules-load", "rd.modules_load", "rd.modules-load", "rd.driver.pre", "rd.driver.post"];

/// The modules that one of these parameters names, separated by commas, by the kernel's names for them.
fn names(token: &Token, keys: &[&str]) -> Vec<String> {
    if !keys.iter().any(|key| token.is(key)) {
        return Vec::new();
    }
    let names = String::from_utf8_lossy(token.value.as_deref().unwrap_or_default());
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

/// What has the form of a module's parameter, and is for a program: dracut, systemd, modprobe, udev, and this one.
const NO_MODULES: [&str; 5] = ["measureroot", "rd", "systemd", "modprobe", "udev"];

/// A parameter of a kernel module: the module, and the setting in the format of the module loader.
fn parameter(token: &Token) -> Option<(String, String)> {
    let key = token.key()?;
    let (module, parameter) = key.split_once('.').filter(|(module, _)| !NO_MODULES.contains(module))?;
    if module.is_empty() || key.contains(|c: char| c == '"' || c.is_ascii_whitespace()) {
        return None;
    }
    let setting = match &token.value {
        Some(value) => format!("{parameter}=\"{}\"", std::str::from_utf8(value).ok()?),
        None => parameter.to_owned(),
    };
    Some((module.replace('-', "_"), setting))
}

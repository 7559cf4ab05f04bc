//! The kernel: has it what the boot and the seal need?

use super::entry::entries;
use super::facts::kernel::Kernel;
use super::finding::Finding;
use crate::cli::kernel_config::configuration::Configuration;
use crate::cli::kernel_config::finding::Finding as Difference;
use crate::cli::kernel_config::fragment;

entries! {
    COMPLETE = "kernel-complete", Ok, "The kernel's configuration has what every measured boot needs.", "";
    UNKNOWN = "kernel-unknown", Note,
        "Neither the configuration of the kernel nor a list of its modules was found. Only what the kernel has loaded by now was judged.",
        "load the module configs, if the kernel has it (modprobe configs); else name the configuration with --kernel-config, or the folder of \
         the modules with --modules";
    OPTION_MISSING = "kernel-option-missing", Fail,
        "The kernel lacks an option that every measured boot needs. `measureroot kernel-config` prints the reason for each option.",
        "set the options; kernel-fragments/ has them, with the reason for each";
    NO_COMPRESSION = "kernel-initramfs-compression", Fail,
        "The kernel unpacks neither an initramfs that is compressed by zstd nor one by gzip. `measureroot initramfs` makes these two and an \
         uncompressed one.",
        "set CONFIG_RD_ZSTD or CONFIG_RD_GZIP, or use measureroot initramfs --compress none";
    NO_TPM_DRIVER = "kernel-tpm-driver-missing", Fail,
        "The kernel has the TPM's core and no driver for a TPM. Chips and QEMU's tpm-tis need CONFIG_TCG_TIS, the TPMs in processors \
         CONFIG_TCG_CRB.",
        "set CONFIG_TCG_TIS and CONFIG_TCG_CRB, or the driver of this board's TPM";
    NO_FILESYSTEM = "kernel-image-filesystem-missing", Fail,
        "The kernel has none of the file systems that an image can have: squashfs, erofs and ext4.",
        "set CONFIG_SQUASHFS, CONFIG_EROFS_FS or CONFIG_EXT4_FS";
    NO_VERITY = "kernel-verity-missing", Warn,
        "The kernel lacks dm-verity or its hash, SHA-256. Then `measureroot.seal=auto` copies the whole image into the memory, and \
         `measureroot.seal=verity` and `roothash=` fail.",
        "set CONFIG_DM_VERITY and CONFIG_CRYPTO_SHA256, or put dm-verity and sha256_generic into the initramfs";
    NO_LOOP = "kernel-loop-missing", Fail,
        "The command line names an image in a file (`rootimg=`), and the kernel lacks the loop device that it is mounted through.",
        "set CONFIG_BLK_DEV_LOOP, or write the image to a partition and name that with root=";
    NO_SYSRQ = "kernel-sysrq-missing", Warn,
        "Without CONFIG_MAGIC_SYSRQ, a driver that hangs can hold up the end of a failed boot: the machine stands still.",
        "set CONFIG_MAGIC_SYSRQ; CONFIG_MAGIC_SYSRQ_DEFAULT_ENABLE=0 switches off the keys";
    NO_SECURITYFS = "kernel-securityfs-missing", Warn,
        "Without CONFIG_SECURITYFS, the kernel does not show the firmware's log, and a verifier gets none.",
        "set CONFIG_SECURITYFS";
    MODULE_MISSING = "kernel-module-missing", Fail,
        "The configuration says that the kernel has this as a module, and the folder of the modules does not list it. An initramfs cannot \
         get it.",
        "install the package with the modules of this kernel, or run depmod";
}

/// What each boot needs; `kernel-config` has more, of which a boot needs only some.
const NEEDED: [(&str, &str); 2] = [
    ("initramfs.cfg", include_str!("../../../kernel-fragments/initramfs.cfg")),
    ("overlay.cfg", include_str!("../../../kernel-fragments/overlay.cfg")),
];
/// The compressions of an initramfs, of which one is enough.
const COMPRESSIONS: [&str; 2] = ["RD_ZSTD", "RD_GZIP"];
/// The drivers of TPMs (kernel, drivers/char/tpm/Kconfig).
const DRIVERS: [&str; 11] = [
    "TCG_TIS",
    "TCG_CRB",
    "TCG_TIS_SPI",
    "TCG_TIS_I2C",
    "TCG_TIS_I2C_CR50",
    "TCG_TIS_SYNQUACER",
    "TCG_FTPM_TEE",
    "TCG_ARM_CRB_FFA",
    "TCG_SVSM",
    "TCG_XEN",
    "TCG_IBMVTPM",
];
/// The options with the names of their modules, and of their file systems.
const MODULES: [(&str, &str); 6] = [
    ("OVERLAY_FS", "overlay"),
    ("SQUASHFS", "squashfs"),
    ("EROFS_FS", "erofs"),
    ("EXT4_FS", "ext4"),
    ("BLK_DEV_LOOP", "loop"),
    ("DM_VERITY", "dm_verity"),
];
const FILESYSTEMS: [&str; 3] = ["SQUASHFS", "EROFS_FS", "EXT4_FS"];

/// Whether the kernel has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Has {
    /// It has it, built in or as a module.
    Yes,
    /// It does not have it.
    No,
    /// Nothing says it.
    Unknown,
}

/// Whether a kernel has this option, whose module or file system has this name.
pub(super) fn has(kernel: &Kernel, symbol: &str, name: &str) -> Has {
    let lists = [&kernel.modules, &kernel.filesystems, &kernel.loaded];
    match kernel.configuration.known() {
        Some(configuration) if configuration.value(symbol) == "n" => Has::No,
        Some(_) => Has::Yes,
        None if lists.iter().any(|list| list.known().is_some_and(|list| list.contains(name))) => Has::Yes,
        // The list of the modules has those that are built in, too. What is loaded by now is not all that can be loaded.
        None if kernel.modules.known().is_some() => Has::No,
        None => Has::Unknown,
    }
}

/// Whether the kernel has dm-verity with its hash; `None` if nothing says it.
pub(super) fn has_verity(kernel: &Kernel) -> Option<bool> {
    let module = has(kernel, "DM_VERITY", "dm_verity");
    let hash = match (kernel.configuration.known(), kernel.algorithms.known()) {
        // Of new kernels, this option selects the hash in lib/crypto.
        (Some(configuration), _) => configuration.value("CRYPTO_SHA256") != "n",
        (None, Some(algorithms)) => algorithms.contains("sha256") || module != Has::No,
        (None, None) => true,
    };
    (module != Has::Unknown).then_some(module == Has::Yes && hash)
}

/// The findings. `in_file` says that the command line names an image in a file.
pub(super) fn judge(kernel: &Kernel, in_file: bool) -> Vec<Finding> {
    let mut found = kernel.configuration.known().map(of_configuration).unwrap_or_default();
    if kernel.configuration.known().is_none() {
        if kernel.modules.known().is_none() {
            found.push(Finding::new(&UNKNOWN, "no configuration and no list of modules of this kernel"));
        }
        if has(kernel, "OVERLAY_FS", "overlay") == Has::No {
            found.push(Finding::new(&OPTION_MISSING, "the kernel has no overlay, neither built in nor as a module"));
        }
    }
    let has_module = |symbol: &str| {
        let name = MODULES.iter().find(|(known, _)| *known == symbol).map_or(symbol, |(_, name)| name);
        has(kernel, symbol, name)
    };
    if FILESYSTEMS.iter().all(|symbol| has_module(symbol) == Has::No) {
        found.push(Finding::new(&NO_FILESYSTEM, "the kernel has neither squashfs nor erofs nor ext4"));
    }
    if has_verity(kernel) == Some(false) {
        found.push(Finding::new(&NO_VERITY, "the kernel lacks dm-verity, or SHA-256 for it"));
    }
    if in_file && has_module("BLK_DEV_LOOP") == Has::No {
        found.push(Finding::new(&NO_LOOP, "the image is a file, and the kernel lacks the loop device"));
    }
    found.extend(modules(kernel));
    if found.is_empty() && kernel.configuration.known().is_some() {
        found.push(Finding::new(&COMPLETE, "the configuration has what a measured boot needs"));
    }
    found
}

fn of_configuration(configuration: &Configuration) -> Vec<Finding> {
    let is_off = |symbol: &&str| configuration.value(symbol) == "n";
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (name, text) in NEEDED {
        // The fragments are a part of this program, and a test reads them.
        let requests = fragment::parse(name, text).unwrap_or_default();
        let needed = requests.iter().filter(|request| !COMPRESSIONS.contains(&request.symbol.as_str()));
        let failed = needed
            .filter_map(|request| Difference::of(configuration, request).filter(Difference::fails).map(|_| request));
        missing.extend(failed.map(|request| format!("CONFIG_{}", request.symbol)));
    }
    if is_off(&"TCG_TPM") {
        missing.push("CONFIG_TCG_TPM".to_owned());
    } else if DRIVERS.iter().all(is_off) {
        found.push(Finding::new(&NO_TPM_DRIVER, "the kernel has no driver of a TPM"));
    }
    if !missing.is_empty() {
        found.push(Finding::new(&OPTION_MISSING, format_args!("the kernel lacks {}", missing.join(", "))));
    }
    if COMPRESSIONS.iter().all(is_off) {
        found.push(Finding::new(&NO_COMPRESSION, "the kernel lacks CONFIG_RD_ZSTD and CONFIG_RD_GZIP"));
    }
    for (symbol, entry) in [("MAGIC_SYSRQ", &NO_SYSRQ), ("SECURITYFS", &NO_SECURITYFS)] {
        if is_off(&symbol) {
            found.push(Finding::new(entry, format_args!("the kernel lacks CONFIG_{symbol}")));
        }
    }
    found
}

/// The modules that the configuration has, and the folder of the modules does not.
fn modules(kernel: &Kernel) -> Vec<Finding> {
    let (Some(configuration), Some(modules)) = (kernel.configuration.known(), kernel.modules.known()) else {
        return Vec::new();
    };
    let lost = MODULES.iter().filter(|(symbol, name)| configuration.value(symbol) == "m" && !modules.contains(*name));
    lost.map(|(_, name)| {
        Finding::new(&MODULE_MISSING, format_args!("the module {name} is not in the folder of the modules"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fragments_in_the_program_are_read() {
        let symbols: Vec<_> = NEEDED.iter().flat_map(|(name, text)| fragment::parse(name, text).unwrap()).collect();
        for symbol in ["BLK_DEV_INITRD", "PROC_FS", "OVERLAY_FS", "TMPFS_XATTR"].iter().chain(&COMPRESSIONS) {
            assert!(symbols.iter().any(|request| request.symbol == *symbol), "{symbol}");
        }
    }
}

//! What a person should look at, although the prediction goes on: it says what is measured *if* the program starts and has the agent.

use super::event::Expected;

/// The architectures in the names of programs that firmware starts without a boot option, and how systemd-boot calls them (UEFI 2.10,
/// section 3.5.1.1; systemd, meson.build, `EFI_MACHINE_TYPE_NAME`).
const NAMES: [(&str, &str); 7] = [
    ("bootx64.efi", "x64"),
    ("bootia32.efi", "ia32"),
    ("bootaa64.efi", "aa64"),
    ("bootarm.efi", "arm"),
    ("bootriscv32.efi", "riscv32"),
    ("bootriscv64.efi", "riscv64"),
    ("bootloongarch64.efi", "loongarch64"),
];

/// Says it if a program has a signature that is about other bytes.
pub(super) fn warn_of_a_changed_program(program: &Expected) {
    if program.judged.as_ref().is_some_and(|judged| !judged.has_a_fitting_signature()) {
        let name = program.from.as_deref().unwrap_or(&program.what);
        log::warn!(
            "{name}: its signature does not fit the file: it was changed after it was signed, and firmware with Secure Boot does not start it"
        );
    }
}

/// Says it if a kernel gets no initrd.
pub(super) fn warn_of_no_initrd(name: &str) {
    log::warn!(
        "{name}: gets no initrd: if the agent is not built into the kernel (CONFIG_INITRAMFS_SOURCE), nothing measures the root image"
    );
}

/// Says it if the program at a path is for another architecture than the firmware that starts a file of this name.
pub(super) fn warn_of_another_architecture(path: &str, architecture: Option<&str>) {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let wanted = NAMES.iter().find(|(known, _)| *known == name).map(|(_, wanted)| *wanted);
    if let (Some(wanted), Some(found)) = (wanted, architecture.filter(|&found| wanted != Some(found))) {
        log::warn!(
            "{path}: is a program for {found}, and only firmware for {wanted} looks for this name: it does not start"
        );
    }
}

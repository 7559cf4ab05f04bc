//! A program that firmware starts without a boot loader: a unified kernel image, or a kernel by its own EFI stub. A boot option of the
//! firmware gives it its command line.

use std::fmt::{self, Display};

use super::forecasts::Forecasts;
use super::kernel::{Given, Kernel};
use super::linux::Linux;
use super::uki::Uki;
use super::volume::BootOption;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// The marks of kernels that do not name their version: those of arm64 and RISC-V (Documentation/arch/arm64/booting.rst and
/// Documentation/arch/riscv/boot-image-header.rst, the second magic number), and of those that unpack themselves (kernel,
/// drivers/firmware/efi/libstub/zboot-header.S).
const MARKS: [(usize, &[u8]); 3] = [(56, b"ARM\x64"), (56, b"RSC\x05"), (4, b"zimg")];

/// The program.
#[derive(Debug)]
pub(super) enum Direct<'a> {
    Uki(Uki<'a>),
    Kernel(Kernel<'a>),
}

impl<'a> Direct<'a> {
    /// The program with these bytes at `path`, which is no boot loader that is known.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn of(path: &str, bytes: &'a [u8]) -> Result<Self> {
        if let Ok(uki) = Uki::parse(path, bytes) {
            return Ok(Self::Uki(uki));
        }
        let kernel = Kernel::parse(path, bytes).ok().filter(|kernel| is_linux(kernel, bytes));
        kernel.map(Self::Kernel).ok_or_else(|| {
            Error::new(path, "is neither systemd-boot, nor GRUB, nor a unified kernel image, nor Linux")
                .hint("other boot loaders are not predicted yet")
        })
    }

    /// What is expected, if its boot option gives it this command line.
    ///
    /// # Errors
    /// If it is no program that can run.
    pub(super) fn forecasts(&self, append: Option<&str>, banks: &[Bank]) -> Result<Forecasts> {
        match self {
            Self::Uki(uki) => uki.forecasts(append, banks),
            // Firmware has no initrd of its own: the command line may name one.
            Self::Kernel(kernel) => kernel.forecasts(&Given { command_line: append, ..Given::default() }, banks),
        }
    }
}

impl Display for Direct<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uki(uki) => uki.stub().fmt(f),
            Self::Kernel(kernel) => kernel.linux().fmt(f),
        }
    }
}

/// Any program for UEFI could be parsed as a kernel of unknown version.
fn is_linux(kernel: &Kernel<'_>, bytes: &[u8]) -> bool {
    let has = |(at, mark): &(usize, &[u8])| bytes.get(*at..).is_some_and(|bytes| bytes.starts_with(mark));
    matches!(kernel.linux(), Linux::Named { .. }) || MARKS.iter().any(has)
}

/// Refuses a command line for a boot loader: systemd-boot takes it for the name of an entry, shim for the name of a program.
///
/// # Errors
/// If there is one.
pub(super) fn takes_no_words(path: &str, option: BootOption<'_>) -> Result<()> {
    let cause = "is a boot loader: it does not hand the words of its boot option to the kernel";
    let error = || Error::new(path, cause).hint("leave out --append");
    option.append.map_or(Ok(()), |_| Err(error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::esp::Esp;
    use crate::chain::forecast::Forecast;
    use crate::chain::made_pe::MadePe;
    use crate::chain::volume::Places;
    use crate::chain::volume::tests::Made;

    fn esp(made: &Made, program: &str, append: Option<&str>) -> Result<Esp> {
        let option = BootOption { program: Some(program), append };
        Esp::at(&Places { own: made, disk: &[], option }, &[Bank::Sha256])
    }

    #[test]
    fn a_boot_option_gives_its_words_to_a_kernel_or_to_a_unified_kernel_image() {
        let kernel = MadePe::new().linux("6.12.1");
        let stub = MadePe::new().exact(b".sdmagic", b"#### LoaderInfo: systemd-stub 257.1 ####");
        let uki = stub.exact(b".linux", &kernel.bytes()).exact(b".initrd", b"i").bytes();
        let made = Made::default().with("debian/vmlinuz", kernel.bytes()).with("debian/uki.efi", uki);
        let made = made.with("arm", MadePe::new().at(56, b"ARM\x64").bytes());
        for (program, name, pcr, unmeasured) in [
            ("\\debian\\vmlinuz", "Linux 6.12.1", 9, 1),
            ("debian/uki.efi", "systemd-stub 257.1", 12, 0),
            ("arm", "a Linux of unknown version", 9, 1),
        ] {
            let esp = esp(&made, program, Some("ro initrd=\\i")).unwrap();
            let forecasts = &esp.entries[0].forecasts;
            assert_eq!((esp.loader.as_str(), esp.entries.len()), (name, 1));
            assert_eq!(
                (forecasts.command_lines(), forecasts.unmeasured.len()),
                (&["ro initrd=\\i".to_owned()][..], unmeasured)
            );
            assert!(
                matches!(&forecasts.pcrs[&pcr], Forecast::Follows { parts, .. } if !parts.is_empty()),
                "{forecasts:?}"
            );
        }
    }

    #[test]
    fn a_boot_loader_gets_no_words_and_other_programs_are_not_known() {
        let loader = MadePe::new().exact(b".sdmagic", b"#### LoaderInfo: systemd-boot 257.13 ####").bytes();
        let made = Made::default().with("loader.efi", loader).with("shell.efi", MadePe::new().image_version(3).bytes());
        let error = |program, append| esp(&made, program, append).unwrap_err().to_string();
        assert!(error("loader.efi", Some("ro")).starts_with("loader.efi: is a boot loader"));
        assert!(error("shell.efi", None).starts_with("shell.efi: is neither systemd-boot, nor GRUB"));
    }
}

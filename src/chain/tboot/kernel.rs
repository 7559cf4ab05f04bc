//! The first module: tboot starts it, so it must be a kernel that tboot can start (`tboot/common/linux.c`, `launch_kernel` and
//! `expand_linux_image`): Linux for x86 with its setup header, or an ELF file, such as Xen.

use super::unpacked;
use crate::error::{Error, Result};

/// Where the setup header has its magic (kernel, Documentation/arch/x86/boot.rst, "header").
const LINUX: (usize, &[u8]) = (0x202, b"HdrS");
const ELF: &[u8] = b"\x7FELF";
/// How many bytes tell it.
const HEAD: u64 = 0x206;

/// Checks the file `name`, which may be compressed with gzip.
///
/// # Errors
/// If it is no kernel that tboot starts.
pub(crate) fn check(name: &str, bytes: &[u8]) -> Result<()> {
    let inside;
    let head = if unpacked::is_packed(bytes) {
        inside = unpacked::head(bytes, HEAD);
        &inside[..]
    } else {
        bytes
    };
    let is_linux = head.get(LINUX.0..).is_some_and(|rest| rest.starts_with(LINUX.1));
    if is_linux || head.starts_with(ELF) {
        return Ok(());
    }
    let cause = if bytes.is_empty() { "is empty" } else { "is neither a Linux kernel for x86 nor an ELF file" };
    Err(Error::new(name, cause).hint("tboot starts the first module: --kernel names it, and --initrd the others"))
}

#[cfg(test)]
mod tests {
    use super::super::unpacked::tests::packed;
    use super::*;

    #[test]
    fn linux_and_elf_files_are_kernels_also_if_they_are_packed() {
        let linux = [&[0; LINUX.0][..], LINUX.1, b"more"].concat();
        for kernel in [&linux, &b"\x7FELF".to_vec()] {
            assert!(check("k", kernel).is_ok() && check("k", &packed(kernel)).is_ok());
        }
        for (other, cause) in [
            (&[][..], "k: is empty ("),
            (b"070701", "k: is neither"),
            (&linux[..LINUX.0 + 3], "k: is neither"),
            (&packed(b""), "k: is neither"),
            (b"\x1F\x8B\x08", "k: is neither"),
        ] {
            assert!(check("k", other).unwrap_err().to_string().starts_with(cause), "{other:?}");
        }
    }
}

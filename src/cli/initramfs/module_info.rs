//! What a kernel module says about itself: its section .modinfo (kernel, include/linux/moduleparam.h, `MODULE_INFO`), texts of the
//! form `key=value`, each with a NUL behind it.

use elf::ElfBytes;
use elf::endian::AnyEndian;

/// The name of the module, and the kernel that it was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModuleInfo {
    /// The version of the kernel as `uname -r` prints it: the first word of `vermagic` (kernel, include/linux/vermagic.h).
    pub(super) kernel: String,
    /// The kernel's name for the module. Before Linux 4.13, modules have none.
    pub(super) name: Option<String>,
}

impl ModuleInfo {
    /// Reads the section. `None` if there is none, or no `vermagic` in it: every module has one.
    pub(super) fn read(file: &ElfBytes<AnyEndian>) -> Option<Self> {
        let header = file.section_header_by_name(".modinfo").ok()??;
        let (bytes, compression) = file.section_data(&header).ok()?;
        if compression.is_some() { None } else { Self::parse(bytes) }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        // As for the kernel, the first one counts.
        let value = |key: &[u8]| {
            let mut texts = bytes.split(|&byte| byte == 0);
            texts.find_map(|text| text.strip_prefix(key)).map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let kernel = value(b"vermagic=")?.split_whitespace().next()?.to_owned();
        Some(Self { kernel, name: value(b"name=") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_names_itself_and_its_kernel() {
        let read = |bytes: &[u8]| ModuleInfo::parse(bytes).map(|info| (info.kernel, info.name.unwrap_or_default()));
        let both = |kernel: &str, name: &str| Some((kernel.to_owned(), name.to_owned()));
        assert_eq!(
            read(b"license=GPL\0name=loop\0vermagic=6.1.0-56-amd64 SMP preempt \0"),
            both("6.1.0-56-amd64", "loop")
        );
        assert_eq!(read(b"vermagic=4.9.0 SMP \0\0\0vermagic=5.0 \0"), both("4.9.0", ""));
        assert_eq!(read(b"parm=name=x\0vermagic=6.1.0"), both("6.1.0", ""));
        for none in [&b""[..], b"name=loop\0", b"vermagic= \0", b"xvermagic=6.1.0\0", b"\0"] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }
}

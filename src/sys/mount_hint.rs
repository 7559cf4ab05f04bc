//! What a failed mount is likely to lack: an option or a module of the kernel, or a part of the file system.

use nix::errno::Errno;

/// The likely cause of a failed mount, as a question; empty if none is known.
pub(crate) fn likely_cause(fstype: &str, errno: Option<i32>) -> String {
    let option = match fstype {
        "overlay" => "CONFIG_OVERLAY_FS",
        "squashfs" => "CONFIG_SQUASHFS",
        "erofs" => "CONFIG_EROFS_FS",
        "ext4" => "CONFIG_EXT4_FS",
        "vfat" => "CONFIG_VFAT_FS",
        "iso9660" => "CONFIG_ISO9660_FS",
        "devtmpfs" => "CONFIG_DEVTMPFS",
        "tmpfs" => "CONFIG_TMPFS",
        "proc" => "CONFIG_PROC_FS",
        "sysfs" => "CONFIG_SYSFS",
        _ => return String::new(),
    };
    match errno.map(Errno::from_raw) {
        Some(Errno::ENODEV) => format!("is {option} set, or the {fstype} module in the initramfs?"),
        Some(Errno::EINVAL) if fstype == "vfat" => {
            "are the modules nls_cp437 and nls_ascii in the initramfs?".to_owned()
        }
        Some(Errno::EINVAL) => {
            let more = match fstype {
                "squashfs" => ", and can the kernel read its compression",
                // Blocks of 16 or 64 KiB need a kernel with pages of that size (fs/erofs/super.c, erofs_read_superblock).
                "erofs" => {
                    ", can the kernel read its compression, and are its blocks no larger than the kernel's pages"
                }
                _ => "",
            };
            format!("is the {fstype} complete{more}? dmesg tells more")
        }
        Some(Errno::EOPNOTSUPP) if fstype == "erofs" => {
            "has the kernel its compression (CONFIG_EROFS_FS_ZIP, and for each \
            algorithm CONFIG_EROFS_FS_ZIP_LZMA, _DEFLATE or _ZSTD) and its features? dmesg names what is missing"
                .to_owned()
        }
        Some(Errno::EBUSY) => "is the device mounted or in use already?".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_system_has_its_kernel_option_as_the_likely_cause() {
        assert_eq!(
            likely_cause("overlay", Some(Errno::ENODEV as i32)),
            "is CONFIG_OVERLAY_FS set, or the overlay module in the initramfs?"
        );
        assert!(
            likely_cause("erofs", Some(Errno::EINVAL as i32)).contains("blocks no larger than the kernel's pages?")
        );
    }

    /// Old kernels answer EINVAL, newer ones EOPNOTSUPP (fs/erofs/decompressor.c, `z_erofs_parse_cfgs`). No file in /sys
    /// lists the compressions of a kernel, so only the mount tells.
    #[test]
    fn a_compression_that_the_kernel_lacks_is_named() {
        let hint = |fstype, errno| likely_cause(fstype, Some(errno as i32));
        for option in ["CONFIG_EROFS_FS_ZIP,", "CONFIG_EROFS_FS_ZIP_LZMA,", "_DEFLATE", "_ZSTD", "dmesg"] {
            assert!(hint("erofs", Errno::EOPNOTSUPP).contains(option), "{option}");
        }
        for fstype in ["erofs", "squashfs"] {
            assert!(hint(fstype, Errno::EINVAL).contains("can the kernel read its compression"));
        }
        assert!(!hint("ext4", Errno::EINVAL).contains("compression"));
        assert_eq!(hint("ext4", Errno::EOPNOTSUPP), "");
    }
}

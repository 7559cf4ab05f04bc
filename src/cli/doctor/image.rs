//! The image: would a boot accept it, and can the kernel mount it?

use super::entry::entries;
use super::facts::Facts;
use super::facts::image::Image;
use super::finding::Finding;
use super::kernel::{self, Has};
use crate::media::superblock::FileSystem;

entries! {
    REFUSED = "image-refused", Fail,
        "A boot would refuse this image: it is no squashfs, erofs or ext4, it is compressed once more, it was not copied as a whole, or its \
         superblock is damaged.",
        "give the image itself, built by mksquashfs, mkfs.erofs or mkfs.ext4";
    NO_FILESYSTEM = "image-filesystem-missing", Fail,
        "The kernel cannot mount this image: it lacks the file system. The boot fails after the measurement.",
        "set the kernel's option, or put the module into the initramfs, or build the image in another form";
    NO_COMPRESSOR = "image-compressor-missing", Fail,
        "The kernel has squashfs, but not for the compressor of this image. The boot fails when it mounts the image.",
        "set the kernel's option, or build the image with another compressor (mksquashfs -comp)";
    GOOD = "image-mountable", Ok, "A boot accepts this image, and the kernel has its file system.", "";
}

/// The name and the option of a file system.
fn option(kind: FileSystem) -> &'static str {
    match kind {
        FileSystem::Squashfs => "SQUASHFS",
        FileSystem::Erofs => "EROFS_FS",
        FileSystem::Ext4 => "EXT4_FS",
        // A medium, which no image can be.
        FileSystem::Iso9660 => "ISO9660_FS",
        FileSystem::Vfat => "VFAT_FS",
    }
}

/// The findings.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    if let Some(why) = facts.image.unread() {
        return vec![Finding::new(&REFUSED, why)];
    }
    let Some(Image { name, kind, compressor, .. }) = facts.image.known() else { return Vec::new() };
    let kernel = &facts.kernel;
    let (kind, symbol) = (kind.name(), option(*kind));
    if kernel::has(kernel, symbol, kind) == Has::No {
        return vec![Finding::new(&NO_FILESYSTEM, format_args!("{name} is {kind}: the kernel lacks CONFIG_{symbol}"))];
    }
    if let (Some((compressor, symbol)), Some(configuration)) = (compressor, kernel.configuration.known())
        && configuration.value(symbol) == "n"
    {
        let what = format_args!("{name} is compressed by {compressor}: the kernel lacks CONFIG_{symbol}");
        return vec![Finding::new(&NO_COMPRESSOR, what)];
    }
    vec![Finding::new(&GOOD, format_args!("{name} is {kind}"))]
}

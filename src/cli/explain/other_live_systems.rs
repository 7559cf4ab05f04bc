//! Live systems whose parameters cannot be translated, because their root is put together in another way: what their words mean, and
//! what to write instead.
//!
//! Sources: linux-live's and PorteuX' linuxrc, antiX' init (its Boot-Parameters), KNOPPIX' cheat codes, Puppy's init, Gentoo's
//! genkernel(8), Alpine's mkinitfs, BerryBoot's init, Halium's initramfs,
//! Endless OS' eos-boot-helper.

use crate::cmdline::tokens::Token;

/// What is missing if a command line has the word of such a system. `nameless`: nothing else on the command line names an image, so
/// words that other programs have, too, are taken for theirs.
pub(super) fn missing(token: &Token, nameless: bool) -> Option<&'static str> {
    Some(match token.key()? {
        "perch" | "slax.flags" | "extramod" | "rammod" | "rootcopy" => MODULES,
        "from" | "changes" | "load" | "noload" if nameless => MODULES,
        "bdir" | "buuid" | "blab" | "persist_all" | "persist_root" | "persist_home" | "p_static_root" => {
            "(antiX, MX) names no image here: write root=LABEL=X and rootimg=/antiX/linuxfs; nothing persists"
        }
        "cdroot" | "cdroot_type" | "looptype" => GENTOO,
        "loop" if nameless => GENTOO,
        "alpine_dev" | "alpine_repo" | "apkovl" | "modloop" => ALPINE,
        "modules" if nameless => ALPINE,
        "knoppix_dir" | "knoppix_data" => {
            "(KNOPPIX) its images are cloop files: make a squashfs of the root, and write root=LABEL=X and rootimg="
        }
        "pmedia" | "pdrv" | "psubdir" | "pupsfs" | "psavemark" => {
            "(Puppy) its root is a stack of images: make one image of them, and write root=LABEL=X and rootimg="
        }
        "datadev" => "(BerryBoot) its images lie on that device: write root=LABEL=berryboot and rootimg=/images/NAME",
        key if key.starts_with("endless.image.") => {
            "(Endless OS) passed over: an image of a disk in a file is not opened; write rootimg= for the file of a file system"
        }
        "systempart" => "(Halium, Ubuntu Touch) names no image here: write root= with this partition",
        "stagename" => "(ALT Linux) names no image here: write root=LABEL=X and rootimg= with the file of this name",
        _ => return None,
    })
}

const MODULES: &str =
    "(Slax, Porteus) its root is a stack of modules: make one image of them, and write root=LABEL=X and rootimg=";
const GENTOO: &str = "(Gentoo) names no image here: write root=LABEL=X and rootimg=/image.squashfs";
const ALPINE: &str =
    "(Alpine) its root is made of packages in RAM: make an image of the root, and write root=LABEL=X and rootimg=";

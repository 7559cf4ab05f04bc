//! The rules of the dialects: the meaning of each parameter of another live system.
//!
//! Sources: dracut.cmdline(7), chapters "OverlayFS" and "Booting live images" (dracut 059 and 111), live-boot(7) and its
//! 9990-cmdline-old (20230131), casper(7) (1.498), overlayroot.conf (0.18), OpenEmbedded's init-live.sh, archiso's
//! mkinitcpio hooks (README.bootparams, 73), kernel-command-line(7) of systemd 252, manjaro-tools' hook miso, ostree-prepare-root(1),
//! bootc's composefs=, genkernel(8), initramfs-tools(7), raspi-config's script `overlay`, the README of meta-readonly-rootfs-overlay,
//! the stage 1 of NixOS, mkinitfs of Alpine, KIWI's module kiwi-overlay, the initramfs of Kata Containers, Flatcar's bootengine,
//! cos-toolkit's module cos-img.

/// The meaning of a parameter of another live system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// The parameter needs no translation: the boot always does what it asks for.
    Nothing,
    /// The same, and what it asks for is an overlay that can be written. There always is one.
    Overlay,
    /// The boot cannot do what the parameter asks for. The text gives the reason, or what to write instead.
    Refused(&'static str),
    /// Our parameter, with this part of the dialect's value.
    Ours(Ours, &'a str),
    /// Our parameter, as in [`Meaning::Ours`]. The image is also a file: this one, if no other parameter names the file.
    OursAndFile(Ours, &'a str, File),
    /// The image is this file, if no other parameter names the file.
    File(File),
    /// The folder of the image's file.
    Folder(&'a str, File),
    /// The name of the image's file.
    Name(&'a str, File),
}

/// Our parameter that replaces a dialect's parameter. "The rest" is the part of the dialect's value in [`Meaning::Ours`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ours {
    /// `root=` with the rest.
    Root,
    /// `root=UUID=` with the rest.
    RootUuid,
    /// `root=/dev/` with the rest.
    RootDev,
    /// `root=/dev/disk/by-label/` with the rest, which has udev's escapes.
    RootByLabel,
    /// `root=/dev/disk/by-partlabel/` with the rest, which has udev's escapes.
    RootByPartLabel,
    /// `root=PARTUUID=` with the rest.
    RootPartUuid,
    /// `rootimg=` with the rest.
    RootImg,
    /// `rootwait=` with the rest.
    RootWait,
    /// `measureroot.seal=ram`.
    SealRam,
    /// `measureroot.overlaysize=` with the rest.
    OverlaySize,
    /// `measureroot.overlaysize=` with the rest, which counts MiB.
    OverlaySizeMib,
    /// `ro`.
    ReadOnly,
}

/// The file that is the image of a live system by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    /// The file of dracut.
    Dracut,
    /// The file of live-boot.
    LiveBoot,
    /// The file of casper.
    Casper,
    /// The file of OpenEmbedded.
    OpenEmbedded,
}

impl Meaning<'_> {
    /// Whether the parameter is one of a live system, whose overlay can always be written. There, `ro` and `rw` are for the medium.
    pub(super) fn is_live(self) -> bool {
        match self {
            Nothing | Refused(_) => false,
            Self::Overlay | OursAndFile(..) | Self::File(_) | Folder(..) | Name(..) => true,
            Self::Ours(ours, _) => matches!(ours, Ours::OverlaySize | Ours::OverlaySizeMib),
        }
    }
}

impl File {
    /// The path from the top of the medium: the folder and the name.
    pub(super) fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::Dracut => ("LiveOS", "squashfs.img"),
            Self::LiveBoot => ("live", "filesystem.squashfs"),
            Self::Casper => ("casper", "filesystem.squashfs"),
            Self::OpenEmbedded => ("", "rootfs.img"),
        }
    }
}

use Meaning::{Folder, Name, Nothing, OursAndFile, Overlay, Refused};

/// The parameters of dracut that ask for an overlay that can be written.
const OVERLAYS: [&str; 4] = ["rd.overlay", "rd.overlayfs", "rd.live.overlay.overlayfs", "rd.live.overlay.thin"];

/// The other parameters of dracut that may be switched on and change nothing here.
const WITHOUT_EFFECT: [&str; 3] = ["rd.live.debug", "rd.live.check", "rd.live.overlay.nouserconfirmprompt"];

const TMPFS_ONLY: &str = "the only overlay is a tmpfs, and its content is lost at a reboot";
const NO_FILE_IN_A_FILE: &str = "an image inside another image file is not opened";
const ONE_IMAGE: &str = "there is one image, under one overlay";
const NOT_ON_A_DEVICE: &str = "the image must be on a device";

/// The rules: for each parameter and value an arm with the meaning. The first arm that fits is used. `None` if the parameter
/// belongs to no dialect. `boot` is the value of `boot=`, by which live-boot and casper are told apart.
///
/// The rules are arms and not a static table: each text of a table would take a relocation of 24 bytes in the agent.
pub(super) fn meaning<'a>(key: &str, value: Option<&'a str>, boot: &[u8]) -> Option<Meaning<'a>> {
    let text = value.unwrap_or_default();
    // dracut takes a parameter without a value for yes (dracut-lib.sh, `getargbool`).
    let yes = matches!(value, None | Some("1" | "yes" | "on" | "true"));
    let no = matches!(value, Some("" | "0" | "no" | "off" | "false"));
    Some(match key {
        "root" => return root(text),
        "rd.live.image" if yes => Meaning::File(File::Dracut),
        "rd.live.dir" => Folder(text, File::Dracut),
        "rd.live.squashimg" => Name(text, File::Dracut),
        "rd.live.ram" | "toram" if yes => Meaning::Ours(Ours::SealRam, ""),
        "copytoram" | "copy2ram" if yes || text == "y" => Meaning::Ours(Ours::SealRam, ""),
        // archiso's `auto` copies it if there is enough memory.
        "copytoram" if no || matches!(text, "n" | "auto") => Nothing,
        "toram" | "copytoram" | "copy2ram" => Refused("write toram, and rootimg= for the file"),
        "rd.live.overlay.size" => Meaning::Ours(Ours::OverlaySizeMib, text),
        _ if yes && WITHOUT_EFFECT.contains(&key) => Nothing,
        _ if yes && OVERLAYS.contains(&key) => Overlay,
        "rd.overlay" if text == "tmpfs" => Overlay,
        "rd.overlay" if text.starts_with("tmpfs:") => return tmpfs_options(text),
        _ if key.starts_with("rd.live.") || key.starts_with("rd.overlay") || key == "rd.writable.fsimg" => {
            if no {
                Nothing
            } else {
                Refused(TMPFS_ONLY)
            }
        }
        "iso-scan/filename" | "findiso" | "fromiso" | "isofrom" | "isoloop" | "img_loop" => Refused(NO_FILE_IN_A_FILE),
        "overlayroot" if matches!(text, "tmpfs" | "tmpfs:recurse=0") => Overlay,
        "overlayroot" if text == "disabled" => Nothing,
        "overlayroot" => {
            Refused("write overlayroot=tmpfs: the only overlay is a tmpfs, and its content is lost at a reboot")
        }
        "live-media" if text.starts_with("removable") => Refused("name the device, or leave it out"),
        "live-media" => Meaning::Ours(Ours::Root, text),
        "live-media-path" if boot == b"casper" => Folder(text, File::Casper),
        "live-media-path" => Folder(text, File::LiveBoot),
        "live-media-timeout" => Meaning::Ours(Ours::RootWait, text),
        _ if key.starts_with("live-media-") => Refused("the medium is read as it is"),
        "rootimage" => Meaning::Ours(Ours::RootImg, text),
        "LABEL" if text == "boot" => Meaning::File(File::OpenEmbedded),
        "LABEL" if text.starts_with("install") => Refused("nothing is installed here"),
        "systemd.volatile" if text == "overlay" => Overlay,
        "systemd.volatile" if no => Nothing,
        "systemd.volatile" if text == "state" => Meaning::Ours(Ours::ReadOnly, ""),
        "systemd.volatile" => Refused("write systemd.volatile=overlay: all of the image is used, not /usr alone"),
        // A root without its /usr would run without the files that were asked for.
        _ if key.starts_with("mount.usr")
            || key.starts_with("systemd.verity_usr_")
            || key.starts_with("verity.usr") =>
        {
            Refused(USR)
        }
        "usrhash" => Refused(USR),
        "rd.systemd.pull" => Refused(NOT_ON_A_DEVICE),
        _ if key.starts_with("archiso") => {
            Refused("write root=LABEL=X and rootimg=/arch/x86_64/airootfs.sfs (or .erofs)")
        }
        _ if key.starts_with("miso") => {
            Refused("a stack of .sfs images: make one image of them, and write root=LABEL=X and rootimg=")
        }
        "ostree" | "composefs" => Refused(NOT_THE_TOP),
        _ if key.starts_with("coreos.live") => Refused(NOT_THE_TOP),
        "rootrw" => Refused(TMPFS_ONLY),
        // A root hash that is not obeyed would not be checked, whatever is measured.
        "rootfs_verity.scheme" | "cc_rootfs_verity.scheme" if text == "none" => Nothing,
        _ if key.strip_prefix("cc_").unwrap_or(key).starts_with("rootfs_verity.") => Refused(ROOT_HASH),
        _ if key.starts_with("verity.root") => Refused(ROOT_HASH),
        "cos-img/filename" => {
            Refused("write rootimg= for this file, and root= for the device that has it, or no root=")
        }
        "real_root" => Meaning::Ours(Ours::Root, text),
        "boot" if text == "overlay" => Overlay,
        "boot" if text == "nfs" => Refused(NOT_ON_A_DEVICE),
        _ if boot == b"live" => return live_boot(key, text),
        _ if boot == b"casper" => return casper(key, text),
        _ => return None,
    })
}

const NOT_THE_TOP: &str = "a deployment is a folder of the file system: write an image whose top is the root";
const ROOT_HASH: &str = "write roothash=";
const USR: &str = "/usr must be a part of the image: no second file system is measured or mounted";

/// The options in `rd.overlay=tmpfs:size=SIZE,...` (dracut's prepare-overlayfs.sh).
fn tmpfs_options(text: &str) -> Option<Meaning<'_>> {
    Some(match text.strip_prefix("tmpfs:")? {
        "" => Overlay,
        options => match options.strip_prefix("size=").filter(|size| !size.contains(',')) {
            Some(size) => Meaning::Ours(Ours::OverlaySize, size),
            None => Refused("the only option of the tmpfs that can be set is size="),
        },
    })
}

/// The forms of `root=`.
fn root(text: &str) -> Option<Meaning<'_>> {
    let by_label = |label| Meaning::Ours(Ours::RootByLabel, label);
    // KIWI's, whose overlay is kept on a partition.
    if text.starts_with("overlay:") {
        return Some(Refused(TMPFS_ONLY));
    }
    let Some(device) = text.strip_prefix("live:") else {
        let ram_disk = (text == "/dev/ram0").then_some(Nothing);
        return text.strip_prefix("CDLABEL=").map(by_label).or(ram_disk);
    };
    let with = |form: &str, ours| Some((ours, device.strip_prefix(form)?));
    let known = with("LABEL=", Ours::RootByLabel)
        .or_else(|| with("CDLABEL=", Ours::RootByLabel))
        .or_else(|| with("UUID=", Ours::RootUuid))
        .or_else(|| with("PARTUUID=", Ours::RootPartUuid))
        .or_else(|| with("PARTLABEL=", Ours::RootByPartLabel))
        .or_else(|| with("/dev/", Ours::RootDev));
    Some(match known {
        Some((ours, rest)) => OursAndFile(ours, rest, File::Dracut),
        None => Refused("the image must be on a device: live:/dev/X, live:LABEL=..."),
    })
}

/// The rules of live-boot that apply only with `boot=live`: other systems have parameters with the same names.
fn live_boot<'a>(key: &str, text: &'a str) -> Option<Meaning<'a>> {
    Some(match key {
        "boot" if text == "live" => Meaning::File(File::LiveBoot),
        "bootfrom" => Meaning::Ours(Ours::Root, text),
        "overlay-size" => Meaning::Ours(Ours::OverlaySize, text),
        "union" if text == "overlay" => Overlay,
        _ if key.starts_with("persistence") => Refused(TMPFS_ONLY),
        "module" | "union" | "skipunion" | "exposedroot" | "plainroot" | "nfsoverlay" | "todisk" => Refused(ONE_IMAGE),
        "fetch" | "httpfs" | "ftpfs" | "netboot" | "nfsroot" | "iscsi" => Refused(NOT_ON_A_DEVICE),
        _ if key.starts_with("dm-verity-") => Refused(ROOT_HASH),
        _ => return None,
    })
}

/// The rules of casper that apply only with `boot=casper`.
fn casper<'a>(key: &str, text: &'a str) -> Option<Meaning<'a>> {
    Some(match key {
        "boot" if text == "casper" => Meaning::File(File::Casper),
        "persistent" => Refused(TMPFS_ONLY),
        // Since Ubuntu 20.04, the root is a stack of images.
        "layerfs-path" => Refused(ONE_IMAGE),
        "netboot" | "nfsroot" | "url" => Refused(NOT_ON_A_DEVICE),
        _ => return None,
    })
}

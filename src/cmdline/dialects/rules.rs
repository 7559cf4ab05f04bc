//! The table of the dialects: what each parameter of another live system means here.
//!
//! Sources: dracut.cmdline(7), chapter "Booting live images" (dracut 059; `rd.overlay` is of dracut-ng), live-boot(7)
//! and its 9990-cmdline-old (20230131), overlayroot.conf (0.18), OpenEmbedded's init-live.sh, kernel-command-line(7) of
//! systemd 252.

/// Gives the meaning of some parameters here, if they have a certain value.
#[derive(Debug)]
pub(super) struct Rule {
    /// The parameters.
    pub keys: &'static [Text],
    /// Their value.
    pub value: Value,
    /// The meaning here.
    pub meaning: Meaning,
}

/// A text that a pattern describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// Exactly this text.
    Is(&'static str),
    /// A text that starts with this. What follows is the rest.
    Starts(&'static str),
}

/// A value that a pattern describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// Every way to say yes, also the parameter without a value (dracut-lib.sh, `getargbool`).
    Yes,
    /// Every way to say no.
    No,
    /// Any value. All of it is the rest.
    Any,
    /// A text.
    Text(Text),
}

/// What a parameter means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Something that happens anyway.
    Nothing,
    /// Something that this program does not do. The hint says what to write instead.
    Refused(&'static str),
    /// One of our parameters.
    Ours(Ours),
    /// One of our parameters. The image is this file there, if nothing else names the file.
    OursAndFile(Ours, File),
    /// The image is this file, if nothing else names the file.
    File(File),
    /// The rest is the folder of the image's file.
    Folder(File),
    /// The rest is the name of the image's file.
    Name(File),
}

/// The parameter of ours that a dialect's parameter becomes.
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
    /// The file of OpenEmbedded.
    OpenEmbedded,
}

impl File {
    /// The path from the top of the medium: the folder and the name.
    pub(super) fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::Dracut => ("LiveOS", "squashfs.img"),
            Self::LiveBoot => ("live", "filesystem.squashfs"),
            Self::OpenEmbedded => ("", "rootfs.img"),
        }
    }
}

use Meaning::{Folder, Name, Nothing, OursAndFile, Refused};
use Text::{Is, Starts};
use Value::{Any, No, Yes};

const fn rule(keys: &'static [Text], value: Value, meaning: Meaning) -> Rule {
    Rule { keys, value, meaning }
}

const fn is(text: &'static str) -> Value {
    Value::Text(Is(text))
}

const fn starts(text: &'static str) -> Value {
    Value::Text(Starts(text))
}

const ROOT: &[Text] = &[Is("root")];
const OVERLAYROOT: &[Text] = &[Is("overlayroot")];
const VOLATILE: &[Text] = &[Is("systemd.volatile")];
const RD_LIVE: &[Text] = &[Starts("rd.live."), Starts("rd.overlay"), Is("rd.writable.fsimg")];

const TMPFS_ONLY: &str = "the only overlay is a tmpfs, and its content is lost at a reboot";
const NO_FILE_IN_A_FILE: &str = "an image inside another image file is not opened";

/// The rules that always hold. The first rule that fits is used.
pub(super) static ALWAYS: [Rule; 35] = [
    rule(ROOT, starts("live:LABEL="), OursAndFile(Ours::RootByLabel, File::Dracut)),
    rule(ROOT, starts("live:CDLABEL="), OursAndFile(Ours::RootByLabel, File::Dracut)),
    rule(ROOT, starts("CDLABEL="), Meaning::Ours(Ours::RootByLabel)),
    rule(ROOT, starts("live:UUID="), OursAndFile(Ours::RootUuid, File::Dracut)),
    rule(ROOT, starts("live:PARTUUID="), OursAndFile(Ours::RootPartUuid, File::Dracut)),
    rule(ROOT, starts("live:PARTLABEL="), OursAndFile(Ours::RootByPartLabel, File::Dracut)),
    rule(ROOT, starts("live:/dev/"), OursAndFile(Ours::RootDev, File::Dracut)),
    rule(ROOT, starts("live:"), Refused("the image must be on a device: live:/dev/X, live:LABEL=...")),
    rule(ROOT, is("/dev/ram0"), Nothing),
    rule(&[Is("rd.live.image")], Yes, Meaning::File(File::Dracut)),
    rule(&[Is("rd.live.dir")], Any, Folder(File::Dracut)),
    rule(&[Is("rd.live.squashimg")], Any, Name(File::Dracut)),
    rule(&[Is("rd.live.ram"), Is("toram")], Yes, Meaning::Ours(Ours::SealRam)),
    rule(&[Is("toram")], Any, Refused("write toram, and rootimg= for the file")),
    rule(&[Is("rd.live.overlay.size")], Any, Meaning::Ours(Ours::OverlaySizeMib)),
    rule(
        &[
            Is("rd.live.debug"),
            Is("rd.live.check"),
            Is("rd.live.overlay.overlayfs"),
            Is("rd.live.overlay.thin"),
            Is("rd.overlay"),
            Is("rd.overlayfs"),
        ],
        Yes,
        Nothing,
    ),
    rule(RD_LIVE, No, Nothing),
    rule(RD_LIVE, Any, Refused(TMPFS_ONLY)),
    rule(&[Is("iso-scan/filename")], Any, Refused(NO_FILE_IN_A_FILE)),
    rule(OVERLAYROOT, is("tmpfs"), Nothing),
    rule(OVERLAYROOT, is("tmpfs:recurse=0"), Nothing),
    rule(OVERLAYROOT, is("disabled"), Nothing),
    rule(
        OVERLAYROOT,
        Any,
        Refused("write overlayroot=tmpfs: the only overlay is a tmpfs, and its content is lost at a reboot"),
    ),
    rule(&[Is("live-media")], starts("removable"), Refused("name the device, or leave it out")),
    rule(&[Is("live-media")], Any, Meaning::Ours(Ours::Root)),
    rule(&[Is("live-media-path")], Any, Folder(File::LiveBoot)),
    rule(&[Is("live-media-timeout")], Any, Meaning::Ours(Ours::RootWait)),
    rule(&[Starts("live-media-")], Any, Refused("the medium is read as it is")),
    rule(&[Is("rootimage")], Any, Meaning::Ours(Ours::RootImg)),
    rule(&[Is("LABEL")], is("boot"), Meaning::File(File::OpenEmbedded)),
    rule(&[Is("LABEL")], starts("install"), Refused("nothing is installed here")),
    rule(VOLATILE, is("overlay"), Nothing),
    rule(VOLATILE, is("state"), Meaning::Ours(Ours::ReadOnly)),
    rule(VOLATILE, No, Nothing),
    rule(VOLATILE, Any, Refused("write systemd.volatile=overlay: all of the image is used, not /usr alone")),
];

/// The rules of live-boot. They hold after [`ALWAYS`], and only with `boot=live`, because other systems use the same
/// names.
pub(super) static WITH_BOOT_LIVE: [Rule; 9] = [
    rule(&[Is("boot")], is("live"), Meaning::File(File::LiveBoot)),
    rule(&[Is("bootfrom")], Any, Meaning::Ours(Ours::Root)),
    rule(&[Is("overlay-size")], Any, Meaning::Ours(Ours::OverlaySize)),
    rule(&[Is("union")], is("overlay"), Nothing),
    rule(&[Starts("persistence")], Any, Refused(TMPFS_ONLY)),
    rule(
        &[
            Is("module"),
            Is("union"),
            Is("skipunion"),
            Is("exposedroot"),
            Is("plainroot"),
            Is("nfsoverlay"),
            Is("todisk"),
        ],
        Any,
        Refused("there is one image, under one overlay"),
    ),
    rule(
        &[Is("fetch"), Is("httpfs"), Is("ftpfs"), Is("netboot"), Is("nfsroot"), Is("iscsi")],
        Any,
        Refused("the image must be on a device"),
    ),
    rule(&[Is("fromiso"), Is("isofrom"), Is("findiso")], Any, Refused(NO_FILE_IN_A_FILE)),
    rule(&[Starts("dm-verity-")], Any, Refused("write roothash=")),
];

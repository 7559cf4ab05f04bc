//! Command lines of other live systems, and what each parameter becomes.

use super::*;
use crate::cmdline::tokens;

/// A command line of another system, and the same with our parameters. The tests of the configuration use them,
/// too.
pub(crate) const TRANSLATED: &[(&str, &str)] = &[
    // dracut
    ("root=live:LABEL=a", "root=/dev/disk/by-label/a rootimg=LiveOS/squashfs.img"),
    ("root=live:CDLABEL=A\\x20B rd.live.image", r"root=/dev/disk/by-label/A\x20B rootimg=LiveOS/squashfs.img"),
    ("rd.live.image root=LABEL=a", "root=LABEL=a rootimg=LiveOS/squashfs.img"),
    ("rd.live.image=1 root=CDLABEL=a", "root=/dev/disk/by-label/a rootimg=LiveOS/squashfs.img"),
    ("rd.live.image=0 root=/dev/sda", "root=/dev/sda"),
    ("root=live:/dev/sr0 rd.live.dir=/a/b", "root=/dev/sr0 rootimg=/a/b/squashfs.img"),
    ("root=live:UUID=1 rd.live.dir rd.live.squashimg=", "root=UUID=1 rootimg=LiveOS/squashfs.img"),
    ("root=live:UUID=1 rd.live.squashimg=x", "root=UUID=1 rootimg=LiveOS/x"),
    ("root=live:PARTUUID=1 rd.live.dir=/ rd.live.squashimg=x", "root=PARTUUID=1 rootimg=/x"),
    ("root=live:PARTLABEL=1 rootimg=/x", "root=/dev/disk/by-partlabel/1 rootimg=/x"),
    ("root=live:/dev/a rd.live.ram=1", "root=/dev/a measureroot.seal=ram rootimg=LiveOS/squashfs.img"),
    ("rootimg=a rd.live.ram=0 rd.live.overlay.size=512", "rootimg=a measureroot.overlaysize=512m"),
    ("rootimg=a rd.overlay rd.overlay=1 rd.live.overlay.overlayfs=yes rd.live.overlay.reset=0", "rootimg=a"),
    ("rootimg=a rd.overlay=tmpfs rd.live.overlay.nouserconfirmprompt", "rootimg=a"),
    ("rootimg=a rd.overlay=tmpfs:size=25%", "rootimg=a measureroot.overlaysize=25%"),
    // `ro` and `rw` are for the medium of a live system, and not for its overlay.
    (
        r"root=live:LABEL=A\x20B ro rd.live.image quiet",
        r"root=/dev/disk/by-label/A\x20B quiet rootimg=LiveOS/squashfs.img",
    ),
    ("rd.live.image rw root=LABEL=a", "root=LABEL=a rootimg=LiveOS/squashfs.img"),
    ("ro boot=live", "rootimg=live/filesystem.squashfs"),
    ("root=/dev/sda ro overlayroot=tmpfs", "root=/dev/sda"),
    ("root=/dev/sda ro overlayroot=disabled", "root=/dev/sda ro"),
    ("root=/dev/sda ro rd.overlay", "root=/dev/sda"),
    ("root=/dev/sda ro rd.overlay=0 rd.live.image=0", "root=/dev/sda ro"),
    ("root=/dev/sda ro systemd.volatile=overlay", "root=/dev/sda"),
    ("root=/dev/sda rw systemd.volatile=state", "root=/dev/sda rw ro"),
    ("root=/dev/sda ro=1 rd.overlay", "root=/dev/sda ro=1"),
    // live-boot
    ("boot=live", "rootimg=live/filesystem.squashfs"),
    ("boot=live toram", "measureroot.seal=ram rootimg=live/filesystem.squashfs"),
    ("boot=live live-media=/dev/sdb1", "root=/dev/sdb1 rootimg=live/filesystem.squashfs"),
    ("boot=live bootfrom=/dev/sdb1 live-media-path=/x", "root=/dev/sdb1 rootimg=/x/filesystem.squashfs"),
    ("boot=live live-media-timeout=9 nopersistence", "rootwait=9 nopersistence rootimg=live/filesystem.squashfs"),
    (
        "boot=live overlay-size=60% components",
        "measureroot.overlaysize=60% components rootimg=live/filesystem.squashfs",
    ),
    ("boot=live rootimg=/x", "rootimg=/x"),
    // casper
    ("boot=casper quiet splash", "quiet splash rootimg=casper/filesystem.squashfs"),
    (
        "boot=casper live-media=/dev/sdb1 live-media-path=/x toram",
        "root=/dev/sdb1 measureroot.seal=ram rootimg=/x/filesystem.squashfs",
    ),
    // Other systems.
    ("rootimg=a copytoram", "rootimg=a measureroot.seal=ram"),
    (
        "rootimg=a copytoram=1 copytoram=y copy2ram",
        "rootimg=a measureroot.seal=ram measureroot.seal=ram measureroot.seal=ram",
    ),
    ("rootimg=a copytoram=n copytoram=auto copytoram=0", "rootimg=a"),
    ("root=/dev/ram0 real_root=UUID=1", "root=UUID=1"),
    (
        "boot=overlay root=PARTUUID=07aaa040-02 rootfstype=ext4 fsck.repair=yes rootwait ro",
        "root=PARTUUID=07aaa040-02 rootfstype=ext4 fsck.repair=yes rootwait",
    ),
    ("root=/dev/sda overlayroot=tmpfs overlayroot=tmpfs:recurse=0", "root=/dev/sda"),
    ("root=/dev/ram0 rootimage=a.img LABEL=boot", "rootimg=a.img"),
    ("root=/dev/ram0 LABEL=boot", "rootimg=/rootfs.img"),
    ("root=/dev/ram0 ro measureroot rootimg=rootfs.img", "ro measureroot rootimg=rootfs.img"),
    ("root=/dev/sda systemd.volatile=overlay", "root=/dev/sda"),
    ("root=/dev/sda systemd.volatile=state", "root=/dev/sda ro"),
    ("root=/dev/sda systemd.volatile=no", "root=/dev/sda"),
    ("root=/dev/sda rootfs_verity.scheme=none cc_rootfs_verity.scheme=none", "root=/dev/sda"),
    ("root=/dev/sda \"\"", "root=/dev/sda "),
    // Parameters that no dialect has.
    (
        "root=LABEL=live:x boot=other persistence module=a systemd.unit=x persistent rootrwreset=yes ostree.x",
        "root=LABEL=live:x boot=other persistence module=a systemd.unit=x persistent rootrwreset=yes ostree.x",
    ),
];

fn ours(line: &str) -> Result<String> {
    let tokens = translate(&tokens::parse(line.as_bytes()))?.tokens;
    Ok(tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}

#[test]
fn a_parameter_of_a_dialect_is_translated() {
    for &(theirs, wanted) in TRANSLATED {
        assert_eq!(ours(theirs).unwrap(), wanted, "{theirs}");
    }
}

#[test]
fn a_parameter_that_asks_for_something_else_is_refused_by_its_name() {
    let table = [
        "root=live:http://a/b.img",
        "root=live:nfs:a",
        "root=live:/x.iso",
        "rd.live.overlay=/dev/sdb1:x",
        "rd.live.overlay=none",
        "rd.live.overlay.readonly",
        "rd.live.overlay.reset=1",
        "rd.live.overlay.cowfs=ext4",
        "rd.overlay=LABEL=x",
        "rd.overlay=none",
        "rd.overlay=tmpfs:size=1g,nr_inodes=5",
        "rd.overlay=tmpfs:nr_blocks=5",
        "rd.overlay.crypt=LABEL=x",
        "rd.overlay.reset=1",
        "rd.overlay.readonly=1",
        "rd.writable.fsimg=1",
        "rd.live.updates=x",
        "iso-scan/filename=/x.iso",
        "overlayroot=device:dev=/dev/sdb",
        "overlayroot=/dev/sdb",
        "overlayroot=crypt:dev=/dev/sdb",
        "overlayroot=tmpfs:swap=1",
        "toram=filesystem.squashfs",
        "live-media=removable-usb",
        "live-media-encryption=aes",
        "live-media-offset=512",
        "boot=live persistence",
        "boot=live persistence-media=removable",
        "boot=live module=a",
        "boot=live union=aufs",
        "boot=live fetch=http://a/b",
        "boot=live findiso=/a.iso",
        "boot=live dm-verity-root-hash=a:b",
        "boot=casper persistent",
        "boot=casper layerfs-path=minimal.standard.live.squashfs",
        "boot=casper netboot=nfs",
        "boot=casper nfsroot=10.0.0.1:/x",
        "boot=casper url=http://a/b.iso",
        "mount.usr=/dev/mapper/usr",
        "mount.usrflags=ro",
        "usrhash=00",
        "systemd.verity_usr_data=/dev/sdb",
        "verity.usrhash=00",
        "rd.systemd.pull=raw:image:http://a/b",
        "archisobasedir=arch",
        "misobasedir=manjaro",
        "misolabel=MJRO1610",
        "ostree=/ostree/boot.1/fedora-coreos/c218/0",
        "composefs=5a70",
        "coreos.liveiso=fedora-coreos-31",
        "coreos.live.rootfs_url=http://a/b",
        "rootrw=/dev/sda2",
        "root=overlay:UUID=1",
        "rootfs_verity.scheme=dm-verity",
        "rootfs_verity.hash=6020",
        "cc_rootfs_verity.scheme=dm-verity",
        "verity.roothash=6020",
        "cos-img/filename=/cOS/active.img",
        "boot=nfs",
        "findiso=/nixos.iso",
        "img_loop=/arch.iso",
        "isoloop=/alpine.iso",
        "copytoram=x",
        "archisodevice=UUID=1",
        "LABEL=install-efi",
        "systemd.volatile=yes",
        "systemd.volatile",
    ];
    for line in table {
        let refused = line.rsplit(' ').next().unwrap();
        let error = ours(&format!("root=/dev/sda {line}")).unwrap_err();
        assert_eq!(error.object(), refused);
        assert!(error.to_string().contains("is not supported ("), "{error}");
    }
}

#[test]
fn each_rule_is_reached() {
    use rules::File::{Casper, Dracut, LiveBoot, OpenEmbedded};
    let ours = |parameter| Some(Meaning::Ours(parameter, "x"));
    let nothing = Some(Meaning::Nothing);
    let overlay = Some(Meaning::Overlay);
    let table = [
        ("root=live:LABEL=x", Some(Meaning::OursAndFile(Ours::RootByLabel, "x", Dracut))),
        ("root=live:CDLABEL=x", Some(Meaning::OursAndFile(Ours::RootByLabel, "x", Dracut))),
        ("root=live:UUID=x", Some(Meaning::OursAndFile(Ours::RootUuid, "x", Dracut))),
        ("root=live:PARTUUID=x", Some(Meaning::OursAndFile(Ours::RootPartUuid, "x", Dracut))),
        ("root=live:PARTLABEL=x", Some(Meaning::OursAndFile(Ours::RootByPartLabel, "x", Dracut))),
        ("root=live:/dev/x", Some(Meaning::OursAndFile(Ours::RootDev, "x", Dracut))),
        ("root=CDLABEL=x", ours(Ours::RootByLabel)),
        ("root=/dev/ram0", nothing),
        ("root=LABEL=x", None),
        ("rd.live.image", Some(Meaning::File(Dracut))),
        ("rd.live.image=no", nothing),
        ("rd.live.dir=x", Some(Meaning::Folder("x", Dracut))),
        ("rd.live.squashimg=x", Some(Meaning::Name("x", Dracut))),
        ("rd.live.ram=on", Some(Meaning::Ours(Ours::SealRam, ""))),
        ("toram", Some(Meaning::Ours(Ours::SealRam, ""))),
        ("rd.live.overlay.size=x", ours(Ours::OverlaySizeMib)),
        ("rd.live.debug", nothing),
        ("rd.live.check=1", nothing),
        ("rd.live.overlay.nouserconfirmprompt", nothing),
        ("rd.live.overlay.overlayfs=true", overlay),
        ("rd.live.overlay.thin=yes", overlay),
        ("rd.overlay", overlay),
        ("rd.overlayfs=1", overlay),
        ("rd.overlay=tmpfs", overlay),
        ("rd.overlay=tmpfs:", overlay),
        ("rd.overlay=tmpfs:size=x", ours(Ours::OverlaySize)),
        ("rd.writable.fsimg=0", nothing),
        ("rd.overlay.readonly=off", nothing),
        ("rd.live.other=", nothing),
        ("overlayroot=tmpfs", overlay),
        ("overlayroot=tmpfs:recurse=0", overlay),
        ("overlayroot=disabled", nothing),
        ("live-media=x", ours(Ours::Root)),
        ("live-media-path=x", Some(Meaning::Folder("x", LiveBoot))),
        ("live-media-timeout=x", ours(Ours::RootWait)),
        ("rootimage=x", ours(Ours::RootImg)),
        ("LABEL=boot", Some(Meaning::File(OpenEmbedded))),
        ("LABEL=x", None),
        ("systemd.volatile=overlay", overlay),
        ("systemd.volatile=false", nothing),
        ("systemd.volatile=state", Some(Meaning::Ours(Ours::ReadOnly, ""))),
        ("boot=live", Some(Meaning::File(LiveBoot))),
        ("boot=local boot=live", None),
        ("boot=overlay", overlay),
        ("real_root=x", ours(Ours::Root)),
        ("copytoram", Some(Meaning::Ours(Ours::SealRam, ""))),
        ("copytoram=auto", nothing),
        ("bootfrom=x boot=live", ours(Ours::Root)),
        ("overlay-size=x boot=live", ours(Ours::OverlaySize)),
        ("union=overlay boot=live", overlay),
        ("bootfrom=x", None),
        ("overlay-size=x boot=casper", None),
        ("boot=casper", Some(Meaning::File(Casper))),
        ("live-media-path=x boot=casper", Some(Meaning::Folder("x", Casper))),
        ("persistent boot=live", None),
        ("persistence", None),
    ];
    for (line, wanted) in table {
        let tokens = tokens::parse(line.as_bytes());
        assert_eq!(meaning(&tokens[0], boot(&tokens)), wanted, "{line}");
    }
    // The tests above have one parameter for each reason; these are the other names.
    let refused = [
        "rd.live.image=x",
        "rd.live.ram=x",
        "rd.live.debug=x",
        "live-media-x",
        "LABEL=install",
        "boot=live union",
        "boot=live skipunion",
        "boot=live exposedroot=x",
        "boot=live plainroot",
        "boot=live nfsoverlay=x",
        "boot=live todisk=x",
        "boot=live httpfs=x",
        "boot=live ftpfs=x",
        "boot=live netboot=x",
        "boot=live nfsroot=x",
        "boot=live iscsi=x",
        "boot=live fromiso=x",
        "boot=live isofrom=x",
    ];
    for line in refused {
        let tokens = tokens::parse(line.as_bytes());
        let last = &tokens[tokens.len() - 1];
        assert!(matches!(meaning(last, boot(&tokens)), Some(Meaning::Refused(_))), "{line}");
    }
}

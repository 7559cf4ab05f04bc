//! Command lines that people reported, as `measureroot explain` answers them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use common::{Ran, measureroot, rejected};

/// Command lines that people reported and that boot, with a part of what `explain` says.
const DONE: &[(&str, &str)] = &[
    // Raspberry Pi OS with raspi-config's overlay.
    (
        "boot=overlay dwc_otg.lpm_enable=0 console=tty1 root=PARTUUID=07aaa040-02 rootfstype=ext4 fsck.repair=yes rootwait ro",
        "\n  ro: nothing to do: it is for the medium of a live system\n",
    ),
    // OpenBMC on an eMMC.
    ("console=ttyS4,115200n8 rootwait root=PARTLABEL=rofs-a", "PARTLABEL=rofs-a, for ever"),
    // LicheePi 4A, whose vendor's image writes words of meta-readonly-rootfs-overlay.
    (
        "root=/dev/mmcblk0p3 rootfstype=ext4 rootwait rw rootrwoptions=rw,noatime rootrwreset=yes init=/lib/systemd/systemd",
        "start init\n  /lib/systemd/systemd\n",
    ),
    // OpenWrt on NAND.
    ("ubi.block=0,rootfs root=/dev/ubiblock0_1 rootfstype=squashfs,jffs2", "/dev/ubiblock0_1, which must be squashfs"),
    // Fedora's media, from its boot menu.
    (
        "root=live:CDLABEL=F40 rd.live.image rd.live.check quiet rhgb rd.luks=0 rd.md=0 rd.dm=0",
        "/LiveOS/squashfs.img on LABEL=F40",
    ),
    // Gentoo's genkernel.
    ("root=/dev/ram0 real_root=LABEL=root", "\n  real_root=LABEL=root: root=LABEL=root\n"),
    // The default of Kata Containers.
    (
        "root=/dev/pmem0p1 rootflags=data=ordered,errors=remount-ro ro rootfstype=ext4",
        "/dev/pmem0p1, which must be ext4, mounted with errors=remount-ro",
    ),
    // Endless OS on a stick of Windows.
    (
        "endless.live_boot endless.image.device=UUID=1 root=UUID=2",
        "\n  endless.image.device=UUID=1: (Endless OS) passed over",
    ),
    // A guest of hcsshim and Kata Containers, whose kernel opens the device.
    (
        "root=/dev/dm-0 dm-mod.create=\"v,,,ro,0 8 verity 1 /dev/sda /dev/sda 4096 4096 1 1 sha256 42 a1\" init=/startup.sh",
        "/dev/dm-0: as many bytes as its file system has",
    ),
    // A media player of NixOS, copied into the memory.
    (
        "rootimg=/root.squashfs copytoram init=/nix/store/g5qa-nixos-system/init",
        "\n  copytoram: measureroot.seal=ram\n",
    ),
];

#[test]
fn what_people_write_is_done() {
    for (line, part) in DONE {
        let Ran { code, out, .. } = measureroot(&["explain", line]);
        assert!(code == 0 && out.contains(part), "{line}: {out}");
    }
}

/// Command lines that people reported and that no boot can obey, with a part of what `explain` says.
const NAMED: &[(&str, &str)] = &[
    // CentOS' and Fedora's default, LVM on LUKS of systemd's boot loader, an Arch with mkinitcpio.
    (
        "root=/dev/mapper/centos-root ro rd.lvm.lv=centos/root rd.lvm.lv=centos/swap",
        "root=/dev/mapper/centos-root: nothing in this initramfs makes this node: volumes of LVM, RAID, LUKS",
    ),
    ("root=/dev/mapper/centos-root ro rd.lvm.lv=centos/root", "\n  rd.lvm.lv=centos/root: passed over"),
    (
        "rd.luks.name=6052=cryptroot rd.luks.options=discard root=/dev/mapper/cryptroot resume=/dev/mapper/cryptroot",
        "\n  rd.luks.name=6052=cryptroot rd.luks.options=discard: passed over",
    ),
    (
        "cryptdevice=UUID=1:cryptlvm root=/dev/vg/root rw",
        "root=/dev/vg/root: nothing in this initramfs makes this node",
    ),
    ("root=ZFS=rpool/ROOT/debian boot=zfs", "root=ZFS=rpool/ROOT/debian: not a block device"),
    ("root=/dev/md0 rd.md.uuid=1", "root=/dev/md0: nothing in this initramfs makes this node"),
    // Fedora CoreOS: its disk, its ISO, and an image of bootc.
    (
        "ostree=/ostree/boot.1/fedora-coreos/c218/0 ignition.platform.id=qemu rw root=UUID=0c21",
        "is not supported (a deployment is a folder",
    ),
    (
        "initrd=/images/initramfs.img coreos.liveiso=fedora-coreos-31 ignition.firstboot",
        "coreos.liveiso=fedora-coreos-31: is not supported",
    ),
    ("root=UUID=1 rw composefs=5a70", "composefs=5a70: is not supported (a deployment is a folder"),
    // Manjaro's ISO from another disk, and on its own.
    ("img_dev=/dev/sda1 img_loop=/m.iso misobasedir=manjaro misolabel=MJRO1610", "img_loop=/m.iso: is not supported"),
    (
        "misobasedir=manjaro misolabel=MJRO1610 driver=free",
        "misobasedir=manjaro: is not supported (a stack of .sfs images",
    ),
    // mkosi's A/B images.
    (
        "root=dissect mount.usr=dissect rw usrhash= systemd.image_policy=root=unprotected",
        "mount.usr=dissect: is not supported",
    ),
    // A root on btrfs, as openSUSE and Pop!_OS write it.
    ("root=UUID=1 rootflags=subvol=@ rootfstype=btrfs", "rootfstype=btrfs: no root image has this type"),
    ("root=UUID=1 ro rootflags=subvol=/@", "rootflags=subvol=/@: "),
    // meta-readonly-rootfs-overlay with its second device.
    (
        "root=/dev/sda1 rootrw=/dev/sda2 rootrwfstype=ext4",
        "rootrw=/dev/sda2: is not supported (the only overlay is a tmpfs",
    ),
    // NixOS' ISO as a file, MX, Slax and Porteus, Alpine, Gentoo's CD, BerryBoot.
    (
        "findiso=/nixos.iso init=/nix/store/g5qa/init root=LABEL=nixos-minimal",
        "findiso=/nixos.iso: is not supported (an image inside",
    ),
    (
        "persist_all lang=en_US quiet splash kbd=us",
        "\n  persist_all: (antiX, MX) names no image here: write root=LABEL=X and rootimg=/antiX/linuxfs",
    ),
    ("from=/iso/porteus.iso changes=/dev/sdb1 toram", "\n  from=/iso/porteus.iso changes=/dev/sdb1: (Slax, Porteus)"),
    (
        "modules=loop,squashfs,sd-mod,usb-storage quiet",
        "\n  modules=loop,squashfs,sd-mod,usb-storage: (Alpine) its root is made of packages",
    ),
    ("cdroot looptype=squashfs loop=/image.squashfs", "\n  cdroot looptype=squashfs loop=/image.squashfs: (Gentoo)"),
    ("smsc95xx.turbo_mode=N bootmenutimeout=10 datadev=sda2", "\n  datadev=sda2: (BerryBoot)"),
    ("pmedia=usbflash pfix=ram", "\n  pmedia=usbflash: (Puppy)"),
    ("knoppix_dir=KNOPPIX", "\n  knoppix_dir=KNOPPIX: (KNOPPIX)"),
    ("stagename=live showopts", "\n  stagename=live: (ALT Linux)"),
    ("systempart=/dev/disk/by-partlabel/system_a", "\n  systempart=/dev/disk/by-partlabel/system_a: (Halium"),
    // The initramfs of Kata Containers, KIWI's overlay, Kairos and Elemental, Flatcar.
    (
        "root=/dev/vda1 rootfs_verity.scheme=dm-verity rootfs_verity.hash=60",
        "rootfs_verity.scheme=dm-verity: is not supported (write roothash=)",
    ),
    ("root=overlay:UUID=1 rd.root.overlay.write=/dev/sdb", "root=overlay:UUID=1: is not supported (the only overlay"),
    (
        "root=LABEL=COS_ACTIVE cos-img/filename=/cOS/active.img rd.neednet=0",
        "cos-img/filename=/cOS/active.img: is not supported",
    ),
    (
        "root=LABEL=ROOT mount.usr=/dev/mapper/usr verity.usr=PARTUUID=1 verity.usrhash=2 rootflags=rw",
        "mount.usr=/dev/mapper/usr: is not supported",
    ),
    ("boot=nfs nfsroot=10.0.0.1:/srv", "boot=nfs: is not supported (the image must be on a device"),
];

#[test]
fn what_people_write_and_no_boot_can_do_is_named() {
    for (line, part) in NAMED {
        let out = rejected(line);
        assert!(out.contains(part), "{line}: {out}");
    }
}

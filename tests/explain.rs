//! `measureroot explain`: what it says about command lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use common::{Ran, measureroot, rejected};

/// A command line whose root hash names the partitions, by systemd's rule.
const PREPARED: &str = "roothash=00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

#[test]
fn explain_shows_the_effect_of_each_parameter() {
    let table = [
        ("root=/dev/vda", "/dev/vda: as many bytes as its file system has"),
        ("root=LABEL=x rootimg=/a rootfstype=vfat", "the file /a on LABEL=x, which must be vfat"),
        ("rootimg=/a", "the file /a on any block device, for at most 30 s"),
        ("root=/dev/vda rootwait", "/dev/vda, for ever"),
        ("root=/dev/vda rootdelay=3", "pause for 3 s"),
        ("root=/dev/vda rootflags=threads=multi", "mounted with threads=multi"),
        (
            "root=/dev/vda",
            "an HMAC session, salted with a key of the TPM's null hierarchy; no session if the TPM answers",
        ),
        ("root=/dev/vda measureroot.session=hmac", "null hierarchy; an error if the TPM supports none"),
        ("root=/dev/vda measureroot.tpm=2.0", "/dev/tpm0 (a TPM 2.0; a TPM 1.2 alone is an error), for at most 30 s"),
        ("root=/dev/vda measureroot.session=none", "no session: an attacker on the bus to the TPM can change"),
        (
            "root=/dev/vda",
            "if this is a TDX guest: RTMR 2, beside the TPM or alone; an error if the kernel shows no RTMR",
        ),
        ("root=/dev/vda measureroot.rtmr=3", "if this is a TDX guest: RTMR 3, beside the TPM or alone"),
        ("root=/dev/vda measureroot.rtmr=optional", "if this is a TDX guest whose kernel shows it: RTMR 2, beside"),
        ("root=/dev/vda rootimgpcr=9", "PCR 9 with the image's digest in each bank"),
        ("root=/dev/vda rootimgpcr=9", "\n  PCR 13 stays free: the running system can extend it with any digest"),
        (
            "root=/dev/vda",
            "\n  PCR 13 is not the image's alone: systemd-stub measures the sysexts (*.raw) beside a unified kernel",
        ),
        (
            "root=/dev/vda",
            "by kexec, an os-separator; if a machine has such, rootimgpcr=8 names a PCR that is free without GRUB\n",
        ),
        ("root=/dev/vda rootimgpcr=8", "\n  PCR 8 is not the image's alone: GRUB measures its commands there"),
        ("root=/dev/vda rootimgpcr=0", "\n  PCR 0 is not the image's alone: the firmware extends it first"),
        ("root=/dev/vda rootimgpcr=11", "systemd the phases of the boot, also after the image; rootimgpcr=8"),
        ("root=/dev/vda rootimgpcr=15", "\n  PCR 15 is not the image's alone: systemd measures the identity"),
        ("root=/dev/vda measureroot.format=meta-measured", "the digest of the hex digits of the image's digest"),
        ("root=live:LABEL=x rd.live.ram", "\n  root=live:LABEL=x: root=/dev/disk/by-label/x\n"),
        ("root=live:LABEL=x rd.live.ram", "the file /LiveOS/squashfs.img on LABEL=x"),
        ("boot=live toram", "\n  toram: measureroot.seal=ram\n  boot=live: rootimg=live/filesystem.squashfs\n"),
        ("root=/dev/vda overlayroot=tmpfs", "\n  overlayroot=tmpfs: nothing to do\n"),
        ("root=/dev/vda ro overlayroot=tmpfs", "\n  ro: nothing to do: it is for the medium of a live system\n"),
        ("root=/dev/vda ro overlayroot=tmpfs", "-o redirect_dir=on,lowerdir="),
        ("root=/dev/vda rd.overlay=tmpfs:size=1g", "\n  rd.overlay=tmpfs:size=1g: measureroot.overlaysize=1g\n"),
        ("root=/dev/vda rootfstype=squashfs,auto", "/dev/vda: as many bytes as its file system has"),
        ("root=/dev/vda module_blacklist=vfat", "\n  not vfat, and not the modules that need it\n"),
        ("root=/dev/vda modules_load=nls-utf8", "\n  nls_utf8 in any case\n"),
        ("root=/dev/vda modules_load=nls-utf8,nvme.ko", "nvme.ko is no name of a module: write the names as lsmod"),
        ("root=/dev/vda \"modules_load=nvme vmd\"", "nvme vmd is no name of a module"),
        ("root=/dev/vda rd.driver.blacklist=nls-utf8", "\n  not nls_utf8, and not the modules that need it\n"),
        ("root=/dev/vda -- single rootimg=/b", "\n  with the arguments behind --: single rootimg=/b\n"),
        ("root=/dev/vda ro", "-o ro,redirect_dir=on,lowerdir="),
        ("root=/dev/vda measureroot.overlaysize=1g", "size=1g"),
        ("root=/dev/vda init=/bin/x", "start init\n  /bin/x\n"),
        (
            "root=/dev/vda",
            "\n  later all others in the initramfs, if the root device or the TPM has not appeared after 2 s\n",
        ),
        ("root=/dev/vda", "each after the modules that it needs; a driver that answers with an error is left out"),
        (
            "root=/dev/vda loop.max_loop=3",
            "\n  parameters of modules, if the initramfs has them: loop.max_loop=\"3\"\n",
        ),
        (
            "root=/dev/vda fsck.repair=yes net.ifnames=0 rauc.slot=A",
            "if the initramfs has them: fsck.repair=\"yes\" net.ifnames=\"0\" rauc.slot=\"A\"\n",
        ),
        ("root=/dev/vda panic=010", "\n  panic=010: the kernel, and this program, read this number as 8\n"),
        ("root=/dev/vda panic=010", "after 8 s reboot"),
        ("root=/dev/vda panic=abc", "\n  panic=abc: malformed: the kernel ignores it"),
        ("root=/dev/vda \"quiet splash", "\n  quiet splash: a quote is not closed: all behind it is one word\n"),
        ("root=LABEL=<label>", "\n  root=LABEL=<label>: looks like a placeholder that was not replaced\n"),
        ("root=/dev/vda ro\u{a0}quiet", ": a no-break space stands behind it, of which the kernel"),
        ("root=/dev/vda nfsroot=10.0.0.1:/srv", "\n  nfsroot=10.0.0.1:/srv: passed over: the image must be"),
        ("root=/dev/vda measureroot.timeout=5", "/dev/tpm0, for at most 5 s"),
        ("root=/dev/vda measureroot=off", "THE IMAGE IS NOT MEASURED"),
        ("root=/dev/vda measureroot=off rootimgpcr=14", "PCR 13 and 14 with the digest of"),
        ("root=/dev/vda measureroot.seal=ram", "a copy in RAM"),
        ("root=/dev/vda measureroot.seal=none", "the medium can answer later reads differently, unnoticed"),
        ("root=/dev/vda measureroot.oncorrupt=panic", "dm-verity panics"),
        (PREPARED, "PARTUUID=00112233-4455-6677-8899-aabbccddeeff, for at most 30 s"),
        (PREPARED, "PARTUUID=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0, for the Merkle tree, for at most 30 s"),
        (PREPARED, "the image, which is not read"),
        (PREPARED, "the digest of \"measureroot: roothash=00112233445566778899aabbccddeeff0f1e2d3c"),
        (PREPARED, "at byte 0 of PARTUUID=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0; dm-verity fails every later read"),
        ("root=/dev/vda measureroot.onfail=halt panic=7", "after 7 s halt"),
        ("root=/dev/vda panic=0", "wait for ever"),
    ];
    for (line, part) in table {
        let Ran { code, out, .. } = measureroot(&["explain", line]);
        assert!(code == 0 && out.contains(part), "{line}: {out}");
    }
}

#[test]
fn no_part_of_hostile_text_is_hidden() {
    for (line, part) in [
        ("root=LABEL=x\u{202e}y rootimg=/a", "on LABEL=x\\u{202e}y"),
        ("root=/dev/vda init=/bin/\u{200b}x\x1b[2J", "/bin/\\u{200b}x\\u{1b}[2J"),
        ("root=/dev/vda measureroot.\u{2066}=1", "measureroot.\\u{2066}=1: "),
    ] {
        let Ran { out, err, .. } = measureroot(&["explain", line]);
        let out = out + &err;
        assert!(out.contains(part), "{out}");
        assert!(!out.contains(['\u{202e}', '\u{200b}', '\u{2066}', '\x1b']));
    }
}

#[test]
fn a_word_that_is_not_what_its_author_wanted_is_an_error() {
    for (line, part) in [
        ("root=/dev/vda rootfstyp=squashfs", "rootfstyp=squashfs: unknown parameter (did you mean rootfstype?)"),
        (
            "root=/dev/sda1 \"quiet rootimgpcr=14",
            "quiet rootimgpcr=14: a quote is not closed (all behind it is one word",
        ),
        ("root=UUID=<uuid>", "root=UUID=<uuid>: `<` is in no such name (a placeholder"),
        ("root=/dev/mmcblk${bootpart}", "root=/dev/mmcblk${bootpart}: `$` is in no such name"),
        ("root=/dev/sda1;", "root=/dev/sda1;: `;` is in no such name"),
        ("root=/dev/sda1,ro", "root=/dev/sda1,ro: `,` is in no such name"),
        ("root=/dev/sda1\u{a0}ro", "malformed value (a no-break space stands behind it: write a blank)"),
        ("root=/dev/sda1 init=bash", "init=bash: malformed value"),
    ] {
        let out = rejected(line);
        assert!(out.contains(part) && !out.contains(": for the init of the image"), "{line}: {out}");
    }
}

#[test]
fn what_the_kernel_cuts_off_is_said() {
    let filler = "x".repeat(2047 - "root=/dev/vda  measureroot.seal=".len());
    let line = |last: &str| format!("root=/dev/vda {filler} measureroot.seal={last}");
    let Ran { code, out, err } = measureroot(&["explain", &line("\n")]);
    assert!(code == 1 && !err.contains("CUT OFF") && err.contains("measureroot.seal=: has no value"), "{err}{out}");
    let Ran { code, out, err } = measureroot(&["explain", &line("ram rootimgpcr=14")]);
    assert!(code == 1 && err.starts_with("CUT OFF: on x86-64 and arm64 the kernel keeps 2047 bytes"), "{err}");
    assert!(err.contains("all from \"ram rootimgpcr=14\" on is lost\n") && out.contains("extend PCR 13"), "{out}");
}

#[test]
fn explain_prints_the_error_of_the_boot_once() {
    let out = rejected("root=/dev/vda measureroot.x=1 measureroot.onfail=poweroff");
    assert!(out.starts_with("FAILED at step \"read the command line\": measureroot.x=1: unknown parameter"), "{out}");
    assert!(out.contains("power off") && out.matches("measureroot.x=1").count() == 1, "{out}");
}

#[test]
fn explain_names_the_parameter_that_cannot_be_obeyed_and_the_translated_one() {
    for (line, error, words) in [
        ("root=/dev/vda overlayroot=/dev/vdb", "overlayroot=/dev/vdb: is not supported (", ""),
        (
            "rootimg=a toram measureroot.seal=none",
            "measureroot.seal=none: conflicts with measureroot.seal=ram",
            "toram: ",
        ),
    ] {
        let out = rejected(line);
        assert!(out.contains(&format!(": {error}")) && out.contains(words), "{out}");
    }
}

const VOLUME: &str = ": passed over: no volume of LVM, RAID, LUKS or multipath is opened";
const FOR_INIT: &str = ": for the init of the image, after the measurement: the image's PCR is the same";
const SHELL: &str = ": passed over: this initramfs has no shell; what happens after a failure stands at the end";

#[test]
fn explain_names_the_words_that_the_boot_passes_over() {
    let table = [
        (
            "rd.lvm.lv=centos/root rd.lvm.lv=centos/swap rd.lvm",
            "rd.lvm.lv=centos/root rd.lvm.lv=centos/swap rd.lvm",
            VOLUME,
        ),
        (
            "rd.luks.uuid=luks-1 luks.name=1=root cryptdevice=UUID=1:root",
            "rd.luks.uuid=luks-1 luks.name=1=root cryptdevice=UUID=1:root",
            VOLUME,
        ),
        (
            "rd.md.uuid=1 rd.auto rd.multipath=default zfs=tank/root dolvm",
            "rd.md.uuid=1 rd.auto rd.multipath=default zfs=tank/root dolvm",
            VOLUME,
        ),
        (
            "rd.break=pre-mount break rd.shell boot.shell_on_fail",
            "rd.break=pre-mount break rd.shell boot.shell_on_fail",
            SHELL,
        ),
        (
            "single emergency rescue 1 systemd.unit=rescue.target",
            "single emergency rescue 1 systemd.unit=rescue.target",
            FOR_INIT,
        ),
        ("init=/bin/sh", "init=/bin/sh", FOR_INIT),
        ("rd.emergency=reboot", "rd.emergency=reboot", ": passed over: measureroot.onfail= says what happens"),
        ("rd.systemd.unit=x.target", "rd.systemd.unit=x.target", ": passed over: no systemd runs in this initramfs"),
        (
            "initrd=/initramfs.img",
            "initrd=/initramfs.img",
            ": for the boot loader; of all archives that are loaded, the last one",
        ),
        ("resume=/dev/sda3", "resume=/dev/sda3", ": before /init, the kernel resumes the system that hibernated there"),
        (
            "rootfstype=squashfs,jffs2,xfs",
            "rootfstype=squashfs,jffs2,xfs",
            ": jffs2,xfs has no effect: no boot can have it",
        ),
        ("perch", "perch", ": (Slax, Porteus) its root is a stack of modules"),
    ];
    for (line, words, text) in table {
        let Ran { code, out, .. } = measureroot(&["explain", &format!("root=/dev/vda {line}")]);
        assert!(code == 0 && out.contains(&format!("\n  {words}{text}")), "{line}: {out}");
        // A command line that is rejected for another reason has the same notes.
        if !line.contains("rootfstype") {
            assert!(rejected(&format!("{line} measureroot.x")).contains(&format!("\n  {words}{text}")), "{line}");
        }
    }
    let silent = "rd.luks=0 rd.md=0 rd.dm=0 rd.lvm=0 luks=no rd.break=0 resume=/dev/sda3 noresume rootfstype=auto,xfs rd.lvmx luksx=1 from=/a load=b \
                  modules=loop single=1 rd.info ro quiet";
    let plain = |line: &str| {
        let out = measureroot(&["explain", line]).printed();
        out.split_once("load kernel modules").unwrap().0.to_owned()
    };
    assert_eq!(plain(&format!("root=/dev/vda {silent}")), plain("root=/dev/vda"));
}

#[test]
fn a_command_line_that_may_start_the_kernel_without_the_agent_is_no_success() {
    for (line, said) in [
        ("rdinit=/bin/sh", "NOT MEASURED: rdinit=/bin/sh: the kernel starts this program and not /init;"),
        // Ventoy, which starts the kernel of an ISO file.
        ("rdinit=/vtoy/vtoy", "NOT MEASURED: rdinit=/vtoy/vtoy: the kernel starts"),
        ("rdinit=/init rdinit=", "NOT MEASURED: rdinit=: the kernel starts this program"),
        ("skip_initramfs", "NOT MEASURED: skip_initramfs: a kernel of Android unpacks no initramfs then"),
        ("noinitrd", "NOT MEASURED: noinitrd: the kernel's EFI stub loads no initramfs then"),
    ] {
        let Ran { code, out, err } = measureroot(&["explain", &format!("root=/dev/vda {line}")]);
        assert!(code == 1 && err.starts_with(said) && !out.contains(said), "{err}{out}");
        assert!(out.starts_with("if measureroot starts nevertheless:\n"), "{out}");
    }
    for line in ["rdinit=/init", "rdinit=/bin/sh rdinit=/init", "rdinit", "-- rdinit=/bin/sh noinitrd"] {
        assert_eq!(measureroot(&["explain", &format!("root=/dev/vda {line}")]).code, 0, "{line}");
    }
}

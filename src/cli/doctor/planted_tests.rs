//! A healthy machine has no finding worse than a note, and each fault has its finding and no other one.

use std::collections::BTreeSet;
use std::fs;

use super::finding::Finding;
use super::level::Level;
use super::planted::{Planted, meminfo};
use super::table;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, digests_of};

/// The identifier of a finding, and what makes a machine have it.
type Fault = (&'static str, fn(&Planted));
/// The same, with the command line between them.
type FaultOfImage = (&'static str, &'static str, fn(&Planted));

/// What can be wrong before a measured boot.
const BEFORE: &[Fault] = &[
    ("tpm-missing", |m| {
        m.remove("sys/class/tpm");
        m.remove("sys/firmware/acpi/tables/TPM2");
    }),
    ("tpm-not-driven", |m| m.remove("sys/class/tpm")),
    ("tpm-not-ready", |m| m.remove("dev/tpmrm0")),
    ("tpm-only-rtmrs", |m| {
        m.remove("sys/class/tpm");
        m.remove("sys/firmware/acpi/tables/TPM2");
        m.write("sys/devices/virtual/misc/tdx_guest/measurements/rtmr2:sha384", "");
    }),
    ("tpm-12", |m| m.write("sys/class/tpm/tpm0/tpm_version_major", "1\n")),
    ("tpm-several", |m| {
        m.write("sys/class/tpm/tpm1/tpm_version_major", "2\n");
        m.write("sys/class/tpm/tpm1/null_name", "00\n");
        m.write("dev/tpmrm1", "");
        for pcr in ["0", "13"] {
            let value = if pcr == "0" { "ab" } else { "00" };
            m.write(&format!("sys/class/tpm/tpm1/pcr-sha256/{pcr}"), &value.repeat(32));
        }
    }),
    ("bank-sha1-only", |m| m.remove("sys/class/tpm/tpm0/pcr-sha256")),
    ("bank-inactive-sha256", |m| {
        m.remove("sys/class/tpm/tpm0/pcr-sha256");
        m.write("sys/class/tpm/tpm0/pcr-sha384/13", &"00".repeat(48));
        // It is no PCR of the firmware's log.
        m.write("sys/class/tpm/tpm0/pcr-sha384/7", &"ab".repeat(48));
        m.write("sys/kernel/security/tpm0/binary_bios_measurements", "");
        m.measure("sys/kernel/security/tpm0/binary_bios_measurements", 0..7, b"firmware");
        m.remove("sys/class/tpm/tpm0/pcr-sha256");
    }),
    ("bank-unknown", |m| m.write("sys/class/tpm/tpm0/pcr-sm3/0", &"ab".repeat(32))),
    ("bank-not-measured", |m| m.reset_firmware(&[Bank::Sha256])),
    ("pcr13-used", |m| m.measure("ignored", 13..14, b"somebody")),
    ("pcr13-sysext", |m| {
        m.measure("ignored", 13..14, b"extension");
        m.write(&Planted::loader("StubPcrInitRDSysExts"), "");
    }),
    ("pcrs-unread", |m| {
        m.remove("sys/class/tpm/tpm0/pcr-sha1");
        m.remove("sys/class/tpm/tpm0/pcr-sha256");
    }),
    ("tpm-session-unbound", |m| m.remove("sys/class/tpm/tpm0/null_name")),
    ("agent-not-measured", |m| m.remove("sys/firmware/efi")),
    ("firmware-measures-nothing", |m| {
        m.reset_firmware(&[Bank::Sha1, Bank::Sha256]);
        let header = crate::eventlog::header::Header::of([Bank::Sha1, Bank::Sha256].into_iter());
        let log = [header.encode(), event(&header, 11)].concat();
        m.write_bytes("sys/kernel/security/tpm0/binary_bios_measurements", &log);
    }),
    ("stub-measures-nothing", |m| m.remove(&Planted::loader("StubPcrKernelImage"))),
    ("grub-measures-nothing", |m| {
        m.remove(&Planted::loader("StubInfo"));
        m.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=PARTLABEL=root ro\n");
    }),
    ("initrd-not-measured", |m| m.remove(&Planted::loader("StubInfo"))),
    ("secure-boot-setup-mode", |m| m.global("SetupMode", 1)),
    ("secure-boot-off", |m| m.global("SecureBoot", 0)),
    ("efivars-unread", |m| {
        let folder = m.path("sys/firmware/efi/efivars");
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(folder).unwrap();
        m.measure("ignored", 9..10, b"initrd");
    }),
    ("firmware-log-missing", |m| m.remove("sys/kernel/security/tpm0/binary_bios_measurements")),
    ("firmware-log-empty", |m| m.write("sys/kernel/security/tpm0/binary_bios_measurements", "")),
    ("firmware-log-broken", |m| m.write("sys/kernel/security/tpm0/binary_bios_measurements", "no log")),
    ("firmware-log-differs", |m| {
        let value = Digest::zero(Bank::Sha256).extended(Bank::Sha256, &Digest::zero(Bank::Sha256));
        m.set_pcr(Bank::Sha256, 4, &value);
    }),
    ("kernel-unknown", |m| {
        m.remove(Planted::CONFIG);
        m.remove("lib/modules");
    }),
    ("kernel-option-missing", |m| m.without_option("OVERLAY_FS")),
    ("kernel-initramfs-compression", |m| {
        m.without_option("RD_ZSTD");
        m.without_option("RD_GZIP");
    }),
    ("kernel-tpm-driver-missing", |m| {
        m.without_option("TCG_TIS");
        m.without_option("TCG_CRB");
    }),
    ("kernel-image-filesystem-missing", |m| {
        for symbol in ["SQUASHFS", "EROFS_FS", "EXT4_FS"] {
            m.without_option(symbol);
        }
    }),
    ("kernel-verity-missing", |m| m.without_option("DM_VERITY")),
    ("kernel-verity-missing", |m| m.without_option("CRYPTO_SHA256")),
    ("kernel-sysrq-missing", |m| m.without_option("MAGIC_SYSRQ")),
    ("kernel-securityfs-missing", |m| m.without_option("SECURITYFS")),
    ("kernel-module-missing", |m| m.replace(Planted::CONFIG, "CONFIG_DM_VERITY=y", "CONFIG_DM_VERITY=m")),
    ("command-line-refused", |m| m.write("proc/cmdline", "root=PARTLABEL=root root_img=/a\n")),
    ("command-line-cut", |m| m.write("proc/cmdline", &format!("root=PARTLABEL=root {}\n", "a".repeat(3000)))),
    ("command-line-without-agent", |m| m.write("proc/cmdline", "root=PARTLABEL=root rdinit=/bin/sh\n")),
    ("command-line-unmeasured", |m| m.write("proc/cmdline", "root=PARTLABEL=root measureroot=off\n")),
    ("command-line-resume", |m| m.write("proc/cmdline", "root=PARTLABEL=root resume=/dev/vda2\n")),
    ("command-line-no-seal", |m| m.write("proc/cmdline", "root=PARTLABEL=root measureroot.seal=none\n")),
    ("command-line-no-session", |m| m.write("proc/cmdline", "root=PARTLABEL=root measureroot.session=none\n")),
    ("command-line-search", |m| m.write("proc/cmdline", "rootimg=/image\n")),
    ("command-line-other-pcr", |m| m.write("proc/cmdline", "root=PARTLABEL=root rootimgpcr=8\n")),
    ("command-line-word", |m| m.write("proc/cmdline", "root=PARTLABEL=root rd.break\n")),
    ("not-read", |m| m.write("proc/meminfo", "no memory\n")),
    ("not-read", |m| m.write("proc/meminfo", &meminfo(9_999_999_999_999_999, 1))),
];

/// What can be wrong after a measured boot.
const AFTER: &[Fault] = &[
    ("boot-status-broken", |m| m.write(STATUS, "{}")),
    ("boot-unmeasured", |m| m.replace(STATUS, "\"measured\": true", "\"measured\": false")),
    ("boot-pcr-differs", |m| m.measure("ignored", 13..14, b"later")),
    ("boot-bank-left-out", |m| m.write("sys/class/tpm/tpm0/pcr-sha384/13", &"00".repeat(48))),
    ("boot-pcr-used-before", |m| {
        let before = &format!("\"before\": \"{}\"", "00".repeat(32));
        m.replace(STATUS, before, &format!("\"before\": \"{}\"", "ab".repeat(32)));
    }),
    ("boot-pcr13-free", |m| {
        m.replace(STATUS, "\"pcr\": 13", "\"pcr\": 8");
        m.reset_pcr(13);
        m.measure("run/measureroot/eventlog.bin", 8..9, b"image");
    }),
    ("boot-tpm-12", |m| m.replace(STATUS, "[\"2.0\"]", "[\"1.2\", \"2.0\"]")),
    ("boot-without-session", |m| m.replace(STATUS, "\"hmac\"", "\"none\"")),
    ("boot-unsealed", |m| m.replace(STATUS, "\"verity\"", "\"none\"")),
    ("boot-log-missing", |m| m.remove("run/measureroot/eventlog.bin")),
    ("boot-log-differs", |m| m.write("run/measureroot/eventlog.bin", "no log")),
    ("boot-log-differs", |m| {
        m.measure("run/measureroot/eventlog.bin", 13..14, b"another image");
        // The TPM still has what status.json says.
        for bank in [Bank::Sha1, Bank::Sha256] {
            m.set_pcr(bank, 13, &Digest::zero(bank).extended(bank, &digests_of(&[bank], b"image")[&bank]));
        }
    }),
    ("boot-root-differs", |m| m.mount("/", "ro,relatime", "squashfs /dev/vdb ro")),
    ("boot-root-differs", |m| m.mount("/", "ro,relatime", "overlay x ro,lowerdir=/other,upperdir=/u,workdir=/w")),
    ("boot-seal-device-missing", |m| m.remove("sys/block/dm-0")),
    ("boot-medium-writable", |m| m.mount("/run/initramfs/medium", "rw,relatime", "vfat /dev/vdb1 rw")),
    ("boot-extension-merged", |m| m.mount("/usr", "ro,relatime", "overlay sysext ro,lowerdir=/run/x:/usr")),
    ("boot-overlay-not-vouched", |m| {
        m.mount("/", "rw,relatime", "overlay measureroot rw,lowerdir=/measureroot/image,upperdir=/u,workdir=/w");
    }),
    ("boot-kexec-possible", |m| m.write("proc/sys/kernel/kexec_load_disabled", "0\n")),
];

const STATUS: &str = "run/measureroot/status.json";

fn event(header: &crate::eventlog::header::Header, pcr: u32) -> Vec<u8> {
    let digests = digests_of(&[Bank::Sha1, Bank::Sha256], b"kernel");
    let pcr = crate::measure::pcr::Pcr::try_from(pcr).unwrap();
    crate::eventlog::tcg::encode(header, pcr, crate::eventlog::EventType::EVENT_TAG, &digests, b"")
}

fn ids(found: &[Finding]) -> BTreeSet<&'static str> {
    found.iter().map(|finding| finding.entry.id).collect()
}

/// Checks that a fault adds this finding once, and no other one.
fn adds(expected: &str, healthy: &[Finding], found: &[Finding]) {
    let healthy = ids(healthy);
    let new: Vec<_> = found.iter().map(|finding| finding.entry.id).filter(|id| !healthy.contains(id)).collect();
    let whats: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(new, [expected], "{}", whats.concat());
}

#[test]
fn a_healthy_machine_has_no_finding_worse_than_a_note() {
    for machine in [Planted::healthy(), Planted::booted()] {
        let found = machine.found();
        assert!(found.iter().all(|finding| finding.entry.level <= Level::Note), "{found:#?}");
        let good = found.iter().filter(|finding| finding.entry.level == Level::Ok).count();
        assert!(good >= 5, "{found:#?}");
    }
    assert!(ids(&Planted::healthy().found()).contains("boot-not-by-measureroot"));
    assert!(ids(&Planted::booted().found()).contains("boot-agrees"));
}

#[test]
fn each_planted_fault_has_its_finding_and_no_other_one() {
    for (make, faults) in [(Planted::healthy as fn() -> Planted, BEFORE), (Planted::booted, AFTER)] {
        let healthy = make().found();
        for (expected, plant) in faults {
            let machine = make();
            plant(&machine);
            adds(expected, &healthy, &machine.found());
        }
    }
}

/// A squashfs with this compressor, as far as it is read.
fn squashfs(machine: &Planted, compressor: u8) {
    let mut image = vec![0; 8192];
    image[..4].copy_from_slice(b"hsqs");
    image[20] = compressor;
    image[28] = 4;
    image[40..48].copy_from_slice(&8192_u64.to_le_bytes());
    machine.write_bytes("image", &image);
}

/// What can be wrong with an image, the machine for it, and the command line.
const WITH_IMAGE: &[FaultOfImage] = &[
    ("image-refused", "root=/dev/vda", |m| m.write("image", "no image")),
    ("image-filesystem-missing", "root=/dev/vda", |m| m.without_option("SQUASHFS")),
    ("image-compressor-missing", "root=/dev/vda", |m| m.without_option("SQUASHFS_ZSTD")),
    ("seal-impossible", "root=/dev/vda measureroot.seal=ram", |m| {
        m.write("proc/meminfo", &meminfo(60 << 10, 50 << 10));
    }),
    ("memory-tight", "root=/dev/vda measureroot.seal=ram", |m| m.write("proc/meminfo", &meminfo(90 << 10, 50 << 10))),
    ("kernel-loop-missing", "root=/dev/vda rootimg=/image", |m| m.without_option("BLK_DEV_LOOP")),
    ("command-line-no-seal", "root=/dev/vda measureroot.seal=none", |_| {}),
];

#[test]
fn each_fault_of_an_image_has_its_finding_and_no_other_one() {
    let machine = Planted::healthy();
    squashfs(&machine, 6);
    let healthy = machine.found_with_image("image", "root=/dev/vda");
    assert!(healthy.iter().all(|finding| finding.entry.level <= Level::Note), "{healthy:#?}");
    assert!(ids(&healthy).contains("image-mountable") && ids(&healthy).contains("seal-possible"), "{healthy:#?}");
    for (expected, line, plant) in WITH_IMAGE {
        let machine = Planted::healthy();
        squashfs(&machine, 6);
        plant(&machine);
        adds(expected, &healthy, &machine.found_with_image("image", line));
    }
}

#[test]
fn some_machine_has_each_finding_of_the_table() {
    let mut seen: BTreeSet<_> = BEFORE.iter().chain(AFTER).map(|(id, _)| *id).collect();
    seen.extend(WITH_IMAGE.iter().map(|(id, ..)| *id));
    for machine in [Planted::healthy(), Planted::booted()] {
        squashfs(&machine, 6);
        seen.extend(ids(&machine.found()));
        seen.extend(ids(&machine.found_with_image("image", "root=/dev/vda")));
    }
    // Of files alone: tests/doctor.rs.
    seen.insert("machine-not-judged");
    let all: BTreeSet<_> = table::all().map(|entry| entry.id).collect();
    assert_eq!(seen, all);
}

#[test]
fn what_was_not_compared_does_not_agree() {
    for path in ["run/measureroot/eventlog.bin", "proc/self/mountinfo", "sys/class/tpm", "sys/class/tpm/tpm0/pcr-sha1"]
    {
        let machine = Planted::booted();
        machine.remove(path);
        // One bank of the TPM is enough: its PCR is compared.
        assert_eq!(ids(&machine.found()).contains("boot-agrees"), path.ends_with("sha1"), "{path}");
    }
}

#[test]
fn hostile_text_does_not_reach_the_terminal() {
    let machine = Planted::booted();
    machine.write("proc/cmdline", "root=PARTLABEL=root measureroot.\u{1b}[2J\n");
    machine.replace(STATUS, "/dev/vda1", "/dev/\\u001b[2J\u{202e}");
    let found = machine.found();
    let text: String = found.iter().map(ToString::to_string).collect();
    assert!(text.contains("\\u{1b}[2J\\u{202e}") && !text.contains(['\u{1b}', '\u{202e}']), "{text}");
    assert!(ids(&found).contains("command-line-refused"), "{text}");
}

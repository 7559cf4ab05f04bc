//! Folders that look like the root of a machine, for the tests.

use std::fs;
use std::path::{Path, PathBuf};

use super::facts::{Facts, Sources};
use super::finding::Finding;
use super::judge;
use crate::eventlog::header::Header;
use crate::eventlog::{EventType, tcg};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, digests_of};
use crate::measure::pcr::Pcr;

/// The active banks.
const BANKS: [Bank; 2] = [Bank::Sha1, Bank::Sha256];
const RELEASE: &str = "6.12.0";
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// The options that a measured boot needs beside those of the fragments.
const OPTIONS: &str = "TCG_TPM TCG_TIS TCG_CRB SECURITYFS MAGIC_SYSRQ DM_VERITY CRYPTO_SHA256 SQUASHFS SQUASHFS_ZSTD EROFS_FS EXT4_FS \
                       BLK_DEV_LOOP";

/// A machine.
pub(super) struct Planted(tempfile::TempDir);

impl Planted {
    /// The kernel's configuration.
    pub(super) const CONFIG: &str = "boot/config-6.12.0";

    /// A machine with nothing wrong, before a measured boot: UEFI with Secure Boot, a TPM 2.0, systemd-stub.
    pub(super) fn healthy() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.write("sys/class/tpm/tpm0/tpm_version_major", "2\n");
        machine.write("sys/class/tpm/tpm0/null_name", "00\n");
        machine.write("dev/tpmrm0", "");
        machine.write("sys/firmware/acpi/tables/TPM2", "");
        for pcr in 0..24 {
            machine.reset_pcr(pcr);
        }
        machine.write("sys/kernel/security/tpm0/binary_bios_measurements", "");
        machine.measure("sys/kernel/security/tpm0/binary_bios_measurements", 0..8, b"firmware");
        machine.measure("ignored", 11..12, b"kernel");
        for (name, vendor, value) in [("SecureBoot", GLOBAL, 1), ("SetupMode", GLOBAL, 0), ("StubInfo", LOADER, 0)] {
            machine.variable(name, vendor, value);
        }
        machine.variable("StubPcrKernelImage", LOADER, 0);
        machine.write("proc/sys/kernel/osrelease", &format!("{RELEASE}\n"));
        machine.write("proc/sys/kernel/kexec_load_disabled", "1\n");
        machine.write("proc/cmdline", "root=PARTLABEL=root ro\n");
        machine.write("proc/meminfo", &meminfo(4 << 20, 3 << 20));
        machine.write("proc/filesystems", "nodev\tsysfs\nnodev\toverlay\n\tsquashfs\n");
        machine.write("proc/modules", "loop 40960 0 - Live 0x0000000000000000\n");
        machine.write("proc/self/mountinfo", "21 1 254:1 / / ro,relatime - squashfs /dev/vda ro,errors=continue\n");
        machine.write(Self::CONFIG, &configuration());
        for list in ["modules.dep", "modules.builtin"] {
            machine.write(&format!("lib/modules/{RELEASE}/{list}"), "");
        }
        machine
    }

    /// The same machine after a measured boot.
    pub(super) fn booted() -> Self {
        let machine = Self::healthy();
        machine.measure("run/measureroot/eventlog.bin", 13..14, b"image");
        let banks = BANKS.map(|bank| {
            let (zero, digest) = (Digest::zero(bank), digests_of(&[bank], b"image")[&bank].clone());
            let after = zero.extended(bank, &digest);
            format!("\"{bank}\": {{ \"digest\": \"{digest}\", \"before\": \"{zero}\", \"after\": \"{after}\" }}")
        });
        machine.write(
            "run/measureroot/status.json",
            &format!(
                "{{ \"measured\": true, \"pcr\": 13, \"tpms\": [\"2.0\"], \"session\": \"hmac\", \"banks\": {{ {} }}, \"image\": \
                 {{ \"device\": \"/dev/vda1\" }}, \"seal\": {{ \"kind\": \"verity\" }} }}",
                banks.join(", ")
            ),
        );
        machine.write("sys/block/dm-0/dm/name", "measureroot\n");
        machine.mount("/", "ro,relatime", "overlay measureroot ro,lowerdir=/measureroot/image,upperdir=/u,workdir=/w");
        machine
    }

    /// The root folder.
    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    /// Where a path of the machine is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file.
    pub(super) fn write(&self, path: &str, text: &str) {
        self.write_bytes(path, text.as_bytes());
    }

    /// Writes a file.
    pub(super) fn write_bytes(&self, path: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), bytes).unwrap();
    }

    /// Removes a file or a folder, which must be there.
    pub(super) fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// Replaces a text in a file, which must have it.
    pub(super) fn replace(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(from), "{path}: {from}");
        self.write(path, &text.replace(from, to));
    }

    /// Leaves an option out of the kernel.
    pub(super) fn without_option(&self, symbol: &str) {
        self.replace(Self::CONFIG, &format!("CONFIG_{symbol}=y\n"), "");
    }

    /// Sets a PCR of tpm0.
    pub(super) fn set_pcr(&self, bank: Bank, pcr: u8, value: &Digest) {
        let value = value.to_string().to_uppercase();
        self.write(&format!("sys/class/tpm/tpm0/pcr-{bank}/{pcr}"), &format!("{value}\n"));
    }

    /// Sets a PCR of tpm0 to zero in each bank.
    pub(super) fn reset_pcr(&self, pcr: u8) {
        for bank in BANKS {
            self.set_pcr(bank, pcr, &Digest::zero(bank));
        }
    }

    /// Sets the firmware's PCRs of tpm0 to zero in these banks.
    pub(super) fn reset_firmware(&self, banks: &[Bank]) {
        for pcr in 0..8 {
            for bank in banks {
                self.set_pcr(*bank, pcr, &Digest::zero(*bank));
            }
        }
    }

    /// Extends PCRs of tpm0 with the digest of a text, and writes a log of it.
    pub(super) fn measure(&self, log: &str, pcrs: std::ops::Range<u8>, text: &[u8]) {
        let header = Header::of(BANKS.into_iter());
        let mut bytes = header.encode();
        for number in pcrs {
            let (pcr, digests) = (Pcr::try_from(u32::from(number)).unwrap(), digests_of(&BANKS, text));
            bytes.extend(tcg::encode(&header, pcr, EventType::EVENT_TAG, &digests, b""));
            for (bank, digest) in &digests {
                self.set_pcr(*bank, number, &Digest::zero(*bank).extended(*bank, digest));
            }
        }
        self.write_bytes(log, &bytes);
    }

    /// Writes a variable of UEFI.
    pub(super) fn variable(&self, name: &str, vendor: &str, value: u8) {
        self.write_bytes(&format!("sys/firmware/efi/efivars/{name}-{vendor}"), &[6, 0, 0, 0, value]);
    }

    /// Writes a variable of the firmware's own.
    pub(super) fn global(&self, name: &str, value: u8) {
        self.variable(name, GLOBAL, value);
    }

    /// The path of a variable of systemd's.
    pub(super) fn loader(name: &str) -> String {
        format!("sys/firmware/efi/efivars/{name}-{LOADER}")
    }

    /// Mounts a file system over what is mounted.
    pub(super) fn mount(&self, folder: &str, options: &str, rest: &str) {
        let before = fs::read_to_string(self.path("proc/self/mountinfo")).unwrap();
        self.write("proc/self/mountinfo", &format!("{before}30 21 0:30 / {folder} {options} shared:1 - {rest}\n"));
    }

    /// What is found.
    pub(super) fn found(&self) -> Vec<Finding> {
        judge(&Facts::read(&Sources { root: Some(self.root()), ..Sources::default() }).unwrap())
    }

    /// What is found with an image, and this command line.
    pub(super) fn found_with_image(&self, image: &str, line: &str) -> Vec<Finding> {
        let image = self.path(image);
        let sources =
            Sources { root: Some(self.root()), image: Some(&image), command_line: Some(line), ..Sources::default() };
        judge(&Facts::read(&sources).unwrap())
    }
}

/// /proc/meminfo of a machine with this memory in KiB. The crate procfs asks for these lines.
pub(super) fn meminfo(total: u64, available: u64) -> String {
    let zeros = "Buffers Cached SwapCached Active Inactive SwapTotal SwapFree Dirty Writeback AnonPages Mapped Slab";
    let zeros = zeros.replace(' ', ": 0 kB\n") + ": 0 kB\n";
    let more = "Committed_AS: 0 kB\nVmallocTotal: 0 kB\nVmallocUsed: 0 kB\nVmallocChunk: 0 kB\n";
    format!("MemTotal: {total} kB\nMemFree: {available} kB\nMemAvailable: {available} kB\n{zeros}{more}")
}

/// A configuration with all options that a measured boot needs.
fn configuration() -> String {
    let fragments = [
        include_str!("../../../kernel-fragments/initramfs.cfg"),
        include_str!("../../../kernel-fragments/overlay.cfg"),
    ];
    let asked = fragments.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("CONFIG_"));
    let others = OPTIONS.split_whitespace().map(|symbol| format!("CONFIG_{symbol}=y"));
    let lines: Vec<_> = asked.map(str::to_owned).chain(others).collect();
    format!("#\n# Linux/x86 {RELEASE} Kernel Configuration\n#\n{}\n", lines.join("\n"))
}

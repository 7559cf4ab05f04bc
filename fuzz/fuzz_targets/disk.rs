//! Reads the input as a disk: partition tables, FAT, CDs. Each check sum of GPT is made right first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{BootOption, Disk, find_root};
use measureroot::internal::cmdline::tokens;
use measureroot::internal::config::Config;
use measureroot::internal::hash::Bank;
use measureroot::internal::media::ReadAt;

const SECTOR: usize = 512;
/// What names a root image on the disk, in each way.
const LINES: [&str; 7] = [
    "root=/dev/vda",
    "root=/dev/vda1",
    "root=PARTLABEL=root",
    "root=PARTUUID=01020304-02",
    "root=LABEL=A_CD rootimg=/root.img",
    "root=UUID=1234-ABCD rootimg=/EFI/BOOT/BOOTX64.EFI",
    "rootimg=/EFI/BOOT/BOOTX64.EFI",
];

/// Without this, no change of a GPT would pass its check sums.
fn with_check_sums(mut disk: Vec<u8>) -> Vec<u8> {
    let last = (disk.len() / SECTOR).saturating_sub(1) * SECTOR;
    for at in [SECTOR, last] {
        let Some(header) = disk.get(at..at + 92).filter(|header| header.starts_with(b"EFI PART")) else { continue };
        let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap()) as usize;
        let (array, length) = (number(72) * SECTOR, number(80).wrapping_mul(number(84)));
        if let Some(entries) = disk.get(array..array.saturating_add(length)) {
            let sum = crc32fast::hash(entries).to_le_bytes();
            disk[at + 88..at + 92].copy_from_slice(&sum);
        }
        disk[at + 16..at + 20].fill(0);
        let sum = crc32fast::hash(&disk[at..at + 92]).to_le_bytes();
        disk[at + 16..at + 20].copy_from_slice(&sum);
    }
    disk
}

fuzz_target!(|input: &[u8]| {
    let bytes = with_check_sums(input.to_vec());
    let length = bytes.len() as u64;
    for sector in [None, Some(512), Some(2048)] {
        let Ok(disk) = Disk::open(&bytes, length, sector) else { continue };
        assert!(disk.volumes.len() <= 256 + 64);
        for volume in &disk.volumes {
            let Ok(files) = volume.files() else { continue };
            for folder in ["", "EFI/BOOT", "boot/grub"] {
                for name in files.names(folder).unwrap_or_default() {
                    let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                    if let Ok(Some(file)) = files.read(&path, 1 << 20) {
                        assert!(file.len() as u64 <= length);
                    }
                }
            }
        }
        // A boot loader refuses a command line.
        let append = bytes.last().is_some_and(|last| last % 2 == 1).then_some("ro initrd=\\initrd.img");
        disk.starts(BootOption { program: None, append }, &[Bank::Sha256]).ok();
        for line in LINES {
            let config = Config::parse(&tokens::parse(line.as_bytes())).expect("a right command line");
            if let Ok(root) = find_root(&disk, &config.source, config.image_request()) {
                assert!(root.bytes <= root.stretches.length());
                let mut bytes = vec![0; usize::try_from(root.bytes).expect("no longer than the disk")];
                root.stretches.read_exact_at(&mut bytes, 0).expect("all bytes are on the disk");
            }
        }
    }
});

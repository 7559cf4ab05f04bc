//! Reads the input as an ext2, ext3 or ext4: its superblock, folders, links and files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::Disk;

/// More bytes than this are no seed here: a file system of 64 KiB has each structure.
const LONGEST: usize = 256 << 10;

fuzz_target!(|input: &[u8]| {
    if input.len() > LONGEST {
        return;
    }
    let (bytes, length) = (input.to_vec(), input.len() as u64);
    let Ok(disk) = Disk::open(&bytes, length, None) else { return };
    for volume in disk.volumes.iter().filter(|volume| volume.is_ext) {
        let Ok(files) = volume.files() else { continue };
        assert!(files.has_folder("").is_ok_and(|is_folder| is_folder));
        for folder in ["", "boot", "boot/grub", "link"] {
            let names = files.names(folder).unwrap_or_default();
            for name in names.iter().map(String::as_str).chain(["folder/../file", "none"]).take(64) {
                let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                if let Ok(Some(file)) = files.read(&path, 1 << 20) {
                    assert!(file.len() as u64 <= length);
                    // What GRUB opens is in its folder, and is none itself.
                    assert!(!files.has_folder(&path).is_ok_and(|is_folder| is_folder));
                }
            }
        }
    }
});

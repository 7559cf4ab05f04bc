//! Reads the input as the first bytes of a medium: a file system's superblock, a partition table, a verity superblock.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use measureroot::internal::media::{length_on_device, partition_table, probe, superblock_reader};
use measureroot::internal::seal::prepared_tree::{self, TreeHead, TreeLocation};

fuzz_target!(|head: &[u8]| {
    let bytes = head.len() as u64;
    if let Ok(Some(found)) = probe(head) {
        if let Ok(length) = length_on_device(&found, bytes, "medium") {
            assert!((1..=bytes).contains(&length));
        }
    }
    let mut file = tempfile::tempfile_in("/dev/shm").unwrap();
    file.write_all(head).unwrap();
    superblock_reader::read(&file, "medium").ok();
    for (sector, number) in [(512, 1), (4096, 128), (512, u32::MAX)] {
        assert!(partition_table::uuid(&file, sector, number).is_none_or(|id| id.contains('-')));
    }
    for data_bytes in [bytes, u64::MAX] {
        if let Ok(TreeHead { shape, .. }) = prepared_tree::read(&file, "medium", TreeLocation { offset: 0, data_bytes })
        {
            assert!(shape.data_bytes() <= data_bytes && shape.tree_bytes() <= bytes);
        }
    }
});

//! The Merkle tree against veritysetup, which makes the same one from the same image, salt and sizes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

use std::fs;
use std::process::Command;

use measureroot::merkle::{Builder, Shape, data_block};

const SALT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn tree_and_root_hash_are_those_of_veritysetup() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let noise: Vec<u8> = (0..3_000_000u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let blocks = [1, 2, 127, 128, 129, 130, 255, 256, 700];
    let lengths =
        blocks.map(|count| count * 4096).into_iter().chain([512, 3 * 512, 128 * 512 + 512, 700 * 1024, 2048 * 3]);
    for length in lengths {
        let image = &noise[..length];
        fs::write(path("image"), image).unwrap();
        let size = data_block(length as u64, 4096).unwrap();
        let _ = fs::remove_file(path("hashes"));
        let mut veritysetup = Command::new("/sbin/veritysetup");
        veritysetup.args(["format", "--no-superblock", "--salt", SALT, "--data-block-size", &size.to_string()]);
        let output = veritysetup.arg(path("image")).arg(path("hashes")).output().expect("install cryptsetup-bin");
        let text = String::from_utf8(output.stdout).unwrap();
        let wanted = text.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim();
        let out = fs::File::create(path("tree")).unwrap();
        let (data_blocks, salt) = ((length / usize::from(size)) as u64, hex::decode(SALT).unwrap());
        let mut tree = Builder::new(out, Shape { data_block: size, data_blocks, hash_block: 4096, salt });
        // In pieces that do not fit the blocks.
        image.chunks(10_007).try_for_each(|piece| tree.update(piece)).unwrap();
        assert_eq!(hex::encode(tree.finish().unwrap().2), wanted, "{length}");
        let (ours, theirs) = (fs::read(path("tree")).unwrap(), fs::read(path("hashes")).unwrap());
        let common = ours.len().min(theirs.len());
        assert!(
            ours[..common] == theirs[..common] && (common == ours.len() || length == usize::from(size)),
            "{length}"
        );
    }
}

#[test]
fn data_that_is_not_all_there_has_no_root_hash() {
    for bytes in [0, 4095, 4096, 4097, 8191, 8193, 12288] {
        let shape = Shape { data_block: 4096, data_blocks: 2, hash_block: 4096, salt: Vec::new() };
        let mut tree = Builder::new(tempfile::tempfile().unwrap(), shape);
        tree.update(&vec![1; bytes]).unwrap();
        assert!(tree.finish().is_err(), "{bytes}");
    }
}

#[test]
fn the_block_size_is_the_largest_that_divides() {
    let table = [
        (0, 4096, None),
        (1, 4096, None),
        (513, 4096, None),
        (512, 4096, Some(512)),
        (1024, 4096, Some(1024)),
        (6144, 4096, Some(2048)),
        (8192, 4096, Some(4096)),
        (8192, 65536, Some(4096)),
        // An ext4 of 1 KiB blocks is not mounted from larger sectors.
        (8192, 1024, Some(1024)),
        (8192, 256, None),
    ];
    for (bytes, most, size) in table {
        assert_eq!(data_block(bytes, most), size, "{bytes} {most}");
    }
}

//! The Merkle tree. veritysetup makes the same one from the same image, salt and block sizes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::{Ran, measureroot, run, squashfs, text};
use measureroot::internal::hash::{TreeBuilder, TreeShape, largest_data_block};

const SALT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Makes a tree with these options of `veritysetup format`, and returns its root hash.
fn veritysetup(image: &Path, tree: &Path, options: &[&str]) -> String {
    let said = run("/sbin/veritysetup", &[&["format", text(image), text(tree)], options].concat());
    said.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim().to_owned()
}

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
        let size = largest_data_block(length as u64, 4096).unwrap();
        let _ = fs::remove_file(path("hashes"));
        let options = ["--no-superblock", "--salt", SALT, "--data-block-size", &size.to_string()];
        let wanted = veritysetup(&path("image"), &path("hashes"), &options);
        let out = fs::File::create(path("tree")).unwrap();
        let (data_blocks, salt) = ((length / usize::from(size)) as u64, hex::decode(SALT).unwrap());
        let mut tree = TreeBuilder::new(out, TreeShape { data_block: size, data_blocks, hash_block: 4096, salt });
        // The length of the pieces is no multiple of the block size.
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
fn the_prediction_of_an_image_that_veritysetup_prepared_is_that_of_its_root_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let predict = |arguments: &[&str]| measureroot(&[&["predict", "--json"], arguments].concat());
    let json =
        |arguments: &[&str]| -> serde_json::Value { serde_json::from_str(&predict(arguments).printed()).unwrap() };
    let noise: Vec<u8> = (0..700 * 4096u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    // The number of blocks of 4096 bytes, and the options: a tree in a separate file, behind the data, of other block sizes,
    // without a salt at an offset, over one block, and over less than the whole file.
    let table: [(usize, &[&str]); 6] = [
        (700, &[]),
        (700, &["--hash-offset=2867200"]),
        (700, &["--data-block-size=1024", "--hash-block-size=512"]),
        (700, &["--salt=-", "--hash-offset=12288"]),
        (1, &[]),
        (129, &["--data-blocks=128"]),
    ];
    for (blocks, options) in table {
        let mut image = noise[..blocks * 4096].to_vec();
        // The file system has as many bytes as the tree covers.
        let covered = if options == ["--data-blocks=128"] { 128 } else { blocks };
        let superblock = squashfs(&vec![0; covered * 4096 - 96]);
        image[..96].copy_from_slice(&superblock[..96]);
        fs::write(path("image"), image).unwrap();
        let _ = fs::remove_file(path("tree"));
        let offset = options.iter().find_map(|option| option.strip_prefix("--hash-offset=")).unwrap_or("0");
        let tree = path(if offset == "2867200" { "image" } else { "tree" });
        let image = path("image");
        let root_hash = &veritysetup(Path::new(&image), Path::new(&tree), options);
        let verity = ["--verity", &image, &tree, "--hash-offset", offset];
        let (predicted, by_hash) = (json(&verity), json(&["--roothash", root_hash]));
        assert_eq!(predicted, by_hash, "{options:?}");
        assert_eq!(predicted["root_hash"], root_hash.as_str());
        // coreutils compute the digest of the text that is measured.
        let digest = run("sh", &["-c", &format!("printf 'measureroot: roothash=%s' {root_hash} | sha384sum")]);
        assert!(digest.starts_with(predicted["banks"]["sha384"]["digest"].as_str().unwrap()));
        // One flipped bit of the image.
        let mut changed = fs::read(&image).unwrap();
        changed[100] ^= 1;
        fs::write(&image, changed).unwrap();
        // With one block there is no tree to compare with, and the root hash changes.
        if blocks == 1 {
            assert_ne!(json(&verity)["root_hash"], root_hash.as_str());
        } else {
            let Ran { code, err, .. } = predict(&verity);
            assert!(code != 0 && err.contains("does not match"), "{options:?}: {err}");
        }
    }
}

#[test]
fn a_tree_over_a_part_of_the_file_system_is_refused_as_by_the_boot() {
    let folder = tempfile::tempdir().unwrap();
    let (image, tree) = (folder.path().join("image"), folder.path().join("tree"));
    fs::write(&image, squashfs(&vec![7; 40_000])).unwrap();
    veritysetup(&image, &tree, &["--data-blocks=5"]);
    let list = folder.path().join("trusted.json");
    let verity = ["predict", "--verity", text(&image), text(&tree), "--allow-entry", text(&list)];
    let Ran { code, out, err } = measureroot(&verity);
    assert!(code == 1 && out.is_empty() && err.contains("but its tree covers 20480"), "{out}{err}");
    fs::write(&image, vec![7; 40_960]).unwrap();
    fs::remove_file(&tree).unwrap();
    veritysetup(&image, &tree, &[]);
    let Ran { code, err, .. } = measureroot(&verity);
    assert!(code == 1 && err.contains("no known file system") && !list.exists(), "{err}");
}

#[test]
fn data_of_another_length_than_the_tree_s_shape_has_no_root_hash() {
    for bytes in [0, 4095, 4096, 4097, 8191, 8193, 12288] {
        let shape = TreeShape { data_block: 4096, data_blocks: 2, hash_block: 4096, salt: Vec::new() };
        let mut tree = TreeBuilder::new(tempfile::tempfile().unwrap(), shape);
        tree.update(&vec![1; bytes]).unwrap();
        assert!(tree.finish().is_err(), "{bytes}");
    }
}

#[test]
fn the_block_size_is_the_largest_that_divides_the_length() {
    let table = [
        (0, 4096, None),
        (1, 4096, None),
        (513, 4096, None),
        (512, 4096, Some(512)),
        (1024, 4096, Some(1024)),
        (6144, 4096, Some(2048)),
        (8192, 4096, Some(4096)),
        (8192, 65536, Some(4096)),
        // The kernel does not mount an ext4 of 1 KiB blocks from larger sectors.
        (8192, 1024, Some(1024)),
        (8192, 256, None),
    ];
    for (bytes, most, size) in table {
        assert_eq!(largest_data_block(bytes, most), size, "{bytes} {most}");
    }
}

//! Each hash alone; an image's digest and its Merkle tree, hashed side by side on one processor. OpenSSL computes the same digests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::hashed::{Pieces, Seal, take_one_processor};
use common::{run, text};
use measureroot::internal::hash::{Bank, TreeBuilder, TreeShape, digests};

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[4]).collect()
}

/// The digests that OpenSSL computes of these messages with the hash of this bank, in their order.
fn openssl(bank: Bank, folder: &Path, messages: &[Vec<u8>]) -> Vec<String> {
    let paths: Vec<_> = (0..messages.len()).map(|number| folder.join(number.to_string())).collect();
    paths.iter().zip(messages).for_each(|(path, message)| fs::write(path, message).unwrap());
    let said = run(
        "openssl",
        &[&["dgst", &format!("-{bank}"), "-r"], &paths.iter().map(|path| text(path)).collect::<Vec<_>>()[..]].concat(),
    );
    let digests: Vec<_> = said.lines().map(|line| line[..2 * bank.digest_len()].to_owned()).collect();
    assert_eq!(digests.len(), messages.len());
    digests
}

#[test]
fn a_message_of_each_length_has_the_digest_that_openssl_computes_in_each_bank() {
    let folder = tempfile::tempdir().unwrap();
    for bank in Bank::ALL {
        // A block of the hash (FIPS 180-4, figure 1). From none to three of them and a byte, with each length of the padding.
        let block = if bank.digest_len() > 32 { 128 } else { 64 };
        let messages: Vec<_> = (0..=3 * block + 1).map(noise).collect();
        for (message, expected) in messages.iter().zip(openssl(bank, folder.path(), &messages)) {
            assert_eq!(bank.digest(message).to_string(), expected, "{bank}, {} bytes", message.len());
            for piece in [1, block - 1, block, block + 1] {
                let found = digests(&mut Pieces(message.chunks(piece)), &[bank], None, &mut |_| ()).unwrap();
                assert_eq!(found[&bank].to_string(), expected, "{bank}, {} bytes, {piece} at a time", message.len());
            }
        }
    }
}

#[test]
fn an_image_of_each_length_has_the_digest_that_openssl_computes() {
    take_one_processor();
    let folder = tempfile::tempdir().unwrap();
    // From none to two blocks of the tree, with each length of the padding.
    let images: Vec<_> = (0..=1024 + 200).map(noise).collect();
    let expected = openssl(Bank::Sha256, folder.path(), &images);
    for (image, expected) in images.iter().zip(expected) {
        for piece in [64, 100, 512, 1 << 20] {
            let shape = TreeShape { data_block: 512, data_blocks: 2, hash_block: 512, salt: vec![7; 32] };
            let mut seal = Seal(TreeBuilder::new(tempfile::tempfile().unwrap(), shape));
            let banks = [Bank::Sha1, Bank::Sha256];
            let found = digests(&mut Pieces(image.chunks(piece)), &banks, Some(&mut seal), &mut |_| ()).unwrap();
            assert_eq!(found[&Bank::Sha256].to_string(), expected, "{} bytes, {piece} at a time", image.len());
            // Only two whole blocks have this tree.
            assert_eq!(seal.0.finish().is_ok(), image.len() == 1024, "{} bytes", image.len());
        }
    }
}

#[test]
fn a_leaf_with_a_salt_of_each_length_has_the_digest_that_openssl_computes() {
    take_one_processor();
    let folder = tempfile::tempdir().unwrap();
    for size in [512, 1024, 2048, 4096] {
        // A superblock of dm-verity has room for 256 bytes of salt.
        let block = noise(size.into());
        let messages: Vec<_> = (0..=256).map(|salt| [noise(salt), block.clone()].concat()).collect();
        for (salt, expected) in openssl(Bank::Sha256, folder.path(), &messages).into_iter().enumerate() {
            let shape = TreeShape { data_block: size, data_blocks: 1, hash_block: 4096, salt: noise(salt) };
            for banks in [&[Bank::Sha256][..], &[]] {
                let mut seal = Seal(TreeBuilder::new(tempfile::tempfile().unwrap(), shape.clone()));
                digests(&mut Pieces(block.chunks(size.into())), banks, Some(&mut seal), &mut |_| ()).unwrap();
                // The only leaf is the root.
                assert_eq!(hex::encode(seal.0.finish().unwrap().2), expected, "{size} bytes, {salt} of salt");
            }
        }
    }
}

//! NIST's known answers (`tests/cavp/README.md`): each hash alone, in a pass, beside the Merkle tree, and two SHA-256 side by side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::ROOT;
use common::hashed::{Pieces, Seal, take_one_processor};
use measureroot::internal::hash::{Bank, START, Sha256Pair, TreeBuilder, TreeShape, digests};

/// The values of these names in a file, in its order.
fn values(bank: Bank, kind: &str, names: &[&str]) -> Vec<String> {
    let file = format!("{}{kind}.rsp", bank.name().to_uppercase());
    let text = fs::read_to_string(Path::new(ROOT).join("tests/cavp").join(file)).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once(" = "));
    pairs.filter(|(name, _)| names.contains(name)).map(|(_, value)| value.to_owned()).collect()
}

/// The messages of a bank with their digests: all short ones, then the long ones.
fn messages(bank: Bank) -> Vec<(Vec<u8>, String)> {
    let triples = ["ShortMsg", "LongMsg"].map(|kind| values(bank, kind, &["Len", "Msg", "MD"])).concat();
    let (triples, rest) = triples.as_chunks();
    assert!(rest.is_empty());
    let message = |[bits, message, digest]: &[String; 3]| {
        // A message of no bits stands there as one byte.
        let bytes = bits.parse::<usize>().unwrap() / 8;
        (hex::decode(&message[..bytes * 2]).unwrap(), digest.clone())
    };
    let messages: Vec<_> = triples.iter().map(message).collect();
    // From none to the bytes of a block (FIPS 180-4, figure 1), and 8 long ones.
    let block = if bank.digest_len() > 32 { 128 } else { 64 };
    assert_eq!(messages.len(), block + 1 + 8, "{bank}");
    messages
}

/// The padded message (FIPS 180-4, section 5.1.1).
fn padded(message: &[u8]) -> Vec<u8> {
    let mut padded = [message, &[0x80]].concat();
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    padded
}

/// The digests of two messages that are hashed side by side.
fn side_by_side(messages: [&[u8]; 2]) -> [Vec<u8>; 2] {
    let padded = messages.map(padded);
    let mut states = [START; 2];
    Sha256Pair::of_processor().compress(states.each_mut(), padded.each_ref().map(|message| message.as_chunks().0));
    states.map(|state| state.into_iter().flat_map(u32::to_be_bytes).collect())
}

#[test]
fn each_message_has_its_digest() {
    for bank in Bank::ALL {
        for (message, digest) in messages(bank) {
            assert_eq!(bank.digest(&message).to_string(), digest, "{bank}, {} bytes", message.len());
            for piece in [1, 63, 64, 100] {
                let found = digests(&mut Pieces(message.chunks(piece)), &Bank::ALL, None, &mut |_| ()).unwrap();
                assert_eq!(found[&bank].to_string(), digest, "{bank}, {} bytes, {piece} at a time", message.len());
            }
        }
    }
}

#[test]
fn each_message_has_its_digest_beside_the_tree() {
    take_one_processor();
    for (message, digest) in messages(Bank::Sha256) {
        for piece in [1, 100, 512, 1024] {
            let shape = TreeShape { data_block: 512, data_blocks: 1, hash_block: 512, salt: Vec::new() };
            let mut seal = Seal(TreeBuilder::new(tempfile::tempfile().unwrap(), shape));
            let mut pieces = Pieces(message.chunks(piece));
            let found = digests(&mut pieces, &[Bank::Sha256], Some(&mut seal), &mut |_| ()).unwrap();
            assert_eq!(found[&Bank::Sha256].to_string(), digest, "{} bytes, {piece} at a time", message.len());
        }
    }
}

#[test]
fn each_message_has_its_digest_beside_each_other_one() {
    let messages = messages(Bank::Sha256);
    for (first, digest) in &messages {
        for (second, other) in &messages {
            let found = side_by_side([first, second]).map(hex::encode);
            assert_eq!(found, [digest.as_str(), other], "{} and {} bytes", first.len(), second.len());
        }
    }
}

/// The digests of a Monte Carlo test (SHAVS, section 6.4), with this hash.
fn monte_carlo(bank: Bank, hash: impl Fn(&[u8]) -> Vec<u8>) {
    let seed = hex::decode(values(bank, "Monte", &["Seed"]).concat()).unwrap();
    let expected = values(bank, "Monte", &["MD"]);
    assert_eq!((seed.len(), expected.len()), (bank.digest_len(), 100), "{bank}");
    let mut last = seed;
    for (count, expected) in expected.into_iter().enumerate() {
        let mut three = last.repeat(3);
        for _ in 0..1000 {
            last = hash(&three);
            three.drain(..last.len());
            three.extend_from_slice(&last);
        }
        assert_eq!(hex::encode(&last), expected, "{bank}, {count}");
    }
}

#[test]
fn chains_of_digests_end_as_they_shall() {
    for bank in Bank::ALL {
        monte_carlo(bank, |message| bank.digest(message).as_bytes().to_vec());
    }
}

#[test]
fn chains_of_digests_end_as_they_shall_beside_another_message() {
    for side in [0, 1] {
        monte_carlo(Bank::Sha256, |message| {
            // The other message has other bytes and one block more.
            let other: Vec<u8> = message.iter().chain(message).map(|byte| !byte).collect();
            let mut both = [other.as_slice(); 2];
            both[side] = message;
            let mut found = side_by_side(both);
            assert_eq!(found[1 - side], Bank::Sha256.digest(&other).as_bytes());
            std::mem::take(&mut found[side])
        });
    }
}

//! Banks and digests, one pass over the blocks of an image for many hashes, and the Merkle tree.

pub mod bank;
pub mod blocks;
pub mod digest;
pub mod fan_out;
pub mod merkle;
pub mod pass;

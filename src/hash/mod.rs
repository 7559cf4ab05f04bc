//! Banks and digests, one pass over the blocks of an image for many hashes, and the Merkle tree.

pub mod bank;
pub mod block_pool;
pub mod digest;
pub(crate) mod fan_out;
pub mod file_blocks;
pub(crate) mod hasher;
pub(crate) mod lane_queue;
pub mod merkle;
pub mod pass;
pub mod tree_shape;

//! Banks and digests, one pass over the blocks of an image for many hashes, and the Merkle tree.

pub(crate) mod bank;
pub(crate) mod block_pool;
pub(crate) mod digest;
pub(crate) mod fan_out;
pub(crate) mod file_blocks;
pub(crate) mod hasher;
pub(crate) mod image_sha256;
pub(crate) mod lane_queue;
pub(crate) mod merkle;
pub(crate) mod pass;
pub(crate) mod sha256_pair;
pub(crate) mod sha256_state;
pub(crate) mod tree_shape;

//! Bytes that are hashed in pieces, beside the Merkle tree.

use measureroot::internal::error::Result;
use measureroot::internal::hash::{Blocks, Tee, TreeBuilder};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The pieces in which an image is read.
pub(crate) struct Pieces<'a>(pub std::slice::Chunks<'a, u8>);

impl<'a> Blocks for Pieces<'a> {
    type Block = &'a [u8];
    fn next_block(&mut self) -> Result<Option<&'a [u8]>> {
        Ok(self.0.next())
    }
}

/// The tree of a seal.
pub(crate) struct Seal(pub TreeBuilder);

impl Tee for Seal {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.update(bytes)
    }
    fn tree(&mut self) -> Option<&mut TreeBuilder> {
        Some(&mut self.0)
    }
}

/// Leaves this thread one of its processors: then the image's SHA-256 and the tree are hashed side by side.
pub(crate) fn take_one_processor() {
    let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let first = (0..CpuSet::count()).find(|&number| all.is_set(number).unwrap()).unwrap();
    let mut one = CpuSet::new();
    one.set(first).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
}

//! One pass over the image for all banks: each block is read once and hashed by every bank beside the next read.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::bank::Bank;
use crate::error::{Context, Error, Result};
use crate::pcr::{Digest, Digests};

/// Where the bytes come from, a block at a time.
pub trait Blocks {
    /// A block of bytes; dropping it allows its memory to be used for another.
    type Block: AsRef<[u8]> + Send + Sync;

    /// The next block, or `None` behind the last one.
    ///
    /// # Errors
    /// When the bytes cannot be read, or are fewer than they should be.
    fn next_block(&mut self) -> Result<Option<Self::Block>>;
}

/// Blocks that may wait for one bank while another is behind. The memory in use is bounded by the source of the blocks;
/// this only keeps the channels small.
const DEPTH: usize = 4;

/// Hashing needs little stack, and memory is counted (the default is 2 MiB a thread).
const STACK: usize = 128 * 1024;

/// Hashes all blocks, once for every bank, and tells `progress` the number of bytes each time a block was read.
///
/// # Errors
/// Those of the blocks, or when no thread can be started. There is no partial result.
pub fn digests<B: Blocks>(blocks: &mut B, banks: &[Bank], progress: &mut dyn FnMut(u64)) -> Result<Digests> {
    thread::scope(|scope| {
        let mut lanes = Vec::new();
        for &bank in banks {
            let (sender, receiver) = sync_channel(DEPTH);
            let thread = thread::Builder::new().name(bank.name().to_owned()).stack_size(STACK);
            let handle =
                thread.spawn_scoped(scope, move || digest::<B::Block>(bank, &receiver)).about("hash thread")?;
            lanes.push((bank, sender, handle));
        }
        let mut bytes = 0;
        while let Some(block) = blocks.next_block()? {
            bytes += block.as_ref().len() as u64;
            let block = Arc::new(block);
            for (bank, sender, _) in &lanes {
                sender.send(Arc::clone(&block)).about(format_args!("{bank} thread"))?;
            }
            progress(bytes);
        }
        let mut digests = Digests::new();
        for (bank, sender, handle) in lanes {
            drop(sender);
            let digest = handle.join().map_err(|_| Error::new(format_args!("{bank} thread"), "panicked"))?;
            digests.insert(bank, digest);
        }
        Ok(digests)
    })
}

fn digest<B: AsRef<[u8]>>(bank: Bank, blocks: &Receiver<Arc<B>>) -> Digest {
    let mut hasher = bank.hasher();
    for block in blocks {
        hasher.update((*block).as_ref());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slices(Vec<Result<&'static [u8]>>);

    impl Blocks for Slices {
        type Block = &'static [u8];
        fn next_block(&mut self) -> Result<Option<Self::Block>> {
            if self.0.is_empty() { Ok(None) } else { self.0.remove(0).map(Some) }
        }
    }

    #[test]
    fn all_banks_see_all_bytes_in_order() {
        let mut seen = Vec::new();
        let mut blocks = Slices(vec![Ok(b"a"), Ok(b""), Ok(b"bc")]);
        let digests = digests(&mut blocks, &Bank::ALL, &mut |bytes| seen.push(bytes)).unwrap();
        assert_eq!(digests, crate::pcr::digests_of(&Bank::ALL, b"abc"));
        assert_eq!(seen, [1, 1, 3]);
    }

    #[test]
    fn a_read_error_leaves_no_digest() {
        let mut blocks = Slices(vec![Ok(b"abc"), Err(Error::new("/dev/vda", "EIO"))]);
        let error = digests(&mut blocks, &Bank::ALL, &mut |_| ()).unwrap_err();
        assert_eq!(error.object(), "/dev/vda");
    }
}

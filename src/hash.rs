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

/// Something that sees every byte beside the hashes, in order: what keeps the measured bytes.
pub trait Tee: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When it cannot keep them; then there is no measurement either.
    fn take(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Blocks that may wait for one bank while another is behind. The memory in use is bounded by the source of the blocks;
/// this only keeps the channels small.
const DEPTH: usize = 4;

/// Hashing needs little stack, and memory is counted (the default is 2 MiB a thread).
const STACK: usize = 128 * 1024;

/// Hashes all blocks, once for every bank, hands them to `tee`, and tells `progress` the number of bytes each time a block
/// was read.
///
/// # Errors
/// Those of the blocks and of `tee`, or when no thread can be started. There is no partial result.
pub fn digests<B: Blocks>(
    blocks: &mut B,
    banks: &[Bank],
    tee: Option<&mut dyn Tee>,
    progress: &mut dyn FnMut(u64),
) -> Result<Digests> {
    thread::scope(|scope| {
        let thread = |name: &str| thread::Builder::new().name(name.to_owned()).stack_size(STACK);
        let (mut senders, mut hashes) = (Vec::new(), Vec::new());
        for &bank in banks {
            let (sender, receiver) = sync_channel(DEPTH);
            let hash = thread(bank.name()).spawn_scoped(scope, move || digest::<B::Block>(bank, &receiver));
            hashes.push((bank, hash.about("hash thread")?));
            senders.push(sender);
        }
        let keeper = match tee {
            None => None,
            Some(tee) => {
                let (sender, receiver) = sync_channel(DEPTH);
                senders.push(sender);
                Some(
                    thread("seal")
                        .spawn_scoped(scope, move || keep::<B::Block>(tee, &receiver))
                        .about("seal thread")?,
                )
            }
        };
        let mut bytes = 0;
        while let Some(block) = blocks.next_block()? {
            bytes += block.as_ref().len() as u64;
            let block = Arc::new(block);
            // A lane that is gone had an error, which it tells when it is joined.
            if senders.iter().any(|sender| sender.send(Arc::clone(&block)).is_err()) {
                break;
            }
            progress(bytes);
        }
        drop(senders);
        let panicked = |_| Error::new("hash thread", "panicked");
        if let Some(keeper) = keeper {
            keeper.join().map_err(panicked)??;
        }
        hashes.into_iter().map(|(bank, hash)| Ok((bank, hash.join().map_err(panicked)?))).collect()
    })
}

fn keep<B: AsRef<[u8]>>(tee: &mut dyn Tee, blocks: &Receiver<Arc<B>>) -> Result<()> {
    blocks.iter().try_for_each(|block| tee.take((*block).as_ref()))
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
        let digests = digests(&mut blocks, &Bank::ALL, None, &mut |bytes| seen.push(bytes)).unwrap();
        assert_eq!(digests, crate::pcr::digests_of(&Bank::ALL, b"abc"));
        assert_eq!(seen, [1, 1, 3]);
    }

    #[test]
    fn a_read_error_leaves_no_digest() {
        let mut blocks = Slices(vec![Ok(b"abc"), Err(Error::new("/dev/vda", "EIO"))]);
        let error = digests(&mut blocks, &Bank::ALL, None, &mut |_| ()).unwrap_err();
        assert_eq!(error.object(), "/dev/vda");
    }

    struct Keeper(Vec<u8>, usize);

    impl Tee for Keeper {
        fn take(&mut self, bytes: &[u8]) -> Result<()> {
            self.0.extend_from_slice(bytes);
            if self.0.len() > self.1 { Err(Error::new("memory", "full")) } else { Ok(()) }
        }
    }

    #[test]
    fn the_tee_sees_all_bytes_or_there_is_no_digest() {
        let blocks = || Slices((0..50).map(|_| Ok(b"abc".as_slice())).collect());
        let mut keeper = Keeper(Vec::new(), 150);
        digests(&mut blocks(), &Bank::ALL, Some(&mut keeper), &mut |_| ()).unwrap();
        assert_eq!(keeper.0, b"abc".repeat(50));
        let error = digests(&mut blocks(), &Bank::ALL, Some(&mut Keeper(Vec::new(), 10)), &mut |_| ()).unwrap_err();
        assert_eq!(error.object(), "memory");
    }
}

//! One pass over the image for all banks: each block is read once, and every bank hashes it while the next one is read.

use std::thread;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use crate::error::{Context, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digests, collected};
use crate::hash::fan_out::Lanes;
use crate::hash::hasher::{self, Hasher};
use crate::hash::image_sha256::ImageSha256;
use crate::hash::merkle::TreeBuilder;

/// Where the bytes come from, a block at a time.
pub trait Blocks {
    /// A block of bytes. When it is dropped, its memory can be used for another block.
    type Block: AsRef<[u8]> + Send + Sync;

    /// The next block; `None` after the last one.
    ///
    /// # Errors
    /// When the bytes cannot be read, or there are fewer than expected.
    fn next_block(&mut self) -> Result<Option<Self::Block>>;
}

/// Takes the same bytes as the hashes, in order, to keep what is measured.
pub trait Tee: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When it cannot keep them. Then there is no measurement either.
    fn take(&mut self, bytes: &[u8]) -> Result<()>;

    /// The Merkle tree, if it keeps nothing else. One thread can hash its leaves and the image at the same time.
    fn tree(&mut self) -> Option<&mut TreeBuilder> {
        None
    }
}

/// Bytes of a thread's stack. Hashing needs little; the default of 2 MiB a thread would count as memory.
const STACK: usize = 128 * 1024;

/// One thing that is done with every block.
#[allow(clippy::large_enum_variant)] // There are few of them.
enum Lane<'a> {
    Hash(Bank, Hasher),
    Keep(&'a mut dyn Tee),
    /// SHA-256 of the image, beside those of the tree.
    HashWithTree(ImageSha256, &'a mut TreeBuilder),
}

impl Lane<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Hash(_, hasher) => hasher.update(bytes),
            Self::Keep(tee) => tee.take(bytes)?,
            Self::HashWithTree(image, tree) => tree.update_with(bytes, image)?,
        }
        Ok(())
    }
}

/// Hashes all blocks, once for every bank, and hands them to `tee`. After each block it passes the number of bytes
/// so far to `progress`.
///
/// # Errors
/// The errors of `blocks` and of `tee`, when no thread can be started, and when this processor errs. There is no partial result.
pub fn digests<B: Blocks>(
    blocks: &mut B,
    banks: &[Bank],
    tee: Option<&mut dyn Tee>,
    progress: &mut dyn FnMut(u64),
) -> Result<Digests> {
    hasher::check(banks, Bank::digest)?;
    let processors = processors();
    let lanes = lanes(banks, tee, processors);
    let threads = lanes.len().min(processors);
    let lanes = Lanes::new(lanes);
    thread::scope(|scope| {
        let start = |_| {
            let thread = thread::Builder::new().name("hash".to_owned()).stack_size(STACK);
            thread.spawn_scoped(scope, || lanes.work(Lane::take)).about("hash thread").map(drop)
        };
        let started = (0..threads).try_for_each(start);
        let read = started.and_then(|()| feed(blocks, &lanes, progress));
        // The threads wait for the end, even if the reading failed.
        lanes.end();
        read
    })?;
    let digest = |lane| match lane {
        Lane::Hash(bank, hasher) => Some((bank, hasher.finish())),
        Lane::HashWithTree(image, growing) => Some((Bank::Sha256, image.finish(growing.rest()))),
        Lane::Keep(_) => None,
    };
    Ok(collected(lanes.finish()?.into_iter().filter_map(digest)))
}

/// A lane for each bank and for the tee. If there are not enough processors for that, SHA-256 and the tree share one.
fn lanes<'a>(banks: &[Bank], mut tee: Option<&'a mut dyn Tee>, processors: usize) -> Vec<Lane<'a>> {
    let growing = tee.as_mut().and_then(|tee| tee.tree());
    let has_time = growing.is_some_and(|growing| growing.has_time_for_image());
    let shared = has_time && banks.contains(&Bank::Sha256) && processors <= banks.len();
    let mut lanes = Vec::new();
    for &bank in banks {
        if !(shared && bank == Bank::Sha256) {
            lanes.push(Lane::Hash(bank, bank.hasher()));
        }
    }
    match tee {
        Some(tee) if shared => lanes.extend(tee.tree().map(|growing| Lane::HashWithTree(ImageSha256::new(), growing))),
        tee => lanes.extend(tee.map(Lane::Keep)),
    }
    lanes
}

fn feed<B: Blocks>(blocks: &mut B, lanes: &Lanes<Lane, B::Block>, progress: &mut dyn FnMut(u64)) -> Result<()> {
    let mut bytes = 0;
    while let Some(block) = blocks.next_block()? {
        bytes += block.as_ref().len() as u64;
        // If a lane has failed, `Lanes::finish` returns its error.
        if !lanes.push(block) {
            break;
        }
        progress(bytes);
    }
    Ok(())
}

/// The number of processors that this process may run on. If the kernel does not report it, any number of threads
/// is correct.
fn processors() -> usize {
    let count = |set: CpuSet| (0..CpuSet::count()).filter(|&number| set.is_set(number) == Ok(true)).count();
    sched_getaffinity(Pid::from_raw(0)).map_or(usize::MAX, count).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::hash::sha256_pair::Sha256Pair;
    use crate::hash::tree_shape::TreeShape;

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
        assert_eq!(digests, crate::hash::digest::digests_of(&Bank::ALL, b"abc"));
        assert_eq!(seen, [1, 1, 3]);
    }

    #[test]
    fn a_read_error_leaves_no_digest() {
        let mut blocks = Slices(vec![Ok(b"abc"), Err(Error::new("/dev/vda", "EIO"))]);
        let error = digests(&mut blocks, &Bank::ALL, None, &mut |_| ()).unwrap_err();
        assert_eq!(error.object(), "/dev/vda");
    }

    impl Tee for TreeBuilder {
        fn take(&mut self, bytes: &[u8]) -> Result<()> {
            self.update(bytes)
        }
        fn tree(&mut self) -> Option<&mut TreeBuilder> {
            Some(self)
        }
    }

    #[test]
    fn the_tree_and_sha256_share_a_lane_if_processors_are_few() {
        let faster = Sha256Pair::of(|_, _| ());
        let (both, sha384) = ([Bank::Sha1, Bank::Sha256], [Bank::Sha384]);
        let table: [(&[Bank], Option<Sha256Pair>, usize, usize); 6] = [
            (&both, Some(faster), 1, 2),
            (&both, Some(faster), 2, 2),
            (&both, Some(faster), 3, 3),
            (&both, Some(Sha256Pair::none()), 1, 3),
            (&both, None, 1, 2),
            (&sha384, Some(faster), 1, 2),
        ];
        for (banks, pair, processors, count) in table {
            let shape = TreeShape { data_block: 512, data_blocks: 1, hash_block: 512, salt: Vec::new() };
            let mut tree = pair.map(|pair| TreeBuilder::new(tempfile::tempfile().unwrap(), shape).hashed_by(pair));
            let kept = tree.as_mut().map(|growing| growing as &mut dyn Tee);
            assert_eq!(lanes(banks, kept, processors).len(), count, "{banks:?} {pair:?} {processors}");
        }
    }

    /// Keeps the bytes, and fails when there are more than `most`.
    struct Keeper {
        bytes: Vec<u8>,
        most: usize,
    }

    impl Tee for Keeper {
        fn take(&mut self, bytes: &[u8]) -> Result<()> {
            self.bytes.extend_from_slice(bytes);
            if self.bytes.len() > self.most { Err(Error::new("memory", "full")) } else { Ok(()) }
        }
    }

    #[test]
    fn the_tee_sees_all_bytes_or_there_is_no_digest() {
        let blocks = || Slices((0..50).map(|_| Ok(b"abc".as_slice())).collect());
        let mut keeper = Keeper { bytes: Vec::new(), most: 150 };
        digests(&mut blocks(), &Bank::ALL, Some(&mut keeper), &mut |_| ()).unwrap();
        assert_eq!(keeper.bytes, b"abc".repeat(50));
        let mut keeper = Keeper { bytes: Vec::new(), most: 10 };
        let error = digests(&mut blocks(), &Bank::ALL, Some(&mut keeper), &mut |_| ()).unwrap_err();
        assert_eq!(error.object(), "memory");
    }
}

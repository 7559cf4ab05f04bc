//! Hashes the input as two messages side by side, and as an image beside its Merkle tree. sha2 hashes each alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::error::Result;
use measureroot::internal::hash::{Bank, Blocks, START, Sha256Pair, Tee, TreeBuilder, TreeShape, digests};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// The pieces in which an image is read.
struct Pieces<'a>(std::slice::Chunks<'a, u8>);

impl<'a> Blocks for Pieces<'a> {
    type Block = &'a [u8];
    fn next_block(&mut self) -> Result<Option<&'a [u8]>> {
        Ok(self.0.next())
    }
}

/// The tree of a seal, beside the image or after it.
struct Seal {
    tree: TreeBuilder,
    beside: bool,
}

impl Seal {
    fn new(image: &[u8], salt: &[u8], beside: bool) -> Self {
        let (data_blocks, salt) = (image.len() as u64 / 512, salt.to_vec());
        let shape = TreeShape { data_block: 512, data_blocks, hash_block: 512, salt };
        Self { tree: TreeBuilder::new(tempfile::tempfile().unwrap(), shape), beside }
    }
}

impl Tee for Seal {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.tree.update(bytes)
    }
    fn tree(&mut self) -> Option<&mut TreeBuilder> {
        self.beside.then_some(&mut self.tree)
    }
}

/// The message and its padding (FIPS 180-4, section 5.1.1).
fn padded(message: &[u8]) -> Vec<u8> {
    let mut padded = [message, &[0x80]].concat();
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    padded
}

fuzz_target!(|bytes: &[u8]| {
    let [at, piece, salt, rest @ ..] = bytes else { return };
    let (first, second) = rest.split_at(rest.len() * usize::from(*at) / 255);
    let mut states = [START; 2];
    let messages = [padded(first), padded(second)];
    Sha256Pair::of_processor().compress(states.each_mut(), messages.each_ref().map(|message| message.as_chunks().0));
    for (state, message) in states.into_iter().zip([first, second]) {
        let digest: Vec<u8> = state.into_iter().flat_map(u32::to_be_bytes).collect();
        assert_eq!(digest, Bank::Sha256.digest(message).as_bytes());
    }

    // With one processor, the image and its tree share a thread.
    let mut one = CpuSet::new();
    one.set(nix::sched::sched_getcpu().unwrap()).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
    let (salt, image) = rest.split_at(rest.len().min((*salt).into()));
    let mut seals = [true, false].map(|beside| Seal::new(image, salt, beside));
    for seal in &mut seals {
        let mut pieces = Pieces(image.chunks(usize::from(*piece) * 8 + 1));
        let found = digests(&mut pieces, &[Bank::Sha256], Some(seal), &mut |_| ()).unwrap();
        assert_eq!(found[&Bank::Sha256], Bank::Sha256.digest(image));
    }
    let [beside, after] = seals.map(|seal| seal.tree.finish().map(|(_, _, root_hash)| root_hash));
    assert_eq!(beside.is_ok(), image.len() >= 512 && image.len().is_multiple_of(512));
    if let (512, Ok(root_hash)) = (image.len(), &beside) {
        // The only leaf is the root.
        assert_eq!(root_hash, Bank::Sha256.digest(&[salt, image].concat()).as_bytes());
    }
    assert_eq!(beside.ok(), after.ok());
});

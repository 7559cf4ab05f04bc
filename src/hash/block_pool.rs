//! The memory that an image is read into: a fixed number of buffers, which are used again and again.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::error::{Context, Result};

/// Bytes of a block. It is a multiple of any sector size. It is large, so that the fixed costs of a read and of handing
/// the block to a thread are negligible; the latter is expensive on a machine with one processor.
pub const BLOCK: usize = 1 << 20;

/// Blocks in memory at a time: one is being read, the others are between the first hash and the last. With fewer, three
/// lanes on two processors wait for each other. More or larger ones are no faster and take memory.
pub const BUFFERS: usize = 4;

/// O_DIRECT needs memory and offsets that are multiples of the sector size; 4096 is the largest in use. If a device has larger ones,
/// the kernel answers EINVAL, and the reads go through the page cache.
pub(super) const ALIGN: usize = 4096;

/// The buffers that are free, and the way back for those that are in use.
#[derive(Debug)]
pub(crate) struct BlockPool {
    free: Receiver<Vec<u8>>,
    give_back: Sender<Vec<u8>>,
}

/// A free buffer, to be read into.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

/// A block that was read. When the last hash drops it, its memory is free again.
#[derive(Debug)]
pub struct Block {
    buffer: Buffer,
    len: usize,
    give_back: Sender<Vec<u8>>,
}

impl BlockPool {
    /// [`BUFFERS`] free buffers.
    ///
    /// # Errors
    /// When they cannot be queued.
    pub(crate) fn new() -> Result<Self> {
        let (give_back, free) = channel();
        for _ in 0..BUFFERS {
            give_back.send(vec![0; BLOCK + ALIGN]).about("block buffers")?;
        }
        Ok(Self { free, give_back })
    }

    /// Waits for a free buffer.
    ///
    /// # Errors
    /// When none can ever become free.
    pub(crate) fn next_free(&self) -> Result<Buffer> {
        let bytes = self.free.recv().about("block buffers")?;
        let start = bytes.as_ptr().align_offset(ALIGN);
        Ok(Buffer { bytes, start })
    }

    /// The block of the first `len` bytes of the buffer.
    pub(crate) fn block(&self, buffer: Buffer, len: usize) -> Block {
        Block { buffer, len, give_back: self.give_back.clone() }
    }
}

impl Buffer {
    /// The aligned memory: [`BLOCK`] bytes or more.
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.buffer.bytes[self.buffer.start..self.buffer.start + self.len]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // If the reader has ended, the memory is not needed any more.
        self.give_back.send(std::mem::take(&mut self.buffer.bytes)).ok();
    }
}

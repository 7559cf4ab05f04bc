//! The blocks of an image file with zeros behind them, as a device has them that the file is written to.

use crate::error::Result;
use crate::hash::block_pool::Block;
use crate::hash::file_blocks::FileBlocks;
use crate::hash::pass::Blocks;
use crate::media::image_device::SQUASHFS_PAD;

/// The blocks of the file, then one of zeros. There are fewer zeros than [`SQUASHFS_PAD`].
pub(super) struct PaddedBlocks<'a> {
    file: FileBlocks<'a>,
    zeros: usize,
}

/// A block of the file, or zeros.
pub(super) enum PaddedBlock {
    File(Block),
    Zeros(Vec<u8>),
}

impl<'a> PaddedBlocks<'a> {
    /// The blocks of `file`, of which `length` bytes are read, with zeros behind them up to the byte `end`.
    pub(super) fn new(file: FileBlocks<'a>, length: u64, end: u64) -> Self {
        let zeros = usize::try_from(end.saturating_sub(length).min(SQUASHFS_PAD)).unwrap_or_default();
        Self { file, zeros }
    }
}

impl Blocks for PaddedBlocks<'_> {
    type Block = PaddedBlock;

    fn next_block(&mut self) -> Result<Option<PaddedBlock>> {
        if let Some(block) = self.file.next_block()? {
            return Ok(Some(PaddedBlock::File(block)));
        }
        let zeros = std::mem::take(&mut self.zeros);
        Ok((zeros > 0).then(|| PaddedBlock::Zeros(vec![0; zeros])))
    }
}

impl AsRef<[u8]> for PaddedBlock {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::File(block) => block.as_ref(),
            Self::Zeros(zeros) => zeros,
        }
    }
}

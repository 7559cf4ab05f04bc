//! Bytes that lie in several places of a disk, one stretch behind the other: a file of a file system. A partition is one stretch.

use std::io;

use super::region::Region;
use crate::error::{Error, Result};
use crate::hash::block_pool::{BLOCK, Block, BlockPool};
use crate::hash::pass::Blocks;
use crate::media::read_at::ReadAt;

/// The bytes.
#[derive(Clone, Default)]
pub struct Stretches<'a> {
    /// The stretches, each with its first byte among all of them.
    parts: Vec<(u64, Region<'a>)>,
    length: u64,
}

impl<'a> Stretches<'a> {
    /// One behind the other.
    pub(super) fn of(regions: impl IntoIterator<Item = Region<'a>>) -> Self {
        let mut found = Self::default();
        for region in regions.into_iter().filter(|region| region.length() > 0) {
            found.parts.push((found.length, region));
            found.length = found.length.saturating_add(region.length());
        }
        found
    }

    /// How many bytes there are.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Where they are on the disk: the first byte and the length of each stretch.
    #[must_use]
    pub fn places(&self) -> Vec<(u64, u64)> {
        self.parts.iter().map(|(_, region)| (region.start(), region.length())).collect()
    }

    /// The first `length` bytes as blocks to be hashed. `name` is that of the bytes in errors.
    ///
    /// # Errors
    /// If the buffers for the blocks cannot be made.
    pub(crate) fn blocks<'b>(&'b self, name: &'b str, length: u64) -> Result<StretchBlocks<'a, 'b>> {
        Ok(StretchBlocks { bytes: self, name, length, offset: 0, pool: BlockPool::new()? })
    }
}

impl ReadAt for Stretches<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let behind = self.parts.partition_point(|(start, _)| *start <= offset);
        let part = behind.checked_sub(1).and_then(|at| self.parts.get(at));
        part.map_or(Ok(0), |(start, region)| region.read_at(buffer, offset.saturating_sub(*start)))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset.saturating_add(filled as u64))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(())
    }
}

/// The blocks of the first bytes.
pub(crate) struct StretchBlocks<'a, 'b> {
    bytes: &'b Stretches<'a>,
    name: &'b str,
    length: u64,
    offset: u64,
    pool: BlockPool,
}

impl Blocks for StretchBlocks<'_, '_> {
    type Block = Block;

    fn next_block(&mut self) -> Result<Option<Block>> {
        let wanted = usize::try_from(self.length.saturating_sub(self.offset)).map_or(BLOCK, |left| left.min(BLOCK));
        if wanted == 0 {
            return Ok(None);
        }
        let mut buffer = self.pool.next_free()?;
        let memory = buffer.memory().get_mut(..wanted).unwrap_or_default();
        let failed = |error| {
            Error::new(format_args!("{} at byte {}", self.name, self.offset), error)
                .hint("was the disk changed or cut short, or is it damaged?")
        };
        self.bytes.read_exact_at(memory, self.offset).map_err(failed)?;
        self.offset += wanted as u64;
        Ok(Some(self.pool.block(buffer, wanted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;
    use crate::hash::pass;

    #[test]
    fn stretches_are_read_and_hashed_one_behind_the_other() {
        let disk: Vec<u8> = (0..3 * BLOCK).map(|at| (at * 31 + at / 251).to_le_bytes()[0]).collect();
        let whole = Region::whole(&disk, disk.len() as u64);
        let places = [(2 * BLOCK as u64, 700), (5, 0), (7, BLOCK as u64), (900, 100)];
        let found = Stretches::of(places.map(|(at, length)| whole.part(at, length).unwrap()));
        let expected = [&disk[2 * BLOCK..][..700], &disk[7..][..BLOCK], &disk[900..1000]].concat();
        assert_eq!((found.length(), found.places().len()), (expected.len() as u64, 3));
        let mut part = [0; 900];
        for at in [0, 699, 700, BLOCK - 200] {
            found.read_exact_at(&mut part, at as u64).unwrap();
            assert_eq!(part[..], expected[at..at + 900]);
        }
        assert!(found.read_exact_at(&mut part, expected.len() as u64 - 899).is_err());
        assert_eq!(found.read_at(&mut part, u64::MAX).unwrap(), 0);
        for length in [0, 1, 700, 701, expected.len()] {
            let mut blocks = found.blocks("it", length as u64).unwrap();
            let digests = pass::digests(&mut blocks, &[Bank::Sha256], None, &mut |_| ()).unwrap();
            assert_eq!(digests, digests_of(&[Bank::Sha256], &expected[..length]), "{length}");
        }
        let mut blocks = found.blocks("it", expected.len() as u64 + 1).unwrap();
        let error = pass::digests(&mut blocks, &[Bank::Sha256], None, &mut |_| ()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("it at byte {BLOCK}: ")), "{error}");
    }
}

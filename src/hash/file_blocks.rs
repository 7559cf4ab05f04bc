//! Reads an image in large blocks. If its file system allows that, the bytes do not go through the page cache.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, PosixFadviseAdvice, fcntl, posix_fadvise};

use crate::error::{Context, Error, Result};
use crate::hash::block_pool::{ALIGN, BLOCK, Block, BlockPool};
use crate::hash::pass::Blocks;
use crate::say;

/// The blocks of the first `length` bytes of a file or block device.
#[derive(Debug)]
pub struct FileBlocks<'a> {
    file: &'a File,
    name: &'a str,
    length: u64,
    offset: u64,
    direct: bool,
    pool: BlockPool,
}

impl<'a> FileBlocks<'a> {
    /// Prepares to read `length` bytes from the start of `file`, called `name` in errors.
    ///
    /// # Errors
    /// When the buffers for the blocks cannot be made.
    pub fn new(file: &'a File, name: &'a str, length: u64) -> Result<Self> {
        let pool = BlockPool::new()?;
        // If a file system has no O_DIRECT, it answers EINVAL. Then reads go through the page cache, which is dropped
        // after each.
        let direct = set_direct(file, true).is_ok();
        Ok(Self { file, name, length, offset: 0, direct, pool })
    }

    /// Reads from the current offset to the end of the block or of the image, and returns the number of bytes.
    fn fill(&mut self, memory: &mut [u8]) -> Result<usize> {
        let wanted = usize::try_from(self.length - self.offset).map_or(BLOCK, |left| left.min(BLOCK));
        let end = end_of_request(wanted);
        let mut filled = 0;
        while filled < wanted {
            match self.file.read_at(&mut memory[filled..end], self.offset + filled as u64) {
                Ok(0) => {
                    let cause = format!("ends after {} of {} bytes", self.offset + filled as u64, self.length);
                    return Err(Error::new(self.name, cause).hint("was the medium changed or cut short?"));
                }
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if self.direct && error.raw_os_error() == Some(Errno::EINVAL as i32) => {
                    set_direct(self.file, false).about(self.name)?;
                    self.direct = false;
                }
                Err(error) => {
                    let object = format!("{} at byte {}", self.name, self.offset + filled as u64);
                    return Err(Error::new(object, error).hint("is the medium damaged?"));
                }
            }
        }
        Ok(wanted)
    }
}

impl Blocks for FileBlocks<'_> {
    type Block = Block;

    fn next_block(&mut self) -> Result<Option<Block>> {
        if self.offset == self.length {
            return Ok(None);
        }
        let mut buffer = self.pool.next_free()?;
        let len = self.fill(buffer.memory())?;
        if !self.direct {
            // This is only advice. The image is read again through another path, so these pages would be a second copy
            // in memory.
            let range = (i64::try_from(self.offset).about(self.name)?, i64::try_from(len).about(self.name)?);
            posix_fadvise(self.file, range.0, range.1, PosixFadviseAdvice::POSIX_FADV_DONTNEED).about(self.name)?;
        }
        self.offset += len as u64;
        Ok(Some(self.pool.block(buffer, len)))
    }
}

impl Drop for FileBlocks<'_> {
    fn drop(&mut self) {
        // A loop device may be made of the same descriptor. It decides by itself about O_DIRECT.
        if self.direct
            && let Err(error) = set_direct(self.file, false)
        {
            say::debug!("{}: O_DIRECT stays set: {error}", self.name);
        }
    }
}

/// Where a request for `wanted` bytes of a block ends: O_DIRECT demands whole sectors. The bytes behind the image are not used, and no
/// further sector is asked for. A medium may be unable to read it: the end of a CD that was written at once, a worn or a counterfeit
/// stick.
fn end_of_request(wanted: usize) -> usize {
    wanted.next_multiple_of(ALIGN)
}

fn set_direct(file: &File, on: bool) -> nix::Result<()> {
    let mut flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    flags.set(OFlag::O_DIRECT, on);
    fcntl(file, FcntlArg::F_SETFL(flags)).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::block_pool::BUFFERS;
    use crate::hash::digest::digests_of;
    use crate::hash::pass;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 251).to_le_bytes()[0]).collect()
    }

    /// The file is in the source folder, because a tmpfs may not have O_DIRECT.
    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_pass_hashes_exactly_the_given_length() {
        for len in [0, 1, 511, 4096, BLOCK - 1, BLOCK, BLOCK + 1, BUFFERS * BLOCK + 4097] {
            let bytes = pattern(len + 5000);
            let file = file(&bytes);
            let mut blocks = FileBlocks::new(&file, "test", len as u64).unwrap();
            let digests = pass::digests(&mut blocks, &[Bank::Sha256], None, &mut |_| ()).unwrap();
            assert_eq!(digests, digests_of(&[Bank::Sha256], &bytes[..len]), "{len}");
        }
    }

    #[test]
    fn no_sector_behind_the_image_is_asked_for() {
        let table =
            [(1, 4096), (4096, 4096), (4097, 8192), (BLOCK - 4096, BLOCK - 4096), (BLOCK - 1, BLOCK), (BLOCK, BLOCK)];
        for (wanted, end) in table {
            assert_eq!(end_of_request(wanted), end, "{wanted}");
        }
    }

    #[test]
    fn an_image_that_is_too_short_is_an_error() {
        let file = file(&pattern(BLOCK + 10));
        let mut blocks = FileBlocks::new(&file, "test", BLOCK as u64 + 11).unwrap();
        let error = pass::digests(&mut blocks, &[Bank::Sha1], None, &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains(&format!("ends after {} of {} bytes", BLOCK + 10, BLOCK + 11)), "{error}");
    }

    #[test]
    fn the_descriptor_has_no_o_direct_afterwards() {
        let file = file(&pattern(10));
        drop(FileBlocks::new(&file, "test", 10).unwrap());
        assert_eq!(fcntl(&file, FcntlArg::F_GETFL).unwrap() & OFlag::O_DIRECT.bits(), 0);
    }
}

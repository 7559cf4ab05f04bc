//! Reading an image in large blocks, past the page cache where its file system allows that.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, PosixFadviseAdvice, fcntl, posix_fadvise};

use crate::error::{Context, Error, Result};
use crate::hash::pass::Blocks;

/// Bytes of a block: a multiple of any sector size, and so large that neither a read's fixed cost shows nor that of
/// handing the block over, which is dear on a machine with one processor.
pub const BLOCK: usize = 1 << 20;

/// Blocks in memory at a time: one being read, the others between the first hash and the last. With fewer, three lanes on
/// two processors wait for each other; more, or larger ones, are no faster and count as memory.
pub const BUFFERS: usize = 4;

/// O_DIRECT wants memory and offsets that are multiples of the sector size; 4096 is the largest in use.
const ALIGN: usize = 4096;

/// The blocks of the first `length` bytes of a file or block device.
#[derive(Debug)]
pub struct FileBlocks<'a> {
    file: &'a File,
    name: &'a str,
    length: u64,
    offset: u64,
    direct: bool,
    free: Receiver<Vec<u8>>,
    home: Sender<Vec<u8>>,
}

/// A block; its memory goes back to be read into when the last hash has let go of it.
#[derive(Debug)]
pub struct Block {
    memory: Vec<u8>,
    start: usize,
    len: usize,
    home: Sender<Vec<u8>>,
}

impl<'a> FileBlocks<'a> {
    /// Prepares to read `length` bytes from the start of `file`, called `name` in errors.
    ///
    /// # Errors
    /// When the memory for the blocks cannot be had in the first place.
    pub fn new(file: &'a File, name: &'a str, length: u64) -> Result<Self> {
        let (home, free) = channel();
        for _ in 0..BUFFERS {
            home.send(vec![0; BLOCK + ALIGN]).about("block buffers")?;
        }
        // A file system that cannot read past its cache says EINVAL; then it is read through it, and the cache dropped.
        let direct = set_direct(file, true).is_ok();
        Ok(Self { file, name, length, offset: 0, direct, free, home })
    }

    /// Reads at the current offset until the block or the image is full.
    fn fill(&mut self, memory: &mut [u8]) -> Result<usize> {
        let wanted = usize::try_from(self.length - self.offset).map_or(BLOCK, |left| left.min(BLOCK));
        let mut filled = 0;
        while filled < wanted {
            // The request is always for whole blocks, as O_DIRECT demands; what lies behind the image is not used.
            match self.file.read_at(&mut memory[filled..BLOCK], self.offset + filled as u64) {
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
        let mut memory = self.free.recv().about("block buffers")?;
        let start = memory.as_ptr().align_offset(ALIGN);
        let len = self.fill(&mut memory[start..])?;
        if !self.direct {
            // Advice only: the image is read again through another path, and need not be in memory twice.
            let range = (i64::try_from(self.offset).about(self.name)?, i64::try_from(len).about(self.name)?);
            posix_fadvise(self.file, range.0, range.1, PosixFadviseAdvice::POSIX_FADV_DONTNEED).about(self.name)?;
        }
        self.offset += len as u64;
        Ok(Some(Block { memory, start, len, home: self.home.clone() }))
    }
}

impl Drop for FileBlocks<'_> {
    fn drop(&mut self) {
        // The same descriptor may become a loop device, which is to decide for itself.
        if self.direct
            && let Err(error) = set_direct(self.file, false)
        {
            log::debug!("{}: O_DIRECT stays set: {error}", self.name);
        }
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Nobody waits for it any more when the reader has gone.
        self.home.send(std::mem::take(&mut self.memory)).ok();
    }
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
    use crate::hash::digest::digests_of;
    use crate::hash::pass;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 251).to_le_bytes()[0]).collect()
    }

    /// In the source folder, for a tmpfs may not know O_DIRECT.
    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn any_length_is_read_to_its_end_and_no_further() {
        for len in [0, 1, 511, 4096, BLOCK - 1, BLOCK, BLOCK + 1, BUFFERS * BLOCK + 4097] {
            let bytes = pattern(len + 5000);
            let file = file(&bytes);
            let mut blocks = FileBlocks::new(&file, "test", len as u64).unwrap();
            let digests = pass::digests(&mut blocks, &[Bank::Sha256], None, &mut |_| ()).unwrap();
            assert_eq!(digests, digests_of(&[Bank::Sha256], &bytes[..len]), "{len}");
        }
    }

    #[test]
    fn a_short_image_is_an_error() {
        let file = file(&pattern(BLOCK + 10));
        let mut blocks = FileBlocks::new(&file, "test", BLOCK as u64 + 11).unwrap();
        let error = pass::digests(&mut blocks, &[Bank::Sha1], None, &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains(&format!("ends after {} of {} bytes", BLOCK + 10, BLOCK + 11)), "{error}");
    }

    #[test]
    fn the_descriptor_comes_back_as_it_was() {
        let file = file(&pattern(10));
        drop(FileBlocks::new(&file, "test", 10).unwrap());
        assert_eq!(fcntl(&file, FcntlArg::F_GETFL).unwrap() & OFlag::O_DIRECT.bits(), 0);
    }
}

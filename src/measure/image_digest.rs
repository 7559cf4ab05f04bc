//! The digests that stand for an image: of all its bytes, or of its root hash.

use std::fs::File;

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digests, digests_of};
use crate::hash::file_blocks::FileBlocks;
use crate::hash::pass::{self, Tee};
use crate::hash::tree_shape::TreeHash;
use crate::sys::block_device;

/// The text that stands for a prepared image: `measureroot: roothash=` and 64 lower-case hex digits, without a newline. The
/// prefix makes it differ from every other text and image that can be measured.
#[must_use]
pub(crate) fn root_hash_text(root_hash: &TreeHash) -> String {
    format!("measureroot: roothash={}", hex::encode(root_hash))
}

/// The digests of [`root_hash_text`].
#[must_use]
pub(crate) fn of_root_hash(root_hash: &TreeHash, banks: &[Bank]) -> Digests {
    digests_of(banks, root_hash_text(root_hash).as_bytes())
}

/// The bytes of an image.
#[derive(Debug, Clone, Copy)]
pub struct ImageBytes<'a> {
    /// The image's file or block device.
    pub file: &'a File,
    /// Its name in errors.
    pub name: &'a str,
    /// How many bytes are hashed, from its start.
    pub bytes: u64,
    /// How many bytes the file or device had when it was opened. If it has another size after the hashing, then the medium was
    /// exchanged or something writes to it, and it is unknown which bytes were hashed.
    pub opened_bytes: u64,
}

/// Hashes the image once for all banks: the plain hash of its first `bytes` bytes, as sha256sum prints it for a file.
/// `tee` gets the same bytes; `progress` gets the number of bytes hashed so far.
///
/// # Errors
/// When the image cannot be read to its end, or when its size has changed.
pub fn of_image(
    source: ImageBytes,
    banks: &[Bank],
    tee: Option<&mut dyn Tee>,
    progress: &mut dyn FnMut(u64),
) -> Result<Digests> {
    let ImageBytes { file, name, bytes, opened_bytes } = source;
    let digests = pass::digests(&mut FileBlocks::new(file, name, bytes)?, banks, tee, progress)?;
    let size = block_device::size(file).ok_or_else(|| Error::new(name, "has no size"))?;
    if size != opened_bytes {
        let cause = format!("had {opened_bytes} bytes when it was opened, and {size} when it was hashed");
        return Err(Error::new(name, cause).hint("was the medium exchanged, or does another program write to it?"));
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A change of the file's size while it is hashed.
    #[derive(Debug, Clone, Copy)]
    struct Resize {
        /// The size in bytes when the file is opened.
        opened: u64,
        /// The change happens when this many bytes were hashed: after a block of 1 MiB.
        at: u64,
        /// The new size in bytes.
        to: u64,
    }

    /// Hashes the first 3 MiB of a file that is resized meanwhile.
    fn hash_resized(resize: Resize) -> Result<Digests> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(resize.opened).unwrap();
        let mut progress = |done| {
            if done == resize.at {
                file.set_len(resize.to).unwrap();
            }
        };
        let source = ImageBytes { file: &file, name: "image", bytes: 3 * MIB, opened_bytes: resize.opened };
        of_image(source, &[Bank::Sha256], None, &mut progress)
    }

    #[test]
    fn an_image_whose_size_changes_is_an_error() {
        let resize = |opened, at, to| Resize { opened, at, to };
        let table = [
            resize(3 * MIB, 2 * MIB, MIB),
            resize(3 * MIB, 2 * MIB, 3 * MIB + 1),
            resize(3 * MIB, 3 * MIB, 3 * MIB - 1),
            resize(3 * MIB, 3 * MIB, 3 * MIB + 1),
            resize(3 * MIB, 3 * MIB, 0),
            resize(4 * MIB, 2 * MIB, 3 * MIB),
            resize(4 * MIB, 3 * MIB, 5 * MIB),
        ];
        for resize in table {
            let error = hash_resized(resize).unwrap_err();
            assert_eq!(error.object(), "image", "{resize:?}: {error}");
            assert!(hash_resized(Resize { to: resize.opened, ..resize }).is_ok(), "{resize:?}");
        }
        let error = hash_resized(resize(4 * MIB, 3 * MIB, 3 * MIB)).unwrap_err().to_string();
        assert!(error.contains("4194304") && error.contains("3145728"), "{error}");
    }
}

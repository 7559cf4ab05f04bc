//! Makes the length of a zstd frame a multiple of 4. Zeros behind the frame would do for the kernel, but the program zstd, and so
//! lsinitramfs, calls them an error. So the frame gets empty blocks (RFC 8878, section 3.1.1).

use crate::cursor::Fields;
use crate::error::{Error, Result};

/// The header of a block that is not compressed, has no bytes, and is not the last one (section 3.1.1.2).
const EMPTY: [u8; 3] = [0; 3];
/// The bit in the first byte of a block's header that marks the last block.
const LAST: u8 = 1;

/// Adds as many empty blocks, of 3 bytes each, behind the last block of a frame without a checksum.
///
/// # Errors
/// If the bytes are not one frame.
pub(super) fn align(frame: &mut Vec<u8>) -> Result<()> {
    // Each block changes the length by 3, which is -1 modulo 4.
    let blocks = frame.len() % 4;
    if blocks == 0 {
        return Ok(());
    }
    let last = last_block(frame).ok_or_else(|| Error::new("zstd", "made another frame than expected"))?;
    frame[last] &= !LAST;
    for _ in 0..blocks {
        frame.extend(EMPTY);
    }
    let last = frame.len() - EMPTY.len();
    frame[last] |= LAST;
    Ok(())
}

/// The place of the last block's header. `None` if the bytes are not one such frame.
fn last_block(frame: &[u8]) -> Option<usize> {
    let fields = Fields(frame);
    let [descriptor] = fields.at(4)?;
    // Section 3.1.1.1.1: the size of the content's size, a window in place of it, a checksum, and the dictionary's number.
    if descriptor & 0x07 != 0 {
        return None;
    }
    let single_segment = descriptor & 0x20 != 0;
    let size = match descriptor >> 6 {
        0 => usize::from(single_segment),
        shift => 1 << shift,
    };
    let mut start = 5 + size + usize::from(!single_segment);
    loop {
        let [a, b, c] = fields.at(start)?;
        let header = u32::from_le_bytes([a, b, c, 0]);
        // Section 3.1.1.2.2: a block of type 1 repeats one byte.
        let length = if header >> 1 & 3 == 1 { 1 } else { header >> 3 };
        let end = start + EMPTY.len() + usize::try_from(length).ok()?;
        if header & u32::from(LAST) != 0 {
            return (end == frame.len()).then_some(start);
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_every_length_is_aligned_and_has_the_same_content() {
        let mut remainders = [0; 4];
        // Blocks of each type: compressed, repeated, not compressed; and contents of several blocks of 128 KiB.
        for (count, step) in
            [(0, 1), (1, 1), (2, 7), (3, 5), (9, 1), (300, 0), (70_000, 3), (400_000, 0), (400_000, 251)]
        {
            for more in 0..8 {
                let content: Vec<_> =
                    (0..count + more).map(|i: u32| (i.wrapping_mul(step) >> 3).to_le_bytes()[0]).collect();
                let mut frame = zstd::bulk::compress(&content, 19).unwrap();
                remainders[frame.len() % 4] += 1;
                align(&mut frame).unwrap();
                assert_eq!(frame.len() % 4, 0);
                assert!(zstd::stream::decode_all(frame.as_slice()).unwrap() == content, "{count} {step} {more}");
            }
        }
        assert!(remainders.iter().all(|&count| count > 0), "{remainders:?}");
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bytes in [&b"12345"[..], &[0; 7], &[0x28, 0xb5, 0x2f, 0xfd, 0x24, 5, 1, 0, 0, 1]] {
            assert!(align(&mut bytes.to_vec()).is_err(), "{bytes:?}");
        }
    }
}

//! Files that are compressed with gzip. GRUB unpacks them when it opens them: tboot itself, and modules.

use std::io::Read;

use flate2::bufread::GzDecoder;

use crate::error::{Error, Result};

/// The first bytes (RFC 1952, section 2.3.1).
const MAGIC: &[u8] = &[0x1F, 0x8B];

/// Whether it is compressed with gzip.
pub(super) fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// What was compressed, if it has at most `limit` bytes.
///
/// # Errors
/// If it is malformed, if something follows (GRUB reads one member only), or if it is longer.
pub(super) fn unpacked(packed: &[u8], limit: u64) -> Result<Vec<u8>> {
    let error = |cause: &dyn std::fmt::Display| Error::new("gzip", cause);
    let mut bytes = Vec::new();
    let mut reader = GzDecoder::new(packed).take(limit + 1);
    reader.read_to_end(&mut bytes).map_err(|cause| error(&cause))?;
    if bytes.len() as u64 > limit {
        return Err(error(&format_args!("has more than {limit} bytes in it")));
    }
    if !reader.into_inner().into_inner().is_empty() {
        return Err(error(&"something follows the compressed data"));
    }
    Ok(bytes)
}

/// At most `most` bytes of what was compressed. Fewer if it is malformed.
pub(super) fn head(packed: &[u8], most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // An error leaves what was unpacked before it.
    let _ = GzDecoder::new(packed).take(most).read_to_end(&mut bytes);
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    pub(crate) fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn one_member_is_unpacked_up_to_the_limit() {
        let one = packed(b"12345");
        assert!(is_packed(&one) && !is_packed(b"\x7FELF") && !is_packed(b"\x1F"));
        assert_eq!(unpacked(&one, 5).unwrap(), b"12345");
        let mut wrong = one.clone();
        wrong[12] ^= 1;
        let table: [(&[u8], u64, &str); 6] = [
            (&one, 4, "more than 4 bytes"),
            (&[one.clone(), b"\0".to_vec()].concat(), 5, "something follows"),
            (&[one.clone(), one.clone()].concat(), 5, "something follows"),
            (&one[..one.len() - 1], 5, "gzip: "),
            (&wrong, 5, "gzip: "),
            (b"\x1F\x8B", 5, "gzip: "),
        ];
        for (bytes, limit, part) in table {
            let error = unpacked(bytes, limit).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(unpacked(&packed(&vec![0; 1 << 24]), 1 << 16).is_err());
    }
}

//! Reading numbers and names out of what a medium holds.

/// Little-endian numbers at fixed offsets; what lies outside reads as absent.
pub struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    /// `N` bytes.
    #[must_use]
    pub fn at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..offset.checked_add(N)?)?.try_into().ok()
    }

    /// A number of 16 bits.
    #[must_use]
    pub fn u16(&self, offset: usize) -> Option<u16> {
        self.at(offset).map(u16::from_le_bytes)
    }

    /// A number of 32 bits.
    #[must_use]
    pub fn u32(&self, offset: usize) -> Option<u32> {
        self.at(offset).map(u32::from_le_bytes)
    }

    /// A number of 64 bits.
    #[must_use]
    pub fn u64(&self, offset: usize) -> Option<u64> {
        self.at(offset).map(u64::from_le_bytes)
    }

    /// Text in a field of `N` bytes, which zeros or spaces fill up; `None` where there is none.
    #[must_use]
    pub fn text<const N: usize>(&self, offset: usize) -> Option<String> {
        let bytes = self.at::<N>(offset)?;
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(N);
        let text = String::from_utf8_lossy(&bytes[..end]).trim_end_matches(' ').to_owned();
        Some(text).filter(|text| !text.is_empty())
    }

    /// An identifier of 16 bytes in their order; `None` where all are zero.
    #[must_use]
    pub fn uuid(&self, offset: usize) -> Option<String> {
        let id = self.at::<16>(offset).filter(|id| id.iter().any(|&byte| byte != 0))?;
        Some(uuid(&id))
    }
}

/// The usual text of an identifier of 16 bytes.
#[must_use]
pub fn uuid(id: &[u8; 16]) -> String {
    [&id[..4], &id[4..6], &id[6..8], &id[8..10], &id[10..]].map(hex::encode).join("-")
}

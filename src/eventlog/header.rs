//! The first event of a TCG crypto-agile log. It lists the hash algorithms of the events that follow, in order, and the
//! length of each digest.

use super::event_type::EventType;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::bank::Bank;

/// The signature of `TCG_EfiSpecIDEvent` (TCG PC Client Platform Firmware Profile 1.05, section 10.4.5.1).
pub(super) const SIGNATURE: &[u8; 16] = b"Spec ID Event03\0";
/// The most hash algorithms of a TPM (TPM 2.0 Library, Part 2, `HASH_COUNT`; 16 in the reference code).
const MAX_ALGORITHMS: usize = 16;
/// The longest digest of a TPM, in bytes (TPM 2.0 Library, Part 2, `TPMU_HA`).
const MAX_DIGEST: u16 = 64;

/// A hash algorithm that the log's events may have a digest of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HashAlgorithm {
    /// `TPM_ALG_ID`.
    pub(super) id: u16,
    /// The length of a digest, in bytes.
    pub(super) size: u16,
}

/// The hash algorithms of a log's events, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header(Vec<HashAlgorithm>);

impl Header {
    /// The header of a log with these banks.
    #[must_use]
    pub fn of(banks: impl Iterator<Item = Bank>) -> Self {
        // No digest is longer than 64 bytes.
        #[allow(clippy::cast_possible_truncation)]
        Self(banks.map(|bank| HashAlgorithm { id: bank.algorithm(), size: bank.digest_len() as u16 }).collect())
    }

    /// The hash algorithms.
    pub(super) fn algorithms(&self) -> &[HashAlgorithm] {
        &self.0
    }

    /// Reads the header at the front of a log.
    ///
    /// # Errors
    /// If the log does not begin with a header, as a log of the older format does not: it has only SHA-1 digests.
    pub(super) fn read(log: &mut Cursor) -> Result<Self> {
        Self::read_from(log, [0; 4])
    }

    /// The same for a log whose first event names this register, little-endian.
    ///
    /// # Errors
    /// As [`Self::read`].
    #[inline(never)]
    pub(super) fn read_from(log: &mut Cursor, register: [u8; 4]) -> Result<Self> {
        let start = log.clone();
        let old = || {
            start
                .error_here("is not a TCG crypto-agile log: it does not begin with \"Spec ID Event03\"")
                .hint("a log of the older form has only SHA-1 digests")
        };
        // The header has the older format's layout, TCG_PCR_EVENT: PCR, type, SHA-1 digest, data.
        let named = log.u32_le()?;
        if EventType(log.u32_le()?) != EventType::NO_ACTION {
            return Err(old());
        }
        log.take(Bank::Sha1.digest_len())?;
        let mut data = log.nested_u32_le()?;
        if data.take(SIGNATURE.len()).ok() != Some(SIGNATURE) {
            return Err(old());
        }
        if named != u32::from_le_bytes(register) {
            return Err(start
                .error_here(format_args!("the header of the log names register {named}"))
                .hint("that of a TPM's log names 0, and that of a confidential machine (CCEL) names 1"));
        }
        // Platform class (4 bytes), version (3) and size of a UINTN (1): nothing here depends on them.
        data.take(4 + 3 + 1)?;
        let count = data.u32_le()? as usize;
        if !(1..=MAX_ALGORITHMS).contains(&count) {
            return Err(start.error_here(format_args!("its header lists {count} hash algorithms")));
        }
        let mut algorithms: Vec<HashAlgorithm> = Vec::with_capacity(count);
        for _ in 0..count {
            let algorithm = HashAlgorithm { id: data.u16_le()?, size: data.u16_le()? };
            let known = Bank::of_algorithm(algorithm.id).map(Bank::digest_len);
            let wrong = known.is_some_and(|size| size != usize::from(algorithm.size));
            if wrong || algorithm.size == 0 || algorithm.size > MAX_DIGEST {
                let HashAlgorithm { id, size } = algorithm;
                return Err(start.error_here(format_args!("its header gives hash {id:#06x} a digest of {size} bytes")));
            }
            if algorithms.iter().any(|other| other.id == algorithm.id) {
                return Err(start.error_here(format_args!("its header lists hash {:#06x} twice", algorithm.id)));
            }
            algorithms.push(algorithm);
        }
        // The firmware vendor's own bytes.
        let length = data.u8()?;
        data.take(usize::from(length))?;
        data.end()?;
        Ok(Self(algorithms))
    }

    /// The header as the log's first event.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Class 0 is a client. Version 2.0, errata 105 is Platform Firmware Profile 1.05. The size 2 of a UINTN means 64 bits.
        let mut data = [&SIGNATURE[..], &[0, 0, 0, 0], &[0, 2, 105], &[2]].concat();
        push_u32(&mut data, self.0.len());
        for algorithm in &self.0 {
            data.extend(algorithm.id.to_le_bytes());
            data.extend(algorithm.size.to_le_bytes());
        }
        data.push(0);
        let mut event = vec![0; 4];
        event.extend(EventType::NO_ACTION.0.to_le_bytes());
        event.resize(event.len() + Bank::Sha1.digest_len(), 0);
        push_counted(&mut event, &data);
        event
    }
}

/// Appends `number`. Only the count of hash algorithms and the length of event data come here: far below 2^32.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn push_u32(to: &mut Vec<u8>, number: usize) {
    to.extend((number as u32).to_le_bytes());
}

/// Appends the length, then the bytes.
pub(super) fn push_counted(to: &mut Vec<u8>, bytes: &[u8]) {
    push_u32(to, bytes.len());
    to.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_header_reads_back() {
        for banks in [&Bank::ALL[..], &Bank::ALL[1..2]] {
            let header = Header::of(banks.iter().copied());
            let encoded = header.encode();
            let mut cursor = Cursor::new("event log", &encoded);
            assert_eq!(Header::read(&mut cursor).unwrap(), header);
            assert!(cursor.is_empty());
        }
    }

    #[test]
    fn a_malformed_header_is_refused() {
        let good = Header::of([Bank::Sha1, Bank::Sha256].into_iter()).encode();
        // Bytes of the event: PCR 0-3, type 4-7, digest 8-27, length of the data 28-31. Bytes of its data: signature 32-47,
        // count of hash algorithms 56-59.
        let changes: [(&str, usize, &[u8]); 12] = [
            ("another PCR", 0, &[1]),
            ("another type", 4, &[6]),
            ("data longer than the log", 28, &[0xFF, 0xFF, 0xFF, 0xFF]),
            ("data shorter than the header", 28, &[20]),
            ("an older signature", 46, b"0"),
            ("no hash", 56, &[0]),
            ("more hashes than the header has", 56, &[3]),
            ("the largest count of hashes", 56, &[0xFF, 0xFF, 0xFF, 0xFF]),
            ("a short SHA-1", 62, &[19]),
            ("an unknown hash of no bytes", 60, &[0x12, 0, 0, 0]),
            ("an unknown hash of 65 bytes", 60, &[0x12, 0, 65, 0]),
            ("the same hash twice", 64, &[4, 0, 20, 0]),
        ];
        let read = |log: &[u8]| Header::read(&mut Cursor::new("event log", log));
        assert!(read(&good).is_ok());
        for (name, at, bytes) in changes {
            let mut log = good.clone();
            log[at..at + bytes.len()].copy_from_slice(bytes);
            assert!(read(&log).is_err(), "{name}");
        }
        let mut unknown = good.clone();
        unknown[60..64].copy_from_slice(&[0x12, 0, 64, 0]);
        assert!(read(&unknown).is_ok());
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "{length}");
        }
    }
}

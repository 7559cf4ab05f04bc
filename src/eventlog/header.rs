//! The first event of a TCG crypto-agile log: which hashes its events have, how long their digests are, in which order.

use super::bytes::Bytes;
use super::event_type::EventType;
use crate::error::Result;
use crate::hash::bank::Bank;

/// The signature of `TCG_EfiSpecIDEvent` (TCG PC Client Platform Firmware Profile 1.05, section 10.4.5.1).
const SIGNATURE: &[u8; 16] = b"Spec ID Event03\0";
/// A TPM has at most so many hashes (TPM 2.0 Library, Part 2, `HASH_COUNT`; 16 in the reference code).
const MAX_ALGORITHMS: usize = 16;
/// The longest digest there is (TPM 2.0 Library, Part 2, `TPMU_HA`).
const MAX_DIGEST: u16 = 64;

/// A hash that the log's events have a digest of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    /// `TPM_ALG_ID`.
    pub id: u16,
    /// Bytes of a digest.
    pub size: u16,
}

/// The hashes of a log's events, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header(Vec<Algorithm>);

impl Header {
    /// The header of a log with these banks.
    #[must_use]
    pub fn of(banks: impl Iterator<Item = Bank>) -> Self {
        // No digest is longer than 64 bytes.
        #[allow(clippy::cast_possible_truncation)]
        Self(banks.map(|bank| Algorithm { id: bank.algorithm(), size: bank.digest_len() as u16 }).collect())
    }

    /// The hashes.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.0
    }

    /// Takes the header from the front of a log.
    ///
    /// # Errors
    /// When there is none: a log of the older format, with SHA-1 digests alone, is refused.
    pub fn take(log: &mut Bytes) -> Result<Self> {
        let start = log.clone();
        let old = || {
            start
                .error("no TCG crypto-agile log: it does not begin with \"Spec ID Event03\"")
                .hint("SHA-1-only logs are refused: what they say can be forged")
        };
        // TCG_PCR_EVENT, the older format's event: PCR, type, SHA-1 digest, data.
        if (log.u32()?, EventType(log.u32()?)) != (0, EventType::NO_ACTION) {
            return Err(old());
        }
        log.take(Bank::Sha1.digest_len())?;
        let mut data = Bytes::new(log.counted()?);
        if data.take(SIGNATURE.len()).ok() != Some(SIGNATURE) {
            return Err(old());
        }
        // Platform class, version (3 bytes), size of an UINTN: nothing here depends on them.
        data.take(4 + 3 + 1)?;
        let count = data.u32()? as usize;
        if !(1..=MAX_ALGORITHMS).contains(&count) {
            return Err(start.error(format!("its header lists {count} hashes")));
        }
        let mut algorithms: Vec<Algorithm> = Vec::with_capacity(count);
        for _ in 0..count {
            let algorithm = Algorithm { id: data.u16()?, size: data.u16()? };
            let known = Bank::of_algorithm(algorithm.id).map(Bank::digest_len);
            let wrong = known.is_some_and(|size| size != usize::from(algorithm.size));
            if wrong || algorithm.size == 0 || algorithm.size > MAX_DIGEST {
                let cause = format!("its header gives hash {:#06x} {} bytes", algorithm.id, algorithm.size);
                return Err(start.error(cause));
            }
            if algorithms.iter().any(|other| other.id == algorithm.id) {
                return Err(start.error(format!("its header lists hash {:#06x} twice", algorithm.id)));
            }
            algorithms.push(algorithm);
        }
        // The vendor's own bytes.
        let length = data.u8()?;
        data.take(usize::from(length))?;
        if !data.is_empty() {
            return Err(start.error("its header has bytes behind its end"));
        }
        Ok(Self(algorithms))
    }

    /// The header as the log's first event.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Class 0: a client. Version 2.0, errata 105: Platform Firmware Profile 1.05. UINTN 2: 64 bits.
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

/// What is encoded here are a few hashes and a line of JSON: far below 2^32.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn push_u32(to: &mut Vec<u8>, number: usize) {
    to.extend((number as u32).to_le_bytes());
}

/// The length, then the bytes.
pub(super) fn push_counted(to: &mut Vec<u8>, bytes: &[u8]) {
    push_u32(to, bytes.len());
    to.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back() {
        for banks in [&Bank::ALL[..], &Bank::ALL[1..2]] {
            let header = Header::of(banks.iter().copied());
            let encoded = header.encode();
            let mut bytes = Bytes::new(&encoded);
            assert_eq!(Header::take(&mut bytes).unwrap(), header);
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn a_malformed_header_is_refused() {
        let good = Header::of([Bank::Sha1, Bank::Sha256].into_iter()).encode();
        // The event: PCR 0-3, type 4-7, digest 8-27, length 28-31; in it: signature 32-47, count of hashes 56-59.
        let changes: [(&str, usize, &[u8]); 10] = [
            ("another PCR", 0, &[1]),
            ("another type", 4, &[6]),
            ("data longer than the log", 28, &[0xFF, 0xFF, 0xFF, 0xFF]),
            ("data shorter than the header", 28, &[20]),
            ("an older signature", 46, b"0"),
            ("no hash", 56, &[0]),
            ("more hashes than there are", 56, &[3]),
            ("hashes without end", 56, &[0xFF, 0xFF, 0xFF, 0xFF]),
            ("a short SHA-1", 62, &[19]),
            ("the same hash twice", 64, &[4, 0, 20, 0]),
        ];
        assert!(Header::take(&mut Bytes::new(&good)).is_ok());
        for (name, at, bytes) in changes {
            let mut log = good.clone();
            log[at..at + bytes.len()].copy_from_slice(bytes);
            assert!(Header::take(&mut Bytes::new(&log)).is_err(), "{name}");
        }
        for length in 0..good.len() {
            assert!(Header::take(&mut Bytes::new(&good[..length])).is_err(), "{length}");
        }
    }
}

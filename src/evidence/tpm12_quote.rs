//! The quote of a TPM 1.2, by `TPM_Quote2` or by the older `TPM_Quote` (TPM Main 1.2, Part 3, sections 16.3 and 16.5).
//!
//! `tpm_getquote` of tpm-quote-tools writes the signature alone. What the TPM signed follows from the nonce and from the values of the
//! PCRs, so it is built here, and never read: a value counts only if the TPM signed its digest.

use std::collections::BTreeMap;

use super::quote::Quote;
use super::selection::Selection;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// How many bytes a TPM 1.2 signs of a nonce (TPM Main 1.2, Part 2, section 5.5, `TPM_NONCE`). `tpm_getquote` refuses fewer, and does
/// not read more.
pub(super) const NONCE: usize = 20;
/// How `TPM_QUOTE_INFO` begins: the version 1.1.0.0 (section 11.3).
const QUOTE: &[u8] = b"\x01\x01\0\0QUOT";
/// How `TPM_QUOTE_INFO2` begins: `TPM_TAG_QUOTE_INFO2` (section 11.4).
const QUOTE2: &[u8] = b"\0\x36QUT2";
/// The lengths of a selection that TPMs have: for 16 PCRs, and for 24 (section 8.1, `TPM_PCR_SELECTION`).
const SELECTIONS: [u8; 2] = [2, 3];
/// `TPM_LOC_ZERO`: the quote was asked for from locality 0, as Linux does (section 8.6).
const LOCALITY: u8 = 1;

/// A quote of these PCRs for this nonce.
pub(super) struct Tpm12Quote<'a> {
    /// The values of all quoted PCRs.
    pub(super) values: &'a BTreeMap<Pcr, Digest>,
    /// The nonce of the verifier.
    pub(super) nonce: [u8; NONCE],
}

impl Tpm12Quote<'_> {
    /// Each structure that a TPM may have signed for this quote: two commands, two lengths of the selection.
    pub(super) fn messages(&self) -> Vec<Vec<u8>> {
        let fitting = SELECTIONS.into_iter().filter(|&length| self.values.keys().all(|pcr| pcr.get() / 8 < length));
        fitting.flat_map(|length| self.messages_with(&self.selection(length))).collect()
    }

    fn messages_with(&self, selection: &[u8]) -> [Vec<u8>; 2] {
        let values: Vec<_> = self.values.values().flat_map(|value| value.as_bytes().to_vec()).collect();
        // TPM_PCR_COMPOSITE (section 8.2). 24 values have 480 bytes.
        let length = u32::try_from(values.len()).unwrap_or(u32::MAX).to_be_bytes();
        let digest = Bank::Sha1.digest(&[selection, &length, &values].concat());
        let digest = digest.as_bytes();
        [[QUOTE2, &self.nonce, selection, &[LOCALITY], digest].concat(), [QUOTE, digest, &self.nonce].concat()]
    }

    /// `TPM_PCR_SELECTION` with a bitmap of `length` bytes.
    fn selection(&self, length: u8) -> Vec<u8> {
        let bits = self.values.keys().fold(0_u32, |bits, pcr| bits | 1 << pcr.get());
        [&[0, length], &bits.to_le_bytes()[..usize::from(length)]].concat()
    }

    /// The quote for the other checks.
    pub(super) fn quote(&self) -> Quote {
        let mut hasher = Bank::Sha1.hasher();
        for value in self.values.values() {
            hasher.update(value.as_bytes());
        }
        Quote {
            nonce: self.nonce.to_vec(),
            attested: None,
            selection: Selection::of_bank(Bank::Sha1, self.values.keys().copied()),
            hash: Bank::Sha1,
            digest: hasher.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(pcrs: &[u32]) -> Vec<String> {
        let values = pcrs.iter().map(|&pcr| (Pcr::try_from(pcr).unwrap(), Digest::zero(Bank::Sha1))).collect();
        Tpm12Quote { values: &values, nonce: [0xAA; NONCE] }.messages().iter().map(hex::encode).collect()
    }

    #[test]
    fn the_structure_is_the_one_that_a_tpm_signed() {
        let nonce = "aa".repeat(20);
        // What tpm_getpcrhash wrote of PCR 4 and 13 of a swtpm that had just started, but for the nonce.
        let quote2 = format!("003651555432{nonce}000310200001{}", "5ce334e578fe5c53da863a948758926c6e8fc268");
        let all = messages(&[4, 13]);
        assert!(all.len() == 4 && all.contains(&quote2), "{all:?}");
        let quote = format!("0101000051554f54{}{nonce}", "5ce334e578fe5c53da863a948758926c6e8fc268");
        assert!(all.contains(&quote), "{all:?}");
    }

    #[test]
    fn a_pcr_beyond_the_sixteenth_is_not_in_the_short_selection() {
        assert_eq!(messages(&[15]).len(), 4);
        let all = messages(&[13, 16]);
        assert!(all.len() == 2 && all[0].contains("0003002001"), "{all:?}");
    }
}

//! Which PCRs of which banks a TPM selected, and in which order: `TPML_PCR_SELECTION` (TPM 2.0 Library, Part 2, section
//! 10.9.7).

use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::{Pcr, PcrIndex};

/// The length of a bitmap of the 24 PCRs of a PC, in bytes (TCG PC Client Platform TPM Profile 1.05, section 4.6:
/// `PCR_SELECT_MIN`).
const BITMAP: u8 = 3;
/// The most banks of a TPM (TPM 2.0 Library, Part 2, `HASH_COUNT`; 16 in tpm2-tss, `TPM2_NUM_PCR_BANKS`).
const MOST_BANKS: u32 = 16;

/// Encodes the selection of one PCR in each of `banks`.
pub(super) fn encode_one(pcr: PcrIndex, banks: &[Bank]) -> Vec<u8> {
    let (mut count, mut list) = (0_u32, Vec::new());
    for &bank in banks {
        count += 1;
        list.extend(bank.algorithm().to_be_bytes());
        list.push(BITMAP);
        list.extend(&(1_u32 << pcr.get()).to_le_bytes()[..usize::from(BITMAP)]);
    }
    [count.to_be_bytes().as_slice(), &list].concat()
}

/// The selected PCRs, in the order in which the TPM hashed their values: the banks in the order of the list, and in each bank
/// the PCRs by number (TPM 2.0 Library, Part 1, section 17.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Vec<(Bank, Pcr)>);

impl Selection {
    /// These PCRs of one bank, by number.
    pub(super) fn of_bank(bank: Bank, pcrs: impl Iterator<Item = Pcr>) -> Self {
        let mut pcrs: Vec<_> = pcrs.collect();
        pcrs.sort_unstable();
        Self(pcrs.into_iter().map(|pcr| (bank, pcr)).collect())
    }

    /// Reads the list.
    ///
    /// # Errors
    /// If it is malformed, or if it selects a PCR whose value cannot be computed here.
    pub(super) fn read(cursor: &mut Cursor) -> Result<Self> {
        let count = cursor.u32_be()?;
        if count > MOST_BANKS {
            return Err(cursor.error(format_args!("selects PCRs of {count} banks, but a TPM has at most {MOST_BANKS}")));
        }
        let mut selected = Vec::new();
        for _ in 0..count {
            let (algorithm, length) = (cursor.u16_be()?, cursor.u8()?);
            let bitmap = cursor.take(usize::from(length))?;
            let set = (0_u32..).zip(bitmap.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)));
            let set: Vec<_> = set.filter(|(_, set)| *set).map(|(number, _)| Pcr::try_from(number)).collect();
            let pcrs = set.into_iter().collect::<Result<Vec<_>>>()?;
            match Bank::of_algorithm(algorithm) {
                Some(bank) => selected.extend(pcrs.into_iter().map(|pcr| (bank, pcr))),
                // If a requested bank is not active, the TPM keeps it in the list, but selects none of its PCRs.
                None if pcrs.is_empty() => {}
                None => {
                    return Err(cursor.error(format_args!("selects PCRs of a bank {algorithm:#06x} that is not known")));
                }
            }
        }
        Ok(Self(selected))
    }

    /// The banks in which `pcr` is selected.
    pub(super) fn banks(&self, pcr: Pcr) -> Vec<Bank> {
        self.0.iter().filter(|(_, selected)| *selected == pcr).map(|(bank, _)| *bank).collect()
    }

    /// Every selected PCR with its bank, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Bank, Pcr)> {
        self.0.iter().copied()
    }

    /// The hash of the selected values in order, as a quote has it (TPM 2.0 Library, Part 3, section 18.4). `None` if `value`
    /// lacks one of them.
    pub(super) fn digest<'a>(&self, hash: Bank, value: impl Fn(Bank, Pcr) -> Option<&'a Digest>) -> Option<Digest> {
        let mut hasher = hash.hasher();
        for &(bank, pcr) in &self.0 {
            hasher.update(value(bank, pcr)?.as_bytes());
        }
        Some(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(count: u8, bitmap: [u8; 3]) -> Result<Selection> {
        // SM3-256, which is not known here.
        let bank = [0, 0x12, 3, bitmap[0], bitmap[1], bitmap[2]];
        let list = [&[0, 0, 0, count][..], &bank.repeat(count.into())].concat();
        Selection::read(&mut Cursor::new("quote", &list))
    }

    #[test]
    fn sixteen_banks_may_be_listed_and_an_unknown_one_only_without_pcrs() {
        assert_eq!(read(16, [0, 0, 0]).unwrap(), Selection(Vec::new()));
        assert!(read(17, [0, 0, 0]).unwrap_err().to_string().contains("at most 16"));
        assert!(read(1, [0, 0x20, 0]).unwrap_err().to_string().contains("a bank 0x0012 that is not known"));
    }
}

//! Which PCRs of which banks: `TPML_PCR_SELECTION` (TPM 2.0 Library, Part 2, section 10.9.7).

use crate::bank::Bank;
use crate::pcr::PcrIndex;

/// Bytes of a bitmap that has the 24 PCRs of a PC (TCG PC Client Platform TPM Profile 1.05, section 4.6: `PCR_SELECT_MIN`).
const BITMAP: u8 = 3;

/// `TPM_ALG_ID` of a bank's hash (TCG Algorithm Registry 1.34, table 3).
#[must_use]
pub fn algorithm(bank: Bank) -> u16 {
    match bank {
        Bank::Sha1 => 0x0004,
        Bank::Sha256 => 0x000b,
        Bank::Sha384 => 0x000c,
        Bank::Sha512 => 0x000d,
    }
}

/// The list that selects one PCR in each of `banks`, as it goes over the wire.
#[must_use]
pub fn of_one(pcr: PcrIndex, banks: &[Bank]) -> Vec<u8> {
    let (mut count, mut list) = (0_u32, Vec::new());
    for &bank in banks {
        count += 1;
        list.extend(algorithm(bank).to_be_bytes());
        list.push(BITMAP);
        list.extend(&(1_u32 << pcr.get()).to_le_bytes()[..usize::from(BITMAP)]);
    }
    [count.to_be_bytes().as_slice(), &list].concat()
}

//! `--pcrs`: the PCRs that are quoted, in the notation of tpm2-tools, such as `sha256:0,4,13+sha384:13`.

use std::str::FromStr;

use crate::cmdline::number::decimal;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::measure::pcr::Pcr;

/// The PCRs of each bank, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PcrList(pub(super) Vec<(Bank, Pcr)>);

/// PCR 0 to 14 but 10, which Linux's IMA extends, with a log of its own: what the page about evidence says to quote.
const USUAL: [u32; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14];

impl PcrList {
    /// The usual PCRs in one of the active banks: the first of SHA-256, SHA-384, SHA-512 and SHA-1 that is active.
    ///
    /// # Errors
    /// If none is.
    pub(super) fn usual(active: &[Bank]) -> Result<Self> {
        let preferred = [Bank::Sha256, Bank::Sha384, Bank::Sha512, Bank::Sha1];
        let bank = preferred.into_iter().find(|bank| active.contains(bank));
        let bank = bank.ok_or_else(|| Error::new("TPM", "no bank of its PCRs is active"))?;
        USUAL.into_iter().map(|pcr| Ok((bank, Pcr::try_from(pcr)?))).collect::<Result<_>>().map(Self)
    }
}

impl FromStr for PcrList {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || Error::new(text, "is no list of PCRs").hint("as in tpm2_quote: sha256:0,4,13+sha384:13");
        let mut list = Vec::new();
        for part in text.split('+') {
            let (bank, pcrs) = part.split_once(':').ok_or_else(malformed)?;
            let bank: Bank = bank.parse()?;
            for number in pcrs.split(',') {
                let number = decimal(number).and_then(|number| u32::try_from(number).ok()).ok_or_else(malformed)?;
                list.push((bank, Pcr::try_from(number)?));
            }
        }
        list.sort_unstable();
        if list.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(malformed());
        }
        Ok(Self(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_tpm2_tools_read_it() {
        let pcr = |pcr| Pcr::try_from(pcr).unwrap();
        let list: PcrList = "sha384:13+sha256:4,0".parse().unwrap();
        assert_eq!(list.0, [(Bank::Sha256, pcr(0)), (Bank::Sha256, pcr(4)), (Bank::Sha384, pcr(13))]);
        for wrong in
            ["", "13", "sha256", "sha256:", "sha256:a", "sha256:24", "md5:1", "sha256:1,1", "sha256:1+", "sha256:01"]
        {
            assert!(wrong.parse::<PcrList>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_best_active_bank_is_quoted() {
        for (active, bank) in [(&Bank::ALL[..], Bank::Sha256), (&[Bank::Sha1, Bank::Sha512], Bank::Sha512)] {
            let PcrList(list) = PcrList::usual(active).unwrap();
            assert!(list.len() == 14 && list.iter().all(|(quoted, _)| *quoted == bank), "{list:?}");
        }
        assert!(PcrList::usual(&[]).is_err());
    }
}

//! What the list has and what is quoted, if they have no bank in common that counts: then they cannot be compared.

use serde::Serialize;

use crate::hash::bank::Bank;

/// The banks of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OtherBanks {
    /// Those that the entry of the list has.
    #[serde(rename = "expected_banks")]
    pub(super) expected: Vec<Bank>,
    /// Those in which the PCR is quoted.
    #[serde(rename = "quoted_banks")]
    pub(super) quoted: Vec<Bank>,
    /// Whether the quote is that of a TPM 1.2, which has no better bank.
    #[serde(skip)]
    pub(super) is_of_tpm12: bool,
}

impl OtherBanks {
    /// Which of the two has what.
    pub(super) fn words(&self) -> String {
        let Self { expected, quoted, .. } = self;
        let counts = if self.common().next().is_some() { ", and sha1 counts only with --sha1" } else { "" };
        format!("the entry of the list has {}, the quote has {}{counts}", names(expected), names(quoted))
    }

    /// The same, and what to do.
    pub(super) fn advice(&self) -> String {
        if self.is_of_tpm12 {
            let advice = "a TPM 1.2 has no other bank: add the entry again with predict --bank sha1 --allow-entry";
            return format!("{} ({advice})", self.words());
        }
        let better = |banks: &[Bank]| banks.iter().copied().find(|&bank| bank != Bank::Sha1);
        let quote = better(&self.expected).map(|bank| format!("quote {bank}"));
        let predict = better(&self.quoted).map(|bank| format!("add the entry again with predict --bank {bank}"));
        let accept = self.common().next().map(|bank| format!("accept {bank} with --sha1"));
        let neither = (quote.is_none() && predict.is_none() && accept.is_none())
            .then(|| "quote a better bank, and add the entry again with predict".to_owned());
        let all: Vec<_> = [predict, quote, accept, neither].into_iter().flatten().collect();
        format!("{} ({})", self.words(), all.join(", or "))
    }

    /// The banks that both have. They do not count.
    fn common(&self) -> impl Iterator<Item = &Bank> {
        self.expected.iter().filter(|bank| self.quoted.contains(bank))
    }
}

fn names(banks: &[Bank]) -> String {
    match banks {
        [] => "none".to_owned(),
        [one] => format!("{one} alone"),
        banks => banks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_who_lacks_what_and_what_to_do() {
        let (old, good, long) = (Bank::Sha1, Bank::Sha256, Bank::Sha384);
        for (expected, quoted, words) in [
            (
                &[old][..],
                &[good][..],
                "has sha1 alone, the quote has sha256 alone (add the entry again with predict --bank sha256)",
            ),
            (
                &[long],
                &[good],
                "has sha384 alone, the quote has sha256 alone (add the entry again with predict --bank sha256, or quote sha384)",
            ),
            (
                &[old, good],
                &[old],
                "has sha1, sha256, the quote has sha1 alone, and sha1 counts only with --sha1 (quote sha256, or accept sha1 with --sha1)",
            ),
            (
                &[old],
                &[old],
                "has sha1 alone, the quote has sha1 alone, and sha1 counts only with --sha1 (accept sha1 with --sha1)",
            ),
        ] {
            let banks = OtherBanks { expected: expected.to_vec(), quoted: quoted.to_vec(), is_of_tpm12: false };
            assert_eq!(banks.advice(), format!("the entry of the list {words}"));
        }
        let banks = OtherBanks { expected: vec![good], quoted: vec![old], is_of_tpm12: true };
        let words = "the entry of the list has sha256 alone, the quote has sha1 alone (a TPM 1.2 has no other bank: add the entry again \
                     with predict --bank sha1 --allow-entry)";
        assert_eq!(banks.advice(), words);
    }
}

//! The time that a pass may take, as it follows from the times of its hashes alone on this machine.

use measureroot::internal::hash::{Bank, Sha256Pair};

/// The tree beside SHA-256, in times of SHA-256 alone, if the processor has SHA instructions: the two nearly share a time.
const TREE_BESIDE: f64 = 0.15;
/// A pass may take this many times its limit: the rest is noise of the machine, and the first and last block, which not all
/// processors have.
pub(crate) const TOLERANCE: f64 = 1.08;

/// What a user of a TPM with these banks gets, with the tree: banks, processors, and times of the slowest bank.
const MOST: [(&[Bank], usize, f64); 3] =
    [(&[Bank::Sha256], 1, 1.35), (&[Bank::Sha1, Bank::Sha256], 1, 2.2), (&[Bank::Sha1, Bank::Sha256], 2, 1.2)];

/// The shortest times of single hashes, in milliseconds.
pub(crate) struct Alone {
    /// Of each bank.
    pub(crate) banks: Vec<(Bank, f64)>,
    /// Of the tree.
    pub(crate) tree: f64,
}

impl Alone {
    fn bank(&self, bank: Bank) -> f64 {
        self.banks.iter().find(|(known, _)| *known == bank).unwrap().1
    }

    /// The slowest of the banks: what a user waits for in any case.
    pub(crate) fn slowest(&self, banks: &[Bank]) -> f64 {
        banks.iter().map(|&bank| self.bank(bank)).fold(0.0, f64::max)
    }

    /// The slowest bank or lane, or the share of each processor in all the work. With SHA instructions, no pass with the usual banks may
    /// take more than [`MOST`] times the slowest bank.
    pub(crate) fn limit(&self, banks: &[Bank], tree: bool, processors: usize) -> f64 {
        let beside = banks.contains(&Bank::Sha256) && Sha256Pair::of_processor().is_faster();
        let tree = match (tree, beside) {
            (false, _) => 0.0,
            (true, true) => TREE_BESIDE * self.bank(Bank::Sha256),
            (true, false) => self.tree,
        };
        let work: f64 = tree + banks.iter().map(|&bank| self.bank(bank)).sum::<f64>();
        #[allow(clippy::cast_precision_loss)] // There are fewer than 2^52 processors.
        let share = work / processors as f64;
        // With fewer processors than that, SHA-256 and the tree are one lane.
        let lane = if beside && processors <= banks.len() { tree + self.bank(Bank::Sha256) } else { 0.0 };
        let limit = self.slowest(banks).max(share).max(lane);
        let most = MOST.iter().find(|most| beside && (most.0, most.1) == (banks, processors));
        most.map_or(limit, |most| limit.min(most.2 * self.slowest(banks)))
    }
}

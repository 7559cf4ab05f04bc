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

    /// The tree's part of the work, if it is built.
    fn tree_beside(&self, banks: &[Bank], tree: bool) -> f64 {
        match (tree, beside(banks)) {
            (false, _) => 0.0,
            (true, true) => TREE_BESIDE * self.bank(Bank::Sha256),
            (true, false) => self.tree,
        }
    }

    /// All the work, on one processor.
    pub(crate) fn work(&self, banks: &[Bank], tree: bool) -> f64 {
        self.tree_beside(banks, tree) + banks.iter().map(|&bank| self.bank(bank)).sum::<f64>()
    }

    /// The slowest bank or lane, or the share of each processor in all the work. With SHA instructions, no pass with the usual banks may
    /// take more than [`MOST`] times the slowest bank.
    pub(crate) fn limit(&self, banks: &[Bank], tree: bool, processors: usize) -> Limit {
        let beside = beside(banks);
        let tree = self.tree_beside(banks, tree);
        let work = self.work(banks, tree > 0.0);
        #[allow(clippy::cast_precision_loss)] // There are fewer than 2^52 processors.
        let share = work / processors as f64;
        // With fewer processors than that, SHA-256 and the tree are one lane.
        let lane = if beside && processors <= banks.len() { tree + self.bank(Bank::Sha256) } else { 0.0 };
        let slowest = self.slowest(banks);
        let limits = [(slowest, "slowest hash"), (share, "all processors busy"), (lane, "SHA-256 with tree")];
        let most = limits.into_iter().fold((0.0, ""), |most, limit| if limit.0 > most.0 { limit } else { most });
        let goals = MOST.iter().filter(|goal| beside && (goal.0, goal.1) == (banks, processors));
        let least = goals
            .map(|goal| (goal.2 * slowest, "goal"))
            .fold(most, |least, goal| if goal.0 < least.0 { goal } else { least });
        Limit { milliseconds: least.0, reason: least.1 }
    }
}

/// Whether SHA-256 and the tree nearly share a time.
fn beside(banks: &[Bank]) -> bool {
    banks.contains(&Bank::Sha256) && Sha256Pair::of_processor().is_faster()
}

/// The time that a row may take.
pub(crate) struct Limit {
    pub(crate) milliseconds: f64,
    /// What the time follows from.
    pub(crate) reason: &'static str,
}

impl Limit {
    /// The row's last columns: the limit, the row's share in it, the reason, and whether the row is over it. The second value is whether
    /// the row keeps to it.
    pub(crate) fn columns(&self, least: f64) -> (String, bool) {
        let of_limit = least / self.milliseconds;
        let keeps = of_limit <= TOLERANCE;
        let verdict = if keeps { "" } else { "  OVER ITS LIMIT" };
        (format!("{:9.1}  {of_limit:9.2}  {}{verdict}", self.milliseconds, self.reason), keeps)
    }
}

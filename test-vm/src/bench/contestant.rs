//! The contestants: the agent with several banks and seals, and the shell pipeline that it replaces.

use crate::{Bank, SealChoice};
use std::path::{Path, PathBuf};

/// One initramfs with its parameters.
#[derive(Debug)]
pub(super) struct Contestant {
    name: String,
    /// Its initramfs.
    pub(super) initramfs: PathBuf,
    /// The active banks of the TPM.
    pub(super) banks: &'static [Bank],
    /// The words that only it gets on the command line.
    pub(super) parameters: Vec<String>,
}

impl Contestant {
    /// All of them: the pipelines first, for their times are the ones to compare with.
    pub(super) fn all(products: &Path, agent: &Path) -> Vec<Self> {
        let shell = |sums: &str| Self {
            name: format!("shell-{sums}"),
            initramfs: products.join(format!("pipeline-{sums}/cpio.zst")),
            banks: &[Bank::Sha1],
            parameters: Vec::new(),
        };
        let banks: [&[Bank]; 4] = [&[Bank::Sha1], &[Bank::Sha256], &[Bank::Sha1, Bank::Sha256], &Bank::ALL];
        let mut all = vec![shell("busybox"), shell("coreutils")];
        all.extend(banks.map(|banks| Self::agent("agent", agent, banks, &[SealChoice::None.parameter()])));
        // The cost of the seals. The pipeline has no seal.
        all.extend(
            [("agent,verity", SealChoice::Verity), ("agent,ram", SealChoice::Ram)]
                .map(|(name, seal)| Self::agent(name, agent, &[Bank::Sha1, Bank::Sha256], &[seal.parameter()])),
        );
        all
    }

    /// The agent in the initramfs `agent`.
    pub(super) fn agent(name: &str, agent: &Path, banks: &'static [Bank], parameters: &[&str]) -> Self {
        let parameters = parameters.iter().map(ToString::to_string).collect();
        Self { name: name.into(), initramfs: agent.into(), banks, parameters }
    }

    /// Its name and its banks.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.name, self.bank_names())
    }

    /// Its name without the seal.
    pub(super) fn program(&self) -> &str {
        self.name.split(',').next().unwrap_or_default()
    }

    /// The banks' names, joined by "+", as the folder of the TPM's state is called.
    pub(super) fn bank_names(&self) -> String {
        self.banks.iter().map(|bank| bank.name()).collect::<Vec<_>>().join("+")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pipelines_come_first_and_each_title_is_unique() {
        let all = Contestant::all(Path::new("/products"), Path::new("/agent"));
        let mut titles: Vec<_> = all.iter().map(Contestant::title).collect();
        assert_eq!(titles[..2], ["shell-busybox sha1", "shell-coreutils sha1"]);
        assert!(titles.contains(&"agent,verity sha1+sha256".into()));
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), all.len());
    }
}

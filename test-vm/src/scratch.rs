//! A temporary folder of one VM or one test.

use crate::{Result, tool};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A temporary folder, deleted on drop.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes a new folder in the system's temporary folder. Its path is short: a socket's path has at most 107 bytes.
    pub fn new() -> Result<Self> {
        let made = tool::output(Duration::from_secs(10), "mktemp", ["-d", "-t", "measureroot.XXXXXXXX"])?;
        Ok(Self(PathBuf::from(made.trim_end())))
    }

    /// The path of `name` in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that cannot be deleted does not make a scenario fail that has its answer.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

//! The files of the checkout, and what `test-vm/images` and `initramfs/build` leave under target/.

use crate::{Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the checkout.
#[must_use]
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of a file of the checkout.
pub fn text(path: &str) -> Result<String> {
    Ok(fs::read_to_string(checkout().join(path)).map_err(|cause| format!("{path}: {cause}"))?)
}

/// A file or folder under the checkout's target folder. It must exist.
pub fn product(name: &str) -> Result<PathBuf> {
    let path = checkout().join("target").join(name);
    ensure!(path.exists(), "{} is missing (initramfs/build and test-vm/images make it)", path.display());
    Ok(path.canonicalize()?)
}

/// The guest's probe for x86-64.
pub fn probe() -> Result<PathBuf> {
    product("test-vm/probe/x86_64-unknown-linux-gnu/release/probe")
}

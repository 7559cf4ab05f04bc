//! Programs that the firmware accepts with Secure Boot.

use crate::{Result, scratch::Scratch, tool};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Debian's key for tests. The variables of [`crate::Firmware::SecureBoot`] have its certificate in PK, KEK and db, and everybody has
/// its pass phrase (`/usr/share/doc/ovmf/README.Debian`).
const KEY: &str = "/usr/share/ovmf/PkKek-1-snakeoil";

/// A signed copy of a program.
pub fn signed(program: &Path, scratch: &Scratch) -> Result<PathBuf> {
    let name = program.file_name().ok_or("a program has a name")?;
    let signed = scratch.path(&format!("signed.{}", name.display()));
    let mut sign = tool::limited(Duration::from_secs(60), "osslsigncode");
    sign.args([
        "sign",
        "-h",
        "sha256",
        "-pass",
        "snakeoil",
        "-certs",
        &format!("{KEY}.pem"),
        "-key",
        &format!("{KEY}.key"),
    ]);
    tool::finish(sign.arg("-in").arg(program).arg("-out").arg(&signed))?;
    Ok(signed)
}

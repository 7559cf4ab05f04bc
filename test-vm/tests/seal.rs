//! The bytes that were measured are the bytes that run, also on a medium that answers the second read differently.

use test_vm::{Image, Lying, Result, Vm, ensure};

/// What the image says, and what the disk says the second time.
const TRUTH: &str = "the bytes that were measured";
const LIE: &str = "the bytes somebody else sent";

/// A file with the truth in its middle, far from the blocks of any other file.
fn secret() -> String {
    let filler = "0123456789abcde\n".repeat(1024);
    format!("{filler}{TRUTH}\n{filler}")
}

/// Without a seal the lie arrives, and the PCR does not show it.
fn is_deceived(format: &str) -> Result<()> {
    let image = Image::plain(format, &secret())?;
    let disk = Lying::about(&image, TRUTH.as_bytes(), LIE.as_bytes())?;
    let mut guest = Vm::new("root=/dev/vda").lying_disk(&disk).boots()?;
    assert_eq!(disk.reads(), 1, "reads of the secret until the root runs");
    ensure!(guest.read("/secret")? == secret().replace(TRUTH, LIE).trim_end(), "the attack does not work");
    ensure!(disk.reads() > 1, "the lie came from nowhere");
    guest.ends_measured(&image).map(drop)
}

#[test]
fn without_a_seal_a_squashfs_that_lies_is_believed() -> Result<()> {
    is_deceived("squashfs")
}

#[test]
fn without_a_seal_an_erofs_that_lies_is_believed() -> Result<()> {
    is_deceived("erofs")
}

#[test]
fn without_a_seal_an_ext4_that_lies_is_believed() -> Result<()> {
    is_deceived("ext4")
}

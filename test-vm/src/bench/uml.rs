//! One boot of user-mode Linux.

use super::{contestant::Contestant, record::Record};
use crate::{Bank, Result, ensure, scratch::Scratch, tool};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A PCR per bank, in hex.
pub(super) type Pcrs = BTreeMap<Bank, String>;

/// User-mode Linux, and the folder of its runs. Each run overwrites the files there.
#[derive(Debug)]
pub(super) struct Uml<'a> {
    /// What the script made.
    pub(super) products: &'a Path,
    /// The folder of the runs.
    pub(super) scratch: &'a Scratch,
    /// The time limit of a boot.
    pub(super) limit: Duration,
}

/// The time limit of a boot with an image of so many MiB. On a slow machine, the slowest contestant needs a tenth of it.
pub(super) fn limit(mebibytes: u64) -> Duration {
    Duration::from_secs(60 + mebibytes / 4)
}

/// The PCR per bank after the digest of `measured` was extended once. coreutils compute it.
pub(super) fn extended_once(measured: &Path) -> Result<Pcrs> {
    Bank::ALL.into_iter().map(|bank| Ok((bank, bank.extend(&bank.zeros(), &bank.of_file(measured)?)?))).collect()
}

impl Uml<'_> {
    /// Boots `contestant` with `image`, and with a second disk. The TPM must hold the `expected` values in all its banks.
    pub(super) fn boot(
        &self,
        contestant: &Contestant,
        image: &Path,
        second: Option<&Path>,
        expected: &Pcrs,
    ) -> Result<Record> {
        let (initrd, console) = (self.scratch.path("initrd"), self.scratch.path("console"));
        let state = self.products.join(format!("tpm-{}/cpio.zst", contestant.bank_names()));
        join(&[&self.products.join("bench-part/cpio.zst"), &state, &contestant.initramfs], &initrd)?;
        let mut linux = tool::limited(self.limit, self.products.join("kernel/linux"));
        // The guest's memory is a file. It must be in the host's memory and not on its disk.
        linux.env("TMPDIR", "/dev/shm").stdin(Stdio::null());
        linux.args([format!("uml_dir={}/", self.scratch.folder().display()), format!("ubd0r={}", image.display())]);
        linux.args(second.map(|disk| format!("ubd1r={}", disk.display())));
        linux.arg(format!("initrd={}", initrd.display()));
        // Only with seccomp may the guest have several processors, and 64 at most: kernel-fragments/uml.cfg.
        let processors = std::thread::available_parallelism()?.get().min(64);
        linux.args(["seccomp=on".into(), format!("ncpus={processors}")]);
        linux.args(["mem=1024M", "rdinit=/bench/start", "con=null", "con0=fd:0,fd:1", "console=tty0", "panic=-1"]);
        linux.args(["root=/dev/ubda", "rootimgpcr=13", "init=/sbin/init"]).args(&contestant.parameters);
        let output = File::create(&console)?;
        let ended = linux.stdout(output.try_clone()?).stderr(output).status()?;
        let said = String::from_utf8_lossy(&std::fs::read(&console)?).into_owned();
        let title = contestant.title();
        let record =
            Record::read(&said).map_err(|cause| format!("{said}\n{title}: {cause} ({ended}; the console is above)"))?;
        ensure!(ended.success(), "{said}\n{title}: the guest ended with {ended}; its console is above");
        check(&record.pcr, contestant.banks, expected).map_err(|cause| format!("{title}: {cause}"))?;
        Ok(record)
    }
}

fn check(held: &Pcrs, banks: &[Bank], expected: &Pcrs) -> Result<()> {
    let held: Pcrs = held.iter().map(|(bank, value)| (*bank, value.to_lowercase())).collect();
    let wanted: Pcrs = banks.iter().filter_map(|bank| Some((*bank, expected.get(bank)?.clone()))).collect();
    ensure!(held == wanted, "PCR 13 is {held:?}, not {wanted:?}");
    Ok(())
}

// The kernel unpacks one archive after the other. Each starts at a multiple of four bytes.
fn join(parts: &[&Path], joined: &Path) -> Result<()> {
    let mut to = File::create(joined)?;
    for part in parts {
        let mut bytes = std::fs::read(part).map_err(|cause| format!("{}: {cause}", part.display()))?;
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        to.write_all(&bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pcrs(values: &[(Bank, &str)]) -> Pcrs {
        values.iter().map(|(bank, value)| (*bank, (*value).to_owned())).collect()
    }

    #[test]
    fn exactly_the_banks_of_the_tpm_must_hold_what_is_expected() {
        let expected = pcrs(&[(Bank::Sha1, "aa"), (Bank::Sha256, "bb")]);
        for (held, good) in [
            (pcrs(&[(Bank::Sha1, "AA")]), true),
            (pcrs(&[(Bank::Sha1, "ab")]), false),
            (pcrs(&[]), false),
            (pcrs(&[(Bank::Sha1, "aa"), (Bank::Sha256, "bb")]), false),
        ] {
            assert_eq!(check(&held, &[Bank::Sha1], &expected).is_ok(), good, "{held:?}");
        }
    }

    #[test]
    fn archives_are_joined_at_multiples_of_four() -> Result<()> {
        let scratch = Scratch::new()?;
        let (one, two, joined) = (scratch.path("1"), scratch.path("2"), scratch.path("joined"));
        std::fs::write(&one, b"abcde")?;
        std::fs::write(&two, b"fghi")?;
        join(&[&one, &two], &joined)?;
        assert_eq!(std::fs::read(&joined)?, b"abcde\0\0\0fghi");
        Ok(())
    }
}

//! The evidence of a machine: its logs, and a quote that its TPM makes when the machine has stopped.

use crate::{Guest, Result, StoppedVm, bank, ensure, scratch::Scratch, tool, tpm_channel::TpmChannel};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The firmware's log with measureroot's events behind it.
const LOG: &str = "/run/measureroot/binary_bios_measurements";
/// The PCRs of firmware and boot, but PCR 10: Linux's IMA has a log of its own.
const QUOTED: &str = "sha256:0,1,2,3,4,5,6,7,8,9,11,12,13,14";
const NONCE: &[u8] = b"a nonce of the verifier";

/// Evidence in a folder, and the machine that it is of.
#[derive(Debug)]
pub struct Evidence {
    folder: Scratch,
    vm: StoppedVm,
}

impl Evidence {
    /// Takes the log, switches the machine off, and quotes its PCRs.
    pub fn of(mut guest: Guest) -> Result<Self> {
        let folder = Scratch::new()?;
        std::fs::write(folder.path("log"), guest.bytes(LOG)?.content)?;
        let evidence = Self { folder, vm: guest.power_off()? };
        evidence.quote()?;
        Ok(evidence)
    }

    fn quote(&self) -> Result<()> {
        let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign";
        let nonce = bank::hex(NONCE);
        let make = format!("tpm2_createprimary -Q -C e -G ecc256:ecdsa-sha256:null -a {attributes} -c ak.ctx");
        let quote = format!("tpm2_quote -Q -c ak.ctx -l {QUOTED} -q {nonce} -m quote -s signature -o pcrs");
        TpmChannel::connect(&self.vm.tpm()?.control())?.serve(|device| {
            for line in [&make, "tpm2_readpublic -Q -c ak.ctx -o ak.pub", &quote] {
                // There is no resource manager.
                for line in [line, "tpm2_flushcontext --transient-object"] {
                    let mut words = line.split(' ');
                    let mut command = tool::limited(Duration::from_secs(30), words.next().unwrap_or_default());
                    let device = format!("device:{}", device.display());
                    tool::finish(command.args(words).current_dir(self.folder.folder()).env("TPM2TOOLS_TCTI", device))?;
                }
            }
            Ok(())
        })
    }

    /// The machine.
    #[must_use]
    pub fn vm(&self) -> &StoppedVm {
        &self.vm
    }

    /// The path of the log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.path("log")
    }

    /// Makes a list that trusts such a boot: of what these options of `measureroot predict` name, and of a root image. It must trust
    /// this one.
    pub fn is_trusted<A: AsRef<OsStr>>(&self, options: &[A], image: &Path, list: &Path) -> Result<()> {
        let mut predict = tool::measureroot(Duration::from_secs(60))?;
        predict.arg("predict").args(options).args(["--name", "release 7", "--allow-entry"]).arg(list).arg(image);
        tool::finish(&mut predict)?;
        self.judged(list)?.is(0, "trusted: release 7\n")
    }

    /// The verdict of `measureroot verify` with this list of trusted images.
    pub fn judged(&self, list: &Path) -> Result<Verdict> {
        let mut verify = tool::measureroot(Duration::from_secs(60))?;
        verify.args([
            "verify",
            "--quote",
            "quote",
            "--signature",
            "signature",
            "--key",
            "ak.pub",
            "--pcrs",
            "pcrs",
            "--log",
            "log",
        ]);
        verify.args(["--nonce", &bank::hex(NONCE), "--allow"]).arg(list);
        Verdict::of(verify.current_dir(self.folder.folder()))
    }
}

/// The answer of `measureroot verify`.
#[derive(Debug)]
pub struct Verdict {
    code: Option<i32>,
    text: String,
}

impl Verdict {
    /// Runs `measureroot verify`.
    pub fn of(verify: &mut std::process::Command) -> Result<Self> {
        let done = verify.output()?;
        let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Ok(Self { code: done.status.code(), text: said })
    }

    /// Checks the exit code and the start of the text.
    pub fn is(&self, code: i32, start: &str) -> Result<()> {
        ensure!(self.code == Some(code) && self.text.starts_with(start), "{:?} {}", self.code, self.text);
        Ok(())
    }

    /// Checks that lines begin with these words.
    pub fn says(&self, starts: &[&str]) -> Result<()> {
        let is_said = |start: &&str| self.text.lines().any(|line| line.starts_with(*start));
        ensure!(starts.iter().all(is_said), "{starts:?} are not all in {}", self.text);
        Ok(())
    }

    /// Checks that the machine is not trusted, and that the reason has these words.
    pub fn is_against(&self, words: &str) -> Result<()> {
        self.is(3, "not trusted: ")?;
        let reason = self.text.lines().next().unwrap_or_default();
        ensure!(reason.contains(words), "{words:?} is not in {}", self.text);
        Ok(())
    }
}

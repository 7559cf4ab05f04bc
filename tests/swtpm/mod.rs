//! A software TPM as a device: swtpm is at one end of a pseudo-terminal, and the other end is the device. So the tests run the
//! code of the boot without a TPM in the machine.
#![allow(dead_code)] // Each test uses a part of it.

pub(crate) mod attacks;
pub(crate) mod bus;
pub(crate) mod left;
pub(crate) mod version12;

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

/// A pseudo-terminal that passes every byte as it is.
pub(crate) struct Pty {
    /// The end of the TPM.
    pub tpm: OwnedFd,
    /// The end of the programs. While it is open, the TPM sees no hang-up between two programs.
    pub device: OwnedFd,
    /// The path of the device.
    pub path: PathBuf,
}

/// Opens a new pseudo-terminal.
pub(crate) fn pty() -> Pty {
    let pty = openpty(None, None).unwrap();
    let mut settings = tcgetattr(&pty.slave).unwrap();
    cfmakeraw(&mut settings);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &settings).unwrap();
    let path = std::fs::read_link(format!("/proc/self/fd/{}", pty.slave.as_raw_fd())).unwrap();
    Pty { tpm: pty.master, device: pty.slave, path }
}

/// A software TPM at one end of a pseudo-terminal; the other end is the device.
pub(crate) struct Swtpm {
    process: Child,
    /// The path of the device.
    pub device: PathBuf,
    _open: OwnedFd,
    state: tempfile::TempDir,
}

impl Swtpm {
    /// A TPM with these active banks that has just started.
    pub(crate) fn start(banks: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().to_str().unwrap();
        let setup = Command::new("swtpm_setup")
            .args(["--tpm2", "--tpmstate", folder, "--pcr-banks", banks, "--overwrite"])
            .stdout(Stdio::null())
            .status();
        assert!(setup.expect("swtpm_setup: install swtpm-tools").success());
        let Pty { tpm, device, path } = pty();
        // swtpm refuses file descriptors below 3.
        let swtpm = "exec swtpm chardev --tpm2 --fd 3 --flags not-need-init,startup-clear --tpmstate dir=$1 3<&0";
        let process = Command::new("sh").args(["-c", swtpm, "sh", folder]).stdin(tpm).spawn().unwrap();
        Self { process, device: path, _open: device, state }
    }

    /// How tpm2-tools reach it.
    pub(crate) fn tcti(&self) -> String {
        format!("device:{}", self.device.display())
    }

    /// Runs one of tpm2-tools, which must succeed, and returns what it prints.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let run = Command::new(name).args(arguments).env("TPM2TOOLS_TCTI", self.tcti()).output();
        let output = run.unwrap_or_else(|error| panic!("{name}: {error}: install tpm2-tools"));
        assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// PCR 13 of a bank, in hex, as tpm2_pcrread reads it.
    pub(crate) fn tpm2_pcrread(&self, bank: &str) -> String {
        let text = self.tool("tpm2_pcrread", &[&format!("{bank}:13")]);
        text.split("0x").nth(1).expect("a value").trim().to_lowercase()
    }

    /// The name of the null hierarchy's storage key, in hex, as tpm2-tools compute it (TCG TPM v2.0 Provisioning Guidance 1.0,
    /// section 7.5.1).
    pub(crate) fn null_name(&self) -> String {
        let file = |name: &str| self.state.path().join(name).to_str().unwrap().to_owned();
        let (key, name) = (file("key"), file("name"));
        let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt";
        self.tool(
            "tpm2_createprimary",
            &["-Q", "-C", "n", "-g", "sha256", "-G", "ecc256:aes128cfb", "-a", attributes, "-c", &key],
        );
        self.tool("tpm2_flushcontext", &["-t"]);
        self.tool("tpm2_readpublic", &["-Q", "-c", &key, "-n", &name]);
        self.tool("tpm2_flushcontext", &["-t"]);
        hex::encode(std::fs::read(name).unwrap())
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

//! A software TPM as a device: swtpm is at one end of a pseudo-terminal, and the other end is the device. So the tests run the
//! code of the boot without a TPM in the machine.
#![allow(dead_code)] // Each test uses a part of it.

pub(crate) mod attacks;
pub(crate) mod bus;
pub(crate) mod faulty;
pub(crate) mod left;
pub(crate) mod version12;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
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

/// The option for the version of the TPM, and the file with the state that a TPM of this version keeps without power.
const VERSION_2: (&str, &str) = ("--tpm2", "tpm2-00.permall");
const VERSION_12: (&str, &str) = ("", "tpm-00.permall");
/// The name of the control socket.
const CONTROL: &str = "control";

/// A software TPM at one end of a pseudo-terminal; the other end is the device.
pub(crate) struct Swtpm {
    process: Child,
    /// The path of the device.
    pub device: PathBuf,
    _open: OwnedFd,
    state: tempfile::TempDir,
    version: (&'static str, &'static str),
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
        Self::started(state, VERSION_2)
    }

    /// A TPM that is like this one was when it was new.
    pub(crate) fn like(&self) -> Self {
        let state = tempfile::tempdir().unwrap();
        let (_, permanent) = self.version;
        std::fs::copy(self.state.path().join(permanent), state.path().join(permanent)).unwrap();
        Self::started(state, self.version)
    }

    fn started(state: tempfile::TempDir, version: (&'static str, &'static str)) -> Self {
        let folder = state.path().to_str().unwrap();
        let Pty { tpm, device, path } = pty();
        // The socket is bound here, so that a client can connect at once. swtpm refuses file descriptors below 3.
        let control = UnixListener::bind(state.path().join(CONTROL)).unwrap();
        let swtpm = "exec swtpm chardev $2 --fd 3 --flags not-need-init,startup-clear --tpmstate dir=$1 \
                     --ctrl type=unixio,fd=4 3<&0 4>&1 >/dev/null";
        let mut shell = Command::new("sh");
        shell.args(["-c", swtpm, "sh", folder, version.0]).stdin(tpm).stdout(OwnedFd::from(control));
        let process = shell.spawn().unwrap();
        Self { process, device: path, _open: device, state, version }
    }

    /// Switches it off and on, and sends it this command to start: its PCRs are zero, and it holds no object and no session.
    pub(crate) fn reset(&self, startup: &[u8]) {
        // CMD_INIT without flags (swtpm_ioctls(3)).
        let mut control = UnixStream::connect(self.state.path().join(CONTROL)).unwrap();
        control.write_all(&[0, 0, 0, 2, 0, 0, 0, 0]).unwrap();
        let mut result = [0; 4];
        control.read_exact(&mut result).unwrap();
        assert_eq!(result, [0; 4], "CMD_INIT");
        assert_eq!(self.run(startup)[6..10], [0; 4], "TPM2_Startup");
    }

    /// Runs one command.
    pub(crate) fn run(&self, command: &[u8]) -> Vec<u8> {
        let mut device = File::options().read(true).write(true).open(&self.device).unwrap();
        device.write_all(command).unwrap();
        bus::message(&mut device).expect("an answer of swtpm")
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

//! The TPM back end against a real software TPM (swtpm), and against one that answers nonsense.
//!
//! swtpm sits at one end of a pseudo-terminal, and the other end is the "device": the very code of the boot is tested,
//! with no TPM in the machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use measureroot::bank::Bank;
use measureroot::measure;
use measureroot::pcr::{Digest, PcrIndex, Pcrs, digests_of};
use measureroot::tpm::EsysPcrs;
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

/// Both ends of a pseudo-terminal that passes every byte as it is. The device's end stays open here, so that the other
/// one does not see a hang-up between two users.
fn pipe() -> (OwnedFd, OwnedFd, PathBuf) {
    let pty = openpty(None, None).unwrap();
    let mut settings = tcgetattr(&pty.slave).unwrap();
    cfmakeraw(&mut settings);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &settings).unwrap();
    let path = std::fs::read_link(format!("/proc/self/fd/{}", pty.slave.as_raw_fd())).unwrap();
    (pty.master, pty.slave, path)
}

struct Swtpm {
    process: Child,
    device: PathBuf,
    _end: OwnedFd,
    _state: tempfile::TempDir,
}

impl Swtpm {
    fn start(banks: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().to_str().unwrap();
        let setup = Command::new("swtpm_setup")
            .args(["--tpm2", "--tpmstate", folder, "--pcr-banks", banks, "--overwrite"])
            .stdout(Stdio::null())
            .status();
        assert!(setup.expect("swtpm_setup: install swtpm-tools").success());
        let (tpm, end, device) = pipe();
        // It takes no descriptor below 3.
        let swtpm = "exec swtpm chardev --tpm2 --fd 3 --flags not-need-init,startup-clear --tpmstate dir=$1 3<&0";
        let process = Command::new("sh").args(["-c", swtpm, "sh", folder]).stdin(tpm).spawn().unwrap();
        Self { process, device, _end: end, _state: state }
    }

    /// What tpm2-tools reads in PCR 13 of a bank.
    fn tpm2_pcrread(&self, bank: &str) -> String {
        let tcti = format!("device:{}", self.device.display());
        let run = Command::new("tpm2_pcrread").args(["-T", &tcti, &format!("{bank}:13")]).output();
        let text = String::from_utf8(run.expect("tpm2_pcrread: install tpm2-tools").stdout).unwrap();
        text.split("0x").nth(1).expect("a value").trim().to_lowercase()
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

const PCR: PcrIndex = PcrIndex::DEFAULT;

#[test]
fn all_banks_are_extended_as_tpm2_tools_sees_it() {
    let swtpm = Swtpm::start("sha1,sha256,sha384,sha512");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    assert_eq!(tpm.banks(PCR).unwrap(), Bank::ALL);
    let report = measure::extend(&mut tpm, PCR, &digests_of(&Bank::ALL, b"image")).unwrap();
    measure::extend_failed(&mut tpm, PCR).unwrap();
    drop(tpm);
    for (bank, extension) in report.banks {
        assert_eq!(extension.before, Digest::zero(bank));
        let failed = bank.digest(b"measureroot: failed");
        assert_eq!(swtpm.tpm2_pcrread(bank.name()), extension.after.extended(bank, &failed).to_string());
    }
}

#[test]
fn only_active_banks_are_found() {
    let swtpm = Swtpm::start("sha256,sha512");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    assert_eq!(tpm.banks(PCR).unwrap(), [Bank::Sha256, Bank::Sha512]);
    // A bank that is not active takes no extend and gives no value: that must not pass for a measurement.
    assert!(measure::extend(&mut tpm, PCR, &digests_of(&[Bank::Sha1], b"image")).is_err());
}

#[test]
fn a_missing_device_is_named() {
    let Err(error) = EsysPcrs::open(Path::new("/dev/no-such-tpm")) else { panic!("opened") };
    assert_eq!(error.object(), "/dev/no-such-tpm");
}

#[test]
fn nonsense_is_refused_and_does_no_harm() {
    let header = |size: u32, code: u32| [&[0x80, 0x01][..], &size.to_be_bytes(), &code.to_be_bytes()].concat();
    let capability = |banks: u32, rest: &[u8]| {
        let body = [&[0, 0, 0, 0, 5][..], &banks.to_be_bytes(), rest].concat();
        [header(10 + u32::try_from(body.len()).unwrap(), 0), body].concat()
    };
    let table: [(&str, Vec<u8>); 8] = [
        ("an error code", header(10, 0x101)),
        ("no body", header(10, 0)),
        ("a size that is too large", header(u32::MAX, 0)),
        ("a size that is too small", header(3, 0)),
        ("no banks", capability(0, &[])),
        ("more banks than there are bytes", capability(16, &[0, 4, 3])),
        ("a huge number of banks", capability(u32::MAX, &[0; 64])),
        ("an unknown bank", capability(1, &[0x77, 0x77, 3, 0xff, 0xff, 0xff])),
    ];
    for (what, answer) in table {
        let (master, end, device) = pipe();
        let liar = std::thread::spawn(move || {
            let mut line = File::from(master);
            let mut command = [0; 4096];
            // Until the device's end is closed.
            while line.read(&mut command).is_ok_and(|bytes| bytes > 0) {
                line.write_all(&answer).ok();
            }
        });
        if let Ok(mut tpm) = EsysPcrs::open(&device) {
            assert!(tpm.banks(PCR).is_err(), "{what}");
        }
        assert!(end.as_fd().as_raw_fd() >= 0);
        drop(end);
        liar.join().unwrap();
    }
}

//! A software TPM 1.2 behind TrouSerS' daemon, for the programs of tpm-tools and tpm-quote-tools. The test stands between the daemon and
//! swtpm, so that it can extend PCRs, too.
#![allow(dead_code)] // Each test uses a part of it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use measureroot::internal::hash::Bank;

use super::common::Ran;

/// How long swtpm may take for one command. It makes a key in less than two seconds.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a boot may last, in seconds, and a program of tpm-tools.
const BOOT: &str = "300";
const TOOL: &str = "60";
/// `TPM_ORD_Quote` and `TPM_ORD_Quote2` (TPM Main 1.2, Part 2, section 17).
const QUOTE: [u8; 4] = [0, 0, 0, 0x16];
const QUOTE2: [u8; 4] = [0, 0, 0, 0x3E];

/// swtpm, at the other end of a socket. It ends when the socket is closed.
struct Swtpm {
    process: Child,
    socket: Mutex<UnixStream>,
    /// Whether a `TPM_Quote2` becomes a `TPM_Quote`.
    quotes_as_before: AtomicBool,
}

impl Swtpm {
    fn start(state: &Path) -> Self {
        let (ours, its) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(ANSWER)).unwrap();
        // swtpm refuses file descriptors below 3.
        let script = "exec timeout \"$1\" swtpm socket --fd 3 --flags not-need-init,startup-clear --tpmstate dir=\"$2\" 3<&0 0</dev/null";
        let state = state.to_str().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh", BOOT, state]).stdin(OwnedFd::from(its));
        let process = shell.spawn().unwrap();
        Self { process, socket: Mutex::new(ours), quotes_as_before: AtomicBool::new(false) }
    }

    /// The TPM's answer to a command.
    fn command(&self, bytes: &[u8]) -> Vec<u8> {
        if self.quotes_as_before.load(Ordering::SeqCst) && bytes.get(6..10) == Some(&QUOTE2[..]) {
            return as_answer_to_quote2(&self.answer(&as_quote(bytes)));
        }
        self.answer(bytes)
    }

    fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        let mut socket = self.socket.lock().unwrap();
        socket.write_all(bytes).unwrap();
        message(&mut *socket).expect("swtpm answers: install swtpm")
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        end(&self.process.id().to_string(), &mut self.process);
    }
}

/// The `TPM_Quote` with the key, the nonce and the PCRs of a `TPM_Quote2`, whose last byte asks for the TPM's version (TPM Main 1.2, Part
/// 3, sections 16.3 and 16.5). The key needs no password.
fn as_quote(bytes: &[u8]) -> Vec<u8> {
    let (body, version) = bytes[10..].split_at(bytes.len() - 11);
    assert_eq!((&bytes[..2], version), (&[0, 0xC1][..], &[0][..]));
    let length = u32::try_from(bytes.len() - 1).unwrap().to_be_bytes();
    [&bytes[..2], &length, &QUOTE, body].concat()
}

/// The answer to a `TPM_Quote` in the form of one to a `TPM_Quote2`: `TPM_PCR_INFO_SHORT` and no version in place of `TPM_PCR_COMPOSITE`.
fn as_answer_to_quote2(bytes: &[u8]) -> Vec<u8> {
    let field = |at: usize| usize::try_from(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap();
    assert_eq!(field(6), 0, "{bytes:?}");
    let values = 12 + usize::from(bytes[11]);
    let end = values + 4 + field(values);
    let digest = Bank::Sha1.digest(&bytes[10..end]);
    let body = [&bytes[10..values], &[1], digest.as_bytes(), &[0; 4], &bytes[end..]].concat();
    let length = u32::try_from(10 + body.len()).unwrap().to_be_bytes();
    [&bytes[..2], &length, &[0; 4], &body].concat()
}

/// Ends timeout(1), which passes the signal on, and waits for `process`, which ends with it. The next swtpm needs the same folder.
fn end(pid: &str, process: &mut Child) {
    // The shell's own kill: a small machine has no program of this name.
    Command::new("sh").args(["-c", "kill \"$1\"", "sh", pid]).status().ok();
    process.wait().ok();
}

/// A command or an answer: a tag, the length of the whole in 32 bits, and the rest (TPM Main 1.2, Part 2, section 2.2).
fn message(from: &mut impl Read) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 10];
    from.read_exact(&mut bytes).ok()?;
    let length = u32::from_be_bytes(bytes[2..6].try_into().unwrap());
    bytes.resize(usize::try_from(length).unwrap().clamp(10, 4096), 0);
    from.read_exact(&mut bytes[10..]).ok()?;
    Some(bytes)
}

/// Gives each program that connects to `path` the TPM's answers, while the TPM runs.
fn relay(path: &Path, swtpm: &Arc<Swtpm>) {
    let (listener, swtpm) = (UnixListener::bind(path).unwrap(), Arc::downgrade(swtpm));
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            while let (Some(command), Some(swtpm)) = (message(&mut connection), swtpm.upgrade()) {
                if connection.write_all(&swtpm.command(&command)).is_err() {
                    break;
                }
            }
        }
    });
}

/// TrouSerS' daemon. It wants a configuration of the user root and the group tss, so it runs under fakeroot.
struct Tcsd {
    process: Child,
    output: BufReader<ChildStdout>,
    /// The process to stop.
    pid: String,
    port: u16,
}

impl Tcsd {
    fn start(folder: &Path) -> Self {
        // Another program may get the port in between; then the daemon ends at once.
        for _ in 0..5 {
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            let file = folder.join("tcsd.conf");
            let storage = folder.join("system.data");
            fs::remove_file(&file).ok();
            fs::write(&file, format!("port = {port}\nsystem_ps_file = {}\n", storage.display())).unwrap();
            // No TCP port 1 answers, so the daemon takes the socket.
            let script = "echo $$ && chown root:tss tcsd.conf && chmod 640 tcsd.conf && TCSD_TCP_DEVICE_HOSTNAME=127.0.0.1 TCSD_TCP_DEVICE_PORT=1 \
                TCSD_UN_SOCKET_DEVICE_PATH=$PWD/tpm exec timeout \"$1\" stdbuf -oL /usr/sbin/tcsd -f -e -c \"$PWD/tcsd.conf\" 2>&1";
            let mut fakeroot = Command::new("fakeroot");
            fakeroot
                .args(["sh", "-c", script, "sh", BOOT])
                .current_dir(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::piped());
            let mut process =
                fakeroot.spawn().unwrap_or_else(|error| panic!("fakeroot: {error}: install fakeroot and trousers"));
            let mut output = BufReader::new(process.stdout.take().unwrap());
            let mut pid = String::new();
            output.read_line(&mut pid).unwrap();
            let mut tcsd = Self { process, output, pid: pid.trim().to_owned(), port };
            if tcsd.is_up() {
                return tcsd;
            }
        }
        panic!("tcsd does not start: install trousers");
    }

    /// Whether the daemon says that it answers. It says so, or ends.
    fn is_up(&mut self) -> bool {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if line.contains("TCSD up and running") {
                return true;
            }
        }
        eprintln!("{line}");
        false
    }
}

impl Drop for Tcsd {
    fn drop(&mut self) {
        // fakeroot ends behind it.
        end(&self.pid, &mut self.process);
    }
}

/// What runs from one boot to the next.
struct Running {
    // Dropped in this order: the daemon asks the TPM for something when it ends.
    tcsd: Tcsd,
    swtpm: Arc<Swtpm>,
}

/// A machine with a TPM 1.2 that has an owner with the well-known secret.
pub(crate) struct Machine {
    running: Option<Running>,
    folder: tempfile::TempDir,
}

impl Machine {
    /// A new machine that has just started.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        let mut machine = Self { running: None, folder };
        machine.boot();
        machine.tool("tpm_createek", &[]);
        machine.tool("tpm_takeownership", &["-y", "-z"]);
        machine
    }

    /// Switches the machine off and on: every PCR starts again.
    pub(crate) fn boot(&mut self) {
        self.running = None;
        let socket = self.path("tpm");
        fs::remove_file(&socket).ok();
        let swtpm = Arc::new(Swtpm::start(&self.path("state")));
        relay(&socket, &swtpm);
        self.running = Some(Running { tcsd: Tcsd::start(self.folder.path()), swtpm });
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Extends a PCR, as the agent does (`TPM_Extend`; TPM Main 1.2, Part 3, section 16.1).
    pub(crate) fn extend(&self, pcr: u32, digest: &[u8]) {
        let command = [&[0, 0xC1, 0, 0, 0, 34, 0, 0, 0, 0x14][..], &pcr.to_be_bytes(), digest].concat();
        let answer = self.running().swtpm.command(&command);
        assert!(command.len() == 34 && answer.len() == 30 && answer[6..10] == [0; 4], "{answer:?}");
    }

    /// From now on, the TPM signs the older form of a quote: Debian's `tpm_getquote` asks for the newer one alone.
    pub(crate) fn quote_as_before(&self) {
        self.running().swtpm.quotes_as_before.store(true, Ordering::SeqCst);
    }

    /// Runs a program of tpm-tools or tpm-quote-tools in the machine's folder.
    pub(crate) fn run(&self, name: &str, arguments: &[&str]) -> Ran {
        let (out, err) = (self.path("stdout"), self.path("stderr"));
        let mut command = Command::new("timeout");
        command.args([TOOL, name]).args(arguments).current_dir(self.folder.path()).envs(self.environment());
        command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let status = command.status().unwrap();
        // Some of them print bytes that are no text.
        let text = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let code = status.code().unwrap_or_else(|| panic!("{name}: {status}"));
        assert!(code != 127, "{name}: install tpm-tools and tpm-quote-tools");
        Ran { code, out: text(&out), err: text(&err) }
    }

    /// Runs a program, which must succeed.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) {
        let Ran { code, out, err } = self.run(name, arguments);
        assert!(code == 0, "{name} {arguments:?}: {code}: {out}{err}");
    }

    /// The variables that tell TrouSerS' library where the daemon is.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        [("TSS_TCSD_HOSTNAME", "localhost".to_owned()), ("TSS_TCSD_PORT", self.running().tcsd.port.to_string())]
    }

    /// Makes an identity key: the files `uuid`, `aik.blob` and `aik.pub`.
    pub(crate) fn key(&self) {
        self.tool("tpm_mkuuid", &["uuid"]);
        self.tool("tpm_mkaik", &["-z", "aik.blob", "aik.pub"]);
        self.tool("tpm_loadkey", &["aik.blob", "uuid"]);
    }

    /// Makes a quote of these PCRs: the files `quote` and `pcrs`.
    pub(crate) fn quote(&self, nonce: &[u8], pcrs: &[&str]) {
        self.write("nonce", nonce);
        self.tool("tpm_getquote", &[&["-p", "pcrs", "uuid", "nonce", "quote"], pcrs].concat());
    }

    /// The path of a file of the machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same path as text.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }
}

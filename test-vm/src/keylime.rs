//! Keylime's verifier, registrar and tenant on the network of this machine alone, and machines with its agent.

use crate::tool::{self, Process};
use crate::{Bank, Bus, DocPage, Guest, Image, Kernel, PackedInitramfs, Result, Vm};
use crate::{assets, ensure, scratch::Scratch, swtpm, uki};
use serde_json::Value;
use std::cell::Cell;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The port of the agent in the guest.
pub const AGENT_PORT: u16 = 9002;
/// The folder of the agent that only memory holds. It gets the payload.
const SECURE: &str = "/var/lib/keylime/secure";
/// The modules for a root image on a disk, and a network.
const MODULES: [&str; 7] = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "loop", "squashfs", "overlay"];
/// The limit of each wait.
const LIMIT: Duration = Duration::from_secs(180);

/// The ports of the host.
#[derive(Debug)]
struct Ports {
    verifier: u16,
    registrar: u16,
    registrar_tls: u16,
    revocations: u16,
    agent: u16,
}

impl Ports {
    /// Five that are free now.
    fn free() -> Result<Self> {
        let bound = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let all = [bound()?, bound()?, bound()?, bound()?, bound()?];
        let port = |number: usize| Ok::<_, std::io::Error>(all[number].local_addr()?.port());
        Ok(Self {
            verifier: port(0)?,
            registrar: port(1)?,
            registrar_tls: port(2)?,
            revocations: port(3)?,
            agent: port(4)?,
        })
    }
}

/// Running servers; they end on drop.
#[derive(Debug)]
pub struct Keylime {
    ports: Ports,
    page: DocPage,
    initramfs: PackedInitramfs,
    /// How many lines of the verifier's log are older than the last command of the tenant.
    past: Cell<usize>,
    /// How many payloads the tenant had. Each has another text.
    payloads: Cell<u32>,
    _servers: Process,
    scratch: Scratch,
}

impl Keylime {
    /// Starts them in a new folder.
    pub fn start() -> Result<Self> {
        let (scratch, ports) = (Scratch::new()?, Ports::free()?);
        for folder in ["cv_ca", "maker", "store", "bin"] {
            fs::create_dir(scratch.path(folder))?;
        }
        for entry in fs::read_dir(assets::product("test-vm/keylime/cv_ca")?)? {
            let entry = entry?;
            fs::copy(entry.path(), scratch.path("cv_ca").join(entry.file_name()))?;
        }
        std::os::unix::fs::symlink(assets::product("release/measureroot")?, scratch.path("bin/measureroot"))?;
        for log in ["verifier.log", "registrar.log", "revocations"] {
            File::create(scratch.path(log))?;
        }
        let mut servers = tool::tied("unshare");
        servers.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--", "timeout"]);
        servers.arg("1800").arg(assets::checkout().join("test-vm/keylime/servers")).arg(ports.revocations.to_string());
        set_environment(&mut servers, &scratch, &ports)?;
        let messages = File::create(scratch.path("messages"))?;
        let servers = Process(servers.stdin(Stdio::null()).stdout(Stdio::null()).stderr(messages).spawn()?);
        let (page, initramfs) = (DocPage::open("docs/keylime.md")?, PackedInitramfs::with_modules(&MODULES)?);
        let keylime =
            Self { ports, page, initramfs, past: Cell::new(0), payloads: Cell::new(0), _servers: servers, scratch };
        keylime.waits("verifier.log", "Listening on ")?;
        keylime.waits("registrar.log", "Listening on ")?;
        Ok(keylime)
    }

    /// A new TPM with an active bank SHA-256 and a certificate of its endorsement key. The tenant trusts its maker.
    pub fn tpm(&self) -> Result<Scratch> {
        let (tpm, maker) = (Scratch::new()?, self.scratch.path("maker"));
        let file = |name: &str| maker.join(name).display().to_string();
        let authority = format!(
            "statedir = {}\nsigningkey = {}\nissuercert = {}\ncertserial = {}\n",
            maker.display(),
            file("key.pem"),
            file("issuer-cert.pem"),
            file("serial")
        );
        fs::write(file("authority"), authority)?;
        fs::write(file("options"), "--platform-manufacturer test\n--platform-version 1\n--platform-model test\n")?;
        let setup = format!(
            "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {}\ncreate_certs_tool_options = {}\n",
            file("authority"),
            file("options")
        );
        fs::write(file("setup"), setup)?;
        let banks = ["--tpm2", "--pcr-banks", "sha256", "--create-ek-cert", "--config", &file("setup")];
        swtpm::set_up_with(&banks, tpm.folder())?;
        for certificate in ["issuer-cert.pem", "swtpm-localca-rootca-cert.pem"] {
            fs::copy(file(certificate), self.scratch.path("store").join(certificate))?;
        }
        Ok(tpm)
    }

    /// A machine with SeaBIOS that boots this image. It has a copy of the TPM whose state is in the folder. Its agent finds the registrar.
    #[must_use]
    pub fn machine(&self, image: &Image, tpm: &Path) -> Vm {
        let vm = Vm::new(&format!("root=/dev/vda {}", self.network())).initramfs(self.initramfs.file());
        self.with_agent(vm.large(), tpm).disk(image)
    }

    /// The same machine with UEFI, which starts a unified kernel image of the same parts. From now on, the page's commands predict it, too.
    pub fn machine_of_uefi(&self, image: &Image, tpm: &Path) -> Result<Vm> {
        let cmdline = format!("root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff {}", self.network());
        // This makes linux.efi.
        let program = uki::of(&self.scratch, "linux", Kernel::V6_1, &self.initramfs.file(), &cmdline)?;
        let esp = self.scratch.path("esp");
        fs::create_dir_all(esp.join("EFI/BOOT"))?;
        fs::copy(program, esp.join("EFI/BOOT/BOOTX64.EFI"))?;
        let disk = uki::disk(&esp, &[], &self.scratch)?;
        Ok(self.with_agent(Vm::uefi().large(), tpm).disk_file(Bus::Virtio, disk).disk(image))
    }

    /// What tells the agent of the guest its ports.
    fn network(&self) -> String {
        let set = "systemd.setenv=KEYLIME_AGENT";
        format!("{set}_REGISTRAR_PORT={} {set}_CONTACT_PORT={}", self.ports.registrar, self.ports.agent)
    }

    fn with_agent(&self, vm: Vm, tpm: &Path) -> Vm {
        vm.limit(Duration::from_secs(900)).banks(&[Bank::Sha256]).tpm_state(tpm).agent_port(self.ports.agent)
    }

    /// Waits until the agent in the guest has proved to the registrar that its key is in the TPM. Returns its ID.
    pub fn registers(&self, guest: &mut Guest) -> Result<String> {
        says(guest, "Starting Cloud Agent")?;
        let said = says(guest, "Agent UUID: ")?;
        Ok(said.rsplit(' ').next().unwrap_or_default().to_owned())
    }

    /// From now on, the page's commands predict this image.
    pub fn predicts(&self, image: &Image) -> Result<()> {
        Ok(std::os::unix::fs::symlink(image.path(), self.scratch.path("rootfs.squashfs"))?)
    }

    /// Runs the page's commands in which `part` is, for this agent.
    pub fn runs(&self, part: &str, agent: &str) -> Result<String> {
        self.past.set(fs::read_to_string(self.scratch.path("verifier.log"))?.lines().count());
        let mut bash = tool::limited(LIMIT, "bash");
        set_environment(&mut bash, &self.scratch, &self.ports)?;
        bash.env("AGENT", agent).args(["-euo", "pipefail", "-c", &self.page.block(part)?]);
        // Keylime's programs print their errors on standard output.
        tool::printed(&bash.current_dir(self.scratch.folder()).stdin(Stdio::null()).output()?)
    }

    /// Adds an agent with the page's command for this kind of policy, and with a new payload.
    pub fn adds(&self, policy: &str, agent: &str) -> Result<()> {
        self.payloads.set(self.payloads.get() + 1);
        fs::write(self.scratch.path("payload"), format!("{}\n", self.payload()))?;
        self.runs(policy, agent).map(drop)
    }

    /// The newest payload.
    fn payload(&self) -> String {
        format!("secret {} for the predicted image alone", self.payloads.get())
    }

    /// What the verifier says of an agent (`keylime_tenant -c status`).
    fn status(&self, agent: &str) -> Result<Value> {
        let said = self.runs("-c status", agent)?;
        // The registrar's answer comes first.
        let line = said.lines().rev().find(|line| line.starts_with(&format!("{{\"{agent}\"")));
        let all: Value = serde_json::from_str(line.ok_or_else(|| format!("no status: {said}"))?)?;
        Ok(all[agent].clone())
    }

    /// Checks that the guest gets the payload, and that the verifier trusts it.
    pub fn gives(&self, guest: &mut Guest, agent: &str) -> Result<()> {
        let file = format!("exec tail --follow=name --retry --lines=+1 {SECURE}/decrypted_payload");
        follows(guest, &file, &self.payload())?;
        let status = self.status(agent)?;
        ensure!(status["attestation_status"] == "PASS", "{status}");
        Ok(())
    }

    /// Checks that the verifier refuses a machine for this event, tells that to the fleet, and asks no more, and that the guest has
    /// neither payload nor key.
    pub fn refuses(&self, guest: &mut Guest, agent: &str, event: &str) -> Result<()> {
        self.waits("verifier.log", &format!("{agent} failed, stopping polling"))?;
        self.waits("revocations", event)?;
        let status = self.status(agent)?;
        ensure!(status["operational_state"] == "Invalid Quote" && status["attestation_status"] == "FAIL", "{status}");
        ensure!(status["last_event_id"] == event, "{status}");
        let secrets = guest.list(SECURE)?;
        ensure!(!secrets.iter().any(|name| name == "decrypted_payload" || name == "derived_tci_key"), "{secrets:?}");
        Ok(())
    }

    /// Checks that the verifier cannot reach a machine any more, and gives it up.
    pub fn gives_up(&self, agent: &str) -> Result<()> {
        self.waits("verifier.log", &format!("{agent} failed, stopping polling"))?;
        let status = self.status(agent)?;
        ensure!(status["operational_state"] == "Failed", "{status}");
        Ok(())
    }

    /// Waits for a line of a log with `text`.
    fn waits(&self, log: &str, text: &str) -> Result<String> {
        let first = if log == "verifier.log" { self.past.get() + 1 } else { 1 };
        let wait = format!(
            "grep --max-count=1 --fixed-strings -- \"$1\" < <(exec tail --follow --lines=+{first} \"$0\" 2>&-)"
        );
        let mut bash = tool::limited(LIMIT, "bash");
        bash.args(["-c", &wait]).arg(self.scratch.path(log)).arg(text);
        let read = |name: &str| fs::read_to_string(self.scratch.path(name)).unwrap_or_default();
        tool::finish(&mut bash).map_err(|cause| {
            format!("{cause}\n{}{}{}", read("messages"), read("registrar.log"), read("verifier.log")).into()
        })
    }
}

/// Runs a program of test-vm/keylime in Keylime's environment of Python, and returns what it prints.
pub fn python(script: &str) -> Result<String> {
    let mut python = tool::limited(LIMIT, assets::product("test-vm/keylime/venv/bin")?.join("python"));
    set_settings(&mut python);
    tool::finish(python.arg(assets::checkout().join("test-vm/keylime").join(script)))
}

/// Where Keylime's programs find their settings and the policy.
fn set_settings(command: &mut Command) {
    let checkout = assets::checkout();
    command.env("PYTHONPATH", checkout.join("initramfs/installed/keylime")).env("PYTHONDONTWRITEBYTECODE", "1");
    for part in ["VERIFIER", "REGISTRAR", "TENANT", "CA", "LOGGING"] {
        command.env(format!("KEYLIME_{part}_CONFIG"), checkout.join("test-vm/keylime/keylime.conf"));
    }
}

/// Where Keylime's programs find their folder, their ports and all else.
fn set_environment(command: &mut Command, scratch: &Scratch, ports: &Ports) -> Result<()> {
    let programs = assets::product("test-vm/keylime/venv/bin")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [programs, scratch.path("bin")].into_iter().chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(folders)?).env("KEYLIME_DIR", scratch.folder());
    set_settings(command);
    command.env("KEYLIME_TENANT_TPM_CERT_STORE", scratch.path("store"));
    let receiver = format!("https://127.0.0.1:{}", ports.revocations);
    command.env("KEYLIME_VERIFIER_REVOCATIONS_WEBHOOK_URL", receiver);
    for (name, port) in [
        ("VERIFIER_PORT", ports.verifier),
        ("VERIFIER_REGISTRAR_PORT", ports.registrar_tls),
        ("REGISTRAR_PORT", ports.registrar),
        ("REGISTRAR_TLS_PORT", ports.registrar_tls),
        ("TENANT_VERIFIER_PORT", ports.verifier),
        ("TENANT_REGISTRAR_PORT", ports.registrar_tls),
    ] {
        command.env(format!("KEYLIME_{name}"), port.to_string());
    }
    Ok(())
}

/// Waits for a line with this text in what a command of the guest prints. The command need not end.
fn follows(guest: &mut Guest, command: &str, text: &str) -> Result<String> {
    let wait = format!("grep --max-count=1 --fixed-strings -- '{text}' < <({command} 2>&-)");
    let said = guest.run(&["timeout", &LIMIT.as_secs().to_string(), "bash", "-c", &wait]);
    let mut log = || guest.run(&["journalctl", "--no-pager", "--output=cat", "--unit=keylime_agent"]);
    match said {
        Ok(said) => Ok(said),
        Err(cause) => Err(format!("no line {text:?}: {cause}\n{}", log()?).into()),
    }
}

/// Waits for a line of the agent in the guest with this text.
pub fn says(guest: &mut Guest, text: &str) -> Result<String> {
    follows(guest, "exec journalctl --follow --lines=all --output=cat --unit=keylime_agent", text)
}

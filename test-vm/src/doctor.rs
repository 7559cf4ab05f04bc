//! `measureroot doctor` in a guest: an image that has it, and what it finds.

use crate::{Guest, Image, Kernel, Result, assets, ensure};
use serde_json::Value;

/// The program in the guests of [`image`].
const PROGRAM: &str = "/measureroot";

/// A small root image with the probe as its init, busybox, the program for people with its libraries, and efivarfs for [`Kernel::V6_12`].
pub fn image() -> Result<Image> {
    let (program, modules) = (assets::product("release/measureroot")?, Kernel::V6_12.modules()?);
    let more = format!(
        "cp '{0}' tree{PROGRAM} && xz --decompress --stdout '{1}/kernel/fs/efivarfs/efivarfs.ko.xz' >tree/efivarfs.ko &&
        ldd '{0}' | grep --only-matching '/[^ ]*' | while read -r file; do install -D \"$file\" \"tree$file\"; done",
        program.display(),
        modules.display()
    );
    Image::root_with_busybox(&more, "mksquashfs tree made -comp zstd -all-root -quiet -no-progress")
}

/// Mounts what each distribution mounts, and the doctor reads: the logs of the TPM, and the variables of UEFI.
pub fn mount(guest: &mut Guest) -> Result<()> {
    let mount = "mount -t securityfs securityfs /sys/kernel/security
        [ ! -d /sys/firmware/efi ] || { insmod /efivarfs.ko && mount -t efivarfs efivarfs /sys/firmware/efi/efivars; }";
    shell(guest, mount).map(drop)
}

/// Runs commands of busybox's shell in a guest of [`image`]. They must succeed.
pub fn shell(guest: &mut Guest, commands: &str) -> Result<String> {
    guest.run(&["/busybox", "sh", "-ec", commands])
}

/// Extends a PCR of a TPM of the guest with a digest of SHA-256 that nobody knows, as any program can.
pub fn extend(guest: &mut Guest, device: &str, pcr: u8) -> Result<()> {
    // TPM2_PCR_Extend with an empty password and one digest (TPM Library 1.59, Part 3, section 22.2): 65 bytes.
    let head = [0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0, pcr];
    let password = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];
    let command = [&head[..], &password, &[0, 0, 0, 1, 0, 0x0b], &[0xda; 32]].concat();
    // Each shell knows octal numbers.
    let octal: Vec<_> = command.iter().map(|byte| format!("\\{byte:03o}")).collect();
    // Not at once: the shell could write to the TPM in parts.
    let send = format!("printf '{}' >/run/command && dd if=/run/command of={device} bs=65 count=1", octal.concat());
    let is_small = guest.list("/")?.iter().any(|name| name == "busybox");
    if is_small { shell(guest, &send).map(drop) } else { guest.run(&["sh", "-ec", &send]).map(drop) }
}

/// What the doctor found.
#[derive(Debug)]
pub struct Findings {
    printed: String,
    /// The level, the identifier and the words of each finding.
    each: Vec<[String; 3]>,
}

impl Findings {
    /// Runs the doctor in a guest of [`image`].
    pub fn of(guest: &mut Guest) -> Result<Self> {
        Self::read(shell(guest, &format!("{PROGRAM} doctor --json || echo exit code $?"))?)
    }

    /// Runs the doctor in a guest with a shell of its own.
    pub fn by(guest: &mut Guest, program: &str) -> Result<Self> {
        Self::read(guest.run(&["sh", "-ec", &format!("{program} doctor --json || echo exit code $?")])?)
    }

    fn read(printed: String) -> Result<Self> {
        let (json, code) = printed.split_once("exit code ").unwrap_or((&printed, "0"));
        let report: Value = serde_json::from_str(json).map_err(|cause| format!("{cause}: {printed}"))?;
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let findings = report["findings"].as_array().ok_or("no findings")?.iter();
        let each = findings.map(|finding| ["level", "id", "what"].map(|name| text(finding, name))).collect();
        let expected = match report["worst"].as_str() {
            Some("fail") => "4",
            Some("warn") => "3",
            _ => "0",
        };
        ensure!(code == expected, "exit code {code}: {printed}");
        Ok(Self { printed, each })
    }

    /// Checks that these findings, in this order and no others, are worse than a note.
    pub fn worse_are(&self, expected: &[&str]) -> Result<()> {
        let worse = self.each.iter().filter(|[level, ..]| level == "warn" || level == "fail");
        let worse: Vec<_> = worse.map(|[_, id, _]| id.as_str()).collect();
        ensure!(worse == expected, "{worse:?}, not {expected:?}: {}", self.printed);
        Ok(())
    }

    /// Checks that a finding is there, and that its words have these.
    pub fn say(&self, expected: &str, words: &str) -> Result<()> {
        let is_there = self.each.iter().any(|[_, id, what]| id == expected && what.contains(words));
        ensure!(is_there, "no {expected} with {words:?}: {}", self.printed);
        Ok(())
    }
}

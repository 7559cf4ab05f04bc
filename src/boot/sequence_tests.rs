//! The boot on a machine that fails each step in turn.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use super::*;
use crate::hash::digest::digests_of;
use crate::hash::merkle::Shape;
use crate::measure::pcr::{PcrIndex, SoftPcrs};
use crate::media::superblock::Superblock;

/// A machine that writes down what it is asked, and fails where it is told to.
struct Fake {
    calls: Vec<&'static str>,
    line: &'static str,
    fails_at: &'static str,
    tpm: Option<Shared>,
    verity: bool,
    log: Vec<Claim>,
}

/// PCRs that outlive the boot, as a TPM does.
#[derive(Clone)]
struct Shared(Rc<RefCell<SoftPcrs>>, &'static str);

impl Pcrs for Shared {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        if self.1 == "banks" { Err(Error::new("TPM", "fails")) } else { self.0.borrow_mut().banks(pcr) }
    }
    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        if self.1 == "read" { Err(Error::new("TPM", "fails")) } else { self.0.borrow_mut().read(pcr, banks) }
    }
    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        if self.1 == "extend" { Err(Error::new("TPM", "fails")) } else { self.0.borrow_mut().extend(pcr, digests) }
    }
}

const BANKS: [Bank; 2] = [Bank::Sha1, Bank::Sha256];
const IMAGE: &[u8] = b"the image";

impl Fake {
    fn new(line: &'static str, fails_at: &'static str) -> Self {
        let tpm = Shared(Rc::new(RefCell::new(SoftPcrs::zero(&BANKS))), fails_at);
        Self { calls: Vec::new(), line, fails_at, tpm: Some(tpm), verity: false, log: Vec::new() }
    }

    fn call(&mut self, name: &'static str) -> Result<()> {
        self.calls.push(name);
        if name == self.fails_at { Err(Error::new(name, "fails")) } else { Ok(()) }
    }

    /// Boots, and does what follows a failure, as PID 1 does.
    fn boot(&mut self) -> Failure {
        let (mut policy, mut log) = (FailurePolicy::of(&[]), Recorder::default());
        let Err(failure) = boot(self, &mut policy, &mut log);
        // What fails once may work again, but the TPM is the same one.
        if self.fails_at != "session" {
            self.fails_at = "";
        }
        if let Some(tpm) = &mut self.tpm {
            tpm.1 = "";
        }
        fail(self, &policy, &mut log, &failure);
        self.log = log.claims().cloned().collect();
        failure
    }

    /// The sha256 bank of PCR 13, as a list of what it was extended with.
    fn is_extended_with(&self, texts: &[&[u8]]) -> bool {
        let mut wanted = SoftPcrs::zero(&BANKS);
        for text in texts {
            wanted.extend(PcrIndex::DEFAULT, &digests_of(&BANKS, text)).unwrap();
        }
        let read = |pcrs: &mut SoftPcrs| pcrs.read(PcrIndex::DEFAULT, &BANKS).unwrap();
        read(&mut self.tpm.as_ref().unwrap().0.borrow_mut()) == read(&mut wanted)
    }
}

impl Machine for Fake {
    fn mount_kernel_filesystems(&mut self) -> Result<()> {
        self.call("mount_kernel_filesystems")
    }
    fn command_line(&mut self) -> Result<Vec<u8>> {
        self.call("command_line").map(|()| self.line.as_bytes().to_vec())
    }
    fn load_modules(&mut self, _: &Config) -> Result<()> {
        self.call("load_modules")
    }
    fn tpm(&mut self, _: Duration, session: session::SessionChoice) -> Result<Option<Box<dyn Pcrs>>> {
        if self.fails_at == "session" && session != session::SessionChoice::None {
            return Err(Error::new("session", "cannot be had"));
        }
        self.call("tpm").map(|()| self.tpm.clone().map(|tpm| Box::new(tpm) as Box<dyn Pcrs>))
    }
    fn wait_for_root(&mut self, _: &Config) -> Result<()> {
        self.call("wait_for_root")
    }
    fn find_image(&mut self, _: &Config) -> Result<Image> {
        self.call("find_image")?;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(IMAGE).unwrap();
        let bytes = IMAGE.len() as u64 + u64::from(self.fails_at == "hash");
        Ok(Image {
            file,
            device: "/dev/vda".into(),
            path: None,
            searched: false,
            superblock: Some(Superblock { kind: FileSystem::Squashfs, bytes, block: 4096, label: None, uuid: None }),
            bytes,
            opened_bytes: IMAGE.len() as u64,
        })
    }
    fn find_tree(&mut self, _: &Image, roothash: &RootHash) -> Result<Tree> {
        let shape = Shape { data_block: 4096, data_blocks: 1, hash_block: 4096, salt: Vec::new() };
        self.call("find_tree").map(|()| Tree { node: None, start: 1, shape, root_hash: roothash.hash })
    }
    fn progress(&mut self, _: u64, _: u64) {}
    fn means(&mut self, image: &Image) -> Result<Means> {
        let (bytes, verity) = (image.bytes, self.verity);
        self.call("means").map(|()| Means { bytes, block: 4096, sector: 512, verity, memory: 1 << 40 })
    }
    fn mount_image(&mut self, _: &Image, _: &Sealed, _: &Config) -> Result<FileSystem> {
        self.call("mount_image").map(|()| FileSystem::Squashfs)
    }
    fn mount_overlay(&mut self, _: &Config) -> Result<()> {
        self.call("mount_overlay")
    }
    fn find_init(&mut self, _: &Config) -> Result<String> {
        self.call("find_init").map(|()| "/sbin/init".to_owned())
    }
    fn write_log(&mut self, _: &mut Recorder) -> Result<()> {
        self.call("write_log")
    }
    fn write_status(&mut self, _: &Status) -> Result<()> {
        self.call("write_status")
    }
    fn move_mounts(&mut self) -> Result<()> {
        self.call("move_mounts")
    }
    fn switch_root(&mut self, _: &Report) -> Result<()> {
        self.call("switch_root")
    }
    fn exec(&mut self, _: &str) -> Result<Infallible> {
        self.calls.push("exec");
        Err(Error::new("exec", "fails, or this test would not return"))
    }
    fn pause(&mut self, _: Option<Duration>) {
        self.calls.push("pause");
    }
    fn stop(&mut self, action: FailureAction) {
        self.calls.push(match action {
            FailureAction::Reboot => "reboot",
            FailureAction::PowerOff => "poweroff",
            FailureAction::Halt => "halt",
        });
    }
}

const LINE: &str = "root=/dev/vda measureroot.onfail=poweroff";
const FAILED: &[u8] = measurement::FAILED.as_bytes();

#[test]
fn each_step_fails_in_turn_and_init_is_never_reached() {
    let table: [(&str, Step, &[&[u8]]); 17] = [
        ("mount_kernel_filesystems", Step::Mounts, &[FAILED]),
        ("command_line", Step::CommandLine, &[FAILED]),
        ("load_modules", Step::Modules, &[FAILED]),
        ("tpm", Step::Devices, &[FAILED]),
        ("wait_for_root", Step::Devices, &[FAILED]),
        ("find_image", Step::Image, &[FAILED]),
        ("means", Step::Seal, &[FAILED]),
        ("banks", Step::Banks, &[FAILED]),
        ("hash", Step::Hash, &[FAILED]),
        ("read", Step::Extend, &[FAILED]),
        ("extend", Step::Extend, &[FAILED]),
        ("mount_image", Step::MountImage, &[IMAGE, FAILED]),
        ("mount_overlay", Step::Overlay, &[IMAGE, FAILED]),
        ("find_init", Step::Init, &[IMAGE, FAILED]),
        ("write_log", Step::Log, &[IMAGE, FAILED]),
        ("write_status", Step::Status, &[IMAGE, FAILED]),
        ("move_mounts", Step::MoveMounts, &[IMAGE, FAILED]),
    ];
    for (fails_at, step, extends) in table {
        let mut machine = Fake::new(LINE, fails_at);
        assert_eq!(machine.boot().step, step, "{fails_at}");
        assert!(!machine.calls.contains(&"exec") && !machine.calls.contains(&"switch_root"), "{fails_at}");
        assert!(machine.is_extended_with(extends), "{fails_at}");
        assert_eq!(machine.log.len(), extends.len(), "{fails_at}: what was extended was logged");
        assert_eq!(
            machine.calls.iter().filter(|call| matches!(**call, "reboot" | "poweroff")).count(),
            1,
            "{fails_at}"
        );
    }
}

#[test]
fn an_image_may_be_measured_as_meta_measured_did() {
    let mut machine = Fake::new("root=/dev/vda measureroot.format=meta-measured", "");
    machine.boot();
    let mut wanted = SoftPcrs::zero(&BANKS);
    for digests in [ImageFormat::MetaMeasured.of(digests_of(&BANKS, IMAGE)), digests_of(&BANKS, FAILED)] {
        wanted.extend(PcrIndex::DEFAULT, &digests).unwrap();
    }
    let held = machine.tpm.as_mut().unwrap().0.borrow_mut().read(PcrIndex::DEFAULT, &BANKS).unwrap();
    assert_eq!(held, wanted.read(PcrIndex::DEFAULT, &BANKS).unwrap());
    assert_eq!(machine.log[0].format, Some(ImageFormat::MetaMeasured));
    let mut machine = Fake::new(LINE, "");
    machine.boot();
    assert_eq!(machine.log[0].format, None);
}

/// What a boot of a prepared image is told, and what it measures.
const PREPARED: &str = "root=/dev/vda measureroot.hashdev=/dev/vdb measureroot.onfail=poweroff \
                        roothash=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const ROOT_HASH: &[u8] = b"measureroot: roothash=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn a_prepared_image_is_measured_by_its_root_hash_and_not_read() {
    let mut machine = Fake { verity: true, ..Fake::new(PREPARED, "") };
    assert_eq!(machine.boot().step, Step::Init);
    assert!(machine.calls.contains(&"exec") && machine.is_extended_with(&[ROOT_HASH, FAILED]));
    let table: [(&str, bool, Step, &[&[u8]]); 5] = [
        ("find_image", true, Step::Image, &[FAILED]),
        ("", false, Step::Seal, &[FAILED]),
        ("find_tree", true, Step::Seal, &[FAILED]),
        ("extend", true, Step::Extend, &[FAILED]),
        ("mount_image", true, Step::MountImage, &[ROOT_HASH, FAILED]),
    ];
    for (fails_at, verity, step, extends) in table {
        let mut machine = Fake { verity, ..Fake::new(PREPARED, fails_at) };
        assert_eq!(machine.boot().step, step, "{fails_at}");
        assert!(!machine.calls.contains(&"exec"), "{fails_at}");
        assert!(machine.is_extended_with(extends), "{fails_at}");
    }
}

#[test]
fn a_failure_after_switching_root_marks_the_pcr_too() {
    for (fails_at, step) in [("switch_root", Step::SwitchRoot), ("", Step::Init)] {
        let mut machine = Fake::new(LINE, fails_at);
        assert_eq!(machine.boot().step, step);
        assert!(machine.is_extended_with(&[IMAGE, FAILED]));
        assert_eq!(machine.calls[machine.calls.len() - 3..], ["tpm", "pause", "poweroff"]);
    }
}

#[test]
fn a_good_boot_goes_through_all_steps_in_order() {
    let mut machine = Fake::new(LINE, "");
    machine.boot();
    assert_eq!(
        machine.calls[..14],
        [
            "mount_kernel_filesystems",
            "command_line",
            "load_modules",
            "tpm",
            "wait_for_root",
            "find_image",
            "means",
            "mount_image",
            "mount_overlay",
            "find_init",
            "write_log",
            "write_status",
            "move_mounts",
            "switch_root",
        ]
    );
    assert_eq!(machine.calls[14], "exec");
}

#[test]
fn no_tpm_is_a_failure_unless_measuring_is_off() {
    let mut machine = Fake { tpm: None, ..Fake::new(LINE, "") };
    let failure = machine.boot();
    assert_eq!((failure.step, failure.error.object()), (Step::Devices, "TPM"));
    let mut machine = Fake { tpm: None, ..Fake::new("root=/dev/vda measureroot=off", "") };
    machine.boot();
    assert!(machine.calls.contains(&"exec"));
}

#[test]
fn an_unmeasured_boot_marks_the_pcr_or_does_not_happen() {
    let unmeasured = measurement::UNMEASURED.as_bytes();
    let mut machine = Fake::new("root=/dev/vda measureroot=off", "");
    machine.boot();
    assert!(machine.calls.contains(&"exec") && machine.is_extended_with(&[unmeasured, FAILED]));
    for fails_at in ["tpm", "banks", "read", "extend"] {
        let mut machine = Fake::new("root=/dev/vda measureroot=off", fails_at);
        machine.boot();
        assert!(!machine.calls.contains(&"exec") && machine.is_extended_with(&[FAILED]), "{fails_at}");
    }
}

#[test]
fn a_session_that_cannot_be_had_is_a_failure_that_is_marked_without_one() {
    let mut machine = Fake::new("root=/dev/vda measureroot.session=hmac", "session");
    assert_eq!(machine.boot().error.object(), "session");
    assert!(!machine.calls.contains(&"exec") && machine.is_extended_with(&[FAILED]));
    let mut machine = Fake::new("root=/dev/vda measureroot.session=none", "session");
    machine.boot();
    assert!(machine.calls.contains(&"exec"));
}

#[test]
fn a_bad_command_line_still_says_what_to_do_on_failure() {
    let table = [
        ("root=/dev/vda measureroot.x measureroot.onfail=halt", "halt"),
        ("measureroot.onfail=poweroff", "poweroff"),
        ("root=/dev/vda measureroot.onfail=shell", "reboot"),
        ("root=/dev/vda rootimgpcr=99 measureroot.onfail=poweroff", "poweroff"),
    ];
    for (line, action) in table {
        let mut machine = Fake::new(line, "");
        assert_eq!(machine.boot().step, Step::CommandLine, "{line}");
        assert_eq!(machine.calls.last(), Some(&action), "{line}");
        assert!(machine.is_extended_with(&[FAILED]));
    }
}

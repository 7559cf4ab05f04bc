//! Every command in README.md, and in the pages that continue it, works. The commands that boot a machine run in the boot tests, and all
//! others run here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use std::fs;
use std::path::{Path, PathBuf};

use common::elf::{PC, agent, module};
use common::{ROOT, program, shell, text};
use evidence::{Machine, Measured, log};
use measureroot::internal::eventlog::{EventType, Header, tcg};
use measureroot::internal::hash::{Bank, digests_of};
use measureroot::internal::measure::image_digest::{self, ImageBytes};
use measureroot::internal::measure::{PcrIndex, Pcrs, measurement};
use measureroot::internal::tpm::EsysPcrs;
use swtpm::Swtpm;

/// README.md, and the pages that have more of its commands.
const PAGES: [&str; 4] = ["README.md", "docs/eventlog.md", "docs/measured.md", "docs/own-script.md"];

/// The blocks of shell commands in these pages.
fn blocks() -> Vec<String> {
    PAGES.into_iter().flat_map(common::blocks).collect()
}

/// The one block with `part` in it.
fn block(part: &str) -> String {
    let found: Vec<_> = blocks().into_iter().filter(|block| block.contains(part)).collect();
    assert_eq!(found.len(), 1, "blocks with {part:?}");
    found.concat()
}

/// Runs a block in `folder`. It must succeed.
fn run(block: &str, folder: &Path, environment: &[(&str, &str)]) -> String {
    let ran = shell(block, folder, environment);
    assert_eq!(
        ran.code, 0,
        "{block}
{}
{}",
        ran.out, ran.err
    );
    ran.out
}

/// A folder that looks like the checkout to a command of the README. It has the program of this build.
fn checkout(folder: &Path) -> PathBuf {
    let top = folder.join("checkout");
    fs::create_dir_all(top.join("target/release")).unwrap();
    fs::create_dir_all(top.join("target/initramfs")).unwrap();
    std::os::unix::fs::symlink(program(), top.join("target/release/measureroot")).unwrap();
    fs::write(top.join("target/initramfs/init"), agent("agent")).unwrap();
    std::os::unix::fs::symlink(Path::new(ROOT).join("kernel-fragments"), top.join("kernel-fragments")).unwrap();
    top
}

#[test]
fn a_test_runs_each_block() {
    let known = [
        "test-vm/demo",
        "initramfs/build",
        "--kernel-modules",
        "kernel-fragments/check",
        "| diff",
        "measureroot replay",
        "veritysetup",
        "measureroot verify",
    ];
    for block in blocks() {
        assert_eq!(known.iter().filter(|part| block.contains(**part)).count(), 1, "{block}");
    }
}

#[test]
fn ci_runs_the_two_commands_and_the_build() {
    let text = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    for line in block("test-vm/demo").lines().chain(block("initramfs/build").lines()) {
        let command = line.split('#').next().unwrap().trim();
        assert!(Path::new(ROOT).join(command).is_file(), "{command}");
        let run = [".ci/run", "test-vm/test", "initramfs/deb"].map(text).concat();
        let runs = |line: &str| line == command || line.strip_prefix("part ") == Some(command);
        assert!(run.lines().any(runs), "{command}");
    }
}

#[test]
fn the_command_for_an_initramfs_with_modules_works() {
    let folder = tempfile::tempdir().unwrap();
    let top = checkout(folder.path());
    let modules = folder.path().join("6.1.0");
    fs::create_dir_all(modules.join("kernel")).unwrap();
    let names = ["virtio_pci", "virtio_blk", "loop", "squashfs", "overlay", "dm-verity"];
    fs::write(modules.join("modules.dep"), names.map(|name| format!("kernel/{name}.ko:\n")).concat()).unwrap();
    for name in names {
        fs::write(modules.join(format!("kernel/{name}.ko")), module(PC, &name.replace('-', "_"), "6.1.0")).unwrap();
    }
    // Made-up modules take the place of those of the running kernel.
    let block = block("--kernel-modules");
    let (first, command) = block.split_once('\n').unwrap();
    assert_eq!(first, "MODULES=/lib/modules/$(uname -r)");
    run(command, &top, &[("MODULES", modules.to_str().unwrap())]);
    assert!(top.join("initramfs.cpio.zst").metadata().unwrap().len() > 100);
}

#[test]
fn the_check_of_a_kernel_configuration_works() {
    let folder = tempfile::tempdir().unwrap();
    let top = checkout(folder.path());
    let config = common::run(text(&Path::new(ROOT).join("kernel-fragments/debian-config")), &[]);
    // Debian's configuration takes the place of that of the running kernel.
    let command = block("kernel-fragments/check").replace("check running", "check \"$CONFIG\"");
    assert!(command.contains("\"$CONFIG\""));
    run(&command, &top, &[("CONFIG", &config)]);
}

/// Makes a small rootfs.squashfs in `folder`.
fn squashfs(folder: &Path) -> PathBuf {
    let image = folder.join("rootfs.squashfs");
    fs::write(folder.join("content"), "content").unwrap();
    common::run("mksquashfs", &[text(&folder.join("content")), text(&image), "-quiet", "-no-progress"]);
    image
}

#[test]
fn the_prediction_of_a_root_hash_is_the_value_computed_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    squashfs(folder.path());
    let text = run(&block("veritysetup"), folder.path(), &[]);
    let lines: Vec<_> = text.lines().collect();
    // The same prediction of four banks twice, and the digest.
    let [predictions @ .., digest] = lines.as_slice() else { panic!("{text}") };
    assert_eq!((predictions.len(), &predictions[..8]), (16, &predictions[8..]));
    let digest = hex::decode(digest.split(' ').next().unwrap()).unwrap();
    let after = Bank::Sha256.digest(&[[0; 32].as_slice(), &digest].concat());
    assert!(text.contains(&format!("  sha256:\n    13: 0x{}", after.to_string().to_uppercase())), "{text}");
}

#[test]
fn the_comparison_by_hand_accepts_a_machine_that_booted_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let image = squashfs(folder.path());
    // A boot of the image extends the TPM like this.
    let swtpm = Swtpm::start("sha1,sha256");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    let pcr = PcrIndex::DEFAULT;
    let banks = tpm.banks(pcr).unwrap();
    let file = fs::File::open(&image).unwrap();
    let bytes = file.metadata().unwrap().len();
    let image = ImageBytes { file: &file, name: "image", bytes, opened_bytes: bytes };
    let digests = image_digest::of_image(image, &banks, None, &mut |_| ()).unwrap();
    measurement::extend(&mut tpm, pcr, &digests).unwrap();
    drop(tpm);
    assert!(banks.contains(&Bank::Sha256));
    let text = run(&block("| diff"), folder.path(), &[("TPM2TOOLS_TCTI", &swtpm.tcti())]);
    assert!(text.contains("this is rootfs.squashfs"), "{text}");
}

#[test]
fn the_log_of_a_boot_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let pcr = PcrIndex::DEFAULT;
    let swtpm = Swtpm::start("sha1,sha256");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    let banks = tpm.banks(pcr).unwrap();
    measurement::extend_failed(&mut tpm, pcr, &[]).unwrap();
    drop(tpm);
    let header = Header::of(banks.iter().copied());
    let digests = digests_of(&banks, measurement::FAILED.as_bytes());
    let event = tcg::encode(&header, pcr.into(), EventType::EVENT_TAG, &digests, b"");
    fs::write(folder.path().join("binary_bios_measurements"), [header.encode(), event].concat()).unwrap();
    // A software TPM and a log in the folder take the place of this machine's.
    let device = format!("--tpm={}", swtpm.device.display());
    let command = block("measureroot replay").replace("/run/measureroot/", "").replace("--tpm ", &device);
    assert!(command.contains(&device));
    let text = run(&command, folder.path(), &[("TPM2TOOLS_TCTI", &swtpm.tcti())]);
    let event = "# event 1, PCR 13, proven: EV_EVENT_TAG: the text \"measureroot: failed\"";
    assert_eq!(text.matches(event).count(), 2, "{text}");
}

/// The machine's own TPM and log are those of the test.
const ATTEST: &str = "
    measureroot() {
        case $1 in
            attest) command measureroot \"$@\" --tpm \"${TPM2TOOLS_TCTI#device:}\" --log log ;;
            *) command measureroot \"$@\" ;;
        esac
    }
    command measureroot attest --enroll --tpm \"${TPM2TOOLS_TCTI#device:}\" --output enrolment
    jq -r .key enrolment | tr a-f A-F | basenc --base16 --decode >machine.key
";

#[test]
fn the_verification_accepts_a_machine_that_booted_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let content = fs::read(squashfs(folder.path())).unwrap();
    let events = [Measured::other(0, "firmware"), Measured::image(&content)];
    let machine = Machine::booted(&events);
    machine.write("rootfs.squashfs", &content);
    machine.write("log", &log(&events));
    let environment = [("TPM2TOOLS_TCTI", machine.swtpm.tcti()), ("NONCE", "00c0ffee00c0ffee".to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let commands = ATTEST.to_owned() + &block("measureroot verify");
    let text = run(&commands, machine.path("").as_path(), &environment);
    assert!(text.contains("\ntrusted: release 7, until 2099-12-31\n"), "{text}");
}

/// README names commands of other pages, whose tests run them.
#[test]
fn each_command_to_install_is_one_of_its_page() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let chapter = readme.split("\n## ").find(|chapter| chapter.starts_with("Install it\n")).unwrap();
    let mut commands = 0;
    for row in chapter.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let pages: String =
            ["docs/debian-package.md", "docs/cargo.md", "docs/own-script.md"].map(common::blocks).concat().concat();
        for command in row.split('|').nth(2).unwrap().split('`').skip(1).step_by(2) {
            // The pages have options for scripts, which ask nothing.
            let plain = pages.replace("install --yes --no-install-recommends", "install");
            assert!(plain.lines().any(|line| line == command), "{command}: {plain}");
            commands += 1;
        }
    }
    assert_eq!(commands, 5);
}

/// The files below a folder that have this ending, as one text.
fn sources(folder: &Path, ending: &str) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| match path.is_dir() {
        true => sources(&path, ending),
        false if path.to_str().unwrap().ends_with(ending) => fs::read_to_string(path).unwrap(),
        false => String::new(),
    };
    entries.map(text).collect()
}

/// The recording of a boot is real output. It would not show what today's program prints, if a message changed since.
#[test]
fn the_recorded_console_has_only_messages_of_the_programs() {
    let top = Path::new(ROOT);
    // A message may be written over two lines of the source.
    let code = sources(&top.join("src"), ".rs") + &sources(&top.join("test-vm/src"), ".rs");
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\ ", "");
    let text = |path: &str| fs::read_to_string(top.join(path)).unwrap();
    let readme = text("README.md");
    let shown = readme.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    let tag =
        |line: &str| line.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect::<String>();
    let recorded = text("docs/boot.svg").lines().map(tag).collect::<Vec<_>>().join("\n");
    let mut messages = 0;
    for line in shown.lines().chain(recorded.lines()) {
        let agent = line.split_once("] measureroot: ").map(|(_, message)| message);
        let Some(message) = agent.or_else(|| line.strip_prefix("demo: ")) else { continue };
        // Left out is what may be put into a message: numbers, devices, names before a mark, and what follows dots where a line was cut.
        let message = message.split("...").next().unwrap().replace([':', ','], " 0 ");
        let is_fixed = |word: &&str| word.chars().all(|c| c.is_alphabetic() || c == '\'');
        let words = message.split(' ').collect::<Vec<_>>();
        for fixed in words.split(|word| !is_fixed(word)).filter(|words| words.len() > 2) {
            // The first and the last word may be next to something that is put in.
            let fixed = fixed.join(" ");
            assert!(code.contains(fixed.trim()), "no program prints {fixed:?}: {line}");
            messages += 1;
        }
    }
    assert!(messages > 15, "{messages}");
}

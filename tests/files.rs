//! The files that all commands read: inputs that would never end, that are wrong, or that are an output, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::files::Files;
use common::written::is_refused_while_written;
use common::{ROOT, Ran, program, run, text};

/// Every input of every command. A pipe makes sense for those with `true`.
const INPUTS: [(&str, bool); 18] = [
    ("predict FIFO", false),
    ("predict --verity FIFO image", false),
    ("predict --verity image FIFO", false),
    ("predict --allow-entry FIFO image", false),
    // No other command may be its reader.
    ("initramfs --output FIFO.out --agent agent", false),
    ("initramfs --output new --agent FIFO", false),
    ("initramfs --output new --agent agent --kernel-modules odd --module overlay", false),
    ("initramfs --output new --agent agent --kernel-modules 6.1.1 --module overlay", false),
    ("kernel-config config FIFO.cfg", false),
    ("replay --tpm=FIFO EV.log", false),
    ("verify --quote EV.quote --signature EV.sig --key EV.ak.pub --log EV.log --image FIFO", false),
    ("kernel-config FIFO a.cfg", true),
    ("replay FIFO", true),
    ("replay --pcrs FIFO EV.log", true),
    ("verify --quote FIFO --signature EV.sig --key EV.ak.pub --log EV.log --allow list", true),
    ("verify --quote EV.quote --signature EV.sig --key EV.ak.pub --log FIFO --allow list", true),
    ("verify --quote EV.quote --signature EV.sig --key EV.ak.pub --log EV.log --allow FIFO", true),
    ("verify --quote EV.quote --signature EV.sig --key EV.ak.pub --log EV.log --allow list --expect FIFO", true),
];

#[test]
fn no_input_or_output_waits_for_ever_for_a_pipe() {
    let files = Files::new();
    for name in ["FIFO", "FIFO.cfg", "FIFO.out"] {
        run("mkfifo", &[text(&files.path(name))]);
    }
    // Module folders in which a pipe is the list, or the module.
    for (folder, list) in [("odd", "modules.dep"), ("6.1.1", "kernel/overlay.ko")] {
        fs::create_dir_all(files.path(folder).join("kernel")).unwrap();
        if list != "modules.dep" {
            fs::copy(files.path("6.1.0/modules.dep"), files.path(folder).join("modules.dep")).unwrap();
        }
        run("mkfifo", &[text(&files.path(folder).join(list))]);
    }
    let start = |(line, waits): (&'static str, bool)| {
        (line, waits, files.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    };
    for (line, waits, mut child) in INPUTS.map(start) {
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        if waits {
            let line_said = said.next().unwrap_or_default();
            assert!(line_said.contains("is a pipe; waits for its writer, for at most 60 s"), "{line}: {line_said}");
            child.kill().unwrap();
            child.wait().unwrap();
            continue;
        }
        let end = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                child.kill().unwrap();
                panic!("{line}: hangs");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let said: Vec<_> = said.collect();
        let code = if line.starts_with("kernel-config") || line.starts_with("replay") { 2 } else { 1 };
        let is_named = said.iter().any(|line| line.contains("is a pipe") || line.contains("is no character device"));
        assert!(status.code() == Some(code) && is_named, "{line}: {status} {said:?}");
    }
    assert!(!files.path("new").exists() && files.path("FIFO").exists());
}

#[test]
fn a_closed_standard_output_is_said_before_any_wait() {
    let files = Files::new();
    run("mkfifo", &[text(&files.path("FIFO"))]);
    for (redirection, said) in [(">&-", "is closed ("), ("1</dev/null", "is open for reading only (")] {
        let lines = INPUTS.iter().filter(|(_, waits)| *waits).map(|(line, _)| *line);
        for line in lines.chain(["--help", "--version", "help verify"]) {
            let shell = ["-c", &format!("exec timeout 20 \"$0\" \"$@\" {redirection}"), text(program())];
            let mut command = Command::new("bash");
            command.args(shell).args(files.command(line).get_args()).current_dir(files.folder());
            let ran: Ran = command.output().unwrap().into();
            let is_said = ran.code != 0 && ran.err.starts_with(&format!("measureroot: standard output: {said}"));
            assert!(is_said && ran.err.lines().count() == 1, "{line} {redirection}: {ran:?}");
        }
    }
}

#[test]
fn the_shells_process_substitution_is_read() {
    let files = Files::new();
    let folder = format!("{ROOT}/tests/evidence");
    let line = format!(
        "exec '{}' verify --quote <(cat {folder}/drtm.quote) --signature <(cat {folder}/drtm.sig) --key <(cat {folder}/drtm.ak.pub) \
         --log <(sleep 0.3; cat {folder}/drtm.log) --allow <(cat list) --pcrs <(cat {folder}/drtm.pcrread)",
        text(program())
    );
    let ran: Ran = Command::new("bash").args(["-c", &line]).current_dir(files.folder()).output().unwrap().into();
    assert!(ran.code == 3 && ran.out.starts_with("not trusted: "), "{ran:?}");
}

#[test]
fn an_output_that_is_an_input_is_refused_by_every_command() {
    let files = Files::new();
    fs::hard_link(files.path("agent"), files.path("same")).unwrap();
    symlink("agent", files.path("link")).unwrap();
    let modules = "--kernel-modules 6.1.0 --module overlay";
    for (line, input) in [
        ("initramfs --agent agent --output agent".to_owned(), "agent"),
        ("initramfs --agent agent --output link".to_owned(), "agent"),
        ("initramfs --agent same --output ./agent".to_owned(), "agent"),
        (format!("initramfs --agent agent {modules} --output 6.1.0/modules.dep"), "6.1.0/modules.dep"),
        (format!("initramfs --agent agent {modules} --output 6.1.0/kernel/overlay.ko"), "6.1.0/kernel/overlay.ko"),
        ("predict --allow-entry image image".to_owned(), "image"),
        ("predict --allow-entry image --name a --verity image agent".to_owned(), "image"),
        ("predict --allow-entry agent --name a --verity image agent".to_owned(), "agent"),
    ] {
        let before = fs::read(files.path(input)).unwrap();
        let ran = files.ran(&line);
        assert!(ran.code == 1 && ran.err.contains("is the same file as the input "), "{line}: {ran:?}");
        assert!(fs::read(files.path(input)).unwrap() == before, "{line}");
    }
    let ran = files.ran("predict --allow-entry same image");
    assert!(ran.code == 1 && ran.err.contains("same: "), "{ran:?}");
    files.write("binary", b"\xff");
    let ran = files.ran("predict --allow-entry binary image");
    assert!(ran.code == 1 && ran.err.contains("binary: is no list of trusted images"), "{ran:?}");
}

#[test]
fn a_wrong_file_is_named_with_what_is_wanted() {
    let files = Files::new();
    files.write("empty.json", b"[]");
    files.write("ak.ctx", b"\xba\xdc\xc0\xde\0\0\0\x01");
    let verify = "verify --quote EV.quote --signature EV.sig --log EV.log --allow list";
    for (line, said) in [
        ("replay empty.json", "the logs have no event"),
        ("replay -", "use /dev/stdin"),
        ("predict -", "- does not stand for standard input: name a file"),
        ("predict --allow-entry new --bank sha1 image", "verify counts it only with --sha1"),
    ] {
        let ran = files.ran(line);
        assert!(ran.err.contains(said), "{line}: {ran:?}");
    }
    let ran = files.ran(&format!("{verify} --key ak.ctx"));
    assert!((ran.out + &ran.err).contains("tpm2_createak --public"));
    assert!(!files.ran("predict --allow-entry other image").err.contains("--sha1"));
}

#[test]
fn a_name_that_nobody_can_see_or_compare_is_refused() {
    let files = Files::new();
    for name in ["", " ", "\u{a0}\t", "\u{200b}"] {
        let ran: Ran = files.command("predict image --allow-entry new --name").arg(name).output().unwrap().into();
        assert!(ran.code == 2 && ran.err.contains("empty or has only blanks"), "{name:?}: {ran:?}");
    }
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"\xffimage"));
    fs::copy(files.path("image"), files.folder().join(odd)).unwrap();
    fs::copy(files.path("image"), files.path(" ")).unwrap();
    let with = |line: &str, last: &Path| -> Ran { files.command(line).arg(last).output().unwrap().into() };
    let ran = with("predict --allow-entry new --name", odd);
    assert_eq!(ran.code, 2, "{ran:?}");
    for (image, cause) in [(odd, "is not UTF-8"), (Path::new(" "), "only blanks")] {
        let ran = with("predict --allow-entry new", image);
        assert!(ran.code == 1 && ran.err.contains(cause) && ran.err.contains("with --name"), "{ran:?}");
        assert!(!files.path("new").exists());
    }
    let ran = with("predict --json", odd);
    assert!(ran.code == 1 && ran.err.contains("JSON cannot hold it"), "{ran:?}");
    with("predict", odd).printed();
    with("predict --allow-entry new --name release", odd).printed();
    let list = fs::read_to_string(files.path("new")).unwrap();
    assert!(list.contains("\"release\""), "{list}");
    files.write("new", list.replace("release", " ").as_bytes());
    let ran = files.ran("verify --quote EV.quote --signature EV.sig --key EV.ak.pub --log EV.log --allow new");
    assert!(ran.code == 1 && ran.err.contains("empty or has only blanks"), "{ran:?}");
}

#[test]
fn a_file_that_is_written_to_while_it_is_read_is_no_input() {
    let files = Files::new();
    run("/sbin/veritysetup", &["format", text(&files.path("image")), text(&files.path("tree"))]);
    fs::create_dir_all(files.path("esp/EFI/BOOT")).unwrap();
    let evidence = "verify --quote EV.quote --signature EV.sig --key EV.ak.pub --log EV.log --image live";
    for (line, live, of) in [
        ("predict live", "live", "image"),
        ("predict --device live", "live", "image"),
        ("predict --verity live tree", "live", "image"),
        ("predict --verity image live", "live", "tree"),
        ("predict --uki live", "live", "image"),
        ("predict --kernel live", "live", "image"),
        ("predict --esp esp", "esp/EFI/BOOT/BOOTX64.EFI", "image"),
        ("predict --tboot live --kernel image", "live", "image"),
        ("initramfs --output new --agent live", "live", "agent"),
        (evidence, "live", "image"),
    ] {
        fs::copy(files.path(of), files.path(live)).unwrap();
        assert!(is_refused_while_written(&files.path(live), live, || files.command(line)), "{line}");
        let Ran { err, .. } = files.ran(line);
        assert!(!err.contains("was changed while it was read"), "{line}: {err}");
    }
}

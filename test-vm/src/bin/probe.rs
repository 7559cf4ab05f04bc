//! The guest's probe: it answers the questions of `protocol` over the virtio-serial port. It is the init of the small root
//! images, and a service after multi-user.target in Debian. It is static, so that it runs in a root image without libraries.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use test_vm::protocol::{Answer, Question};
use test_vm::{Result, bank, ensure};

/// `RAMFS_MAGIC` (the kernel's uapi/linux/magic.h): the root file system without `CONFIG_TMPFS` or with `root=` set.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

fn main() -> Result<()> {
    // Opened once: the driver refuses a second opening.
    let mut host = File::options().read(true).write(true).open(port()?)?;
    let questions = BufReader::new(host.try_clone()?);
    let mut say = |answer: &Answer| -> Result<()> { Ok(writeln!(host, "{}", serde_json::to_string(answer)?)?) };
    say(&Answer::Hello(std::process::id()))?;
    for line in questions.lines() {
        say(&answer(serde_json::from_str(&line?)?).unwrap_or_else(|cause| Answer::Refused(cause.to_string())))?;
    }
    Err("the host closed the port".into())
}

/// Waits for the only virtio-serial port: its driver adds it some time after the kernel has found the bus.
fn port() -> Result<PathBuf> {
    let changes = Inotify::init(InitFlags::IN_CLOEXEC)?;
    changes.add_watch("/dev", AddWatchFlags::IN_CREATE)?;
    loop {
        for entry in fs::read_dir("/dev")? {
            let path = entry?.path();
            if path.to_string_lossy().starts_with("/dev/vport") {
                return Ok(path);
            }
        }
        let mut wait = [PollFd::new(changes.as_fd(), PollFlags::POLLIN)];
        ensure!(poll(&mut wait, PollTimeout::try_from(20_000_u32)?)? > 0, "no virtio-serial port within 20 s");
        changes.read_events()?;
    }
}

fn answer(question: Question) -> Result<Answer> {
    match question {
        Question::Read(path) => Ok(Answer::File {
            mode: fs::metadata(&path)?.permissions().mode() & 0o7777,
            text: String::from_utf8_lossy(&fs::read(&path)?).into_owned(),
        }),
        Question::Bytes(path) => Ok(Answer::Bytes {
            mode: fs::metadata(&path)?.permissions().mode() & 0o7777,
            hex: bank::hex(&fs::read(&path)?),
        }),
        Question::List(path) => Ok(Answer::Names(names(&path)?)),
        Question::Write(path, text) => Ok(fs::write(path, text).map(|()| Answer::Done)?),
        Question::Run(line) => run(&line),
        Question::Leftovers => {
            // A separate thread: it changes its mounts and its root, and those of the probe must stay.
            let looked = std::thread::spawn(leftovers).join();
            Ok(Answer::Names(looked.map_err(|_| "the thread ended early")??))
        }
        Question::PowerOff => end(RebootMode::RB_POWER_OFF, "poweroff"),
        Question::Reboot => end(RebootMode::RB_AUTOBOOT, "reboot"),
    }
}

fn run(line: &[String]) -> Result<Answer> {
    let (program, arguments) = line.split_first().ok_or("run what?")?;
    let mut done = Command::new(program).args(arguments).output()?;
    done.stdout.append(&mut done.stderr);
    Ok(Answer::Ran { code: done.status.code(), output: String::from_utf8_lossy(&done.stdout).into_owned() })
}

/// Switches the machine off or restarts it: through systemd, or at once if the probe is the init.
fn end(mode: RebootMode, verb: &str) -> Result<Answer> {
    if std::process::id() == 1 {
        reboot(mode)?;
    }
    run(&["systemctl".into(), "--no-block".into(), verb.into()])
}

/// Removes the current root, in a mount namespace of this thread alone, and lists the files below it.
fn leftovers() -> Result<Vec<String>> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let namespace = File::open("/proc/thread-self/ns/mnt")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    umount2("/", MntFlags::MNT_DETACH)?;
    // A thread that enters the namespace again gets the topmost mount as its root.
    setns(&namespace, CloneFlags::CLONE_NEWNS)?;
    let kind = statfs("/")?.filesystem_type();
    ensure!(kind == TMPFS_MAGIC || kind == RAMFS_MAGIC, "below the root is no initramfs but {kind:?}");
    let mut found = Vec::new();
    files(Path::new("/"), fs::metadata("/")?.dev(), &mut found)?;
    Ok(found)
}

/// Adds all files under `folder` that are on the same file system. Folders are not listed.
fn files(folder: &Path, device: u64, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let meta = fs::symlink_metadata(&path)?;
        if !meta.is_dir() {
            found.push(path.to_string_lossy().into_owned());
        } else if meta.dev() == device {
            files(&path, device, found)?;
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    fs::read_dir(folder)?.map(name).collect()
}

//! Reads whole files from untrusted sources, up to a limit.

use std::fmt::Display;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::input_file::{self, Kinds};
use super::unchanged::Unchanged;
use crate::error::{Context, Error, Result};

/// The limit for an event log, and for the PCR values that belong to it, in bytes: 16 MiB. A firmware's log has about 100 KiB.
pub(super) const LOG: u64 = 16 << 20;

/// The limit for a program that firmware starts, in bytes: 2 GiB. It is read into memory, as firmware does. A unified kernel image
/// has some 100 MB.
pub(super) const PROGRAM: u64 = 2 << 30;

/// How long to wait for the writer of a pipe, each time: long enough for a person who types the password of ssh(1).
const PATIENCE: Duration = Duration::from_secs(60);

/// After this time without a byte, the wait is said: most programs write sooner.
const UNNOTICED: Duration = Duration::from_secs(2);

/// The size of a pipe's buffer in bytes (pipe(7)): one read can give no more.
const PIPE: usize = 64 << 10;

/// Reads a file of at most `limit` bytes. Without a limit, an endless one would fill the memory.
///
/// # Errors
/// If it is no file of these kinds, if it cannot be read, if it is longer, or if it was changed meanwhile.
pub(super) fn read(path: &Path, limit: u64, kinds: Kinds) -> Result<Vec<u8>> {
    let name = &path.display();
    let mut file = input_file::open(path, kinds)?;
    let about = file.metadata().about(name)?;
    // Files of /proc and /sys have more bytes than their length says, so the reader counts, too.
    if about.is_file() && about.len() > limit {
        return Err(too_long(name, limit));
    }
    if about.file_type().is_fifo() {
        return read_pipe(&mut file, name, limit, PATIENCE);
    }
    let opened = Unchanged::since(&file, name)?;
    let mut bytes = Vec::new();
    (&mut file).take(limit + 1).read_to_end(&mut bytes).about(name)?;
    if bytes.len() as u64 > limit {
        return Err(too_long(name, limit));
    }
    opened.map_or(Ok(()), |opened| opened.check(&file, name)).map(|()| bytes)
}

fn too_long(name: &dyn Display, limit: u64) -> Error {
    Error::new(name, format_args!("longer than {limit} bytes")).hint("no such file is that long: is it the right one?")
}

/// Reads a pipe, which was opened without waiting, until its writer closes it. Whenever `patience` passes without a byte,
/// that is an error.
fn read_pipe(pipe: &mut File, name: &dyn Display, limit: u64, patience: Duration) -> Result<Vec<u8>> {
    let (mut bytes, mut part) = (Vec::new(), vec![0; PIPE]);
    let mut said = false;
    while bytes.len() as u64 <= limit {
        // read(2) would call a FIFO empty that no writer has opened yet; poll(2) waits for one.
        if !is_ready(pipe, UNNOTICED.min(patience)).about(name)? {
            if !said {
                log::info!("{name}: is a pipe; waits for its writer, for at most {} s", patience.as_secs());
                said = true;
            }
            if !is_ready(pipe, patience.saturating_sub(UNNOTICED)).about(name)? {
                let cause = format_args!("is a pipe, and nothing was written into it for {} s", patience.as_secs());
                return Err(Error::new(name, cause).hint("does its writer run?"));
            }
        }
        match pipe.read(&mut part) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend(part.iter().take(count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(Error::new(name, error)),
        }
    }
    Err(too_long(name, limit))
}

/// Whether the pipe has bytes, or no writer any more, within this time.
fn is_ready(pipe: &File, time: Duration) -> nix::Result<bool> {
    let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], time) {
        // A signal: read(2) says whether there is something.
        Err(Errno::EINTR) => Ok(true),
        ready => ready.map(|count| count > 0),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_file_of_the_limit_is_read_and_a_longer_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3, Kinds::File).unwrap(), b"abc");
        assert!(read(&path, 2, Kinds::File).unwrap_err().to_string().contains("file: longer than 2 bytes ("));
        // The kernel says that this file has no bytes.
        let error = read(Path::new("/proc/self/status"), 2, Kinds::File).unwrap_err().to_string();
        assert_eq!(error, "/proc/self/status: longer than 2 bytes (no such file is that long: is it the right one?)");
    }

    /// A FIFO, opened for reading, and its path.
    fn fifo(folder: &Path) -> (File, std::path::PathBuf) {
        let path = folder.join("fifo");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        (input_file::open(&path, Kinds::Stream).unwrap(), path)
    }

    #[test]
    fn a_pipe_is_read_to_its_end_however_its_writer_begins_and_pauses() {
        let folder = tempfile::tempdir().unwrap();
        let (mut pipe, path) = fifo(folder.path());
        let read = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                let mut writer = fs::OpenOptions::new().write(true).open(&path).unwrap();
                for _ in 0..3 {
                    writer.write_all(&vec![7; PIPE]).unwrap();
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            read_pipe(&mut pipe, &"fifo", 1 << 20, PATIENCE).unwrap()
        });
        assert!(read == vec![7; 3 * PIPE], "{} bytes", read.len());
    }

    #[test]
    fn the_wait_for_a_pipe_has_an_end_and_so_has_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (mut pipe, path) = fifo(folder.path());
        let error = read_pipe(&mut pipe, &"fifo", 9, Duration::from_millis(20)).unwrap_err().to_string();
        assert!(error.starts_with("fifo: is a pipe, and nothing was written into it for "), "{error}");
        let mut writer = fs::OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(&[7; 10]).unwrap();
        let error = read_pipe(&mut pipe, &"fifo", 9, PATIENCE).unwrap_err().to_string();
        assert_eq!(error, "fifo: longer than 9 bytes (no such file is that long: is it the right one?)");
        // The writer is there, and silent.
        assert!(read_pipe(&mut pipe, &"fifo", 9, Duration::from_millis(20)).is_err());
        drop(writer);
        assert_eq!(read_pipe(&mut pipe, &"fifo", 9, PATIENCE).unwrap(), b"");
    }
}

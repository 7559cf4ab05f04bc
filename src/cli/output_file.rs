//! The file of `--output`: a regular file, which is replaced as a whole, or a pipe to another program.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::O_NONBLOCK;
use nix::sys::stat::fstat;

use super::replaced_file::ReplacedFile;
use super::stdout;
use crate::count::counted;
use crate::error::{Context, Error, Result};

/// A place for the result of a command.
#[derive(Debug)]
pub(super) enum OutputFile {
    File(Box<ReplacedFile>),
    /// An open pipe, and its path.
    Pipe(File, String),
    /// `-`, or `/dev/stdout` or another name for it.
    Stdout,
}

impl OutputFile {
    /// Checks that the file can be written. A command does this before it works for a long time.
    ///
    /// # Errors
    /// If the path is neither a regular file, nor a place for one, nor a pipe that a program reads.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let found = fs::metadata(path).ok();
        // A file that the shell opened must not be replaced: the shell goes on to write into the old one.
        let is_stdout = found.as_ref().is_some_and(|found| {
            fstat(std::io::stdout().as_fd()).is_ok_and(|out| (out.st_dev, out.st_ino) == (found.dev(), found.ino()))
        });
        if path.as_os_str() == "-" {
            stdout::check()?;
            if std::io::stdout().is_terminal() {
                return Err(Error::new(stdout::NAME, "is a terminal").hint("send it to a file or a program: - >FILE"));
            }
            return Ok(Self::Stdout);
        }
        match found {
            Some(found) if is_stdout && !found.file_type().is_char_device() => Ok(Self::Stdout),
            Some(found) if found.file_type().is_fifo() => {
                // Without O_NONBLOCK, open(2) of a FIFO waits for a reader (fifo(7)).
                let opened = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(path);
                let pipe = opened.map_err(|error| match error.raw_os_error() {
                    Some(none) if none == Errno::ENXIO as i32 => {
                        Error::new(&name, "is a pipe that no program reads").hint("start its reader first")
                    }
                    _ => Error::new(&name, error),
                })?;
                // From here on, a full pipe waits for its reader, as standard output does.
                fcntl(&pipe, FcntlArg::F_SETFL(OFlag::empty())).about(&name)?;
                Ok(Self::Pipe(pipe, name.to_string()))
            }
            _ => {
                let file = ReplacedFile::at(path)?;
                file.check_writable()?;
                Ok(Self::File(Box::new(file)))
            }
        }
    }

    /// Writes the whole file.
    ///
    /// # Errors
    /// If it cannot be written. Then an old file is still there.
    pub(super) fn write(self, bytes: &[u8]) -> Result<()> {
        // The umask clears bits, as for every new file.
        self.write_with(bytes, 0o666)
    }

    /// The same. A file can be read and written by its owner alone: it has a secret, or the logs, which show which software runs.
    ///
    /// # Errors
    /// As for [`OutputFile::write`].
    pub(super) fn write_for_owner(self, bytes: &[u8]) -> Result<()> {
        self.write_with(bytes, 0o600)
    }

    fn write_with(self, bytes: &[u8], mode: u32) -> Result<()> {
        match self {
            Self::File(file) => file.replace(bytes, Permissions::from_mode(mode), |_| Ok(())),
            Self::Pipe(pipe, name) => write_all(pipe, &name, bytes),
            Self::Stdout => write_all(stdout::open()?, stdout::NAME, bytes),
        }
    }
}

/// Writes a file that the next program needs as a whole: a reader that stops early is an error, unlike one of printed text.
fn write_all(mut pipe: File, name: &str, bytes: &[u8]) -> Result<()> {
    pipe.write_all(bytes).map_err(|error| {
        let told = Error::new(name, &error);
        if error.kind() != ErrorKind::BrokenPipe {
            return told;
        }
        told.hint(format_args!("its reader stopped before it had all of the {}", counted(bytes.len(), "byte")))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_pipe_needs_a_reader_and_gets_all_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let error = OutputFile::open(&path).unwrap_err().to_string();
        assert!(error.ends_with("fifo: is a pipe that no program reads (start its reader first)"), "{error}");
        let mut reader = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        let output = OutputFile::open(&path).unwrap();
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        // More than a pipe holds.
        let bytes = vec![7; 1 << 20];
        let read = std::thread::scope(|scope| {
            scope.spawn(|| output.write(&bytes).unwrap());
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        assert!(read == bytes);
        // Otherwise the pipe would still have a reader, and the next write would wait for it for ever.
        drop(reader);
        let mut reader = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        let output = OutputFile::open(&path).unwrap();
        let error = std::thread::scope(|scope| {
            let writing = scope.spawn(|| output.write(&bytes).unwrap_err().to_string());
            while reader.read(&mut [0; 1000]).unwrap_or_default() == 0 {}
            drop(reader);
            writing.join().unwrap()
        });
        let end = "its reader stopped before it had all of the 1048576 bytes)";
        assert!(error.contains("fifo: Broken pipe") && error.ends_with(end), "{error}");
    }

    #[test]
    fn a_file_is_replaced_and_a_device_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for text in ["one", "two"] {
            OutputFile::open(&path).unwrap().write(text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(OutputFile::open(Path::new("/dev/null")).unwrap_err().to_string().contains("is a device"));
    }
}

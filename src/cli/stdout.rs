//! Standard output, which carries results only.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::error::{Context, Error, Result};
use crate::sys::closed_stdout;

/// What errors call it.
pub(super) const NAME: &str = "standard output";

/// Writes all bytes. A reader that stops early (`| head`) is no error.
///
/// # Errors
/// If standard output is closed or cannot be written.
pub(super) fn print(bytes: &[u8]) -> Result<()> {
    judge(open()?.write_all(bytes))
}

/// Writes a result part by part. Of an event log with many events, the whole result has many times the bytes of the log.
///
/// # Errors
/// As for [`print`].
pub(super) fn print_parts(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut output = BufWriter::new(open()?);
    judge(write(&mut output).and_then(|()| output.flush()))
}

/// Standard output as an open file.
///
/// # Errors
/// As for [`check`].
pub(super) fn open() -> Result<File> {
    check()?;
    // `std::io::Stdout` takes it for success if the descriptor cannot be written to (EBADF).
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned().about(NAME)?))
}

/// Checks that standard output is open for writing. A command does this before it works for a long time.
///
/// # Errors
/// If it is not.
pub(super) fn check() -> Result<()> {
    if closed_stdout::is_closed() {
        return Err(
            Error::new(NAME, "is closed").hint("the result would be lost; >/dev/null throws it away on purpose")
        );
    }
    // Rust's `print` takes it for success if the descriptor cannot be written to.
    let flags = OFlag::from_bits_retain(fcntl(io::stdout().as_fd(), FcntlArg::F_GETFL).about(NAME)?);
    if flags & OFlag::O_ACCMODE == OFlag::O_RDONLY {
        return Err(Error::new(NAME, "is open for reading only").hint("write >FILE, not <FILE or 1<FILE"));
    }
    Ok(())
}

/// Prints the text of `--help` or `--version`, with colours on a terminal.
///
/// # Errors
/// As for [`print`].
pub(super) fn help(help: &clap::Error) -> Result<()> {
    check()?;
    judge(help.print().and_then(|()| io::stdout().flush()))
}

fn judge(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).about(NAME),
        _ => Ok(()),
    }
}

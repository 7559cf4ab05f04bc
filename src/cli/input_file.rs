//! Opens the files that the user names as input. No open waits, and a file of a kind that the command cannot read is refused.

use std::fmt::Display;
use std::fs::{self, File, FileType, OpenOptions};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::libc::{O_NOCTTY, O_NONBLOCK};

use crate::error::{Context, Error, Result};

/// The kinds of files that an input may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinds {
    /// A regular file alone.
    File,
    /// A regular file or a block device. It is read at any place, and its length must be known.
    Seekable,
    /// A regular file, or a pipe such as the shell's `<(command)`. It is read once, from its start to its end.
    Stream,
}

/// Opens an input for reading.
///
/// # Errors
/// If there is no such file, or if it is of another kind.
pub(super) fn open(path: &Path, kinds: Kinds) -> Result<File> {
    let name = &path.display();
    // To open a device can do something: a tape rewinds, a watchdog starts. So its kind is looked at before.
    let found = fs::metadata(path).map_err(|error| {
        let missing = Error::new(name, error);
        if path != Path::new("-") {
            return missing;
        }
        missing.hint(match kinds {
            Kinds::Stream => "- does not stand for standard input: use /dev/stdin",
            Kinds::File | Kinds::Seekable => "- does not stand for standard input: name a file",
        })
    })?;
    check(found.file_type(), kinds, name)?;
    // Without O_NONBLOCK, open(2) of a FIFO waits for a writer (fifo(7)). A terminal must not become that of this program.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path).about(name)?;
    // By now, another file may have this name.
    check(file.metadata().about(name)?.file_type(), kinds, name)?;
    Ok(file)
}

fn check(found: FileType, kinds: Kinds, name: &dyn Display) -> Result<()> {
    let is_right = match kinds {
        Kinds::File => false,
        Kinds::Seekable => found.is_block_device(),
        Kinds::Stream => found.is_fifo(),
    };
    if is_right || found.is_file() {
        return Ok(());
    }
    let cause = match kinds {
        _ if found.is_dir() => "is a folder",
        _ if found.is_fifo() => "is a pipe",
        Kinds::File => "is no regular file",
        Kinds::Seekable => "is neither a file nor a block device",
        Kinds::Stream => "is neither a file nor a pipe",
    };
    let hint = match kinds {
        Kinds::File => "give a regular file",
        Kinds::Seekable => "give a file or a block device: its length must be known, and it is read at several places",
        Kinds::Stream => "give a file, or a pipe such as <(command)",
    };
    Err(Error::new(name, cause).hint(hint))
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn each_kind_of_input_takes_its_kinds_of_files_and_no_open_waits() {
        let folder = tempfile::tempdir().unwrap();
        let (file, fifo) = (folder.path().join("file"), folder.path().join("fifo"));
        fs::write(&file, "").unwrap();
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let opened = |path: &Path, kinds| open(path, kinds).map(drop).map_err(|error| error.reason());
        for kinds in [Kinds::File, Kinds::Seekable, Kinds::Stream] {
            assert_eq!(opened(&file, kinds), Ok(()));
            assert!(opened(folder.path(), kinds).unwrap_err().starts_with("is a folder ("));
            assert!(opened(Path::new("/dev/null"), kinds).unwrap_err().starts_with("is n"));
            let piped = opened(&fifo, kinds);
            assert_eq!(piped.is_ok(), kinds == Kinds::Stream, "{piped:?}");
            assert!(piped.err().is_none_or(|why| why.starts_with("is a pipe (")));
        }
    }
}

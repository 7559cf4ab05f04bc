//! A regular file that is written as a whole: a reader, or the next step of a build after an error, never finds a part of it.

use std::fs::{self, File, FileType, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::count::counted;
use crate::error::{Context, Error, Result};

/// The file, which need not exist yet.
#[derive(Debug)]
pub(super) struct ReplacedFile {
    /// The path, as the user gave it: errors name it.
    pub(super) name: String,
    /// The same without symbolic links at its end: a link stays, and the file that it names is replaced.
    pub(super) target: PathBuf,
    /// The folder of the target.
    pub(super) folder: PathBuf,
    /// What is known about the file that is there now.
    pub(super) old: Option<Metadata>,
}

impl ReplacedFile {
    /// Finds the file.
    ///
    /// # Errors
    /// If the path leads to something else than a regular file or a place for one: a folder, a device, a pipe, or a link to
    /// nothing. If a link to nothing became a file, another program would still use the file that the link names.
    pub(super) fn at(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let (target, old) = match fs::symlink_metadata(path) {
            Ok(link) if link.is_symlink() => (linked(path, &name)?, Some(fs::metadata(path).about(&name)?)),
            Ok(old) => (path.to_owned(), Some(old)),
            Err(error) if error.kind() == ErrorKind::NotFound => (path.to_owned(), None),
            Err(error) => return Err(Error::new(name, error)),
        };
        if let Some(cause) = old.as_ref().and_then(|old| unfit(old.file_type())) {
            return Err(Error::new(name, cause).hint("give a regular file, or a new name"));
        }
        // To the kernel, a slash at the end means a folder (path_resolution(7)).
        if target.file_name().is_none() || target.as_os_str().as_bytes().ends_with(b"/") {
            return Err(Error::new(format_args!("\"{name}\""), "does not name a file"));
        }
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.to_owned();
        Ok(Self { name, target, folder, old })
    }

    /// Checks that a file can be made in the folder, and returns one without a name.
    ///
    /// # Errors
    /// If there is no such folder, or if it cannot be written to.
    pub(super) fn check_writable(&self) -> Result<File> {
        let folder = self.folder.display();
        if !fs::metadata(&self.folder).about_hint(&folder, format_args!("make the folder of {}", self.name))?.is_dir() {
            return Err(Error::new(folder, "is no folder"));
        }
        tempfile::tempfile_in(&self.folder).map_err(|error| self.cannot_begin(&error))
    }

    /// Replaces the file. If an error occurs, the old file stays. `adapt` gets the new file before it has its name.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn replace(
        &self,
        bytes: &[u8],
        mode: Permissions,
        adapt: impl FnOnce(&File) -> Result<()>,
    ) -> Result<()> {
        let file = tempfile::Builder::new().prefix(".measureroot.").permissions(mode).tempfile_in(&self.folder);
        let file = file.map_err(|error| self.cannot_begin(&error))?;
        adapt(file.as_file())?;
        // The errors of the crate's own writer name the temporary file, which nobody knows.
        let mut writer = file.as_file();
        writer.write_all(bytes).map_err(|error| self.unwritten(&error, bytes.len()))?;
        // On some file systems, a rename that is not followed by a sync leaves an empty file after a power cut.
        writer.sync_all().map_err(|error| self.unwritten(&error, bytes.len()))?;
        file.persist(&self.target).map_err(|failed| Error::new(&self.name, failed.error))?;
        Ok(())
    }

    /// The error of a folder in which no file can be made. The crate writes the system's error, ` at path ` and a name that nobody knows.
    fn cannot_begin(&self, error: &io::Error) -> Error {
        let text = error.to_string();
        let cause = text.split_once(" at path ").map_or(text.as_str(), |(cause, _)| cause);
        Error::new(&self.name, format_args!("cannot be written in {}: {cause}", self.folder.display()))
    }

    fn unwritten(&self, error: &io::Error, bytes: usize) -> Error {
        let told = Error::new(&self.name, error);
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => told.hint(format_args!(
                "{} are needed: make room in {}, or name a file elsewhere; nothing was changed",
                counted(bytes, "byte"),
                self.folder.display()
            )),
            _ => told,
        }
    }
}

/// Checks that no input is the file that will be replaced, whatever their names are: the input would be lost.
///
/// # Errors
/// If one is.
pub(super) fn check_inputs<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let Some(replaced) = identity(output) else { return Ok(()) };
    match inputs.into_iter().find(|input| identity(input) == Some(replaced)) {
        Some(input) => {
            Err(Error::new(output.display(), format_args!("is the same file as the input {}", input.display()))
                .hint("the input would be overwritten: name another file for the output"))
        }
        None => Ok(()),
    }
}

/// The file that a symbolic link leads to.
fn linked(path: &Path, name: &str) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| match fs::read_link(path) {
        Ok(target) if error.kind() == ErrorKind::NotFound => {
            Error::new(name, format_args!("is a symbolic link to {}, which does not exist", target.display()))
                .hint("make that file first, remove the link, or name the file itself")
        }
        _ => Error::new(name, error),
    })
}

/// Why something that exists cannot be replaced.
fn unfit(found: FileType) -> Option<&'static str> {
    if found.is_file() {
        None
    } else if found.is_dir() {
        Some("is a folder")
    } else if found.is_fifo() {
        Some("is a pipe")
    } else if found.is_socket() {
        Some("is a socket")
    } else {
        Some("is a device")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
        ReplacedFile::at(path)?.replace(bytes, Permissions::from_mode(0o666), |_| Ok(()))
    }

    #[test]
    fn a_new_file_has_the_usual_mode_and_a_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(folder.path().join("usual"), "").unwrap();
        symlink("file", &link).unwrap();
        replace(&file, b"one").unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("file"), mode("usual"));
        replace(&link, b"two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "a temporary file is left");
    }

    #[test]
    fn what_is_no_place_for_a_file_is_refused_before_a_byte_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        mkfifo(&path("fifo"), Mode::S_IRWXU).unwrap();
        symlink("nowhere", path("dangling")).unwrap();
        symlink("around", path("around")).unwrap();
        symlink("fifo", path("to-fifo")).unwrap();
        for (name, cause) in [
            ("fifo", "fifo: is a pipe ("),
            ("to-fifo", "to-fifo: is a pipe ("),
            ("dangling", "dangling: is a symbolic link to nowhere, which does not exist ("),
            ("around", "around: Too many levels of symbolic links"),
            ("", ": is a folder ("),
            ("new/", "\" does not name a file"),
            ("/dev/full", "/dev/full: is a device ("),
        ] {
            let error = ReplacedFile::at(&path(name)).unwrap_err().to_string();
            assert!(error.replace("\": does", "\" does").contains(cause), "{name}: {error}");
        }
        assert_eq!(ReplacedFile::at(Path::new("")).unwrap_err().to_string(), "\"\": does not name a file");
        assert!(path("dangling").is_symlink());
    }

    #[test]
    fn a_folder_in_which_nothing_can_be_written_is_named() {
        for (file, start) in [
            ("/no-such-folder/file", "/no-such-folder: No such file"),
            ("/dev/null/file", "/dev/null/file: Not a directory"),
            ("/proc/file", "/proc/file: cannot be written in /proc: No such file or directory (os error 2)"),
        ] {
            let checked = ReplacedFile::at(Path::new(file)).and_then(|file| file.check_writable().map(drop));
            let error = checked.unwrap_err().to_string();
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn a_full_disk_is_named_with_what_to_do_and_without_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = ReplacedFile::at(&folder.path().join("list")).unwrap();
        let error = file.unwritten(&io::Error::from_raw_os_error(nix::libc::ENOSPC), 42).to_string();
        let place = folder.path().display();
        assert!(error.starts_with(&format!("{place}/list: No space left on device")), "{error}");
        assert!(error.contains(&format!("(42 bytes are needed: make room in {place}, or")), "{error}");
    }
}

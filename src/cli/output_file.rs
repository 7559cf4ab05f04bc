//! Writes a file as a whole: a reader, or the next step of a build after an error, never finds a part of it.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Context, Error, Result};

/// Replaces the file. If an error occurs, the old file stays. A symbolic link stays, and the file that it names is replaced.
/// Something else than a file, such as a pipe or `/dev/stdout`, is written to.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = match fs::metadata(path) {
        Ok(meta) if !meta.is_file() => return fs::write(path, bytes).about(path.display()),
        Ok(_) => fs::canonicalize(path).about(path.display())?,
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(Error::new(path.display(), error)),
    };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The umask clears bits, as for every new file.
    let mode = Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().prefix(".measureroot.").permissions(mode).tempfile_in(folder);
    let mut file = file.about(folder.display())?;
    file.write_all(bytes).about(path.display())?;
    // On some file systems, a rename that is not followed by a sync leaves an empty file after a power cut.
    file.as_file().sync_all().about(path.display())?;
    file.persist(&target).about(path.display())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

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
    fn what_is_no_file_is_written_to_and_a_missing_folder_is_named() {
        replace(Path::new("/dev/null"), b"bytes").unwrap();
        let error = replace(Path::new("/no-such-folder/file"), b"bytes").unwrap_err().to_string();
        assert!(error.starts_with("/no-such-folder: "), "{error}");
    }
}

//! Whether a file stayed the same while it was read. Reading takes long, and a program that writes meanwhile makes a digest of bytes that
//! the file never had together.

use std::fmt::Display;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Context, Error, Result};

/// How long the kernel may give the same time to writes: a tick of its clock, which is 10 ms at most (kernel, kernel/Kconfig.hz, `HZ_100`;
/// fs/inode.c, `current_time`).
const TICK: Duration = Duration::from_millis(20);

/// The same on a file system that keeps whole seconds, or pairs of them: a FAT (kernel, fs/fat/misc.c, `fat_truncate_mtime`).
const SECONDS: Duration = Duration::from_secs(2);

/// What a write changes of an open file. A program can set the time of the last write back, but not that of the last change of the inode.
///
/// A block device has no such times. Of a file that a program has mapped into its memory, the kernel notices only the first write to a
/// page since it wrote that page out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unchanged {
    file: (u64, u64),
    bytes: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Unchanged {
    /// Takes note of a file before it is read. `None` if it is no regular file.
    ///
    /// Returns when the last write and the next one cannot have the same time.
    ///
    /// # Errors
    /// If the file's times cannot be read.
    pub(super) fn since(file: &File, name: &dyn Display) -> Result<Option<Self>> {
        let found = file.metadata().about(name)?;
        if !found.is_file() {
            return Ok(None);
        }
        Ok(Some(Self::settled(&found)))
    }

    /// The same with what is known of a file or a folder.
    pub(super) fn settled(found: &Metadata) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        thread::sleep(wait(now, (found.ctime(), found.ctime_nsec())));
        Self::of(found)
    }

    fn of(found: &Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            bytes: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Checks the file after it was read.
    ///
    /// # Errors
    /// If it was changed.
    pub(super) fn check(self, file: &File, name: &dyn Display) -> Result<()> {
        self.check_against(&file.metadata().about(name)?, name)
    }

    /// The same with what is known now.
    ///
    /// # Errors
    /// If it was changed.
    pub(super) fn check_against(self, now: &Metadata, name: &dyn Display) -> Result<()> {
        if Self::of(now) == self {
            return Ok(());
        }
        Err(Error::new(name, "was changed while it was read").hint("does another program write to it?"))
    }
}

/// How long to wait until a write has another time than this one.
fn wait(now: Duration, (seconds, nanoseconds): (i64, i64)) -> Duration {
    let unit = if nanoseconds == 0 { SECONDS } else { TICK };
    let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else {
        return Duration::ZERO;
    };
    let changed = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds.into()));
    // Another machine's clock may be far ahead; nothing tells then how long to wait.
    if changed > now.saturating_add(unit) {
        return Duration::ZERO;
    }
    changed.saturating_add(unit).saturating_sub(now).min(unit)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, FileTimes};
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn each_change_of_a_file_is_seen_and_a_read_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, [7; 100]).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let changed = |change: &dyn Fn()| {
            let before = Unchanged::since(&file, &"file").unwrap().unwrap();
            change();
            before.check(&file, &"file").map_err(|error| error.to_string())
        };
        assert_eq!(changed(&|| drop(fs::read(&path).unwrap())), Ok(()));
        let modified = file.metadata().unwrap().modified().unwrap();
        // Each of them right after the one before, in the same tick of the kernel's clock.
        let writes: [&dyn Fn(); 4] = [
            &|| file.write_all_at(b"a", 50).unwrap(),
            &|| file.write_all_at(b"b", 50).unwrap(),
            &|| {
                file.write_all_at(b"c", 50).unwrap();
                file.set_times(FileTimes::new().set_modified(modified)).unwrap();
            },
            &|| file.set_len(99).unwrap(),
        ];
        for (number, write) in writes.into_iter().enumerate() {
            let said = changed(write).unwrap_err();
            assert_eq!(
                said, "file: was changed while it was read (does another program write to it?)",
                "write {number}"
            );
        }
        assert_eq!(Unchanged::since(&File::open("/dev/null").unwrap(), &"null").unwrap(), None);
    }

    #[test]
    fn the_wait_has_an_end_whatever_the_clocks_are() {
        let now = Duration::from_secs(100);
        let ms = 1_000_000;
        for (changed, milliseconds) in [
            ((99, 0), 1000),
            ((98, 0), 0),
            ((0, 0), 0),
            ((99, 999 * ms), 19),
            ((99, 900 * ms), 0),
            // The times of the files of a tick ago, or of a clock that is ahead.
            ((100, ms), 20),
            ((100, 50 * ms), 0),
            ((102, 0), 2000),
            ((103, 0), 0),
            ((-1, 5), 0),
            ((i64::MAX, 999 * ms), 0),
        ] {
            assert_eq!(wait(now, changed), Duration::from_millis(milliseconds), "{changed:?}");
        }
    }
}

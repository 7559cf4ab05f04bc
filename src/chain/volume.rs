//! The files of a file system that firmware reads, an EFI system partition, wherever they are.

use super::partition::{Purpose, Table};
use super::region::Region;
use crate::error::{Error, Result};

/// The longest file that configures a boot loader, in bytes: 1 MiB. An entry of a boot menu has some hundred bytes.
pub(super) const CONFIGURATION: u64 = 1 << 20;
/// The longest program or initrd, in bytes: 2 GiB. It is read into memory, as firmware does.
pub(super) const PROGRAM: u64 = 2 << 30;

/// A file system. A path has `/` between its parts, and none at its start. The file system decides whether capital and small letters
/// are the same, as on FAT.
pub trait Volume {
    /// The bytes of a file. `None` if there is none with this path.
    ///
    /// # Errors
    /// If it cannot be read, or has more than `limit` bytes.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>>;

    /// The names of the files in a folder, sorted; folders in it are left out. None if there is no such folder. The folder above all
    /// is an empty path.
    ///
    /// # Errors
    /// If it cannot be read.
    fn names(&self, folder: &str) -> Result<Vec<String>>;

    /// Whether there is a folder with this path.
    ///
    /// # Errors
    /// If that cannot be read.
    fn has_folder(&self, path: &str) -> Result<bool>;
}

/// The files of a file system that cannot be read: each use is the error.
impl Volume for Error {
    fn read(&self, _: &str, _: u64) -> Result<Option<Vec<u8>>> {
        Err(self.clone())
    }

    fn names(&self, _: &str) -> Result<Vec<String>> {
        Err(self.clone())
    }

    fn has_folder(&self, _: &str) -> Result<bool> {
        Err(self.clone())
    }
}

/// A file system of a disk, with all that a boot loader finds it by.
pub struct DiskVolume<'a> {
    /// Which table the partition is in, and its number, from 1: GRUB's `gpt1` or `msdos1`. `None` if the file system has all of the
    /// disk, or is an image on a CD.
    pub partition: Option<(Table, u32)>,
    /// What the partition is for.
    pub purpose: Purpose,
    /// What messages call it.
    pub name: String,
    /// PARTUUID, as blkid prints it.
    pub partuuid: Option<String>,
    /// PARTLABEL.
    pub partlabel: Option<String>,
    /// The UUID of the file system, as blkid prints it.
    pub uuid: Option<String>,
    /// The label of the file system.
    pub label: Option<String>,
    /// Where it is.
    pub region: Region<'a>,
    /// Whether firmware can read it: it is a FAT.
    pub is_fat: bool,
    /// Whether it is an ext2, ext3 or ext4.
    pub is_ext: bool,
    /// Its files, or why they cannot be read: the file system is of another kind, or damaged.
    pub files: Result<Box<dyn Volume + 'a>>,
}

impl DiskVolume<'_> {
    /// Its files.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn files(&self) -> Result<&dyn Volume> {
        self.files.as_ref().map(AsRef::as_ref).map_err(Error::clone)
    }

    /// Its files, if firmware can read them, and programs that use the firmware's drivers.
    ///
    /// # Errors
    /// If it cannot.
    pub fn files_for_firmware(&self) -> Result<&dyn Volume> {
        let files = self.files()?;
        if self.is_fat { Ok(files) } else { Err(Error::new("file system", "is no FAT, which firmware reads")) }
    }
}

/// A boot option of the firmware.
#[derive(Debug, Clone, Copy, Default)]
pub struct BootOption<'a> {
    /// The path of the program, if it is not the one that firmware starts without a boot option.
    pub program: Option<&'a str>,
    /// The command line that it gives to the program.
    pub append: Option<&'a str>,
}

/// Where a program that firmware starts finds files.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The file system that it was started from.
    pub own: &'a dyn Volume,
    /// All file systems of its disk. None if the disk is not known.
    pub disk: &'a [DiskVolume<'a>],
    /// How firmware starts the program.
    pub option: BootOption<'a>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Files with their paths.
    #[derive(Debug, Default)]
    pub(crate) struct Made(Vec<(String, Vec<u8>)>);

    impl Made {
        pub(crate) fn with(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
            self.0.push((path.to_owned(), bytes.as_ref().to_vec()));
            self
        }

        /// These files, and those of `other` that are not among them.
        pub(crate) fn and(mut self, other: Self) -> Self {
            self.0.extend(other.0);
            self
        }
    }

    impl Volume for Made {
        fn read(&self, path: &str, _: u64) -> Result<Option<Vec<u8>>> {
            Ok(self.0.iter().find(|(own, _)| own.eq_ignore_ascii_case(path)).map(|(_, bytes)| bytes.clone()))
        }

        fn names(&self, folder: &str) -> Result<Vec<String>> {
            let inside = |path: &str| {
                let (head, name) = path.rsplit_once('/').unwrap_or(("", path));
                head.eq_ignore_ascii_case(folder).then(|| name.to_owned())
            };
            Ok(self.0.iter().filter_map(|(path, _)| inside(path)).collect())
        }

        fn has_folder(&self, path: &str) -> Result<bool> {
            let start = format!("{}/", path.to_ascii_lowercase());
            Ok(path.is_empty() || self.0.iter().any(|(own, _)| own.to_ascii_lowercase().starts_with(&start)))
        }
    }
}

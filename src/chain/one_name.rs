//! The entry of a folder that has a name. A damaged or hostile file system may have several with one name, and which of them another
//! reader takes is not told: firmware made from edk2 takes the one that an earlier search came across (FatPkg/EnhancedFatDxe/
//! DirectoryManage.c, `FatSearchODir`).

use crate::error::{Error, Result};

/// The one of these entries that has the name. `None` if none has.
///
/// # Errors
/// If several have.
pub(crate) fn one_of<T>(having: impl IntoIterator<Item = T>, name: &str) -> Result<Option<T>> {
    let mut having = having.into_iter();
    let first = having.next();
    if having.next().is_none() {
        return Ok(first);
    }
    Err(Error::new(name, "is the name of several files of its folder, and which one a boot takes is not known").hint(
        "capital and small letters are the same there; fsck.vfat finds names that a FAT has twice. Rename one of them",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_file_or_a_reason() {
        assert_eq!((one_of([0; 0], "a").unwrap(), one_of([7], "a").unwrap()), (None, Some(7)));
        let error = one_of([7, 7], "a").unwrap_err().to_string();
        assert!(error.starts_with("a: is the name of several files of its folder"), "{error}");
    }
}

//! Extended attributes of a file or folder (xattr(7)).
#![allow(unsafe_code)] // nix has none of these calls.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

/// The most bytes of a list of names, and of one value (kernel, include/uapi/linux/limits.h: `XATTR_LIST_MAX` and
/// `XATTR_SIZE_MAX`).
const MOST: usize = 65_536;

/// The names of all attributes of `path`, which is not a link.
///
/// # Errors
/// Those of listxattr(2).
pub(crate) fn list(path: &Path) -> nix::Result<Vec<CString>> {
    let path = c_path(path)?;
    let mut names = vec![0u8; MOST];
    // SAFETY: the kernel writes at most `names.len()` bytes into `names`, and reads `path` up to its NUL.
    let length = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    names.truncate(length_of(length)?);
    Ok(names
        .split_inclusive(|&byte| byte == 0)
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(CStr::to_owned)
        .collect())
}

/// The value of an attribute.
///
/// # Errors
/// Those of getxattr(2).
pub(crate) fn get(path: &Path, name: &CStr) -> nix::Result<Vec<u8>> {
    let path = c_path(path)?;
    let mut value = vec![0u8; MOST];
    // SAFETY: the kernel writes at most `value.len()` bytes into `value`, and reads both strings up to their NUL.
    let length = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(length_of(length)?);
    Ok(value)
}

/// Sets an attribute.
///
/// # Errors
/// Those of setxattr(2).
pub(crate) fn set(path: &Path, name: &CStr, value: &[u8]) -> nix::Result<()> {
    let path = c_path(path)?;
    // SAFETY: the kernel reads `value.len()` bytes of `value`, and both strings up to their NUL.
    let done = unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(done).map(drop)
}

fn c_path(path: &Path) -> nix::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

fn length_of(returned: libc::ssize_t) -> nix::Result<usize> {
    usize::try_from(Errno::result(returned)?).map_err(|_| Errno::EINVAL)
}

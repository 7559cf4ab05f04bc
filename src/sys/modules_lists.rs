//! The lists that depmod(8) wrote beside the modules of the initramfs.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::OnceLock;

use crate::error::{Context, Result};
use crate::sys::modules_alias::Aliases;
use crate::sys::modules_dep::Dependencies;

/// The lists, read once: a mount may need them, too, and a child process that mounts a medium.
pub(super) struct Lists {
    pub(super) dependencies: Dependencies,
    /// `None` if the builder packed no modules.alias.
    pub(super) aliases: Option<Aliases>,
}

static LISTS: OnceLock<Lists> = OnceLock::new();

impl Lists {
    /// The lists in this folder, which is the same at each call; `None` if it has no modules.dep.
    ///
    /// # Errors
    /// When one of them cannot be read, or modules.dep is malformed.
    pub(super) fn read(folder: &Path) -> Result<Option<&'static Self>> {
        if let Some(lists) = LISTS.get() {
            return Ok(Some(lists));
        }
        let Some(text) = list(folder, "modules.dep")? else { return Ok(None) };
        let dependencies = Dependencies::parse(&text)?;
        let aliases = list(folder, "modules.alias")?.map(|text| Aliases::parse(&text));
        Ok(Some(LISTS.get_or_init(|| Self { dependencies, aliases })))
    }
}

/// The text of one of the lists; `None` if there is none.
fn list(folder: &Path, name: &str) -> Result<Option<String>> {
    let list = folder.join(name);
    match fs::read_to_string(&list) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => text.about(list.display()).map(Some),
    }
}

//! The modules of file systems. The kernel asks modprobe(8) for one when a file system is mounted that it does not know (kernel,
//! fs/filesystems.c, `get_fs_type`). The initramfs has no modprobe, so the agent loads it then.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::error::Result;
use crate::sys::modules::{Broken, Loaded, Loading, SHORTEST_LIMIT};
use crate::sys::modules_alias::{Aliases, FILE_SYSTEM};
use crate::sys::modules_dep::{Dependencies, module_name};
use crate::sys::modules_lists::Lists;
use crate::sys::modules_plan::is_character_set;

/// How modules are loaded in this boot.
struct Later {
    folder: PathBuf,
    parameters: Vec<(String, String)>,
    forbidden: Vec<String>,
}

static LATER: OnceLock<Later> = OnceLock::new();

/// Remembers where the modules are. The first call counts.
pub(crate) fn remember(loading: &Loading) {
    let Loading { folder, parameters, forbidden, .. } = loading;
    LATER.get_or_init(|| Later {
        folder: folder.to_path_buf(),
        parameters: parameters.to_vec(),
        forbidden: forbidden.to_vec(),
    });
}

/// The file systems that ask for a character set when they are mounted (kernel, fs/nls/nls_base.c, `load_nls`), built into the kernel or
/// not.
const WITH_CHARACTER_SETS: [&str; 2] = ["vfat", "iso9660"];

/// Loads the character sets that a mount of this file system may ask for.
pub(super) fn prepare(file_system: &str) {
    if WITH_CHARACTER_SETS.contains(&file_system) {
        load(file_system);
    }
}

/// Loads the module of a file system, and those that it needs; returns whether the kernel has it now.
pub(super) fn load(file_system: &str) -> bool {
    finish(&mut begin(&[file_system]))
}

/// Begins to load the modules of these file systems beside the boot. What is wrong is said when they are finished, and is an error
/// when the file system is mounted.
pub(crate) fn begin(file_systems: &[&str]) -> Loaded {
    let mut loaded = Loaded::default();
    with_lists(&mut |loading, dependencies, aliases| {
        for file_system in file_systems {
            let files = files_of(file_system, dependencies, aliases);
            loading.begin_files(dependencies, &files, &mut loaded)?;
        }
        Ok(())
    });
    loaded
}

/// Waits for what [`begin`] began; returns whether it has begun anything, and all of it is in the kernel now.
pub(crate) fn finish(loaded: &mut Loaded) -> bool {
    with_lists(&mut |loading, dependencies, _| loading.finish_files(dependencies, loaded)) && loaded.is_whole()
}

/// Does work with modules. A module that cannot be loaded is no error here: the mount that needs it fails, and says why.
fn with_lists(work: &mut dyn FnMut(&Loading, &Dependencies, &Aliases) -> Result<()>) -> bool {
    let Some(Later { folder, parameters, forbidden }) = LATER.get() else { return false };
    let Ok(Some(Lists { dependencies, aliases: Some(aliases) })) = Lists::read(folder) else { return false };
    let loading =
        Loading { folder, parameters, forbidden, wanted: &[], broken: Broken::IsLeftOut, limit: SHORTEST_LIMIT };
    work(&loading, dependencies, aliases).is_ok()
}

/// The files of the modules for a file system, each after those that it needs.
fn files_of<'a>(file_system: &str, dependencies: &'a Dependencies, aliases: &Aliases) -> Vec<&'a str> {
    let is_it = |file: &&str| {
        WITH_CHARACTER_SETS.contains(&file_system) && is_character_set(file)
            || aliases.of(&module_name(file)).iter().any(|alias| alias.strip_prefix(FILE_SYSTEM) == Some(file_system))
    };
    let files: Vec<_> = dependencies.files().filter(is_it).collect();
    dependencies.order_of(&files).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_has_its_module_and_those_that_it_needs() {
        let dependencies = Dependencies::parse("ext4.ko: jbd2.ko\njbd2.ko:\nisofs.ko:\nfs/nls/nls_utf8.ko:\n").unwrap();
        let aliases = Aliases::parse("alias fs-ext4 ext4\nalias fs-ext3 ext4\nalias fs-iso9660 isofs\n");
        let files = |name| files_of(name, &dependencies, &aliases).join(" ");
        assert_eq!(files("ext4"), "jbd2.ko ext4.ko");
        assert_eq!(files("iso9660"), "isofs.ko fs/nls/nls_utf8.ko");
        assert_eq!(files("vfat"), "fs/nls/nls_utf8.ko");
        assert_eq!(files("squashfs"), "");
    }
}

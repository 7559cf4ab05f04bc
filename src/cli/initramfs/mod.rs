//! `measureroot initramfs`: packs the agent, and the modules that it loads, into an initramfs.

mod agent;
mod archive;
mod companions;
mod compression;
mod machine;
mod manifest;
mod module_file;
mod module_folder;
mod module_info;
mod soft_dependencies;
mod xz_file;
mod zstd_frame;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use self::agent::Agent;
use self::archive::{Content, Entry, pack};
use self::compression::Compression;
use self::machine::Machine;
use self::module_file::{ModuleFile, unpacked_name};
use self::module_folder::ModuleFolder;
use super::output_file::OutputFile;
use super::replaced_file::check_inputs;
use crate::count::counted;
use crate::error::{Context, Error, Result};

/// Build the initramfs that measures and boots a root image.
///
/// The same input gives the same bytes. Their number is a multiple of 4, so that another archive can be put behind them.
#[derive(Debug, Args)]
pub(super) struct Initramfs {
    /// The file to write, or - for standard output. A file is replaced as a whole: after an error, the old one is still there.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// The static agent [default: the first that exists: ../lib/measureroot/init from this program's folder,
    /// /usr/lib/measureroot/init, target/initramfs/init].
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// The kernel's module folder, such as /lib/modules/VERSION.
    #[arg(long, value_name = "DIR", requires = "modules")]
    kernel_modules: Option<PathBuf>,
    /// A module to load at boot; the modules that it needs are added and loaded first; may be given more than once.
    #[arg(long = "module", value_name = "NAME", requires = "kernel_modules")]
    modules: Vec<String>,
    /// The compression, which the kernel must support.
    #[arg(long, value_enum, default_value_t = Compression::Zstd)]
    compress: Compression,
}

impl Initramfs {
    /// Packs the initramfs and writes it.
    pub(super) fn run(self) -> Result<()> {
        let output = OutputFile::open(&self.output)?;
        let agent = self.agent.map_or_else(default_agent, Ok)?;
        check_inputs(&self.output, [agent.as_path()])?;
        let agent = Agent::read(&agent)?;
        let mut entries = manifest::entries(&agent.bytes)?;
        if let Some(folder) = &self.kernel_modules {
            entries.extend(module_entries(folder, &self.modules, agent.machine, &self.output)?);
        }
        let archive = self.compress.compress(pack(entries)?)?;
        output.write(&archive)?;
        log::info!("{}: {}", self.output.display(), counted(archive.len(), "byte"));
        Ok(())
    }
}

fn default_agent() -> Result<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("../lib/measureroot/init")));
    let fixed = ["/usr/lib/measureroot/init", "target/initramfs/init"].map(PathBuf::from);
    beside
        .into_iter()
        .chain(fixed)
        .find(|path| path.is_file())
        .ok_or_else(|| Error::new("agent", "not found").hint("initramfs/build builds it; --agent says where it is"))
}

/// The modules' files, and depmod's lists of them, in the folder in which the agent looks for them.
fn module_entries(folder: &Path, names: &[String], machine: Machine, output: &Path) -> Result<Vec<Entry>> {
    let given = folder;
    let folder = fs::canonicalize(given)
        .about_hint(given.display(), "name the folder of a kernel, /lib/modules/VERSION; its package brings it")?;
    let version = folder.file_name().and_then(|name| name.to_str());
    let version = version.ok_or_else(|| Error::new(folder.display(), "its name is not a kernel version"))?;
    // A kernel with the version of a link's name would not find them.
    let is_a_version = |name: &str| name.starts_with(|first: char| first.is_ascii_digit());
    if given.file_name().and_then(|name| name.to_str()).is_some_and(|name| name != version && is_a_version(name)) {
        log::warn!(
            "{} is a link to the folder of the kernel {version}: the initramfs is for that one",
            given.display()
        );
    }
    let lists = ["modules.dep", "modules.softdep", "modules.alias", "modules.builtin"].map(|list| folder.join(list));
    check_inputs(output, lists.iter().map(PathBuf::as_path))?;
    let modules = ModuleFolder::open(&folder)?;
    let files = modules.closure(names)?;
    modules.check_complete(&files)?;
    for lacking in modules.companions(&files) {
        log::warn!("{lacking} (--module adds it; if another archive or the kernel brings it, all is well)");
    }
    let entry = |path: &str, bytes| Entry {
        path: format!("lib/modules/{version}/{path}"),
        mode: 0o644,
        content: Content::File(bytes),
    };
    let mut entries = vec![entry("modules.dep", modules.dep_lines(&files).into_bytes())];
    if let Some(aliases) = modules.alias_lines(&files) {
        entries.push(entry("modules.alias", aliases.into_bytes()));
    }
    for file in files {
        let path = folder.join(file);
        check_inputs(output, [path.as_path()])?;
        let module = ModuleFile::read(&path)?;
        module.check(file, machine, version)?;
        entries.push(entry(unpacked_name(file), module.bytes));
    }
    Ok(entries)
}

//! `measureroot initramfs`: packs the agent, and the modules it shall load, for the kernel.

mod archive;
mod closure;
mod manifest;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use self::archive::{Compression, Content, Entry, compress, pack};
use self::closure::ModuleFolder;
use crate::error::{Context, Error, Result};

/// Build the initramfs that measures and boots a root image.
///
/// The same input gives the same bytes.
#[derive(Debug, Args)]
pub struct Initramfs {
    /// Where the initramfs is written.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// The static agent [default: the first of ../lib/measureroot/init beside this program, /usr/lib/measureroot/init
    /// and target/initramfs/init].
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// The kernel's module folder, as /lib/modules/VERSION.
    #[arg(long, value_name = "DIR", requires = "modules")]
    kernel_modules: Option<PathBuf>,
    /// A module that is loaded at boot, behind all it needs; may be given many times.
    #[arg(long = "module", value_name = "NAME", requires = "kernel_modules")]
    modules: Vec<String>,
    /// How it is compressed; the kernel must know it (CONFIG_RD_ZSTD, CONFIG_RD_GZIP).
    #[arg(long, value_enum, default_value_t = Compression::Zstd)]
    compress: Compression,
}

impl Initramfs {
    /// Packs and writes it.
    ///
    /// # Errors
    /// When the agent or a module is missing, or the file cannot be written.
    pub fn run(self) -> Result<()> {
        let agent = self.agent.map_or_else(default_agent, Ok)?;
        let mut entries = manifest::entries(&agent)?;
        if let Some(folder) = &self.kernel_modules {
            entries.extend(module_entries(folder, &self.modules)?);
        }
        let archive = compress(pack(entries)?, self.compress)?;
        fs::write(&self.output, &archive).about(self.output.display())?;
        log::info!("{}: {} bytes", self.output.display(), archive.len());
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
        .ok_or_else(|| Error::new("agent", "not found").hint("name it with --agent; initramfs/build makes it"))
}

/// The modules' files and their modules.dep, where the agent looks for them.
fn module_entries(folder: &Path, names: &[String]) -> Result<Vec<Entry>> {
    let folder = fs::canonicalize(folder).about(folder.display())?;
    let version = folder.file_name().and_then(|name| name.to_str());
    let version = version.ok_or_else(|| Error::new(folder.display(), "not named after a kernel version"))?;
    let modules = ModuleFolder::open(&folder)?;
    let files = modules.closure(names)?;
    modules.suffices(&files)?;
    let entry = |path: &str, bytes| Entry {
        path: format!("lib/modules/{version}/{path}"),
        mode: 0o644,
        content: Content::File(bytes),
    };
    let mut entries = vec![entry("modules.dep", modules.dep_lines(&files)?.into_bytes())];
    for file in files {
        let path = folder.join(file);
        entries.push(entry(file, fs::read(&path).about(path.display())?));
    }
    Ok(entries)
}

//! What is known about a machine, without any judgement.

pub(super) mod boot;
pub(super) mod fact;
pub(super) mod firmware;
pub(super) mod image;
pub(super) mod kernel;
pub(super) mod memory;
mod root;
pub(super) mod tpms;

use std::path::Path;

use crate::error::Result;
use boot::Boot;
use fact::Fact;
use firmware::Firmware;
use image::Image;
use kernel::Kernel;
use memory::Memory;
use root::Root;
use tpms::Tpms;

/// The limit for a command line in bytes: 1 MiB. The kernel keeps 2 KiB of it.
const COMMAND_LINE: u64 = 1 << 20;

/// The facts.
#[derive(Debug)]
pub(super) struct Facts {
    /// The machine; `None` if only files of another one were given.
    pub(super) machine: Option<Machine>,
    /// The kernel.
    pub(super) kernel: Kernel,
    /// The kernel's command line.
    pub(super) command_line: Fact<Vec<u8>>,
    /// The image, if one was given.
    pub(super) image: Fact<Image>,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Machine {
    /// Its TPMs.
    pub(super) tpms: Tpms,
    /// Its firmware and boot loader.
    pub(super) firmware: Firmware,
    /// Its memory.
    pub(super) memory: Fact<Memory>,
    /// Its last boot.
    pub(super) boot: Boot,
}

/// Where the facts come from.
#[derive(Debug, Default)]
pub(super) struct Sources<'a> {
    /// The root folder of the machine.
    pub(super) root: Option<&'a Path>,
    /// A kernel's configuration.
    pub(super) kernel_config: Option<&'a Path>,
    /// A folder with modules.
    pub(super) modules: Option<&'a Path>,
    /// A root image.
    pub(super) image: Option<&'a Path>,
    /// A command line.
    pub(super) command_line: Option<&'a str>,
}

impl Facts {
    /// Reads the facts.
    ///
    /// # Errors
    /// If a file that the user named cannot be read. What the machine does not show is a fact, too.
    pub(super) fn read(sources: &Sources<'_>) -> Result<Self> {
        let other_kernel = sources.kernel_config.is_some() || sources.modules.is_some();
        // The files of another kernel are for another machine, unless its root is given, too.
        let root = match (sources.root, other_kernel) {
            (Some(root), _) => Some(root),
            (None, false) => Some(Path::new("/")),
            (None, true) => None,
        };
        let root = root.map(Root::open).transpose()?;
        let kernel = match &root {
            Some(root) if !other_kernel => Kernel::read(root),
            _ => Kernel::of_files(sources.kernel_config, sources.modules)?,
        };
        let command_line = match (sources.command_line, &root) {
            (Some(line), _) => Fact::Known(line.as_bytes().to_vec()),
            (None, Some(root)) => root.bytes("proc/cmdline", COMMAND_LINE),
            (None, None) => Fact::Absent,
        };
        let image = match sources.image.map(Image::read) {
            Some(Ok(image)) => Fact::Known(image),
            Some(Err(error)) => Fact::Unread(error.to_string()),
            None => Fact::Absent,
        };
        let machine = root.as_ref().map(|root| Machine {
            tpms: Tpms::read(root),
            firmware: Firmware::read(root),
            memory: Memory::read(root),
            boot: Boot::read(root),
        });
        Ok(Self { machine, kernel, command_line, image })
    }
}

//! What the firmware starts.

use std::fmt::{self, Display};

use serde::Serialize;

/// What the firmware starts, as a report has it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Start {
    /// A unified kernel image.
    Uki {
        /// The name of its file.
        uki: String,
        /// Its stub with the version.
        stub: String,
    },
    /// A kernel, by its own EFI stub.
    Kernel {
        /// The name of its file.
        kernel: String,
        /// Its version.
        linux: String,
        /// The names of the files with the initrd.
        initrds: Vec<String>,
    },
    /// What is on an EFI system partition.
    Esp {
        /// The folder with its tree.
        esp: String,
        /// The program that the firmware starts.
        loader: String,
    },
}

/// An entry of a boot menu.
#[derive(Debug, Serialize)]
pub(super) struct MenuEntry {
    /// The name of its file.
    pub(super) id: String,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    /// Whether `default` of loader.conf names it.
    pub(super) default: bool,
}

impl Display for MenuEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ENTRY {}", self.id)?;
        self.title.iter().try_for_each(|title| write!(f, " {title:?}"))?;
        if self.default { f.write_str(", which loader.conf calls the default") } else { Ok(()) }
    }
}

impl Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uki { uki, stub } => write!(f, "{uki}: a unified kernel image with {stub}, started by the firmware"),
            Self::Kernel { kernel, linux, initrds } => {
                write!(f, "{kernel}: {linux}, started by the firmware")?;
                match initrds.as_slice() {
                    [] => Ok(()),
                    initrds => write!(f, "; it gets {} from LoadFile2", initrds.join(", ")),
                }
            }
            Self::Esp { esp, loader } => write!(f, "{esp}: {loader}, started by the firmware"),
        }
    }
}

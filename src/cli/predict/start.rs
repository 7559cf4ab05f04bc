//! What the firmware starts.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::chain::event::Expected;

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
    /// tboot.
    Tboot {
        /// The name of its file.
        tboot: String,
        /// The name of the kernel's file.
        kernel: String,
        /// The names of the other modules.
        initrds: Vec<String>,
        /// What is measured of the files, even if a PCR does not follow.
        measured: Vec<Expected>,
    },
    /// What is on an EFI system partition.
    Esp {
        /// The folder with its tree.
        esp: String,
        /// The program that the firmware starts.
        loader: String,
        /// What of the menu is no boot, and why.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// What is on a disk.
    Disk {
        /// Its file or device.
        disk: String,
        /// The programs that the firmware may start: one for each partition with one.
        programs: Vec<Program>,
    },
}

/// A program that the firmware may start.
#[derive(Debug, Serialize)]
pub(super) struct Program {
    /// The partition.
    pub(super) partition: String,
    /// The program.
    pub(super) loader: String,
    /// What of the menu is no boot, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

impl Start {
    /// What is measured of the files, even if a PCR does not follow.
    pub(super) fn measured(&self) -> &[Expected] {
        if let Self::Tboot { measured, .. } = self { measured } else { &[] }
    }

    /// What of a menu is no boot, and why.
    pub(super) fn notes(&self) -> Vec<String> {
        let on = |program: &Program| {
            let partition = program.partition.clone();
            program.notes.iter().map(move |note| format!("{partition}: {note}")).collect::<Vec<_>>()
        };
        match self {
            Self::Esp { notes, .. } => notes.clone(),
            Self::Disk { programs, .. } => programs.iter().flat_map(on).collect(),
            Self::Uki { .. } | Self::Kernel { .. } | Self::Tboot { .. } => Vec::new(),
        }
    }

    /// The name of the file, or the folder.
    pub(super) fn file(&self) -> &str {
        match self {
            Self::Uki { uki: file, .. }
            | Self::Kernel { kernel: file, .. }
            | Self::Tboot { tboot: file, .. }
            | Self::Esp { esp: file, .. }
            | Self::Disk { disk: file, .. } => file,
        }
    }
}

/// An entry of a boot menu.
#[derive(Debug, Serialize)]
pub(super) struct MenuEntry {
    /// The partition that firmware starts, and the one that has the entry, if it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partition: Option<String>,
    /// The name of its file.
    pub(super) id: String,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    /// Whether the boot loader starts it if nobody chooses.
    pub(super) default: bool,
}

impl MenuEntry {
    /// Its name in a list: two partitions may have entries with the same file name.
    pub(super) fn name(&self) -> String {
        self.partition.iter().fold(self.id.clone(), |name, partition| format!("{name} on {partition}"))
    }
}

impl Display for MenuEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ENTRY {}", self.id)?;
        self.title.iter().try_for_each(|title| write!(f, " {title:?}"))?;
        f.write_str(if self.default { ", the default" } else { "" })?;
        self.partition.iter().try_for_each(|partition| write!(f, ", on {partition}"))
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
            Self::Tboot { tboot, kernel, initrds, .. } => {
                write!(f, "{tboot}: tboot, started by a boot loader; its modules are {kernel}")?;
                initrds.iter().try_for_each(|initrd| write!(f, ", {initrd}"))
            }
            Self::Esp { esp, loader, .. } => write!(f, "{esp}: {loader}, started by the firmware"),
            Self::Disk { disk, programs } => {
                write!(f, "{disk}: ")?;
                for (number, Program { partition, loader, .. }) in programs.iter().enumerate() {
                    let or = if number == 0 { "" } else { "; or " };
                    write!(f, "{or}{loader} on {partition}, started by the firmware")?;
                }
                Ok(())
            }
        }
    }
}

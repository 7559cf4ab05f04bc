//! For tests of whole boots: it boots measureroot in QEMU with a software TPM, asks the guest what it sees, and reads the TPM
//! from outside.
//!
//! A scenario describes a [`Vm`] and starts it. It gets a [`Guest`], whose probe in the booted root answers questions, or a
//! [`Failed`] boot, with the step, the object and the TPM. Both end as a [`StoppedVm`]. Every wait has a time limit.

// Every error here means that a scenario failed. Its text gives the reason.
#![allow(clippy::missing_errors_doc)]

pub mod accel;
pub mod assets;
pub mod bank;
pub mod bench;
pub mod board;
mod boot_option;
pub mod builder;
pub mod debian_disk;
mod disk_fault;
pub mod doc_page;
pub mod doctor;
pub mod efivars;
pub mod evidence;
pub mod failure;
pub mod faulty_tpm;
pub mod guest;
pub mod image;
pub mod installed_disk;
pub mod kernel;
pub mod keylime;
pub mod live_folder;
pub mod lying_disk;
pub mod machine;
pub mod messages;
pub mod mount;
mod nbd;
pub mod packed_initramfs;
pub mod predict;
pub mod prepared_image;
pub mod protocol;
pub mod pty;
pub mod qemu;
pub mod scratch;
pub mod signed;
pub mod standalone_tpm;
pub mod status;
pub mod stopped_vm;
pub mod swtpm;
pub mod tool;
pub mod tpm_channel;
pub mod uki;
pub mod vm;
pub mod wrapped_initramfs;

use std::fmt;

pub use bank::Bank;
pub use builder::Builder;
pub use disk_fault::DiskFault;
pub use doc_page::DocPage;
pub use evidence::{Evidence, Verdict};
pub use failure::{Failed, Failure, Step};
pub use faulty_tpm::FaultyTpm;
pub use guest::Guest;
pub use image::{Image, Medium, RootFs, Uncompressed};
pub use kernel::Kernel;
pub use keylime::Keylime;
pub use live_folder::LiveFolder;
pub use lying_disk::LyingDisk;
pub use packed_initramfs::PackedInitramfs;
pub use predict::Prediction;
pub use prepared_image::PreparedImage;
pub use standalone_tpm::StandaloneTpm;
pub use status::{Place, Seal, SealChoice, Session};
pub use stopped_vm::StoppedVm;
pub use swtpm::Swtpm;
pub use vm::{Bus, Firmware, Vm};
pub use wrapped_initramfs::WrappedInitramfs;

/// Why a scenario failed, as a text. `Debug` gives the text too, because a failed test prints that.
pub struct Error(pub String);

impl<E: Into<Box<dyn std::error::Error>>> From<E> for Error {
    fn from(cause: E) -> Self {
        Self(cause.into().to_string())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Ends the scenario with the formatted reason if the condition does not hold.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+).into());
        }
    };
}

//! measureroot: measure a root image into a TPM 2.0 PCR, then make it the root.
//!
//! [`boot`] is the boot from top to bottom; `cli` is what a person runs beside it. Both decide with the same
//! [`config`], [`image`] and [`measure`].

pub mod boot;
#[cfg(feature = "cli")]
pub mod cli;
pub mod cmdline;
pub mod config;
pub mod console;
mod count;
mod cursor;
pub mod error;
pub mod eventlog;
#[cfg(feature = "evidence")]
pub mod evidence;
pub mod hash;
pub mod measure;
pub mod media;
pub mod root;
pub mod seal;
pub mod sys;
pub mod tpm;

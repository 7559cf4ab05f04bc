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
pub mod cursor;
pub mod device;
pub mod device_name;
pub mod dm;
pub mod error;
pub mod eventlog;
#[cfg(feature = "evidence")]
pub mod evidence;
pub mod firmware_log;
pub mod handover;
pub mod hash;
pub mod image;
pub mod image_format;
pub mod linux;
pub mod means;
pub mod measure;
pub mod medium;
pub mod overlay;
pub mod partition;
pub mod pcr;
pub mod prepared;
pub mod rootflags;
pub mod roothash;
pub mod seal;
pub mod search;
pub mod session;
pub mod source;
pub mod status;
pub mod step;
pub mod superblock;
pub mod switch_root;
pub mod sys;
pub mod tpm;

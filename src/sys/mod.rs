//! The operating system: system calls that no crate offers, mounts, kernel modules and random numbers. Only this room
//! has `unsafe`.

pub(crate) mod alias_pattern;
pub(crate) mod block_device;
pub(crate) mod child;
#[cfg(feature = "cli")]
pub(crate) mod closed_stdout;
pub(crate) mod device_mapper;
pub(crate) mod environment;
pub(crate) mod file_system_modules;
pub(crate) mod hardware;
pub(crate) mod loop_device;
pub(crate) mod memory;
mod module_file;
pub(crate) mod modules;
pub(crate) mod modules_alias;
pub(crate) mod modules_dep;
pub(crate) mod modules_left_out;
mod modules_lists;
mod modules_plan;
pub(crate) mod mount_hint;
pub(crate) mod mounts;
pub(crate) mod pid_namespace;
pub(crate) mod ramfs;
pub(crate) mod random;
pub(crate) mod signals;
pub(crate) mod sysctl;
pub(crate) mod sysrq;
pub(crate) mod waits;
pub(crate) mod xattr;

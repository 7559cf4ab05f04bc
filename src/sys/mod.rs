//! The operating system: the calls that no crate has, mounts, modules and random numbers. The only room with `unsafe` in it.

pub mod block_device;
pub mod device_mapper;
pub mod environment;
pub mod loop_device;
pub mod modules;
pub mod mounts;
pub mod random;

//! The bytes that were measured are the bytes that run: the choice of a seal, dm-verity, the copy in RAM, prepared trees.

pub(crate) mod choice;
pub(crate) mod dm_verity;
pub(crate) mod memory_file;
pub(crate) mod prepared_devices;
pub(crate) mod prepared_root_hash;
pub mod prepared_tree;
pub(crate) mod seal_builder;
pub(crate) mod sealed_image;
pub(crate) mod verity_device;

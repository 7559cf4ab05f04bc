//! The media and the image: device names, devices, partition tables, superblocks, the search for the image.

pub mod device_name;
pub mod devices;
pub mod image;
pub mod image_device;
pub(crate) mod image_request;
pub(crate) mod image_source;
pub(crate) mod medium;
pub mod medium_file;
pub mod partition_table;
pub(crate) mod rootflags;
pub(crate) mod search;
pub mod superblock;
pub mod superblock_reader;
pub mod wait;

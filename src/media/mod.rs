//! The media and the image: device names, devices, partition tables, superblocks, the search for the image.

pub(crate) mod answer;
pub(crate) mod answers;
pub(crate) mod device_lookup;
pub(crate) mod device_name;
pub(crate) mod devices;
pub(crate) mod fat_label;
pub(crate) mod image;
pub(crate) mod image_device;
pub(crate) mod image_request;
pub(crate) mod image_source;
pub(crate) mod journal;
pub(crate) mod medium;
pub(crate) mod medium_file;
mod mount_option;
pub mod partition_table;
pub(crate) mod read_at;
pub(crate) mod rootflags;
pub(crate) mod search;
pub(crate) mod superblock;
pub mod superblock_reader;
pub(crate) mod wait;

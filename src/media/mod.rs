//! Where images are: device names, devices, partition tables, superblocks, media, the search, and the image.

pub mod device_name;
pub mod devices;
pub mod image;
pub mod image_request;
pub mod image_source;
pub mod medium;
pub mod partition_table;
pub mod rootflags;
pub mod search;
pub mod superblock;

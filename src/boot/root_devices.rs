//! The devices that the command line names, and waiting for them.

use std::path::PathBuf;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::media::device_lookup::DeviceLookup;
use crate::media::device_name::DeviceName;
use crate::media::devices::Devices;
use crate::media::image_request::ImageLocation;
use crate::media::image_source::ImageSource;
use crate::media::wait::Wait;

/// The devices that the command line names, once they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RootDevices {
    /// Where the image is.
    pub image: ImageLocation,
    /// The node of the device with the Merkle tree, if the command line names one.
    pub tree: Option<PathBuf>,
}

impl RootDevices {
    /// Waits for the devices.
    ///
    /// # Errors
    /// When a device does not appear in time.
    pub(super) fn wait(devices: &Devices, config: &Config) -> Result<Self> {
        let wait = config.root_wait;
        let image = match &config.source {
            ImageSource::Device(name) => ImageLocation::Device(wait_for(devices, name, wait)?),
            ImageSource::File(name, path) => {
                ImageLocation::File { node: wait_for(devices, name, wait)?, path: path.clone() }
            }
            // Any device can hold the file: the search itself waits.
            ImageSource::Search(path) => ImageLocation::AnyDevice { path: path.clone() },
        };
        let tree = config.roothash.as_ref().and_then(|roothash| roothash.tree.as_ref());
        let tree = tree.map(|name| wait_for(devices, name, wait.without_delay())).transpose()?;
        Ok(Self { image, tree })
    }
}

fn wait_for(devices: &Devices, name: &DeviceName, wait: Wait) -> Result<PathBuf> {
    let mut lookup = DeviceLookup::new(devices, name);
    if let Some(node) = wait.until_found(|| lookup.look())? {
        log::info!("{name}: found at {}", node.display());
        return Ok(node);
    }
    let present = lookup.describe()?;
    let on_disk = match name {
        DeviceName::Label(_) | DeviceName::Uuid(_) => "; a squashfs has no label and no UUID: name its partition",
        _ => "",
    };
    Err(Error::new(name, format!("did not appear in {} s", wait.seconds()))
        .hint(format!("the block devices are: {present}; is its driver in the kernel or the initramfs?{on_disk}")))
}

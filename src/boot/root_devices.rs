//! The devices that the command line names, and waiting for them.

use std::path::PathBuf;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::media::device_lookup::DeviceLookup;
use crate::media::device_name::DeviceName;
use crate::media::devices::Devices;
use crate::media::image::Found;
use crate::media::image_request::ImageLocation;
use crate::media::image_source::ImageSource;
use crate::media::wait::Wait;
use crate::say;

/// Where to look for the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sought {
    /// The command line names the device.
    At(ImageLocation),
    /// Any device can hold the file with this path.
    Anywhere(String),
}

/// The devices that the command line names, once they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RootDevices {
    /// Where to look for the image.
    pub image: Sought,
    /// The node of the device with the Merkle tree, if the command line names one.
    pub tree: Option<PathBuf>,
}

impl RootDevices {
    /// Waits so long for the devices.
    ///
    /// # Errors
    /// When a device does not appear in time.
    pub(super) fn wait(devices: &Devices, config: &Config, wait: Wait) -> Result<Self> {
        let image = match &config.source {
            ImageSource::Device(name) => Sought::At(ImageLocation::Device(wait_for(devices, name, wait)?)),
            ImageSource::File(name, path) => {
                let node = wait_for(devices, name, wait)?;
                Sought::At(ImageLocation::File { node, path: path.clone(), found: Found::Named })
            }
            // The search itself waits.
            ImageSource::Search(path) => Sought::Anywhere(path.clone()),
        };
        let tree = config.roothash.as_ref().and_then(|roothash| roothash.tree.as_ref());
        let tree = tree.map(|name| wait_for(devices, name, wait.without_delay())).transpose()?;
        Ok(Self { image, tree })
    }
}

fn wait_for(devices: &Devices, name: &DeviceName, wait: Wait) -> Result<PathBuf> {
    let mut lookup = DeviceLookup::new(devices, name);
    if let Some(node) = wait.until_found(|| lookup.look())? {
        say::info!("{name}: found at {}", node.display());
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

//! Searches every medium for the image (`rootimg=` without `root=`), again and again as devices appear.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::media::devices::Devices;
use crate::media::image::{Found, Image};
use crate::media::image_request::ImageRequest;
use crate::media::medium;
use crate::sys::block_device;

/// The first medium, in the order of the devices' names, that has the image.
///
/// # Errors
/// When no medium has the image in time. The error lists what was found on each.
pub(crate) fn find_image(devices: &Devices, path: &str, request: ImageRequest) -> Result<Image> {
    // The key is the device and its size. So a drive is searched again when it gets a medium, and a medium without the
    // image is not.
    let mut seen: BTreeMap<(String, u64), String> = BTreeMap::new();
    let found = request.wait.until_found(|| {
        for name in devices.names()? {
            let node = devices.node(&name);
            let Some(bytes) = media_size(&node) else { continue };
            let key = (name, bytes);
            if seen.contains_key(&key) {
                continue;
            }
            // An error on one medium must not keep us from finding the image on another.
            match medium::find_image(&node, Found::Searched, path, request) {
                Ok(Some(image)) => return Ok(Some(image)),
                Ok(None) => drop(seen.insert(key, format!("{}: no such file", node.display()))),
                Err(error) => {
                    log::info!("{error}");
                    seen.insert(key, error.to_string());
                }
            }
        }
        Ok(None)
    })?;
    found.ok_or_else(|| {
        let seconds = request.wait.seconds();
        let all: Vec<_> = seen.into_values().collect();
        let all = if all.is_empty() { "no block device appeared".to_owned() } else { all.join("; ") };
        Error::new(format!("/{path}"), format!("not found on any medium in {seconds} s")).hint(all)
    })
}

fn media_size(node: &Path) -> Option<u64> {
    block_device::open(node).ok().as_ref().and_then(block_device::size).filter(|&bytes| bytes > 0)
}

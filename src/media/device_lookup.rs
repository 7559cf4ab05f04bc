//! Looks for the device that a name such as that of `root=` means, again and again as devices appear.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Result;
use crate::media::answers::Answers;
use crate::media::device_name::DeviceName;
use crate::media::devices::{Devices, OTHER_NAME};
use crate::say;

/// How long a look waits for answers.
const LOOK: Duration = Duration::from_millis(20);

/// The search for one device.
#[derive(Debug)]
pub struct DeviceLookup<'a> {
    devices: &'a Devices,
    name: &'a DeviceName,
    answers: Answers,
}

impl<'a> DeviceLookup<'a> {
    /// The search for the device that is called `name`.
    #[must_use]
    pub fn new(devices: &'a Devices, name: &'a DeviceName) -> Self {
        Self { devices, name, answers: Answers::default() }
    }

    /// The node of the device; `None` if it is not there yet, or if others have not answered yet that might be preferred to it.
    ///
    /// # Errors
    /// When sysfs cannot be read, or no process can be started.
    pub fn look(&mut self) -> Result<Option<PathBuf>> {
        let devices = self.candidates()?;
        self.answers.keep(&devices);
        for device in &devices {
            let node = self.devices.node(device);
            let medium = self.devices.medium(device);
            self.answers.ask((device, medium), &node, || self.devices.ask(&node, self.name))?;
        }
        self.answers.wait(LOOK);
        let found = self.devices.preferred(self.answers.yes(&devices));
        let Some(first) = found.first() else { return Ok(None) };
        // A partition may have appeared while its disk answered.
        if self.candidates()? != devices || !devices.iter().all(|device| self.answers.is_settled(device)) {
            return Ok(None);
        }
        if found.len() > 1 {
            say::warn!("{}: found on {}; {first} is used", self.name, found.join(", "));
        }
        for hung in self.answers.hung() {
            say::warn!("{hung}: does not answer, and is left out");
        }
        Ok(Some(self.devices.node(first)))
    }

    fn candidates(&self) -> Result<BTreeSet<String>> {
        let DeviceName::Node(path) = self.name else { return self.devices.names() };
        let mut only = BTreeSet::new();
        only.insert(self.devices.name_of(path.as_ref()));
        Ok(only)
    }

    /// The devices that are there, for an error message, and why each of them cannot be read.
    ///
    /// # Errors
    /// When sysfs cannot be read.
    pub fn describe(&self) -> Result<String> {
        let mut names = self.devices.names()?;
        // A device that is not there is no answer to the question which ones are.
        let is_there = |device: &String| self.answers.reason(device).is_some() && self.devices.node(device).exists();
        names.extend(self.candidates()?.into_iter().filter(is_there));
        let text = |device: String| match self.answers.reason(&device).filter(|reason| reason != OTHER_NAME) {
            Some(reason) => format!("{device} ({reason})"),
            None if self.devices.is_empty(&device) => format!("{device} (empty)"),
            None => device,
        };
        let all: Vec<_> = names.into_iter().map(text).collect();
        Ok(if all.is_empty() { "none".to_owned() } else { all.join(", ") })
    }
}

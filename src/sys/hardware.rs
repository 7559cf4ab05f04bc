//! The devices and the buses that the kernel has found.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::sys::alias_pattern;

/// A file of sysfs has at most one page (kernel, Documentation/filesystems/sysfs.rst).
const PAGE: u64 = 4096;

/// What the kernel has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hardware {
    /// What each device calls itself, in the words that the drivers' aliases match.
    devices: Vec<Vec<u8>>,
    /// The folder of each.
    buses: Vec<PathBuf>,
}

impl Hardware {
    /// Reads it from `/sys/bus`. What cannot be read is left out: a device may go at any time.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut found = Self::default();
        for bus in entries(folder) {
            for device in entries(&bus.join("devices")) {
                let mut text = Vec::new();
                let file = File::open(device.join("modalias"));
                if file.is_ok_and(|file| file.take(PAGE).read_to_end(&mut text).is_ok()) {
                    text.truncate(text.trim_ascii_end().len());
                    found.devices.push(text);
                }
            }
            found.buses.push(bus);
        }
        found
    }

    /// Whether the driver with this alias is for one of the devices.
    pub(crate) fn has(&self, alias: &str) -> bool {
        self.devices.iter().any(|device| alias_pattern::matches(alias.as_bytes(), device))
    }

    /// Whether the kernel has this bus, with or without devices.
    pub(crate) fn has_bus(&self, bus: &str) -> bool {
        self.buses.iter().any(|folder| folder.ends_with(bus))
    }

    #[cfg(test)]
    pub(crate) fn of(devices: &[&str], buses: &[&str]) -> Self {
        let devices = devices.iter().map(|device| device.as_bytes().to_vec()).collect();
        Self { devices, buses: buses.iter().map(PathBuf::from).collect() }
    }
}

/// What is in a folder; nothing if it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(listed) = fs::read_dir(folder) else { return Vec::new() };
    listed.map_while(|entry| entry.ok().map(|entry| entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_and_the_buses_are_read_from_sysfs() {
        let folder = tempfile::tempdir().unwrap();
        for device in ["pci/devices/0000:00:01.0", "pci/devices/gone", "scsi/devices"] {
            fs::create_dir_all(folder.path().join(device)).unwrap();
        }
        fs::write(folder.path().join("pci/devices/0000:00:01.0/modalias"), "pci:v1\n").unwrap();
        let hardware = Hardware::read(folder.path());
        assert!(hardware.has("pci:v1") && !hardware.has("pci:v2"));
        assert!(hardware.has_bus("scsi") && hardware.has_bus("pci") && !hardware.has_bus("usb"));
        assert_eq!(Hardware::read(Path::new("/none")), Hardware::default());
    }
}

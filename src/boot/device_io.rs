//! The reads and writes that devices have completed, as the kernel counts them. While the kernel replays a journal, they are all that
//! shows that a device answers.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;

use crate::media::devices::Devices;

/// The devices that a step of the boot reads.
#[derive(Debug, Clone)]
pub(super) struct WatchedDevices {
    /// Their names, for messages.
    pub(super) name: String,
    pub(super) nodes: Vec<PathBuf>,
}

impl WatchedDevices {
    /// The devices at these nodes; messages call them `name`.
    pub(super) fn new(name: impl Display, nodes: &[PathBuf]) -> Self {
        Self { name: name.to_string(), nodes: nodes.to_vec() }
    }
}

/// The fields of `stat` that count what is completed: reads, writes, discards, flushes (Linux, Documentation/block/stat.rst; the last
/// since Linux 5.5). The others also count requests that the device never answers, and the time that they wait.
const COMPLETED: [usize; 4] = [0, 4, 11, 15];

/// How many reads and writes the devices at these nodes have completed. A device that is gone has none.
pub(super) fn completed(devices: &Devices, nodes: &[PathBuf]) -> u64 {
    let of = |node: &PathBuf| {
        let file = devices.sysfs.join(devices.name_of(node)).join("stat");
        fs::read_to_string(file).map_or(0, |text| sum(&text))
    };
    nodes.iter().map(of).fold(0, u64::wrapping_add)
}

fn sum(stat: &str) -> u64 {
    let fields: Vec<_> = stat.split_ascii_whitespace().collect();
    let counts = COMPLETED.iter().filter_map(|field| fields.get(*field)?.parse().ok());
    counts.fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_device_has_completed_is_counted() {
        let sysfs = tempfile::tempdir().unwrap();
        // Linux 6.1, and one without discards and flushes.
        let stats = [
            ("vda", "  101  7 4096 90  12 3 800 40  5 130 140  3 0 64 1  9 2\n"),
            ("cciss!c0d0p1", "1000 0 0 0 200 0 0 0 0 0 0\n"),
        ];
        for (device, stat) in stats {
            fs::create_dir(sysfs.path().join(device)).unwrap();
            fs::write(sysfs.path().join(device).join("stat"), stat).unwrap();
        }
        let devices = Devices { sysfs: sysfs.path().to_owned(), nodes: "/dev".into() };
        let count =
            |nodes: &[&str]| completed(&devices, &nodes.iter().map(|node| PathBuf::from(*node)).collect::<Vec<_>>());
        assert_eq!(count(&["/dev/vda"]), 101 + 12 + 3 + 9);
        assert_eq!(count(&["/dev/vda", "/dev/cciss/c0d0p1", "/dev/gone"]), 125 + 1200);
        assert_eq!((sum(""), sum("a b"), sum(&format!("{0} 0 0 0 {0}", u64::MAX))), (0, 0, u64::MAX - 1));
    }
}

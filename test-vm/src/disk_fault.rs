//! How a disk fails at a read of the boot.

use crate::Bus;
use serde_json::{Value, json};

/// A fault of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskFault {
    /// It refuses this read.
    RefusesOne,
    /// It refuses this read and each later one.
    RefusesAll,
    /// It is gone.
    Gone,
    /// It sends half of the bytes, and is gone.
    CutShort,
    /// Its end is in the middle of this read, and not where its size says: it refuses each read that reaches beyond.
    EndsEarly,
    /// From now on it has half its size.
    Shrinks,
    /// From now on it has twice its size.
    Grows,
    /// It is pulled out.
    Unplugged,
}

impl DiskFault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::RefusesOne,
        Self::RefusesAll,
        Self::Gone,
        Self::CutShort,
        Self::EndsEarly,
        Self::Shrinks,
        Self::Grows,
        Self::Unplugged,
    ];

    /// The bus on which the disk can have it.
    pub(crate) fn bus(self) -> Bus {
        match self {
            Self::Shrinks | Self::Grows => Bus::NbdResizable,
            // QEMU asks the guest before it takes away a disk on PCI, and Linux waits for 5 s before it agrees. It takes away a disk on
            // SCSI at once.
            Self::Unplugged => Bus::NbdScsi,
            _ => Bus::Nbd,
        }
    }

    /// The device node in the guest.
    #[must_use]
    pub fn node(self) -> &'static str {
        if self == Self::Unplugged { "/dev/sda" } else { "/dev/vda" }
    }

    /// The command to QEMU's monitor that makes the fault, for a disk of this size; `None` if the server itself makes it.
    pub(crate) fn command(self, bytes: u64) -> Option<Value> {
        let resize = |bytes| json!({ "execute": "block_resize", "arguments": { "device": "disk0", "size": bytes } });
        match self {
            Self::Shrinks => Some(resize(bytes / 2 / 512 * 512)),
            Self::Grows => Some(resize(bytes * 2)),
            Self::Unplugged => Some(json!({ "execute": "device_del", "arguments": { "id": "front0" } })),
            _ => None,
        }
    }
}

//! Programs that are a file of the firmware itself: its menu, its setup, a tool of the machine's maker.

use super::event::{Content, Event};
use crate::cursor::{Cursor, Fields};

/// The most nodes of a device path that are read. Real paths have about ten.
const MOST_NODES: usize = 64;
/// A file of a firmware volume (UEFI Platform Initialization 1.8, volume 3, section 3.2.1.1): type and subtype of the node.
const FIRMWARE_FILE: (u8, u8) = (4, 6);
/// The end of a device path (UEFI 2.10, section 10.3.1).
const END: (u8, u8) = (0x7F, 0xFF);

impl Event {
    /// Whether the event's `UEFI_IMAGE_LOAD_EVENT` names a file of a firmware volume (TCG PC Client Platform Firmware Profile 1.06,
    /// section 10.2.3). No PCR has a hash of this path.
    pub(crate) fn is_firmware_file(&self) -> bool {
        match &self.content {
            Content::Tcg { data, .. } => path(data).is_some_and(names_firmware_file),
            Content::Json { .. } => false,
        }
    }
}

/// The device path behind the four numbers of the event.
fn path(data: &[u8]) -> Option<&[u8]> {
    let length = usize::try_from(Fields(data).u64_le(24)?).ok()?;
    data.get(32..)?.get(..length)
}

fn names_firmware_file(path: &[u8]) -> bool {
    let mut cursor = Cursor::new("device path", path);
    let mut node = || {
        let (kind, subtype, length) = (cursor.u8().ok()?, cursor.u8().ok()?, cursor.u16_le().ok()?);
        cursor.take(usize::from(length).checked_sub(4)?).ok()?;
        Some((kind, subtype))
    };
    (0..MOST_NODES).map_while(|_| node().filter(|node| *node != END)).any(|found| found == FIRMWARE_FILE)
}

#[cfg(test)]
mod tests {
    use crate::eventlog::EventType;
    use crate::eventlog::tcg::log_of;
    use crate::hash::bank::Bank;

    fn is_firmware_file(data: &[u8]) -> bool {
        log_of(&[Bank::Sha256], &[(4, EventType(0x8000_0003), data)]).events()[0].is_firmware_file()
    }

    fn loaded(path: &[u8]) -> Vec<u8> {
        [&[0; 24][..], &(path.len() as u64).to_le_bytes(), path].concat()
    }

    #[test]
    fn a_node_of_the_path_names_a_file_of_the_firmware() {
        let (volume, file) = ([&[4, 7, 20, 0][..], &[7; 16]].concat(), [&[4, 6, 20, 0][..], &[7; 16]].concat());
        let (disk, end) = ([4, 4, 6, 0, b'x', 0], [0x7F, 0xFF, 4, 0]);
        assert!(is_firmware_file(&loaded(&[&volume[..], &file, &end].concat())));
        assert!(!is_firmware_file(&loaded(&[&disk[..], &end].concat())));
        // Some firmware has bytes behind the end of the path, which are of no path.
        assert!(!is_firmware_file(&loaded(&[&disk[..], &end, &volume, &file].concat())));
        assert!(is_firmware_file(&loaded(&[&volume[..], &file, &end, &disk].concat())));
        let good = loaded(&file);
        for length in 0..good.len() {
            assert!(!is_firmware_file(&good[..length]), "{length}");
        }
        for wrong in [&[4, 6][..], &[4, 6, 3, 0], &[4, 6, 0xFF, 0xFF], &[1, 1, 4, 0].repeat(100)] {
            assert!(!is_firmware_file(&loaded(wrong)), "{wrong:?}");
        }
    }
}

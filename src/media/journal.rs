//! The journal of an ext4 file system.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Whether the journal must be replayed before all files are there: the last shutdown was not clean (kernel, fs/ext4/ext4.h:
/// `s_feature_incompat` of the superblock, EXT4_FEATURE_INCOMPAT_RECOVER).
pub(crate) fn needs_replay(device: &File) -> bool {
    const SUPERBLOCK: u64 = 1024;
    const RECOVER: u32 = 0x04;
    let mut features = [0; 4];
    device.read_exact_at(&mut features, SUPERBLOCK + 0x60).is_ok() && u32::from_le_bytes(features) & RECOVER != 0
}

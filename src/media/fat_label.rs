//! The label of a FAT file system, as blkid reads it: the volume entry in the root folder. The label in the boot sector does not
//! count, because Windows leaves it as it was when a stick gets another name (util-linux, libblkid/src/superblocks/vfat.c).

use crate::cursor::Fields;
use crate::media::read_at::ReadAt;

/// Bytes of an entry of a folder.
const ENTRY: u8 = 32;
/// A folder has no more entries (Microsoft's FAT specification 1.03, section 6.3: 65536 entries of 32 bytes).
const ENTRIES: u64 = 65536;
/// The most clusters of a root folder that blkid follows.
const CLUSTERS: usize = 100;

/// Reads the label. `None` if there is none, or if the bytes make no sense: they are hostile.
pub(crate) fn read(device: &impl ReadAt, boot_sector: &[u8]) -> Option<String> {
    let fields = Fields(boot_sector);
    let sector = u64::from(fields.u16_le(11)?);
    let [sectors_a_cluster] = fields.at(13)?;
    let [fats] = fields.at(16)?;
    let reserved = u64::from(fields.u16_le(14)?);
    let small_fat = u64::from(fields.u16_le(22)?);
    let fat = if small_fat == 0 { u64::from(fields.u32_le(36)?) } else { small_fat };
    let start = (reserved + u64::from(fats) * fat) * sector;
    if small_fat != 0 {
        // FAT12 and FAT16: the root folder lies behind the tables.
        return match in_entries(device, start, u64::from(fields.u16_le(17)?)) {
            Search::Found(label) => label,
            Search::Goes => None,
        };
    }
    let cluster_bytes = u64::from(sectors_a_cluster) * sector;
    let mut cluster = fields.u32_le(44)?;
    let mut left = ENTRIES;
    for _ in 0..CLUSTERS {
        let entries = (cluster_bytes / u64::from(ENTRY)).min(left);
        let at = start.checked_add(u64::from(cluster.checked_sub(2)?).checked_mul(cluster_bytes)?)?;
        match in_entries(device, at, entries) {
            Search::Goes => left -= entries,
            Search::Found(label) => return label,
        }
        let mut next = [0; 4];
        device.read_exact_at(&mut next, reserved * sector + u64::from(cluster) * 4).ok()?;
        // The upper four bits are reserved.
        cluster = u32::from_le_bytes(next) & 0x0fff_ffff;
        if u64::from(cluster) >= fat * sector / 4 {
            return None;
        }
    }
    None
}

/// What a part of a folder says.
enum Search {
    /// The label.
    Found(Option<String>),
    /// The folder goes on.
    Goes,
}

/// Looks for the volume entry among `entries` entries from byte `start`.
fn in_entries(device: &impl ReadAt, start: u64, entries: u64) -> Search {
    const VOLUME: u8 = 0x08;
    const FOLDER: u8 = 0x10;
    const LONG_NAME: u8 = 0x0f;
    const DELETED: u8 = 0xe5;
    for number in 0..entries {
        let mut entry = [0; ENTRY as usize];
        let read = start.checked_add(number * u64::from(ENTRY)).map(|at| device.read_exact_at(&mut entry, at));
        if !matches!(read, Some(Ok(()))) || entry[0] == 0 {
            return Search::Found(None);
        }
        let fields = Fields(&entry);
        let has_content = fields.u16_le(20) != Some(0) || fields.u16_le(26) != Some(0);
        let attributes = entry[11] & 0x3f;
        if entry[0] != DELETED && !has_content && attributes != LONG_NAME && attributes & (VOLUME | FOLDER) == VOLUME {
            return Search::Found(fields.text::<11>(0).filter(|label| label != "NO NAME"));
        }
    }
    Search::Goes
}

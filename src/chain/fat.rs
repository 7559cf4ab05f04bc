//! FAT12, FAT16 and FAT32, read as edk2's firmware reads them (FatPkg/EnhancedFatDxe/Init.c, `FatOpenDevice`): the crates for it
//! judge by other rules what FAT32 is, follow circles of clusters, or end a file silently where its chain ends.

use super::fat_folder::{self, FatEntry};
use super::one_name::one_of;
use super::region::Region;
use super::stretches::Stretches;
use super::volume::Volume;
use crate::cursor::Fields;
use crate::error::{Error, Result};

/// The length of the boot sector's fields, and of its signature (Microsoft's FAT specification 1.03, section 3).
const BOOT_SECTOR: usize = 512;
/// The smallest numbers of clusters that are not FAT12, and not FAT16 (the specification's section 3.5).
const FAT16: u64 = 4085;
const FAT32: u64 = 65525;
/// The most bytes of a folder: 65536 entries of 32 bytes (the specification's section 6.3).
const FOLDER: u64 = 65536 * 32;
/// How many parts a path has at most: firmware's buffers hold no longer ones.
const DEPTH: usize = 64;
/// How many bytes of the table of clusters are read at a time.
const WINDOW: usize = 64 << 10;

/// How wide an entry of the table of clusters is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Bits12,
    Bits16,
    Bits32,
}

/// A file system.
#[derive(Clone)]
pub(super) struct Fat<'a> {
    /// The first table of clusters: firmware reads no other.
    table: Region<'a>,
    width: Width,
    /// The root folder of FAT12 and FAT16, which has a place of its own.
    root: Option<Region<'a>>,
    root_cluster: u32,
    data: Region<'a>,
    cluster: u64,
    clusters: u64,
}

impl<'a> Fat<'a> {
    /// Whether the bytes are those of a FAT, however damaged.
    pub(super) fn is_likely(boot_sector: &[u8]) -> bool {
        numbers(boot_sector).is_some()
    }

    /// Opens a file system.
    ///
    /// # Errors
    /// If it is none that firmware reads.
    pub(super) fn open(region: Region<'a>) -> Result<Self> {
        let error = |cause: &str| Error::new("FAT", cause);
        let head = region.head(0, BOOT_SECTOR)?;
        let numbers = numbers(&head).ok_or_else(|| error("has no boot sector of a FAT"))?;
        let Numbers { sector, cluster, reserved, tables, root_entries, sectors, table, is_32 } = numbers;
        let root_sectors = (root_entries * 32).div_ceil(sector);
        let root_at = reserved + tables * table;
        let data_at = root_at + root_sectors;
        let data_sectors = sectors.checked_sub(data_at).ok_or_else(|| error("has tables larger than itself"))?;
        let clusters = data_sectors / cluster;
        let width = match clusters {
            _ if is_32 => Width::Bits32,
            0..FAT16 => Width::Bits12,
            FAT16..FAT32 => Width::Bits16,
            _ => return Err(error("has more clusters than a FAT16 can have")),
        };
        if is_32 && clusters < FAT32 {
            log::warn!(
                "a FAT32 with {clusters} clusters: firmware made from edk2 does not read one with fewer than {FAT32}; let mkfs.vfat \
                 choose, or make it larger"
            );
        }
        // What a partition has less than the file system says is an error where it is read.
        let part = |at: u64, length: u64| {
            let end = (at + length) * sector;
            let length = end.min(region.length()).saturating_sub(at * sector);
            region.part(at * sector, length).ok_or_else(|| error("is longer than its partition"))
        };
        let root = if is_32 { None } else { Some(part(root_at, root_sectors)?) };
        Ok(Self {
            table: part(reserved, table)?,
            width,
            root,
            root_cluster: if is_32 { Fields(&head).u32_le(44).unwrap_or(0) } else { 0 },
            data: part(data_at, data_sectors)?,
            cluster: cluster * sector,
            clusters,
        })
    }

    /// The label: the entry of the root folder that is one.
    pub(super) fn label(&self) -> Option<String> {
        fat_folder::label(&self.folder_bytes(None).ok()?)
    }

    /// The file or folder at a path.
    fn find(&self, path: &str) -> Result<Option<FatEntry>> {
        if path.split('/').count() > DEPTH {
            return Ok(None);
        }
        let mut found: Option<FatEntry> = None;
        for part in path.split('/') {
            let entries = match &found {
                Some(entry) if !entry.is_folder => return Ok(None),
                folder => self.entries(folder.as_ref())?,
            };
            let called = entries.into_iter().filter(|entry| entry.is_called(part));
            let Some(entry) = one_of(called, part)? else { return Ok(None) };
            found = Some(entry);
        }
        Ok(found)
    }

    fn entries(&self, folder: Option<&FatEntry>) -> Result<Vec<FatEntry>> {
        Ok(fat_folder::entries(&self.folder_bytes(folder)?, self.width == Width::Bits32))
    }

    /// The bytes of a folder; of the root folder without one.
    fn folder_bytes(&self, folder: Option<&FatEntry>) -> Result<Vec<u8>> {
        // A subfolder's entry ".." has the cluster 0 for the root folder, but no path here leads there.
        let first = match (folder, self.root) {
            (None, Some(root)) => return root.head(0, usize::try_from(FOLDER).unwrap_or(usize::MAX)),
            (None, None) => self.root_cluster,
            (Some(entry), _) => entry.first_cluster,
        };
        let most = FOLDER.div_ceil(self.cluster);
        let (chain, is_whole) = self.chain(first, most)?;
        if !is_whole {
            return Err(Error::new("folder", format_args!("has more than {FOLDER} bytes"))
                .hint("its chain of clusters may be a circle"));
        }
        self.bytes_of(&chain, chain.len() as u64 * self.cluster)
    }

    /// The clusters of a file. Its chain must have as many as its length needs.
    fn clusters_of(&self, entry: &FatEntry) -> Result<Vec<u32>> {
        // A circle of clusters must not make a file longer than its file system.
        if entry.length > self.data.length() {
            return Err(Error::new("file", "is longer than its file system").hint("the file system is damaged"));
        }
        let needed = entry.length.div_ceil(self.cluster);
        let (chain, _) = if needed == 0 { (Vec::new(), true) } else { self.chain(entry.first_cluster, needed)? };
        if (chain.len() as u64) < needed {
            return Err(Error::new(
                "file",
                format_args!("has {} bytes, but its chain of clusters ends before", entry.length),
            )
            .hint("the file system is damaged"));
        }
        Ok(chain)
    }

    /// The bytes of a file.
    fn file(&self, entry: &FatEntry) -> Result<Vec<u8>> {
        self.bytes_of(&self.clusters_of(entry)?, entry.length)
    }

    /// Where the bytes of a file are, for one that is too long for the memory. `None` if there is none with this path.
    ///
    /// # Errors
    /// If the file system is damaged.
    pub(super) fn stretches(&self, path: &str) -> Result<Option<Stretches<'a>>> {
        let Some(entry) = self.find(path)?.filter(|entry| !entry.is_folder) else { return Ok(None) };
        let mut left = entry.length;
        let mut regions = Vec::new();
        for run in runs(&self.clusters_of(&entry)?) {
            let first = u64::from(run.first().copied().unwrap_or_default().saturating_sub(2));
            let length = (run.len() as u64 * self.cluster).min(left);
            let region = self.data.part(first * self.cluster, length);
            regions.push(region.ok_or_else(|| {
                Error::new("file", "is beyond the end of its partition").hint("was the disk cut off, or is it damaged?")
            })?);
            left -= length;
        }
        Ok(Some(Stretches::of(regions)))
    }

    /// The clusters of a chain, at most `most`, and whether they are all.
    fn chain(&self, first: u32, most: u64) -> Result<(Vec<u32>, bool)> {
        let mut chain = Vec::new();
        let (mut window, mut window_at) = (Vec::new(), 0);
        let mut cluster = first;
        loop {
            // Only these numbers are clusters; larger ones end a chain, or mark it as bad.
            if cluster < 2 || u64::from(cluster) >= self.clusters + 2 {
                if self.is_end(cluster) && !chain.is_empty() {
                    return Ok((chain, true));
                }
                return Err(Error::new(format_args!("cluster {cluster}"), "is in a chain, but is no cluster")
                    .hint("the file system is damaged"));
            }
            if chain.len() as u64 >= most {
                return Ok((chain, false));
            }
            chain.push(cluster);
            let at = match self.width {
                Width::Bits12 => u64::from(cluster) * 3 / 2,
                Width::Bits16 => u64::from(cluster) * 2,
                Width::Bits32 => u64::from(cluster) * 4,
            };
            if at < window_at || at + 4 > window_at + window.len() as u64 {
                window_at = at;
                window = self.table.head(at, WINDOW)?;
            }
            let fields = Fields(&window);
            let in_window = usize::try_from(at - window_at).unwrap_or(usize::MAX);
            let entry = match self.width {
                Width::Bits32 => fields.u32_le(in_window),
                Width::Bits12 | Width::Bits16 => fields.u16_le(in_window).map(u32::from),
            };
            let entry = entry.ok_or_else(|| Error::new(format_args!("cluster {cluster}"), "is not in the table"))?;
            cluster = match self.width {
                Width::Bits12 if cluster % 2 == 1 => entry >> 4,
                Width::Bits12 => entry & 0xFFF,
                Width::Bits16 => entry,
                // The upper four bits are reserved.
                Width::Bits32 => entry & 0x0FFF_FFFF,
            };
        }
    }

    /// Whether an entry ends a chain (the specification's section 4).
    fn is_end(&self, entry: u32) -> bool {
        entry
            >= match self.width {
                Width::Bits12 => 0xFF8,
                Width::Bits16 => 0xFFF8,
                Width::Bits32 => 0x0FFF_FFF8,
            }
    }

    /// The first bytes of these clusters. Clusters one behind the other are read at once.
    fn bytes_of(&self, chain: &[u32], length: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| Error::new("file", "is longer than the memory"))?];
        let mut left = bytes.as_mut_slice();
        for run in runs(chain) {
            let first = u64::from(run.first().copied().unwrap_or_default().saturating_sub(2));
            let length = usize::try_from(run.len() as u64 * self.cluster).unwrap_or(usize::MAX).min(left.len());
            let (part, rest) = left.split_at_mut(length);
            self.data.fill(first * self.cluster, part)?;
            left = rest;
        }
        Ok(bytes)
    }
}

/// Clusters one behind the other.
fn runs(chain: &[u32]) -> impl Iterator<Item = &[u32]> {
    chain.chunk_by(|one, next| one.checked_add(1) == Some(*next))
}

impl Volume for Fat<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let named = |error: Error| error.on(path);
        let Some(entry) = self.find(path).map_err(named)?.filter(|entry| !entry.is_folder) else { return Ok(None) };
        if entry.length > limit {
            return Err(Error::new(path, format_args!("longer than {limit} bytes")));
        }
        self.file(&entry).map(Some).map_err(named)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let named = |error: Error| error.on(folder);
        let found = if folder.is_empty() { None } else { self.find(folder).map_err(named)? };
        if !folder.is_empty() && found.as_ref().is_none_or(|entry| !entry.is_folder) {
            return Ok(Vec::new());
        }
        let entries = self.entries(found.as_ref()).map_err(named)?;
        let files = entries.into_iter().filter(|entry| !entry.is_folder);
        let mut files: Vec<_> = files.map(|entry| entry.name).collect();
        files.sort();
        Ok(files)
    }

    fn has_folder(&self, path: &str) -> Result<bool> {
        let found = if path.is_empty() { return Ok(true) } else { self.find(path).map_err(|error| error.on(path))? };
        Ok(found.is_some_and(|entry| entry.is_folder))
    }
}

/// What a boot sector says, in sectors if not otherwise called.
struct Numbers {
    /// In bytes.
    sector: u64,
    cluster: u64,
    reserved: u64,
    tables: u64,
    root_entries: u64,
    sectors: u64,
    table: u64,
    is_32: bool,
}

/// The checks are those of edk2, and the signature, which other firmware wants.
fn numbers(boot_sector: &[u8]) -> Option<Numbers> {
    let fields = Fields(boot_sector);
    let sector = fields.u16_le(11)?;
    let ([cluster], [tables], [medium]) = (fields.at(13)?, fields.at(16)?, fields.at(21)?);
    let (small_sectors, small_table) = (fields.u16_le(19)?, fields.u16_le(22)?);
    let sectors = if small_sectors == 0 { fields.u32_le(32)? } else { small_sectors.into() };
    let is_32 = small_table == 0;
    let table = if is_32 { fields.u32_le(36)? } else { small_table.into() };
    // FAT32 without a mirror, or of another version, is refused.
    let is_plain = !is_32 || (fields.at::<2>(42)? == [0, 0] && fields.at::<1>(40)?[0] & 0x80 == 0);
    let numbers = Numbers {
        sector: sector.into(),
        cluster: cluster.into(),
        reserved: fields.u16_le(14)?.into(),
        tables: tables.into(),
        root_entries: if is_32 { 0 } else { fields.u16_le(17)?.into() },
        sectors: sectors.into(),
        table: table.into(),
        is_32,
    };
    let is_right = matches!(sector, 512 | 1024 | 2048 | 4096)
        && cluster.is_power_of_two()
        && (medium >= 0xF8 || matches!(medium, 0 | 1 | 0xF0))
        && numbers.reserved > 0
        && numbers.tables > 0
        && sectors > 0
        && table > 0
        && (is_32 || numbers.root_entries > 0)
        && is_plain
        && fields.at(510)? == [0x55, 0xAA];
    is_right.then_some(numbers)
}

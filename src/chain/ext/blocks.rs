//! Where the blocks of a file are: in a tree of extents, or in blocks of numbers (ext2 and ext3). As for GRUB
//! (grub-core/fs/ext2.c, `grub_ext2_read_block`), and nothing is checked that GRUB does not check, but that the walk has an end.

use super::inode::Inode;
use crate::chain::region::Region;
use crate::cursor::Fields;
use crate::error::{Error, Result};

/// The first bytes of a node of the tree (kernel, fs/ext4/ext4_extents.h, `EXT4_EXT_MAGIC`).
const MAGIC: u16 = 0xF30A;
/// How long the head of a node and each entry of it are.
const ENTRY: usize = 12;
/// How deep a tree is at most (`EXT4_MAX_EXTENT_DEPTH`).
const DEEPEST: u16 = 5;
/// A longer extent was reserved, and not written (`EXT_INIT_MAX_LEN`).
const LONGEST: u64 = 32768;
/// How many blocks an inode names itself (kernel, fs/ext4/ext4.h, `EXT4_NDIR_BLOCKS`).
const DIRECT: u64 = 12;

/// Blocks one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first one on the disk. `None` for a hole, which is read as zeros.
    pub(super) first: Option<u64>,
    pub(super) count: u64,
}

/// The first `count` blocks of a file.
pub(super) fn of(region: Region<'_>, block: u64, inode: &Inode, count: u64) -> Result<Vec<Run>> {
    let mut runs = Runs { region, block, found: Vec::new(), left: count };
    if inode.has_extents {
        runs.extents(inode, count)?;
    } else {
        runs.numbered(inode)?;
    }
    Ok(runs.found)
}

struct Runs<'a> {
    region: Region<'a>,
    block: u64,
    found: Vec<Run>,
    /// How many blocks are missing.
    left: u64,
}

/// A node without children, and the block of the file with which the next such node begins.
struct Leaf {
    extents: Vec<u8>,
    end: u64,
}

impl Runs<'_> {
    /// Adds blocks, of which the file needs only the first ones.
    fn add(&mut self, first: Option<u64>, count: u64) {
        let count = count.min(self.left);
        self.left -= count;
        match self.found.last_mut() {
            // A file of many single blocks must not need more memory than a few long runs.
            Some(last) if last.first.map(|first| first.saturating_add(last.count)) == first => last.count += count,
            _ => self.found.push(Run { first, count }),
        }
    }

    fn node(&self, number: u64) -> Result<Vec<u8>> {
        let at = number.checked_mul(self.block).ok_or_else(|| damaged("is beyond all disks"))?;
        self.region.read(at, usize::try_from(self.block).unwrap_or(usize::MAX))
    }

    fn extents(&mut self, inode: &Inode, count: u64) -> Result<()> {
        let mut leaf = Leaf { extents: Vec::new(), end: 0 };
        while self.left > 0 {
            let at = count - self.left;
            if at >= leaf.end {
                leaf = self.leaf(inode, at)?;
            }
            let (found, next) = entry_of(&leaf.extents, at);
            // GRUB only reads holes that are behind an extent of the same node.
            let extent = found.ok_or_else(|| damaged("begins with a hole, which GRUB does not read"))?;
            let fields = Fields(extent);
            let numbers = (fields.u32_le(0), fields.u16_le(4), fields.u16_le(6), fields.u32_le(8));
            let (Some(from), Some(length), Some(high), Some(low)) = numbers else { return Err(damaged("is cut")) };
            let (within, length) = (at - u64::from(from), u64::from(length));
            let end = next.unwrap_or(leaf.end).min(leaf.end);
            if within >= length {
                self.add(None, end - at);
            } else if length > LONGEST {
                return Err(damaged(
                    "has blocks that were reserved and not written, and GRUB reads what they had before",
                )
                .hint("copy the file to another name, and rename that"));
            } else {
                let first = (u64::from(high) << 32 | u64::from(low)).saturating_add(within);
                // As for GRUB, the next extent counts where both have the block.
                self.add(Some(first), (length - within).min(end - at));
            }
        }
        Ok(())
    }

    /// The node with the extent of a block of the file.
    fn leaf(&self, inode: &Inode, at: u64) -> Result<Leaf> {
        let mut node = inode.root.to_vec();
        let mut end = u64::MAX;
        let mut above = DEEPEST + 1;
        loop {
            let fields = Fields(&node);
            let (Some(MAGIC), Some(entries), Some(depth)) = (fields.u16_le(0), fields.u16_le(2), fields.u16_le(6))
            else {
                return Err(damaged("has a wrong tree of extents"));
            };
            // Each node must be deeper than the one above it: a tree has no circle.
            if depth >= above {
                return Err(damaged("has a tree of extents that is too deep"));
            }
            above = depth;
            let length = (usize::from(entries) * ENTRY).min(node.len().saturating_sub(ENTRY) / ENTRY * ENTRY);
            let entries = node.get(ENTRY..ENTRY + length).unwrap_or_default();
            if depth == 0 {
                return Ok(Leaf { extents: entries.to_vec(), end });
            }
            let (found, next) = entry_of(entries, at);
            end = next.map_or(end, |next| next.min(end));
            let index = Fields(found.ok_or_else(|| damaged("begins with a hole, which not every GRUB reads"))?);
            let (Some(low), Some(high)) = (index.u32_le(4), index.u16_le(8)) else { return Err(damaged("is cut")) };
            node = self.node(u64::from(high) << 32 | u64::from(low))?;
        }
    }

    fn numbered(&mut self, inode: &Inode) -> Result<()> {
        let root = Fields(&inode.root);
        let mut numbers = (0..15).filter_map(|at| root.u32_le(at * 4));
        for number in numbers.by_ref().take(DIRECT.try_into().unwrap_or(usize::MAX)) {
            self.add_number(number);
        }
        for (depth, number) in (1..).zip(numbers) {
            self.indirect(number, depth)?;
        }
        if self.left > 0 { Err(damaged("is longer than ext2 can make it")) } else { Ok(()) }
    }

    fn add_number(&mut self, number: u32) {
        if self.left > 0 {
            self.add((number != 0).then_some(number.into()), 1);
        }
    }

    /// The blocks below a block of numbers. A missing one stands for as many holes.
    fn indirect(&mut self, number: u32, depth: u32) -> Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        if number == 0 {
            self.add(None, (self.block / 4).saturating_pow(depth));
            return Ok(());
        }
        for number in self.node(number.into())?.chunks_exact(4).filter_map(|number| Fields(number).u32_le(0)) {
            if depth == 1 {
                self.add_number(number);
            } else {
                self.indirect(number, depth - 1)?;
            }
        }
        Ok(())
    }
}

/// The entry of a node that has a block of the file, and where the next one begins: the last one before the first that begins behind it.
fn entry_of(entries: &[u8], at: u64) -> (Option<&[u8]>, Option<u64>) {
    let mut found = None;
    for entry in entries.chunks_exact(ENTRY) {
        let from = Fields(entry).u32_le(0).map_or(0, u64::from);
        if at < from {
            return (found, Some(from));
        }
        found = Some(entry);
    }
    (found, None)
}

fn damaged(cause: &str) -> Error {
    Error::new("file", cause)
}

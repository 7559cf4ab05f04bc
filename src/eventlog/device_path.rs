//! Device paths of UEFI in words, as its shell and efibootmgr(8) write them (UEFI 2.10, sections 10.3 and 10.6).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::text::{shown, utf16};
use crate::cursor::{Cursor, Fields, guid};

/// The most nodes that are read. Real paths have about ten.
const MOST_NODES: usize = 64;
/// The `_HID`s of PCI and PCI Express root bridges: PNP0A03 and PNP0A08 as compressed EISA ids (ACPI 6.5, section 19.3.4).
const PCI_ROOT: u32 = 0x0A03_41D0;
const PCIE_ROOT: u32 = 0x0A08_41D0;

/// The path in words. `None` if the bytes are no device path.
pub(super) fn words(bytes: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new("device path", bytes);
    let mut nodes: Vec<String> = Vec::new();
    while !cursor.is_empty() && nodes.len() < MOST_NODES {
        let (kind, subtype, length) = (cursor.u8().ok()?, cursor.u8().ok()?, cursor.u16_le().ok()?);
        let data = cursor.take(usize::from(length).checked_sub(4)?).ok()?;
        match (kind, subtype) {
            (0x7F, 0xFF) => break,
            (0x7F, _) => nodes.push(",".to_owned()),
            _ => nodes.push(node(kind, subtype, data).unwrap_or_else(|| other(kind, subtype, data))),
        }
    }
    Some(nodes.join("/").replace("/,/", ", "))
}

/// A node of a type without words here, as UEFI writes it.
fn other(kind: u8, subtype: u8, data: &[u8]) -> String {
    format!("Path({kind},{subtype},{})", shown(&hex::encode(data)))
}

fn node(kind: u8, subtype: u8, data: &[u8]) -> Option<String> {
    let fields = Fields(data);
    let id = || fields.at::<16>(0).map(guid);
    Some(match (kind, subtype) {
        // Hardware.
        (1, 1) => format!("Pci({:#x},{:#x})", data.get(1)?, data.first()?),
        (1, 4) => format!("VenHw({})", id()?),
        // ACPI.
        (2, 1) => match (fields.u32_le(0)?, fields.u32_le(4)?) {
            (PCI_ROOT, uid) => format!("PciRoot({uid:#x})"),
            (PCIE_ROOT, uid) => format!("PcieRoot({uid:#x})"),
            (hid, uid) => format!("Acpi({hid:#010x},{uid:#x})"),
        },
        // Messaging.
        (3, 2) => format!("Scsi({:#x},{:#x})", fields.u16_le(0)?, fields.u16_le(2)?),
        (3, 5) => format!("USB({:#x},{:#x})", data.first()?, data.get(1)?),
        (3, 10) => format!("VenMsg({})", id()?),
        (3, 11) => format!("MAC({})", hex::encode(data.get(..6)?)),
        (3, 12) => format!("IPv4({})", Ipv4Addr::from(fields.at::<4>(4)?)),
        (3, 13) => format!("IPv6({})", Ipv6Addr::from(fields.at::<16>(16)?)),
        (3, 18) => format!("Sata({:#x},{:#x},{:#x})", fields.u16_le(0)?, fields.u16_le(2)?, fields.u16_le(4)?),
        (3, 23) => format!("NVMe({:#x},{:016x})", fields.u32_le(0)?, fields.u64_le(4)?.swap_bytes()),
        (3, 24) => format!("Uri({})", shown(&String::from_utf8_lossy(data))),
        (3, 26) => format!("SD({:#x})", data.first()?),
        (3, 29) => format!("eMMC({:#x})", data.first()?),
        // Media.
        (4, 1) => hard_drive(&fields)?,
        (4, 2) => format!("CDROM({:#x})", fields.u32_le(0)?),
        (4, 3) => format!("VenMedia({})", id()?),
        (4, 4) => shown(&utf16(data)),
        (4, 6) => format!("FvFile({})", id()?),
        (4, 7) => format!("Fv({})", id()?),
        (4, 8) => format!("Offset({:#x},{:#x})", fields.u64_le(4)?, fields.u64_le(12)?),
        // BIOS boot.
        (5, 1) => format!("BBS({:#x},{})", fields.u16_le(0)?, shown(&String::from_utf8_lossy(data.get(4..)?))),
        _ => return None,
    })
}

/// A partition: its number, its place and the identity of the disk or the partition (section 10.3.5.1).
fn hard_drive(fields: &Fields) -> Option<String> {
    let (number, start, length) = (fields.u32_le(0)?, fields.u64_le(4)?, fields.u64_le(12)?);
    let identity = match fields.at::<2>(36)? {
        [2, 2] => format!("GPT,{}", guid(fields.at(20)?)),
        [1, 1] => format!("MBR,{:#010x}", fields.u32_le(20)?),
        [format, kind] => format!("{format},{kind}"),
    };
    Some(format!("HD({number},{identity},{start:#x},{length:#x})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: u8, subtype: u8, data: &[u8]) -> Vec<u8> {
        [&[kind, subtype], &u16::try_from(4 + data.len()).unwrap().to_le_bytes()[..], data].concat()
    }

    const END: [u8; 4] = [0x7F, 0xFF, 4, 0];

    #[test]
    fn the_usual_nodes_have_words() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let root = node(2, 1, &[0xD0, 0x41, 0x03, 0x0A, 0, 0, 0, 0]);
        let disk =
            [&[1, 0, 0, 0][..], &[0, 8, 0, 0, 0, 0, 0, 0], &[0, 0, 1, 0, 0, 0, 0, 0], &[0x11; 16], &[2, 2]].concat();
        let table: [(Vec<u8>, &str); 9] = [
            (
                [root.clone(), node(1, 1, &[2, 0x1F]), node(3, 18, &[1, 0, 0xFF, 0xFF, 0, 0])].concat(),
                "PciRoot(0x0)/Pci(0x1f,0x2)/Sata(0x1,0xffff,0x0)",
            ),
            (
                [node(4, 1, &disk), node(4, 4, &wide("\\EFI\\BOOT\\BOOTX64.EFI\0"))].concat(),
                "HD(1,GPT,11111111-1111-1111-1111-111111111111,0x800,0x10000)/\\EFI\\BOOT\\BOOTX64.EFI",
            ),
            (node(3, 23, &[1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]), "NVMe(0x1,0102030405060708)"),
            (node(3, 24, b"http://x/\x1b"), "Uri(http://x/\\u{1b})"),
            (node(4, 4, &wide("a\u{202e}b\n")), "a\\u{202e}b\\n"),
            (node(9, 9, &[1, 2]), "Path(9,9,0102)"),
            (node(3, 5, &[1]), "Path(3,5,01)"),
            ([root.clone(), vec![0x7F, 1, 4, 0], node(3, 26, &[2])].concat(), "PciRoot(0x0), SD(0x2)"),
            (Vec::new(), ""),
        ];
        for (path, wanted) in table {
            assert_eq!(words(&[&path[..], &END].concat()).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn what_is_no_device_path_has_no_words() {
        for bytes in [&[1, 1][..], &[1, 1, 3, 0], &[1, 1, 9, 0, 0], &[4, 4, 0xFF, 0xFF]] {
            assert_eq!(words(bytes), None, "{bytes:?}");
        }
        assert!(words(&node(9, 9, &[]).repeat(10_000)).is_some_and(|text| text.len() < 1000));
    }
}

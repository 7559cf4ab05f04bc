//! The data of a TCG log's event in words, by the event's type (TCG PC Client Platform Firmware Profile 1.05, section 10).

use super::event_type::EventType;
use super::text::{self, shown, utf16};
use super::{device_path, efi_variable};
use crate::count::counted;
use crate::cursor::{Cursor, Fields, guid};

/// The data in words. Data that does not have the form of its type is shown as text or as hex.
pub(crate) fn words(kind: EventType, data: &[u8]) -> String {
    let known = match kind.0 {
        0x0000_0003 => no_action(data),
        0x0000_0004 => separator(data),
        0x0000_0006 => tagged(data),
        0x8000_0001 | 0x8000_0002 | 0x8000_000C | 0x8000_00E0 => efi_variable::words(data),
        0x8000_0003..=0x8000_0005 => image_load(data),
        0x8000_0006 | 0x8000_000D => partitions(data),
        0x0000_0001 | 0x8000_0008 => blob(data),
        0x0000_0013 | 0x8000_000A => described_blob(data),
        0x8000_0009 => tables(data),
        _ => None,
    };
    known.unwrap_or_else(|| text::words(data))
}

/// Section 10.4.5: a signature of 16 bytes, then what belongs to it.
fn no_action(data: &[u8]) -> Option<String> {
    let (signature, rest) = data.split_at_checked(16)?;
    let name = signature.strip_suffix(&[0])?;
    match (name, rest) {
        (b"StartupLocality", [locality, rest @ ..]) if rest.iter().all(|&byte| byte == 0) => Some(match locality {
            4 => "a hardware root of trust measured before the TPM was started".to_owned(),
            locality => format!("the TPM was started from locality {locality}"),
        }),
        (name, rest) if !rest.is_empty() && name.iter().all(u8::is_ascii_graphic) => {
            Some(format!("{}: {}", text::words(name), text::words(rest)))
        }
        _ => None,
    }
}

/// Section 10.4.1: 0 or -1 ends the measurements of the firmware, 1 says that it had an error.
fn separator(data: &[u8]) -> Option<String> {
    Some(match data {
        [0, 0, 0, 0] | [0xFF, 0xFF, 0xFF, 0xFF] => "no error".to_owned(),
        [1, 0, 0, 0] | [0, 0, 0, 1] => "AN ERROR of the firmware".to_owned(),
        _ => return None,
    })
}

/// `TCG_PCClientTaggedEvent` (section 10.4.2.1): Linux's EFI stub and systemd-stub write such events, too.
fn tagged(data: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new("tagged event", data);
    let (tag, data) = (cursor.u32_le().ok()?, cursor.counted_u32_le().ok()?);
    cursor.is_empty().then(|| format!("tag {tag:#010x}: {}", text::words(data)))
}

/// `UEFI_IMAGE_LOAD_EVENT` (section 10.2.3): place, length, link-time address, and the device path.
fn image_load(data: &[u8]) -> Option<String> {
    let fields = Fields(data);
    let (length, path) = (fields.u64_le(8)?, usize::try_from(fields.u64_le(24)?).ok()?);
    let path = device_path::words(data.get(32..)?.get(..path)?)?;
    let bytes = counted(length, "byte");
    Some(if path.is_empty() { bytes } else { format!("{path}, {bytes}") })
}

/// `UEFI_GPT_DATA` (section 10.2.7): the header of the partition table, of 92 bytes, the number of entries, and the entries.
fn partitions(data: &[u8]) -> Option<String> {
    const HEADER: usize = 92;
    const ENTRY: usize = 128;
    let fields = Fields(data);
    fields.at(0).filter(|signature: &[u8; 8]| signature == b"EFI PART")?;
    let count = usize::try_from(fields.u64_le(HEADER)?).ok()?;
    let entries = data.get(HEADER + 8..)?.chunks(ENTRY);
    let name = |entry: &[u8]| entry.get(56..ENTRY).map(utf16);
    let names = entries.map(name).collect::<Option<Vec<_>>>().filter(|names| names.len() == count)?;
    let list = if names.is_empty() { String::new() } else { format!(": {}", shown(&names.join(", "))) };
    Some(format!("disk {}, {}{list}", guid(fields.at(56)?), counted(count as u64, "partition")))
}

/// `UEFI_PLATFORM_FIRMWARE_BLOB` (section 10.2.4).
fn blob(data: &[u8]) -> Option<String> {
    let fields = Fields(data);
    (data.len() == 16).then_some(())?;
    Some(format!("{} at {:#x}", counted(fields.u64_le(8)?, "byte"), fields.u64_le(0)?))
}

/// `UEFI_PLATFORM_FIRMWARE_BLOB2` (section 10.2.4): a description with its length, then the same.
fn described_blob(data: &[u8]) -> Option<String> {
    let (&length, rest) = data.split_first()?;
    let (description, rest) = rest.split_at_checked(length.into())?;
    Some(format!("{}, {}", text::words(description), blob(rest)?))
}

/// `UEFI_HANDOFF_TABLE_POINTERS` (section 10.2.5): the GUIDs of the tables, each with its address.
fn tables(data: &[u8]) -> Option<String> {
    let count = usize::try_from(Fields(data).u64_le(0)?).ok()?;
    let tables = data.get(8..)?.chunks(24).map(|table| Fields(table).at::<24>(0).and(Fields(table).at(0)).map(guid));
    let tables = tables.collect::<Option<Vec<_>>>().filter(|tables| tables.len() == count)?;
    Some(shown(&tables.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_words() {
        let tagged = |text: &str| {
            let data: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            [&0x8F3B_22EC_u32.to_le_bytes()[..], &u32::try_from(data.len()).unwrap().to_le_bytes(), &data].concat()
        };
        let path = [4, 4, 8, 0, b'\\', 0, b'x', 0, 0x7F, 0xFF, 4, 0];
        let image = |path: &[u8]| {
            [&[0; 8][..], &[5, 0, 0, 0, 0, 0, 0, 0], &[0; 8], &(path.len() as u64).to_le_bytes(), path].concat()
        };
        let blob = [0, 0, 2, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        let mut gpt = [&b"EFI PART"[..], &[0; 84], &[1, 0, 0, 0, 0, 0, 0, 0], &[0; 128]].concat();
        gpt[92 + 8 + 56] = b'r';
        let zero = "00000000-0000-0000-0000-000000000000";
        let table: [(u32, &[u8], &str); 24] = [
            (3, b"StartupLocality\0\x03", "the TPM was started from locality 3"),
            (3, b"StartupLocality\0\x04", "a hardware root of trust measured before the TPM was started"),
            (3, b"StartupLocality\0", "StartupLocality"),
            (3, b"StartupLocality\0\x03\0\0", "the TPM was started from locality 3"),
            (3, b"StartupLocality\0\x03\x01", "StartupLocality: 0301"),
            (3, b"SP800-155Event3\0\x01\x02", "SP800-155Event3: 0102"),
            (4, &[0; 4], "no error"),
            (4, &[0xFF; 4], "no error"),
            (4, &[1, 0, 0, 0], "AN ERROR of the firmware"),
            (4, &[2, 0, 0, 0], "02000000"),
            (4, b"WBCL", "WBCL"),
            (6, &tagged("Linux initrd\0"), "tag 0x8f3b22ec: Linux initrd"),
            (6, &tagged("x")[..9], "ec223b8f0200000078"),
            (0xD, b"grub_cmd: a {\n\tb\n}\0", "grub_cmd: a {\\n\\tb\\n}"),
            (0x8000_0003, &image(&path), "\\x, 5 bytes"),
            (0x8000_0003, &image(&[]), "5 bytes"),
            (0x8000_0003, &[1], "01"),
            (0x8000_0006, &gpt, &format!("disk {zero}, 1 partition: r")),
            (0x8000_0006, &gpt[..200], "45464920504152540000"),
            (0x8000_0008, &blob, "9 bytes at 0x20000"),
            (0x8000_000A, &[&[3][..], b"FvX", &blob].concat(), "FvX, 9 bytes at 0x20000"),
            (0x8000_0009, &[&[1, 0, 0, 0, 0, 0, 0, 0][..], &[0; 24]].concat(), zero),
            (0x8000_0001, b"no variable", "no variable"),
            (0x42, b"", ""),
        ];
        for (kind, data, wanted) in table {
            let words = words(EventType(kind), data);
            assert!(words == wanted || words.starts_with(wanted) && words.contains("..."), "{kind:#x}: {words}");
        }
    }
}

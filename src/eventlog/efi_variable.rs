//! UEFI variables in words: the data of events that measure one, `UEFI_VARIABLE_DATA` (TCG PC Client Platform Firmware Profile
//! 1.05, section 10.2.6).

use super::device_path;
use super::text::{self, shown, utf16};
use crate::count::counted;
use crate::cursor::{Cursor, Fields};

/// `EFI_CERT_X509_GUID` and `EFI_CERT_SHA256_GUID` in their bytes (UEFI 2.10, section 32.4.1).
pub(crate) const X509: [u8; 16] =
    [0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72];
pub(crate) const SHA256: [u8; 16] =
    [0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28];
/// `LOAD_OPTION_ACTIVE` (section 3.1.3).
const ACTIVE: u32 = 1;

/// The name of the variable and its value. `None` if the data is no variable.
pub(super) fn words(data: &[u8]) -> Option<String> {
    let fields = Fields(data);
    let length = |offset| fields.u64_le(offset).and_then(|length| usize::try_from(length).ok());
    let (name, rest) = data.get(32..)?.split_at_checked(length(16)?.checked_mul(2)?)?;
    let value = rest.get(..length(24)?)?;
    let name = utf16(name);
    let known = match name.as_str() {
        "SecureBoot" | "SetupMode" | "AuditMode" | "DeployedMode" | "MokListTrusted" => switch(value),
        "BootOrder" | "DriverOrder" | "BootNext" | "BootCurrent" => numbers(value),
        "PK" | "KEK" | "db" | "dbx" | "dbt" | "dbr" | "MokList" | "MokListX" => signatures(value),
        _ if is_option(&name) => load_option(value),
        _ => None,
    };
    let value = known.or_else(|| certificate(value)).unwrap_or_else(|| text::words(value));
    Some(if value.is_empty() { shown(&name) } else { format!("{}: {value}", shown(&name)) })
}

/// `Boot0001` and its like.
fn is_option(name: &str) -> bool {
    let digits = ["Boot", "Driver", "SysPrep", "PlatformRecovery"].iter().find_map(|kind| name.strip_prefix(kind));
    digits.is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn switch(value: &[u8]) -> Option<String> {
    match value {
        [0] => Some("off".to_owned()),
        [1] => Some("on".to_owned()),
        [] => Some("not set".to_owned()),
        _ => None,
    }
}

fn numbers(value: &[u8]) -> Option<String> {
    let numbers = value.chunks(2).map(|pair| Some(format!("{:04X}", u16::from_le_bytes(pair.try_into().ok()?))));
    Some(shown(&numbers.collect::<Option<Vec<_>>>()?.join(", ")))
}

/// `EFI_LOAD_OPTION` (section 3.1.3): its description, the device path, and what the loaded program gets.
fn load_option(value: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new("load option", value);
    let (attributes, length) = (cursor.u32_le().ok()?, cursor.u16_le().ok()?);
    let end = cursor.rest().chunks_exact(2).position(|unit| unit == [0, 0])?;
    let description = utf16(cursor.take(2 * end).ok()?);
    cursor.take(2).ok()?;
    let path = device_path::words(cursor.take(usize::from(length)).ok()?)?;
    let state = if attributes & ACTIVE == 0 { ", not active" } else { "" };
    let more = if cursor.is_empty() { String::new() } else { format!(", with {}", text::words(cursor.rest())) };
    Some(format!("\"{}\", {path}{more}{state}", shown(&description)))
}

/// The certificate that allowed a program to start, in an event of the type `EV_EFI_VARIABLE_AUTHORITY`: a DER sequence, behind
/// the GUID of its owner (`EFI_SIGNATURE_DATA`), or alone, as shim writes it.
fn certificate(value: &[u8]) -> Option<String> {
    let is_sequence = |der: &&[u8]| match der {
        [0x30, 0x82, high, low, rest @ ..] => usize::from(u16::from_be_bytes([*high, *low])) == rest.len(),
        _ => false,
    };
    let certificate = [Some(value), value.get(16..)].into_iter().flatten().find(is_sequence)?;
    Some(format!("a certificate of {}", counted(certificate.len(), "byte")))
}

/// A list of `EFI_SIGNATURE_LIST` (section 32.4.1): how many keys and hashes it has.
fn signatures(value: &[u8]) -> Option<String> {
    let (mut certificates, mut hashes, mut others) = (0_u64, 0_u64, 0_u64);
    let mut rest = value;
    while !rest.is_empty() {
        let fields = Fields(rest);
        let field = |offset| fields.u32_le(offset).and_then(|size| usize::try_from(size).ok());
        let (kind, list, header, size) = (fields.at::<16>(0)?, field(16)?, field(20)?, field(24)?);
        let count = list.checked_sub(28)?.checked_sub(header)?.checked_div(size)? as u64;
        match kind {
            X509 => certificates += count,
            SHA256 => hashes += count,
            _ => others += count,
        }
        rest = rest.get(list..)?;
    }
    let parts = [(certificates, "certificate"), (hashes, "SHA-256 digest"), (others, "other signature")];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(count, noun));
    let parts: Vec<_> = parts.collect();
    Some(if parts.is_empty() { "empty".to_owned() } else { parts.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn variable(name: &str, value: &[u8]) -> Vec<u8> {
        let name = wide(name);
        let lengths = [name.len() / 2, value.len()].map(|length| u64::try_from(length).unwrap().to_le_bytes());
        [&[7; 16][..], &lengths[0], &lengths[1], &name, value].concat()
    }

    #[test]
    fn the_variables_of_a_boot_have_words() {
        let path = [4, 4, 8, 0, b'\\', 0, b'x', 0, 0x7F, 0xFF, 4, 0];
        let option = [&[1, 0, 0, 0][..], &[12, 0], &wide("Linux\n\0"), &path, b"quiet"].concat();
        let list = |kind: [u8; 16], size: u32, count: u32| {
            let whole = 28 + size * count;
            let numbers = [whole, 0, size].map(u32::to_le_bytes).concat();
            [&kind[..], &numbers, &vec![0; (size * count) as usize]].concat()
        };
        let db = [list(X509, 1000, 1), list(X509, 900, 1), list(SHA256, 48, 3)].concat();
        let table: [(&str, &[u8], &str); 15] = [
            ("SecureBoot", &[1], "SecureBoot: on"),
            ("SecureBoot", &[0], "SecureBoot: off"),
            ("SecureBoot", &[], "SecureBoot: not set"),
            ("SecureBoot", &[2], "SecureBoot: 02"),
            ("BootOrder", &[1, 0, 0x0F, 0], "BootOrder: 0001, 000F"),
            ("BootOrder", &[1], "BootOrder: 01"),
            ("Boot00aF", &option, "Boot00aF: \"Linux\\n\", \\x, with quiet"),
            ("Boot0001", &[0; 6], "Boot0001: 000000000000"),
            ("Bootöö", &[3], "Bootöö: 03"),
            ("db", &db, "db: 2 certificates, 3 SHA-256 digests"),
            ("dbx", &[], "dbx: empty"),
            ("db", &[[7; 16].as_slice(), &[0x30, 0x82, 0, 1, 2]].concat(), "db: a certificate of 5 bytes"),
            ("Shim", &[0x30, 0x82, 0, 0], "Shim: a certificate of 4 bytes"),
            ("PK", &[1, 2, 3], "PK: 010203"),
            ("SbatLevel", b"sbat,1,2021030218\n", "SbatLevel: sbat,1,2021030218\\n"),
        ];
        for (name, value, wanted) in table {
            assert_eq!(words(&variable(name, value)).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn what_is_no_variable_has_no_words() {
        let good = variable("SecureBoot", &[1]);
        for length in 0..good.len() {
            assert_eq!(words(&good[..length]), None, "{length}");
        }
        for at in [16, 24] {
            let mut other = good.clone();
            other[at..at + 8].fill(0xFF);
            assert_eq!(words(&other), None, "{at}");
        }
    }
}

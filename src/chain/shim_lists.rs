//! What is built into shim: the certificate that it trusts, what it forbids, and the versions that it wants (shim, cert.S and
//! sbat_var.S).

use super::pe::PeFile;
use crate::cursor::Fields;
use crate::eventlog::efi_variable::{SHA256, X509};

/// shim's vendor of variables, 605dab50-e046-4300-abb6-3dd810dd8b23, in its bytes (shim, lib/guid.c, `SHIM_LOCK_GUID`).
pub(super) const SHIM_LOCK: [u8; 16] =
    [0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23];
/// The length of the header of a signature list, and of an owner (UEFI 2.10, section 32.4.1).
const HEADER: u32 = 28;
const OWNER: u32 = 16;
/// The length of a symbol (PE Format, "COFF Symbol Table").
const SYMBOL: usize = 18;
/// How a certificate begins in DER: a long sequence.
const SEQUENCE: u8 = 0x30;

/// The lists.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ShimLists {
    /// The signature list that comes before those of the machine's owner (MokList).
    pub(super) allowed: Vec<u8>,
    /// Whether shim was built with this list, and not with one certificate: then it has a name of its own (cert.S, `VENDOR_DB_FILE`).
    pub(super) is_vendor_db: bool,
    /// The same for what is forbidden (MokListX).
    pub(super) forbidden: Vec<u8>,
    /// The least versions of programs with Secure Boot (SbatLevel).
    pub(super) level: Vec<u8>,
}

impl ShimLists {
    /// Reads those of a program. `None` if it does not have them as shim 16 has.
    pub(super) fn of(file: &PeFile<'_>) -> Option<Self> {
        let table = section(file, b".vendor_cert")?;
        let part = |size: usize, offset: usize| -> Option<Vec<u8>> {
            let number = |at| Fields(&table).u32_le(at).and_then(|number| usize::try_from(number).ok());
            let start = number(offset)?;
            table.get(start..start.checked_add(number(size)?)?).map(<[u8]>::to_vec)
        };
        let (allowed, forbidden) = (part(0, 8)?, part(4, 12)?);
        let is_vendor_db = !allowed.is_empty() && allowed.first() != Some(&SEQUENCE);
        let allowed = if allowed.first() == Some(&SEQUENCE) { list(&X509, &allowed)? } else { allowed };
        let levels = section(file, b".sbatlevel")?;
        // The format is 0. The offsets begin behind it.
        let first = Fields(&levels).u32_le(4).filter(|_| Fields(&levels).u32_le(0) == Some(0))?;
        let level = levels.get(usize::try_from(first).ok()?.checked_add(4)?..)?;
        let level = level.split(|&byte| byte == 0).next()?.to_vec();
        Some(Self { allowed, is_vendor_db, forbidden, level })
    }
}

/// The section with a long name: the table has a slash and its place among the strings behind the symbols (PE Format, "Section Table").
fn section(file: &PeFile<'_>, wanted: &[u8]) -> Option<Vec<u8>> {
    let fields = Fields(file.bytes);
    let index = |number: u32| usize::try_from(number).ok();
    // The signature has four bytes; the place of the symbols is at 8 of the header behind it, their number at 12.
    let header = index(fields.u32_le(0x3C)?)?.checked_add(4)?;
    let number = |at: usize| fields.u32_le(header.checked_add(at)?).and_then(index);
    let strings = number(12)?.checked_mul(SYMBOL)?.checked_add(number(8)?)?;
    let is_it = |name: &[u8]| {
        let place = name.strip_prefix(b"/").and_then(|digits| str::from_utf8(digits).ok()?.parse::<usize>().ok());
        let name = place.and_then(|place| file.bytes.get(strings.checked_add(place)?..));
        name.and_then(|name| name.strip_prefix(wanted)).is_some_and(|rest| rest.first() == Some(&0))
    };
    let section = file.sections().iter().find(|section| is_it(section.name_bytes()))?;
    section.in_memory().ok().map(std::borrow::Cow::into_owned)
}

/// What shim measures of a list: without an entry, it has a digest of zeros (shim, mok.c, `mirror_one_mok_variable`).
pub(super) fn measured(built_in: &[u8], owner: &[u8]) -> Vec<u8> {
    let all = [built_in, owner].concat();
    if all.is_empty() { list(&SHA256, &[0; 32]).unwrap_or_default() } else { all }
}

/// A signature list with one entry of shim's.
fn list(kind: &[u8; 16], data: &[u8]) -> Option<Vec<u8>> {
    let size = u32::try_from(data.len()).ok()?.checked_add(OWNER)?;
    let numbers = [size.checked_add(HEADER)?, 0, size].map(u32::to_le_bytes);
    Some([kind.as_slice(), numbers.as_flattened(), &SHIM_LOCK, data].concat())
}

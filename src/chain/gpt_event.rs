//! PCR 5: the partition table of the disk that firmware starts a program from (TCG PC Client Platform Firmware Profile 1.06, section
//! 10.2.7, `UEFI_GPT_DATA`), as edk2 measures it (SecurityPkg/Library/DxeTpm2MeasureBootLib, `Tcg2MeasureGptTable`): the first GPT
//! header, the number of the entries that are used, and these entries. edk2 measures it once, before the first program that lies on a
//! partition of a GPT. A disk that is a FAT, an MBR or a CD has no such event. What else is in the PCR comes from a log.

use super::event::{EVENT_TAG, Expected, GPT};
use super::forecast::Part;
use super::gpt::{self, Header};
use super::partitions::SECTORS;
use super::region::Region;
use crate::cursor::Fields;
use crate::hash::bank::Bank;

/// The PCR.
pub(super) const PCR: u8 = 5;
/// The only revision of the header that edk2 measures (`SanitizeEfiPartitionTableHeader`).
const REVISION: u32 = 0x0001_0000;
/// The type of a partition, at the start of its entry: zeros if the entry is not used (UEFI 2.10, table 5.6).
const TYPE: usize = 16;
/// How the log calls systemd-boot's event for loader.conf (systemd, docs/TPM2_PCR_MEASUREMENTS.md: the tag 0xf5bc582a).
const LOADER_CONF: &str = "tag 0xf5bc582a";

/// What firmware measures of the partition table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MeasuredTable {
    /// It is not known, for this reason.
    Unknown(String),
    /// Nothing: the program is on no partition of a GPT.
    Nothing,
    /// This event.
    Gpt(Expected),
}

impl Default for MeasuredTable {
    fn default() -> Self {
        Self::Unknown("it has the partition table of the disk, which was not given (--disk)".to_owned())
    }
}

impl MeasuredTable {
    /// That of a disk with GPT. `sector` is the size of its sectors, if it is known.
    pub(super) fn of(disk: Region<'_>, sector: Option<u32>, banks: &[Bank]) -> Self {
        let sizes = sector.as_ref().map_or(&SECTORS[..], std::slice::from_ref);
        let header = sizes.iter().find_map(|&size| gpt::header(disk, size, 1).transpose());
        let data = match &header {
            Some(Ok(header)) => data(header).ok_or("the first GPT header is one that edk2 does not measure"),
            _ => Err("the first GPT header is damaged, and the firmware may mend it before it measures it"),
        };
        match data {
            Ok(data) => Self::Gpt(Expected::of(GPT, "the partition table, as edk2 measures it", None, &[&data], banks)),
            Err(why) => Self::Unknown(why.to_owned()),
        }
    }

    /// The events of PCR 5: those of a log, with this partition table and with what systemd-boot measures of the disk. The error says why
    /// they do not follow.
    pub(super) fn replaces(&self, of_log: Vec<Part>, loader_conf: Option<&Expected>) -> Result<Vec<Part>, String> {
        let is_table = |part: &Part| matches!(part, Part::Event(event) if event.kind == GPT);
        let is_loader_conf = |part: &Part| matches!(part, Part::Event(Expected { kind: EVENT_TAG, what, .. }) if what.starts_with(LOADER_CONF));
        let mut parts: Vec<_> = of_log.into_iter().filter(|part| !is_loader_conf(part)).collect();
        let mut tables = parts.iter_mut().filter(|part| is_table(part));
        match (self, tables.next(), tables.next()) {
            (Self::Unknown(why), ..) => return Err(why.clone()),
            (_, Some(_), Some(_)) => return Err("the log has the tables of several disks".to_owned()),
            (Self::Gpt(own), Some(table), None) => *table = Part::Event(own.clone()),
            (Self::Nothing, None, _) => {}
            (Self::Gpt(_), None, _) => {
                return Err(
                    "the log has no partition table: it is of a disk without GPT, or the firmware measures none"
                        .to_owned(),
                );
            }
            (Self::Nothing, Some(_), None) => {
                return Err(
                    "the log has a partition table, and firmware starts this one from no partition of a GPT".to_owned()
                );
            }
        }
        if let Some(own) = loader_conf {
            // Behind the table, and before the program that systemd-boot starts ends the firmware's services.
            let place =
                parts.iter().rposition(|part| is_table(part) || is_separator(part)).map_or(0, |place| place + 1);
            parts.insert(place, Part::Event(own.clone()));
        }
        Ok(parts)
    }
}

fn is_separator(part: &Part) -> bool {
    matches!(part, Part::Event(event) if event.kind == super::event::SEPARATOR)
}

/// The data of the event. `None` if edk2 does not measure such a header.
fn data(header: &Header) -> Option<Vec<u8>> {
    let fields = Fields(&header.bytes);
    // `SanitizeEfiPartitionTableHeader`: the entries are before the first block that a partition may have.
    let (revision, first, entries) = (fields.u32_le(8)?, fields.u64_le(40)?, fields.u64_le(72)?);
    (revision == REVISION && entries < first && header.entry.is_power_of_two()).then_some(())?;
    let is_used = |entry: &&[u8]| entry.get(..TYPE).is_some_and(|kind| kind.iter().any(|&byte| byte != 0));
    let used: Vec<_> = header.array.chunks_exact(header.entry).filter(is_used).collect();
    Some([&header.bytes[..], &(used.len() as u64).to_le_bytes()[..], &used.concat()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::event::{ACTION, SEPARATOR};
    use crate::eventlog::EventType;

    const BANK: Bank = Bank::Sha256;

    fn event(kind: EventType, what: &str) -> Part {
        Part::Event(Expected::of(kind, what, None, &[what.as_bytes()], &[BANK]))
    }

    fn whats(parts: &[Part]) -> Vec<&str> {
        parts.iter().map(|part| if let Part::Event(event) = part { event.what.as_str() } else { "?" }).collect()
    }

    #[test]
    fn the_log_s_table_is_replaced_or_there_is_a_reason() {
        let log = |tables: usize| {
            let table = (0..tables).map(|_| event(GPT, "old table"));
            let end = [event(EVENT_TAG, "tag 0xf5bc582a: loader.conf"), event(ACTION, "Exit Boot Services Invocation")];
            [event(SEPARATOR, "end")].into_iter().chain(table).chain(end).collect::<Vec<_>>()
        };
        let Part::Event(own) = event(GPT, "new table") else { unreachable!() };
        let Part::Event(conf) = event(EVENT_TAG, "new conf") else { unreachable!() };
        let gpt = MeasuredTable::Gpt(own);
        let found = gpt.replaces(log(1), None).unwrap();
        assert_eq!(whats(&found), ["end", "new table", "Exit Boot Services Invocation"]);
        let found = gpt.replaces(log(1), Some(&conf)).unwrap();
        assert_eq!(whats(&found), ["end", "new table", "new conf", "Exit Boot Services Invocation"]);
        let found = MeasuredTable::Nothing.replaces(log(0), Some(&conf)).unwrap();
        assert_eq!(whats(&found), ["end", "new conf", "Exit Boot Services Invocation"]);
        for (table, tables, part) in [
            (&gpt, 0, "the log has no partition table"),
            (&gpt, 2, "the tables of several disks"),
            (&MeasuredTable::Nothing, 1, "starts this one from no partition of a GPT"),
            (&MeasuredTable::default(), 1, "which was not given (--disk)"),
        ] {
            let why = table.replaces(log(tables), None).unwrap_err();
            assert!(why.contains(part), "{part}: {why}");
        }
    }

    #[test]
    fn the_entries_that_are_used_are_measured_and_odd_headers_are_not() {
        let entry = |kind: u8| [&[kind; 16][..], &[7; 112]].concat();
        let header = |change: fn(&mut Header)| {
            let mut bytes = vec![0; 92];
            bytes[8..12].copy_from_slice(&REVISION.to_le_bytes());
            bytes[40] = 34;
            bytes[72] = 2;
            let array = [entry(1), entry(0), entry(2), entry(0)].concat();
            let mut header = Header { bytes, usable: 34..=90, array, entry: 128 };
            change(&mut header);
            data(&header)
        };
        let found = header(|_| {}).unwrap();
        assert_eq!((found.len(), found[92], &found[100..228]), (92 + 8 + 2 * 128, 2, &entry(1)[..]));
        assert_eq!(found[228..], entry(2));
        let odd: [fn(&mut Header); 4] =
            [|own| own.bytes[8] = 1, |own| own.bytes[72] = 34, |own| own.entry = 384, |own| own.bytes.truncate(70)];
        assert!(odd.into_iter().all(|change| header(change).is_none()));
    }
}

//! Bytes behind the last event of a TCG log. Firmware reserves memory for its log and fills what is left with zeros or ones;
//! a copy of that memory has them too.

use crate::count::counted;
use crate::cursor::Cursor;

/// The fewest zeros that are taken for padding: the fixed fields at the front of a `TCG_PCR_EVENT2`. The first bytes of an event
/// of PCR 0 that was cut off are fewer zeros.
const LEAST: usize = 12;
/// The fewest ones: PCR and type of an event. No event has such a type, and the logs of some virtual machines end so (Trustee,
/// deps/eventlog/test_data/CCEL_AAEL_alibabacloud).
const LEAST_ONES: usize = 8;

/// A note about the padding, if only padding follows. An event has no such beginning: zeros would be an event without digests,
/// or one that extends PCR 0 with zeros.
pub(super) fn note(cursor: &Cursor) -> Option<String> {
    let rest = cursor.rest();
    let first = rest.first().filter(|&&first| first == 0 || first == 0xFF)?;
    let least = if *first == 0 { LEAST } else { LEAST_ONES };
    let is_padding = rest.len() >= least && rest.iter().all(|byte| byte == first);
    is_padding.then(|| {
        let bytes = counted(rest.len(), "byte");
        format!("ends with {bytes} of padding ({first:#04x}), from byte {} on; they are no events", cursor.position())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_zeros_or_ones_are_padding() {
        let note = |bytes: &[u8]| note(&Cursor::new("event log", bytes));
        for (fill, least) in [(0, 12), (0xFF, 8)] {
            let said = note(&vec![fill; least]).unwrap();
            assert_eq!(
                said,
                format!("ends with {least} bytes of padding ({fill:#04x}), from byte 0 on; they are no events")
            );
            assert_eq!(note(&vec![fill; least - 1]), None);
            assert_eq!(note(&[&[fill; LEAST][..], &[1]].concat()), None);
        }
        assert_eq!((note(&[0x11; LEAST]), note(&[])), (None, None));
    }
}

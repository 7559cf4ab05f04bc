//! Reads the input as a TCG log, crypto-agile, in the older form, in TXT's container and of a confidential machine, and as CEL-TLV, and
//! does with it all that is done with a log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::eventlog::{Event, Log, ccel, cel, cel_tlv, parse, tcg, tcg_sha1, txt_container};

fuzz_target!(|bytes: &[u8]| {
    let read = [tcg::parse(bytes), tcg_sha1::parse(bytes), cel_tlv::parse(bytes), txt_container::parse(bytes)];
    for log in read.into_iter().flatten() {
        // An event takes at least its fixed fields and one digest of one byte.
        assert!(log.events().len() <= bytes.len() / 17);
        used(log);
    }
    parse(bytes).ok();
    let end = ccel::measure(bytes).map(|(_, end)| end);
    assert!(end.iter().all(|&end| end <= bytes.len()));
    if let Ok(log) = ccel::parse(bytes) {
        // Our events follow every log that can be read.
        assert!(ccel::replay(&log).len() <= 4 && end.is_ok() == ccel::is_ccel(bytes));
    }
});

fn used(log: Log) {
    // A log agrees with the values that it leads to.
    let values = log.replay();
    let compared = log.compare(&values);
    assert!(compared.agrees());
    for words in log.events().iter().map(Event::describe) {
        assert!(!words.contains(['\n', '\x1b', '\u{202e}', '\u{200b}']));
    }
    log.notes().into_iter().for_each(drop);
    // CEL-JSON leaves out only the events that name no PCR, which extend nothing.
    let again = cel::parse(cel::encode(&log).to_string().as_bytes()).unwrap();
    assert_eq!(again.replay(), values);
    // Two logs may name different localities, so joining them may fail.
    if let Ok(joined) = Log::join([log, again]) {
        let places = joined.events().len();
        assert!(joined.compare(&values).proven.iter().all(|&place| place < places));
    }
}

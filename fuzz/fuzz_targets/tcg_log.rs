//! Reads the input as a TCG crypto-agile log, and does with it all that is done with a log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::eventlog::{Event, Log, cel, tcg};

fuzz_target!(|bytes: &[u8]| {
    let Ok(log) = tcg::parse(bytes) else { return };
    // An event takes at least its fixed fields and one digest of one byte.
    assert!(log.events().len() <= bytes.len() / 17);
    // A log agrees with the values that it leads to.
    let values = log.replay();
    let compared = log.compare(&values);
    assert!(compared.agrees());
    log.events().iter().map(Event::describe).for_each(drop);
    // CEL-JSON leaves out only the events that name no PCR, which extend nothing.
    let again = cel::parse(cel::encode(&log).to_string().as_bytes()).unwrap();
    assert_eq!(again.replay(), values);
    // Two logs may name different localities, so joining them may fail.
    if let Ok(joined) = Log::join([log, again]) {
        let places = joined.events().len();
        assert!(joined.compare(&values).proven.iter().all(|&place| place < places));
    }
});

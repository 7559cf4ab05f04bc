//! The TCG's crypto-agile log, and all that is done with a log that was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::eventlog::{Event, Log, cel, tcg};

fuzz_target!(|bytes: &[u8]| {
    let Ok(log) = tcg::parse(bytes) else { return };
    // No event takes fewer bytes than its fixed fields and one digest.
    assert!(log.events().len() <= bytes.len() / 17);
    // A log agrees with what it leads to.
    let values = log.replay();
    let compared = log.compare(&values);
    assert!(compared.agrees());
    log.events().iter().map(Event::words).for_each(drop);
    // In the other form it says the same, but for what names no PCR.
    let again = cel::parse(cel::encode(&log).to_string().as_bytes()).unwrap();
    assert_eq!(again.replay(), values);
    // Two of them may contradict each other.
    if let Ok(joined) = Log::join([log, again]) {
        let places = joined.events().len();
        assert!(joined.compare(&values).proven.iter().all(|&place| place < places));
    }
});

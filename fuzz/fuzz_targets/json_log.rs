//! Reads the input as systemd's log and as CEL-JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::eventlog::{Event, cel, parse, sequence};

fuzz_target!(|bytes: &[u8]| {
    for log in [sequence::parse(bytes), cel::parse(bytes), parse(bytes)].into_iter().flatten() {
        let values = log.replay();
        assert!(log.compare(&values).agrees());
        log.events().iter().map(Event::describe).for_each(drop);
        let again = cel::parse(cel::encode(&log).to_string().as_bytes()).unwrap();
        assert_eq!(again.replay(), values);
    }
});

//! Reads the input as tboot's file, as a module of it, and as the log of a launch, and predicts what the launch measures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{Named, tboot};
use measureroot::internal::hash::Bank;
use tboot::launch_log::LaunchLog;
use tboot::prediction::Given;
use tboot::{Mapping, Mle, Module};

const BANKS: [Bank; 1] = [Bank::Sha256];
/// The smallest tboot that is one.
const TBOOT: &[u8] = include_bytes!("../corpus/tboot/tboot");

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tboot) = Mle::parse("tboot", bytes)
        && let (Ok(none), Ok(one)) = (tboot.digests("", &BANKS), tboot.digests("a", &BANKS))
    {
        assert!(none != one, "the command line was not hashed");
    }
    let log = LaunchLog::parse("log", bytes).ok();
    let tboot = Mle::parse("tboot", TBOOT).expect("the seed is tboot");
    let file = Named { name: "file".to_owned(), bytes: bytes.into() };
    let module = || Module { file: &file, command_line: "ro", what: "a module" };
    let modules = [module(), module()];
    for mapping in [Mapping::Details, Mapping::Legacy] {
        let given =
            Given { tboot: &tboot, command_line: "extpol=embedded", modules: &modules, mapping, log: log.as_ref() };
        let found = given.predict(&Bank::ALL).expect("the command line is short");
        assert!(found.measured.is_empty() || (3..=4).contains(&found.measured.len()));
        for forecast in found.forecasts.pcrs.values() {
            assert!(forecast.values(&Bank::ALL).is_none_or(|values| (1..=2).contains(&values.len())));
        }
    }
});

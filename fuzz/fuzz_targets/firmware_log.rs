//! Reads the input as the firmware's log of a machine, and predicts what such a machine measures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{Given, Kernel, Like};
use measureroot::internal::hash::Bank;

#[allow(dead_code)] // The tests use more of it.
#[path = "../../src/chain/made_pe.rs"]
mod made_pe;

use made_pe::MadePe;

fuzz_target!(|bytes: &[u8]| {
    let Ok(like) = Like::parse("log", bytes) else { return };
    let banks = Bank::ALL;
    let missing = like.missing(&banks).map_or(banks.len(), |missing| missing.len());
    let kernel = MadePe::new().bytes();
    let mut forecasts = Kernel::parse("kernel", &kernel).unwrap().forecasts(&Given::default(), &banks).unwrap();
    like.expect(&mut forecasts, None, &banks);
    for pcr in [0, 1, 2, 3, 4, 6, 7] {
        let Some(values) = forecasts.pcrs[&pcr].values(&banks) else { continue };
        assert!(values.len() == 1 && (1..=banks.len() - missing).contains(&values[0].pcr.len()), "PCR {pcr}");
    }
});

//! Reads the input as the firmware's log of a machine, and predicts what such a machine measures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{Given, Kernel, Like};
use measureroot::internal::hash::Bank;

/// A program for UEFI without sections.
fn kernel() -> Vec<u8> {
    let mut bytes = vec![0; 0x200];
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    put(0, b"MZ");
    put(0x3C, &[0x40]);
    put(0x40, b"PE\0\0\x64\x86");
    put(0x54, &[240]);
    put(0x58, &[0x0B, 0x02]);
    put(0x58 + 60, &0x200_u32.to_le_bytes());
    put(0x58 + 108, &[16]);
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(like) = Like::parse("log", bytes) else { return };
    let banks = Bank::ALL;
    let missing = like.missing(&banks).map_or(banks.len(), |missing| missing.len());
    let kernel = kernel();
    let mut forecasts = Kernel::parse("kernel", &kernel).unwrap().forecasts(&Given::default(), &banks).unwrap();
    like.expect(&mut forecasts, None, &banks);
    for pcr in [0, 1, 2, 3, 4, 6, 7] {
        let Some(values) = forecasts.pcrs[&pcr].values(&banks) else { continue };
        assert!(values.len() == 1 && (1..=banks.len() - missing).contains(&values[0].pcr.len()), "PCR {pcr}");
    }
});

//! Reads the input as the certificate table of a program and as the variables db and dbx, and predicts what allows the program.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{EfiVariables, Forecast, Given, Kernel};
use measureroot::internal::hash::Bank;

const BANKS: [Bank; 1] = [Bank::Sha256];

/// A program for UEFI without sections, with a certificate table.
fn signed(table: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 0x200];
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    put(0, b"MZ");
    put(0x3C, &[0x40]);
    put(0x40, b"PE\0\0\x64\x86");
    put(0x54, &[240]);
    put(0x58, &[0x0B, 0x02]);
    put(0x58 + 60, &0x200_u32.to_le_bytes());
    put(0x58 + 108, &[16]);
    put(0x58 + 112 + 4 * 8, &0x200_u32.to_le_bytes());
    put(0x58 + 112 + 4 * 8 + 4, &(table.len() as u32).to_le_bytes());
    bytes.extend(table);
    bytes
}

/// A part of the input, behind its length.
fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk()?;
    let (part, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *rest = behind;
    Some(part)
}

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let (Some(table), Some(db)) = (part(&mut rest), part(&mut rest)) else { return };
    let variables = EfiVariables::read("folder", |name| {
        let value = match name.split('-').next() {
            Some("SecureBoot") => &[1],
            Some("db") => db,
            Some("dbx") => rest,
            _ => return Ok(None),
        };
        Ok(Some([&[7, 0, 0, 0], value].concat()))
    });
    let program = signed(table);
    let mut forecasts = Kernel::parse("kernel", &program).unwrap().forecasts(&Given::default(), &BANKS).unwrap();
    variables.unwrap().expect(&mut forecasts, &BANKS);
    if let Forecast::Follows { parts, .. } = &forecasts.pcrs[&7] {
        // Five variables, the separator, and what allows the program: by its digest, or by a certificate.
        assert!(parts.len() == 7 && !db.is_empty());
    }
});

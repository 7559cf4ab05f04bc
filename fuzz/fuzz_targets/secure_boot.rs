//! Reads the input as the certificate table of a program and as the variables db and dbx, and predicts what allows the program.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{EfiVariables, Forecast, Given, Kernel};
use measureroot::internal::hash::Bank;

#[allow(dead_code)] // The tests use more of it.
#[path = "../../src/chain/made_pe.rs"]
mod made_pe;

use made_pe::MadePe;

const BANKS: [Bank; 1] = [Bank::Sha256];

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
    // The seeds have the digest of this program.
    let behind = [0; 0x200 - MadePe::table(0)];
    let program = MadePe::new().headers_end(0x200).behind(&behind).certificates(table).bytes();
    let mut forecasts = Kernel::parse("kernel", &program).unwrap().forecasts(&Given::default(), &BANKS).unwrap();
    variables.unwrap().expect(&mut forecasts, &BANKS);
    if let Forecast::Follows { parts, .. } = &forecasts.pcrs[&7] {
        // Five variables, the separator, and what allows the program: by its digest, or by a certificate.
        assert!(parts.len() == 7 && !db.is_empty());
    }
});

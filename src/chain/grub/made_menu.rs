//! GRUB with the menus of tests, and what is expected of their entries.

use super::Seen;
use super::made_grub::usual;
use super::{Grub, GrubEntry};
use crate::chain::forecast::{Forecast, Part};
use crate::chain::made_pe::MadePe;
use crate::chain::volume::tests::Made;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;

pub(super) const BANK: Bank = Bank::Sha256;
pub(super) const V2_06: &str = "2.06-13+deb12u2";
pub(super) const V2_12: &str = "2.12-9+deb13u4";

pub(super) fn files(config: &str) -> Made {
    let made = Made::default().with("boot/grub/grub.cfg", config).with("marker", "ok");
    made.with("k/vmlinuz", MadePe::new().linux("6.12.1").bytes()).with("k/one", "12345").with("k/two", "67")
}

pub(super) fn boots_of(program: &[u8], made: &Made) -> Vec<GrubEntry> {
    let grub = Grub::of("EFI/BOOT/BOOTX64.EFI", program, &[BANK]).unwrap().unwrap();
    let seen = [Seen {
        files: made,
        label: None,
        uuid: Some("AB12-CD34".into()),
        partition: Some("gpt1".into()),
        start: None,
        module: None,
    }];
    grub.boots(&seen, None, &[BANK])
}

pub(super) fn boots(version: &str, config: &str) -> Vec<GrubEntry> {
    boots_of(&usual(version, "", "/boot/grub", &[]), &files(config))
}

/// What the events of a PCR say.
pub(super) fn events(entry: &GrubEntry, pcr: u8) -> Vec<String> {
    let Forecast::Follows { parts, .. } = &entry.forecasts.pcrs[&pcr] else { panic!("{}", why(entry, pcr)) };
    let text = |part: &Part| match part {
        Part::Event(event) if pcr == 9 => event.from.clone().unwrap_or_default(),
        Part::Event(event) => event.what.clone(),
        Part::Choice(_) | Part::Locality(_) => "a choice".to_owned(),
    };
    parts.iter().map(text).collect()
}

pub(super) fn why(entry: &GrubEntry, pcr: u8) -> &str {
    if let Forecast::Open { why } = &entry.forecasts.pcrs[&pcr] { why } else { panic!("PCR {pcr} follows") }
}

pub(super) fn values(entry: &GrubEntry, pcr: u8) -> Vec<Digest> {
    let values = entry.forecasts.pcrs[&pcr].values(&[BANK]).unwrap_or_else(|| panic!("{}", why(entry, pcr)));
    values.into_iter().map(|mut value| value.pcr.remove(&BANK).unwrap()).collect()
}

pub(super) fn extended(events: &[&[u8]]) -> Digest {
    events.iter().fold(Digest::zero(BANK), |value, bytes| value.extended(BANK, &BANK.digest(bytes)))
}

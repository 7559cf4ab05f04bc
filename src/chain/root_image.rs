//! The root image, which the agent measures last: into PCR 13, or into the one that `rootimgpcr=` names.

use super::event::{EVENT_TAG, Expected};
use super::forecast::{Choice, Forecast, Part, Question};
use super::forecasts::Forecasts;
use crate::cmdline;
use crate::cmdline::tokens::Token;
use crate::hash::digest::Digests;
use crate::measure::pcr::PcrIndex;

/// Who else extends PCR 13: a stub, and an initramfs with systemd, that of a system that starts this one by kexec
/// (systemd-pcrosseparator.service).
const NO_EXTENSION: &str = "the stub of systemd finds no extension image beside its file";
const NO_SYSTEMD: &str = "no systemd measures into the PCR";

/// Adds the root image to what is expected. `digests` are those that the PCR is extended with.
pub fn add(forecasts: &mut Forecasts, pcr: PcrIndex, from: &str, digests: &Digests) {
    let kind = EVENT_TAG;
    let (what, from) = ("the root image".to_owned(), Some(from.to_owned()));
    if let Some(why) = forecasts.command_lines.iter().find_map(|line| into_another(line, pcr)) {
        is_unknown(forecasts, pcr, &why);
        return;
    }
    let image = Expected { kind, what, from, digests: digests.clone(), judged: None };
    if let Some(why) = forecasts.extensions.clone() {
        forecasts.open(PcrIndex::DEFAULT.get(), why);
    } else {
        let all = [NO_EXTENSION, NO_SYSTEMD];
        let assumes = if has_no_stub(forecasts) { &all[1..] } else { &all[..] };
        forecasts.follows(PcrIndex::DEFAULT.get(), Vec::new(), assumes);
    }
    match forecasts.pcrs.get_mut(&pcr.get()) {
        Some(Forecast::Follows { parts, .. }) => parts.insert(before_the_phases(parts), Part::Event(image)),
        Some(Forecast::Open { why }) => why.push_str("; the root image extends it, too"),
        None => forecasts.follows(pcr.get(), vec![Part::Event(image)], &[]),
    }
}

/// The same of an image that was found on the disk. `assumes` is what must be so for that.
pub(crate) fn add_found(forecasts: &mut Forecasts, pcr: PcrIndex, from: &str, digests: &Digests, assumes: &[String]) {
    add(forecasts, pcr, from, digests);
    for what in assumes {
        forecasts.assumes(pcr.get(), what);
    }
}

/// Says why it is not known which image is measured.
pub(crate) fn is_unknown(forecasts: &mut Forecasts, pcr: PcrIndex, why: &str) {
    for number in [PcrIndex::DEFAULT, pcr] {
        forecasts.open(number.get(), why);
    }
}

/// Whether no stub of systemd runs: it measures into PCR 11 whatever it starts (systemd-stub(7), "TPM PCR Notes").
fn has_no_stub(forecasts: &Forecasts) -> bool {
    matches!(forecasts.pcrs.get(&11), Some(Forecast::Follows { parts, .. }) if parts.is_empty())
}

/// Why the agent measures the image into another PCR with a command line.
fn into_another(command_line: &str, pcr: PcrIndex) -> Option<String> {
    let tokens = cmdline::parse(command_line.as_bytes());
    let mut given = tokens.iter().filter(|token| token.is("rootimgpcr"));
    let is_it = |token: &Token| token.value.as_deref() == Some(pcr.to_string().as_bytes());
    match given.clone().find(|token| !is_it(token)) {
        Some(token) => Some(format!("with {token}, the image is measured into another PCR than {pcr} (--pcr)")),
        None if pcr != PcrIndex::DEFAULT && given.next().is_none() => Some(format!(
            "without rootimgpcr={pcr} on the command line, the image is measured into PCR {}",
            PcrIndex::DEFAULT
        )),
        None => None,
    }
}

/// The phases are those of the booted system: the agent was there before.
fn before_the_phases(parts: &[Part]) -> usize {
    let is_phase = |part: &Part| matches!(part, Part::Choice(Choice { question: Question::Phase, .. }));
    parts.iter().position(is_phase).unwrap_or(parts.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::phase;
    use crate::hash::bank::Bank;
    use crate::hash::digest::{Digest, digests_of};

    const BANKS: [Bank; 1] = [Bank::Sha256];

    fn values(forecasts: &Forecasts, pcr: u8) -> Vec<Digest> {
        let values = forecasts.pcrs[&pcr].values(&BANKS).unwrap();
        values.into_iter().map(|mut value| value.pcr.remove(&Bank::Sha256).unwrap()).collect()
    }

    fn extended(events: &[&[u8]]) -> Digest {
        let zero = Digest::zero(Bank::Sha256);
        events.iter().fold(zero, |value, bytes| value.extended(Bank::Sha256, &Bank::Sha256.digest(bytes)))
    }

    #[test]
    fn the_image_is_behind_what_started_the_agent_and_before_the_phases() {
        let digests = digests_of(&BANKS, b"image");
        let made = |pcr: u8| {
            let mut forecasts = Forecasts::of_firmware();
            forecasts.follows(11, vec![phase::phases(&BANKS)], &[]);
            add(&mut forecasts, PcrIndex::try_from(pcr).unwrap(), "a.squashfs", &digests);
            forecasts
        };
        assert_eq!(values(&made(13), 13), [extended(&[b"image"])]);
        let found = made(11);
        assert_eq!(values(&found, 11)[..2], [extended(&[b"image"]), extended(&[b"image", b"sysinit"])]);
        assert_eq!(values(&found, 13), [extended(&[])]);
        // Only a stub looks for extension images.
        let assumes = |forecasts: &Forecasts| match &forecasts.pcrs[&13] {
            Forecast::Follows { assumes, .. } => assumes.clone(),
            Forecast::Open { why } => panic!("{why}"),
        };
        assert_eq!(assumes(&made(13)), [NO_EXTENSION, NO_SYSTEMD]);
        let mut forecasts = Forecasts::of_firmware();
        forecasts.follows(11, Vec::new(), &[]);
        add(&mut forecasts, PcrIndex::DEFAULT, "a.squashfs", &digests);
        assert_eq!(assumes(&forecasts), [NO_SYSTEMD]);
        for (line, pcr, is_right) in [
            ("ro", 13, true),
            ("rootimgpcr=13", 13, true),
            ("rootimgpcr=12 ro", 12, true),
            ("rootimgpcr=15", 13, false),
            ("ro", 12, false),
            ("rootimgpcr=12 rootimgpcr=15", 12, false),
        ] {
            let mut forecasts = Forecasts::of_firmware();
            forecasts.gets(line);
            add(&mut forecasts, PcrIndex::try_from(pcr).unwrap(), "a.squashfs", &digests);
            assert_eq!(forecasts.pcrs[&pcr].values(&BANKS).is_some(), is_right, "{line}, {pcr}");
        }
        // Nothing is known of PCR 12 here.
        assert_eq!(values(&made(12), 12), [extended(&[b"image"])]);
        let found = made(10);
        assert!(matches!(&found.pcrs[&10], Forecast::Open { why } if why.ends_with("the root image extends it, too")));
    }
}

//! Tests of the whole prediction, with files that are made.

use std::borrow::Cow;

use super::launch_log::LaunchLog;
use super::prediction::{Given, Prediction};
use super::unpacked::tests::packed;
use super::{Mapping, Mle, Module, acm, header};
use crate::chain::expectation;
use crate::chain::forecast::{Forecast, Part};
use crate::chain::kernel::Named;
use crate::error::Result;
use crate::eventlog::tcg::encode;
use crate::eventlog::{EventType, header::Header};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, digests_of};
use crate::measure::pcr::Pcr;

const BANK: Bank = Bank::Sha256;
const LINE: &str = "logging=serial";

/// An ELF file with these fields of its header, and segments: address, bytes, length in memory.
fn elf(class: u8, machine: u16, segments: &[(u32, &[u8], u32)]) -> Vec<u8> {
    let count = u16::try_from(segments.len()).unwrap();
    let mut file = vec![0x7F, b'E', b'L', b'F', class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // e_type, e_machine, e_version, e_entry, e_phoff, e_shoff, e_flags.
    file.extend([2_u16, machine].iter().flat_map(|field| field.to_le_bytes()));
    file.extend([1_u32, 0, 52, 0, 0].iter().flat_map(|field| field.to_le_bytes()));
    // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
    file.extend([52, 32, count, 40, 0, 0].iter().flat_map(|field: &u16| field.to_le_bytes()));
    let mut at = u32::from(52 + 32 * count);
    for &(address, bytes, in_memory) in segments {
        let length = u32::try_from(bytes.len()).unwrap();
        // p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags, p_align.
        file.extend(
            [1, at, address, address, length, in_memory, 7, 1].iter().flat_map(|field: &u32| field.to_le_bytes()),
        );
        at += length;
    }
    file.extend(segments.iter().flat_map(|(_, bytes, _)| *bytes));
    file
}

/// tboot's memory: a header at 0x20, the MLE is the second page, the command line has 15 bytes there.
fn memory() -> Vec<u8> {
    let mut memory = vec![0xAA; 0x1800];
    memory[0x20..0x20 + 52].copy_from_slice(&header::tests::made([0x1000, 0x2000], [0x1100, 0x1110]));
    memory
}

fn made() -> Vec<u8> {
    let memory = memory();
    elf(1, 3, &[(0x80_0000, &memory[..0x1400], 0x1400), (0x80_1400, &memory[0x1400..], 0xD00)])
}

/// The MLE with a command line.
fn measured(line: &[u8]) -> Digest {
    let mut page = [&memory()[0x1000..], &[0; 0x800]].concat();
    page[0x100..0x110].fill(0);
    page[0x100..0x100 + line.len()].copy_from_slice(line);
    BANK.digest(&page)
}

fn module(line: &str, file: &[u8]) -> Digest {
    let of = |bytes: &[u8]| BANK.digest(bytes).as_bytes().to_vec();
    BANK.digest(&[of(line.as_bytes()), of(file)].concat())
}

fn extended(start: Digest, events: &[Digest]) -> Digest {
    events.iter().fold(start, |value, digest| value.extended(BANK, digest))
}

fn predict(line: &str, modules: &[&[u8]], mapping: Mapping, log: Option<&LaunchLog>, banks: &[Bank]) -> Prediction {
    let files: Vec<_> =
        modules.iter().map(|bytes| Named { name: "module".to_owned(), bytes: Cow::Borrowed(*bytes) }).collect();
    let of = |(number, file)| Module { file, command_line: if number == 0 { "ro" } else { "" }, what: "a module" };
    let modules: Vec<_> = files.iter().enumerate().map(of).collect();
    let tboot = Mle::parse("tboot.gz", &packed(&made())).unwrap();
    Given { tboot: &tboot, command_line: line, modules: &modules, mapping, log }.predict(banks).unwrap()
}

fn values(prediction: &Prediction, pcr: u8, bank: Bank) -> Vec<Digest> {
    let values = prediction.forecasts.pcrs[&pcr].values(&[bank]).unwrap();
    values.into_iter().map(|mut value| value.pcr.remove(&bank).unwrap()).collect()
}

fn why(prediction: &Prediction, pcr: u8) -> &str {
    if let Forecast::Open { why } = &prediction.forecasts.pcrs[&pcr] { why } else { panic!("PCR {pcr} follows") }
}

/// An event: its PCR, its type, its data.
type Event<'a> = (u32, u32, &'a [u8]);

/// What is changed of the events of a good launch.
type Change = dyn Fn(&mut Vec<Event<'static>>);

/// A log of SINIT and tboot.
fn log(events: &[Event<'_>]) -> Result<LaunchLog> {
    let header = Header::of([BANK].into_iter());
    let event = |&(pcr, kind, data): &Event<'_>| {
        encode(&header, Pcr::try_from(pcr).unwrap(), EventType(kind), &digests_of(&[BANK], data), data)
    };
    LaunchLog::parse("launch.log", &[header.encode(), events.iter().flat_map(event).collect()].concat())
}

/// A launch in the order of the log that `policy` names.
const GOOD: [Event<'static>; 8] = [
    (17, 0x402, b"SINIT"),
    (17, 0x404, b"another tboot"),
    (17, 0x414, b"NV"),
    (18, 0x410, b"the key"),
    (17, 0x501, b"a policy"),
    (18, 0x501, b"a policy"),
    (17, 0x501, b"a kernel"),
    (17, 0x501, b"an initrd"),
];

#[test]
fn the_mle_is_the_part_that_the_header_names_with_the_command_line_in_it() {
    for file in [made(), packed(&made())] {
        let tboot = Mle::parse("tboot.gz", &file).unwrap();
        for line in ["", LINE, "fifteen bytes !"] {
            assert_eq!(tboot.digests(line, &[BANK]).unwrap()[&BANK], measured(line.as_bytes()), "{line}");
        }
        let error = tboot.digests("sixteen bytes !!", &[BANK]).unwrap_err().to_string();
        assert!(error.starts_with("tboot's command line: is longer than 15 bytes"), "{error}");
    }
}

#[test]
fn another_file_than_tboot_is_refused() {
    let memory = memory();
    let one = |class, machine, in_memory| elf(class, machine, &[(0x80_0000, &memory, in_memory)]);
    let many = vec![(0x80_0000, &[] as &[u8], 0); 17];
    let huge = [(0x80_0000, memory.as_slice(), 0x1800), (0x80_1800, &[], u32::MAX)];
    let table: [(Vec<u8>, &str); 12] = [
        (Vec::new(), "ELF file: "),
        (b"MZ".to_vec(), "ELF file: "),
        (packed(b""), "ELF file: "),
        (packed(&made())[..100].to_vec(), "gzip: "),
        (one(1, 62, 0x2000), "no program for i386"),
        (made()[..0x1500].to_vec(), "is cut off"),
        (one(1, 3, 0x1000), "longer in the file than in memory"),
        (one(1, 3, 0x1800), "does not have"),
        (elf(1, 3, &[(0x80_0000, &memory, 0x1800), (0x80_2000, &[], 0x800)]), "do not follow each other"),
        (elf(1, 3, &many), "too many segments"),
        (elf(1, 3, &huge), "too much memory"),
        (elf(1, 3, &[]), "MLE header: has none"),
    ];
    for (file, part) in table {
        let error = Mle::parse("tboot.gz", &file).unwrap_err().to_string();
        assert!(error.starts_with("tboot.gz: ") && error.contains(part), "{part}: {error}");
    }
}

#[test]
fn the_legacy_mapping_has_tboot_and_the_kernel_in_pcr_18_and_the_initrds_in_pcr_19() {
    let found = predict(LINE, &[b"kernel", b"initrd", b"more"], Mapping::Legacy, None, &Bank::ALL);
    let sha1 = |line: &str, file: &[u8]| {
        let of = |bytes: &[u8]| Bank::Sha1.digest(bytes).as_bytes().to_vec();
        Bank::Sha1.digest(&[of(line.as_bytes()), of(file)].concat())
    };
    let mle = Mle::parse("tboot.gz", &made()).unwrap().digests(LINE, &[Bank::Sha1]).unwrap()[&Bank::Sha1].clone();
    let value = |events: &[Digest]| {
        events.iter().fold(Digest::zero(Bank::Sha1), |value, digest| value.extended(Bank::Sha1, digest))
    };
    assert_eq!(values(&found, 18, Bank::Sha1), [value(&[mle, sha1("ro", b"kernel")])]);
    assert_eq!(values(&found, 19, Bank::Sha1), [value(&[sha1("", b"initrd"), sha1("", b"more")])]);
    assert!(why(&found, 17).starts_with("SINIT extends it first"));
    // A TPM 1.2 has no other bank.
    let values = found.forecasts.pcrs[&18].values(&Bank::ALL).unwrap();
    assert_eq!(values[0].pcr.keys().collect::<Vec<_>>(), [&Bank::Sha1]);
    let other = predict(LINE, &[b"kernel"], Mapping::Legacy, None, &[BANK]);
    assert!(why(&other, 18).contains("sha1 alone"));
}

#[test]
fn with_the_details_mapping_the_log_of_a_launch_tells_the_part_of_sinit() {
    let log = log(&GOOD).unwrap();
    let found = predict(LINE, &[b"kernel", b"initrd"], Mapping::Details, Some(&log), &[BANK]);
    let policy = "71be5852a14eabefebf0df0e1acc5da291883b6d4c5ab20914ed987c1daf3f91";
    let policy = Digest::from_bytes(BANK, &hex::decode(policy).unwrap()).unwrap();
    let of = |bytes: &[u8]| BANK.digest(bytes);
    let events = [
        of(b"SINIT"),
        measured(LINE.as_bytes()),
        of(b"NV"),
        policy.clone(),
        module("ro", b"kernel"),
        module("", b"initrd"),
    ];
    assert_eq!(values(&found, 17, BANK), [extended(Digest::zero(BANK), &events)]);
    assert_eq!(values(&found, 18, BANK), [extended(Digest::zero(BANK), &[of(b"the key"), policy])]);
    assert_eq!(values(&found, 19, BANK), [Digest::zero(BANK)]);
    // The kernel and the initrd are in PCR 17, so an entry of a list can have this boot.
    let listed = |found: &Prediction| expectation::boot("tboot.gz", &found.forecasts).unwrap().is_some();
    assert!(listed(&found));
    // Without the log, the digests are there all the same.
    let found = predict(LINE, &[b"kernel", b"initrd"], Mapping::Details, None, &[BANK]);
    assert!(why(&found, 17).contains("--launch-log") && why(&found, 18).contains("--launch-log"));
    assert!(!listed(&found));
    let digests: Vec<_> = found.measured.iter().map(|event| event.digests[&BANK].clone()).collect();
    assert_eq!(digests, [&events[1..2], &events[3..]].concat());
}

#[test]
fn the_algorithm_of_tboot_decides_which_banks_follow() {
    let log = log(&GOOD).unwrap();
    let found = predict("extpol=sha384", &[b"kernel"], Mapping::Details, None, &Bank::ALL);
    assert!(found.measured.iter().all(|event| event.digests.keys().eq([&Bank::Sha384])));
    let found = predict("extpol=sha1", &[b"kernel"], Mapping::Details, Some(&log), &[Bank::Sha1]);
    assert!(why(&found, 17).contains("launch.log: no bank that tboot extends has a digest of each event"));
    let found = predict("extpol=sm3", &[b"kernel"], Mapping::Details, Some(&log), &[BANK]);
    assert!([17, 18, 19].iter().all(|&pcr| why(&found, pcr).contains("extpol=sm3")));
}

#[test]
fn sinit_is_not_measured_by_tboot_and_a_packed_module_has_two_values() {
    let plain = predict(LINE, &[b"kernel", b"initrd"], Mapping::Legacy, None, &[Bank::Sha1]);
    let with_sinit = predict(LINE, &[b"kernel", &acm::tests::made(1), b"initrd"], Mapping::Legacy, None, &[Bank::Sha1]);
    assert_eq!(values(&plain, 19, Bank::Sha1), values(&with_sinit, 19, Bank::Sha1));
    let gzip = packed(b"initrd");
    let found = predict(LINE, &[b"kernel", &gzip, b"more"], Mapping::Legacy, None, &[Bank::Sha1]);
    let as_they_are = predict(LINE, &[b"kernel", b"initrd", b"more"], Mapping::Legacy, None, &[Bank::Sha1]);
    let both = values(&found, 19, Bank::Sha1);
    assert_eq!((both.len(), &both[..1]), (2, &values(&as_they_are, 19, Bank::Sha1)[..]));
    assert!(
        matches!(&found.forecasts.pcrs[&18], Forecast::Follows { parts, .. } if matches!(parts[..], [Part::Event(_), Part::Event(_)]))
    );
}

#[test]
fn what_tboot_does_not_measure_so_has_a_reason() {
    let policy: &[u8] = b"Intel(R) TXT LCP_POLICY_DATA\0\0\0\0";
    let broken: &[u8] = &[0x1F, 0x8B, 8];
    let mut many = vec![b"initrd".as_slice(); 31];
    let of = |modules: &[&[u8]]| predict(LINE, modules, Mapping::Details, None, &[BANK]);
    let table: [(&[&[u8]], &str); 2] = [(&[b"kernel", policy], "module is policy data"), (&many, "so many modules")];
    for (modules, part) in table {
        let found = of(modules);
        assert!([17, 18, 19].iter().all(|&pcr| why(&found, pcr).contains(part)), "{part}: {found:?}");
    }
    // One that cannot be unpacked spoils its own PCR alone, and the digests of the files are there all the same.
    for mapping in [Mapping::Details, Mapping::Legacy] {
        let found = predict(LINE, &[b"kernel", broken], mapping, None, &Bank::ALL);
        let own = if mapping == Mapping::Details { 17 } else { 19 };
        assert!(why(&found, own).contains("module: gzip: ") && found.measured.len() == 4, "{found:?}");
        assert!(mapping == Mapping::Details || !values(&found, 18, Bank::Sha1).is_empty());
    }
    many.pop();
    assert_eq!(of(&many).measured.len(), 32);
    // The first module is never taken away.
    assert_eq!(of(&[policy]).measured.len(), 3);
}

#[test]
fn a_log_that_does_not_tell_the_part_of_sinit_is_named() {
    let with = |change: &Change| {
        let mut events = GOOD.to_vec();
        change(&mut events);
        log(&events)
    };
    let table: [(&Change, u8, &str); 5] = [
        (&|events| events.retain(|event| event.1 != 0x404), 17, "launch.log: does not have one event for the MLE"),
        (&|events| events.insert(1, GOOD[1]), 17, "does not have one event for the MLE"),
        (&|events| events.push((17, 0x414, b"NV")), 17, "comes after those of tboot"),
        (&|events| events.truncate(3), 17, "has no event of tboot for PCR 17"),
        (&|events| events.retain(|event| event.0 == 17), 18, "has no event of tboot for PCR 18"),
    ];
    for (change, pcr, part) in table {
        let log = with(change).unwrap();
        let found = predict(LINE, &[b"kernel"], Mapping::Details, Some(&log), &[BANK]);
        assert!(why(&found, pcr).contains(part), "{}", why(&found, pcr));
    }
    let error = log(&[(0, 1, b"firmware")]).unwrap_err().to_string();
    assert!(error.starts_with("launch.log: has no event of PCR 17"), "{error}");
    assert!(LaunchLog::parse("launch.log", b"x").is_err());
}

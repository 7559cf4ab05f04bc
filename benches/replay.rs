//! The replay of a log from its bytes to the PCRs: 10,000 events, each with a digest for each of four banks.
#![allow(missing_docs, clippy::unwrap_used)] // A benchmark.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use measureroot::internal::eventlog::{EventType, Header, parse, tcg};
use measureroot::internal::hash::{Bank, digests_of};
use measureroot::internal::measure::Pcr;

const EVENTS: u32 = 10_000;

fn log() -> Vec<u8> {
    let header = Header::of(Bank::ALL.into_iter());
    let event = |number: u32| {
        // As in firmware's logs, most PCRs have some events.
        let (pcr, data) = (Pcr::try_from(number % 16).unwrap(), number.to_le_bytes());
        tcg::encode(&header, pcr, EventType(0xD), &digests_of(&Bank::ALL, &data), &data)
    };
    header.encode().into_iter().chain((0..EVENTS).flat_map(event)).collect()
}

fn replay(criterion: &mut Criterion) {
    let log = log();
    let mut group = criterion.benchmark_group(format!("replay {EVENTS} events"));
    group.throughput(Throughput::Elements(u64::from(EVENTS)));
    group.bench_function("parse", |bencher| bencher.iter(|| black_box(parse(&log).unwrap())));
    group.bench_function("parse, replay", |bencher| bencher.iter(|| black_box(parse(&log).unwrap().replay())));
    let held = parse(&log).unwrap().replay();
    group.bench_function("parse, compare", |bencher| {
        bencher.iter(|| black_box(parse(&log).unwrap().compare(&held).agrees()));
    });
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);

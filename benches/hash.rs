//! One pass for several banks, compared with the slowest of their hashes alone, on the same buffer in memory.
//!
//! It also shows the speed of the hashes: if SHA-256 is built for size, it has less than half of its speed.
#![allow(missing_docs, clippy::unwrap_used)] // A benchmark.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use measureroot::internal::error::Result;
use measureroot::internal::hash::{Bank, Blocks, digests};

const BYTES: usize = 256 << 20;
const BLOCK: usize = 1 << 20;

/// Blocks in memory, so that only the hashing is timed.
struct Memory<'a>(std::slice::Chunks<'a, u8>);

impl<'a> Blocks for Memory<'a> {
    type Block = &'a [u8];
    fn next_block(&mut self) -> Result<Option<&'a [u8]>> {
        Ok(self.0.next())
    }
}

fn one_pass(criterion: &mut Criterion) {
    let buffer: Vec<u8> = (0..BYTES).map(|i| (i * 2_654_435_761).to_be_bytes()[4]).collect();
    let mut group = criterion.benchmark_group("hash 256 MiB");
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(10);
    for bank in Bank::ALL {
        group.bench_function(BenchmarkId::new("alone", bank), |bencher| {
            bencher.iter(|| black_box(bank.digest(&buffer)));
        });
    }
    let sets = [vec![Bank::Sha256], vec![Bank::Sha1, Bank::Sha256], Bank::ALL.to_vec()];
    for banks in sets {
        let name = banks.iter().map(|bank| bank.name()).collect::<Vec<_>>().join("+");
        group.bench_function(BenchmarkId::new("one pass", name), |bencher| {
            bencher.iter(|| black_box(digests(&mut Memory(buffer.chunks(BLOCK)), &banks, None, &mut |_| ()).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, one_pass);
criterion_main!(benches);

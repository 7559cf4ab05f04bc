//! One pass over an image, for several sets of banks, with and without the dm-verity tree, on one, two and all processors. Each row
//! is compared with its limit, and the program fails if a row from memory is over it: a disk may be slow for a while. `benches/chart` draws the output.
#![allow(missing_docs, clippy::unwrap_used)] // A benchmark.

mod case;
mod limit;
mod medium;
mod peers;

use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::{fs, iter};

use case::Case;
use limit::{Alone, Limit, TOLERANCE};
use measureroot::internal::hash::{Bank, Blocks, FileBlocks, digests};
use measureroot::internal::seal::{SealBuilder, SealKind};
use medium::Medium;
use peers::PEERS;

const BYTES: usize = 128 << 20;
/// Each round runs every case of ours, so that a slow second of the machine affects all cases alike.
const ROUNDS: usize = 12;
/// The banks of an older TPM, of a newer one, and all that this program knows.
const SETS: [&[Bank]; 4] = [&[Bank::Sha256], USUAL, &[Bank::Sha256, Bank::Sha384], &Bank::ALL];
const USUAL: &[Bank] = &[Bank::Sha1, Bank::Sha256];

/// A pass for `banks`, which also builds the tree of the seal `verity`.
fn pass(mut blocks: impl Blocks, banks: &[Bank], tree: bool) {
    let kind = if tree { SealKind::Verity } else { SealKind::None };
    let mut seal = SealBuilder::begin(kind, BYTES as u64, 4096).unwrap();
    black_box(digests(&mut blocks, banks, seal.tee(), &mut |_| ()).unwrap());
    black_box(seal.finish().unwrap());
}

/// A pass over memory.
struct Row<'a> {
    banks: &'static [Bank],
    tree: bool,
    case: Case<'a>,
}

impl<'a> Row<'a> {
    fn new(image: &'a [u8], banks: &'static [Bank], tree: bool, processors: usize) -> Self {
        let names = banks.iter().map(|bank| bank.name()).chain(tree.then_some("tree"));
        let run = move || pass(Medium::new(image, None), banks, tree);
        Self { banks, tree, case: Case::new(names.collect::<Vec<_>>().join("+"), processors, run) }
    }

    /// Prints the row. Returns whether it keeps to its limit.
    fn print(&self, alone: &Alone) -> bool {
        let Case { name, processors, .. } = &self.case;
        let least = self.case.least();
        let ratio = least / alone.slowest(self.banks);
        let (limit, keeps) = alone.limit(self.banks, self.tree, *processors).columns(least);
        let (busy, work) = (self.case.busy(), self.case.processor_time() / alone.work(self.banks, self.tree));
        println!(
            "  {name:44}  {processors:10}  {least:9.1}  {:9.1}  {ratio:9.2}  {busy:9.2}  {work:9.2}  {limit}",
            self.case.median()
        );
        keeps
    }
}

/// A medium: the pass over it, and the time to read it only.
struct Media<'a> {
    pass: Case<'a>,
    read: Case<'a>,
}

impl<'a> Media<'a> {
    fn new<B: Blocks>(name: &'static str, processors: usize, blocks: impl Fn() -> B + Copy + 'a) -> Self {
        let read = move || {
            let mut blocks = blocks();
            while blocks.next_block().unwrap().is_some() {}
        };
        let pass = move || pass(blocks(), USUAL, true);
        Self { pass: Case::new(name, processors, pass), read: Case::new(name, processors, read) }
    }

    /// Prints the row: the limit is the slower of reading and hashing, because they overlap. `hashed` is the time of the same pass from
    /// memory.
    fn print(&self, hashed: f64) {
        let (least, read) = (self.pass.least(), self.read.least());
        let limit = if read > hashed {
            Limit { milliseconds: read, reason: "reading" }
        } else {
            Limit { milliseconds: hashed, reason: "hashing" }
        };
        let (limit, _) = limit.columns(least);
        let Case { name, processors, .. } = &self.pass;
        println!("  {name:44}  {processors:10}  {least:9.1}  {:9.1}  {read:9.1}  {limit}", self.pass.median());
    }
}

/// What the figures belong to.
fn machine(processors: usize) -> String {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{}, {processors} processors, load at the start {load}", model.unwrap_or(std::env::consts::ARCH))
}

fn main() -> ExitCode {
    let image: Vec<u8> = (0..BYTES).map(|i| (i * 2_654_435_761).to_be_bytes()[4]).collect();
    let mut named = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    named.write_all(&image).unwrap();
    named.as_file().sync_all().unwrap();
    let (image, file) = (image.as_slice(), named.as_file());
    let processors = case::processors();
    let machine = machine(processors.len());

    let mut hashes: Vec<_> =
        Bank::ALL.map(|bank| Case::new(bank.name(), 1, move || drop(black_box(bank.digest(image))))).into();
    hashes.push(Case::new("tree", 1, || pass(Medium::new(image, None), &[], true)));
    let mut counts = vec![1, 2, processors.len()];
    counts.retain(|&count| count <= processors.len());
    counts.dedup();
    let sets = SETS.into_iter().flat_map(|banks| [false, true].map(|tree| (banks, tree)));
    let mut rows: Vec<_> = sets
        .flat_map(|(banks, tree)| counts.iter().map(move |&count| Row::new(image, banks, tree, count)))
        .filter(|row| row.tree || row.banks.len() > 1)
        .collect();
    let both = processors.len().min(2);
    let rate = |name, rate| Media::new(name, both, move || Medium::new(image, Some(rate)));
    let mut media = [
        rate("medium of 7 GB/s, as a fast NVMe", 7e9),
        rate("medium of 2 GB/s", 2e9),
        rate("medium of 1 GB/s", 1e9),
        rate("medium of 500 MB/s, as SATA", 5e8),
        Media::new("this folder's disk, past the page cache", both, || {
            FileBlocks::new(file, "image", BYTES as u64).unwrap()
        }),
    ];
    let (path, count) = (named.path(), processors.len());
    let found = PEERS.into_iter().filter(|(_, script)| peers::run(script, path));
    let peer = |(name, script)| Case::new(name, count, move || assert!(peers::run(script, path), "{script}"));
    let mut others: Vec<_> = found.map(peer).collect();
    for round in 0..ROUNDS {
        // The other programs take as long as all rows together.
        others.iter_mut().filter(|_| round % 4 == 0).for_each(|case| case.time(&processors));
        let media = media.iter_mut().flat_map(|medium| [&mut medium.pass, &mut medium.read]);
        let cases = hashes.iter_mut().chain(media).chain(rows.iter_mut().map(|row| &mut row.case));
        cases.for_each(|case| case.time(&processors));
    }

    println!("Machine: {machine}. Above a load of 0.5, other programs affect the figures.");
    println!(
        "{} MiB, {ROUNDS} rounds, milliseconds.\n\n  {:44}  {:>10}  {:>9}  {:>9}",
        BYTES >> 20,
        "each hash alone",
        "processors",
        "least",
        "median"
    );
    let print = |case: &Case| {
        println!("  {:44}  {:10}  {:9.1}  {:9.1}", case.name, case.processors, case.least(), case.median());
    };
    hashes.iter().for_each(print);
    let alone =
        Alone { banks: iter::zip(Bank::ALL, hashes.iter().map(Case::least)).collect(), tree: hashes[4].least() };
    let head = |first: &str, more: &[&str]| {
        let words = [&["processors", "least", "median"], more, &["limit", "x limit"]].concat();
        let words = words.into_iter().map(|word| format!("  {word:>9}")).collect::<Vec<_>>().concat();
        println!("\n  {first:44}{words}  limited by");
    };
    head("one pass, from memory", &["x slowest", "busy", "x work"]);
    let over = rows.iter().filter(|row| !row.print(&alone)).count();
    head("over a medium, sha1+sha256+tree", &["read only"]);
    let is_same = |row: &&Row| row.banks == USUAL && row.tree && row.case.processors == both;
    let from_memory = rows.iter().find(is_same).map(|row| row.case.least()).unwrap();
    for medium in &media {
        medium.print(from_memory);
    }
    println!("\n  {:44}  {:>10}  {:>9}  {:>9}", "other programs, from the page cache", "processors", "least", "median");
    others.iter().for_each(print);
    if others.len() < PEERS.len() {
        println!("  (not all were measured: openssl, veritysetup)");
    }
    println!(
        "
\"x slowest\" compares with the slowest bank alone. \"busy\" is the number of processors that worked, on average of the shortest run: if a row
is over its limit and this is low, the pass waited, or other programs ran. \"x work\" is its processor time, in times of the same hashes
alone: well above 1, this machine slows hashes that run side by side (its clock, its caches, two threads on a core).
\"limit\" is the most of three times: of the slowest hash; of the work of all hashes, shared evenly among the processors; and of the
thread that hashes SHA-256 beside the tree, which counts little if the processor has SHA instructions. \"goal\" stands for a lower one that
this program promises. A row from memory may take {TOLERANCE} times its limit.
The limit of a pass over a medium is the slower of reading it only and of hashing: one block is read while others are hashed. More blocks
in flight help only where the reading is the limit and the medium is faster with more requests at a time."
    );
    if over == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! One pass over an image, for both usual banks and the dm-verity tree, compared with what limits it: the medium, the slowest
//! hash, and with few processors the sum of the hashes.
#![allow(missing_docs, clippy::unwrap_used)] // A benchmark.

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use measureroot::internal::error::Result;
use measureroot::internal::hash::{BLOCK, BUFFERS, Bank, Blocks, FileBlocks, digests};
use measureroot::internal::seal::{SealBuilder, SealKind};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const BYTES: usize = 256 << 20;
const BANKS: [Bank; 2] = [Bank::Sha1, Bank::Sha256];
const TREE: &str = "dm-verity tree";
/// Each round runs every case, so that a slow second of the machine affects all cases alike.
const ROUNDS: usize = 10;

/// A medium with a fixed rate that uses no processor time.
struct Medium<'a> {
    blocks: std::slice::Chunks<'a, u8>,
    /// Bytes per second; `None` for memory.
    rate: Option<f64>,
    free: Receiver<()>,
    home: Sender<()>,
}

/// A block that occupies one of the buffers until it is dropped.
struct Held<'a>(&'a [u8], Sender<()>);

impl<'a> Medium<'a> {
    fn new(image: &'a [u8], rate: Option<f64>) -> Self {
        let (home, free) = channel();
        (0..BUFFERS).for_each(|_| home.send(()).unwrap());
        Self { blocks: image.chunks(BLOCK), rate, free, home }
    }
}

impl<'a> Blocks for Medium<'a> {
    type Block = Held<'a>;

    fn next_block(&mut self) -> Result<Option<Held<'a>>> {
        let Some(block) = self.blocks.next() else { return Ok(None) };
        self.free.recv().unwrap();
        if let Some(rate) = self.rate {
            #[allow(clippy::cast_precision_loss)] // A block has fewer than 2^52 bytes.
            thread::sleep(Duration::from_secs_f64(block.len() as f64 / rate));
        }
        Ok(Some(Held(block, self.home.clone())))
    }
}

impl AsRef<[u8]> for Held<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.1.send(()).unwrap();
    }
}

/// A pass for `banks` that also builds the Merkle tree of the seal `verity`.
fn pass(mut blocks: impl Blocks, banks: &[Bank]) {
    let mut seal = SealBuilder::begin(SealKind::Verity, BYTES as u64, 4096).unwrap();
    black_box(digests(&mut blocks, banks, seal.tee(), &mut |_| ()).unwrap());
    black_box(seal.finish().unwrap());
}

/// The tools that do the same without this program. They run one after the other, with the image in the page cache.
const TOOLS: &str = "veritysetup format, sha1sum, sha256sum";

/// Whether all of them exist and succeed.
fn tools(image: &Path) -> bool {
    let tree = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let format = [Path::new("veritysetup"), Path::new("format"), image, tree.path()];
    [&format[..], &[Path::new("sha1sum"), image], &[Path::new("sha256sum"), image]].iter().all(|words| {
        // veritysetup is not on an ordinary user's path.
        let path = format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default());
        let mut tool = Command::new("env");
        tool.env("PATH", path).args(*words).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    })
}

/// A function to time, on this number of processors.
struct Case<'a> {
    name: &'static str,
    processors: usize,
    run: Box<dyn Fn() + 'a>,
    milliseconds: Vec<f64>,
}

impl<'a> Case<'a> {
    fn new(name: &'static str, processors: usize, run: impl Fn() + 'a) -> Self {
        Self { name, processors, run: Box::new(run), milliseconds: Vec::new() }
    }

    /// Runs the case once more, on the first of `all` processors.
    fn time(&mut self, all: &[usize]) {
        let mut set = CpuSet::new();
        all.iter().take(self.processors).for_each(|&number| set.set(number).unwrap());
        sched_setaffinity(Pid::from_raw(0), &set).unwrap();
        let start = Instant::now();
        (self.run)();
        self.milliseconds.push(start.elapsed().as_secs_f64() * 1000.0);
        self.milliseconds.sort_by(f64::total_cmp);
    }

    fn least(&self) -> f64 {
        self.milliseconds[0]
    }

    fn median(&self) -> f64 {
        self.milliseconds[self.milliseconds.len() / 2]
    }
}

/// A medium: the time to read it only, and the passes over it.
struct Row<'a> {
    read: Case<'a>,
    passes: Vec<Case<'a>>,
}

impl<'a> Row<'a> {
    fn new<B: Blocks>(name: &'static str, processors: usize, blocks: impl Fn() -> B + Copy + 'a) -> Self {
        let read = move || {
            let mut blocks = blocks();
            while blocks.next_block().unwrap().is_some() {}
        };
        let on = |processors| Case::new(name, processors, move || pass(blocks(), &BANKS));
        Self { read: Case::new(name, processors, read), passes: (1..=processors).rev().map(on).collect() }
    }

    fn cases(&mut self) -> impl Iterator<Item = &mut Case<'a>> {
        std::iter::once(&mut self.read).chain(&mut self.passes)
    }

    /// Prints the passes, compared with the limits: hashing alone and reading alone.
    fn print(&self, slowest: f64, sum: f64) {
        let read = self.read.least();
        for pass in &self.passes {
            let shared = if pass.processors == 1 { sum } else { sum / 2.0 };
            let limit = if pass.processors == 1 { sum } else { slowest }.max(read);
            let (name, least) = (pass.name, pass.least());
            let times = format!("{read:9.1} {least:9.1} {:9.1}", pass.median());
            println!(
                "  {name:20} {:10} {times} {:9.2} {:9.2}",
                pass.processors,
                least / limit,
                least / limit.max(shared)
            );
        }
    }
}

fn main() {
    let image: Vec<u8> = (0..BYTES).map(|i| (i * 2_654_435_761).to_be_bytes()[4]).collect();
    let mut named = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    named.write_all(&image).unwrap();
    named.as_file().sync_all().unwrap();
    let (image, file) = (image.as_slice(), named.as_file());

    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let processors: Vec<_> = (0..CpuSet::count()).filter(|&number| set.is_set(number).unwrap()).collect();
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let load = load.split(' ').next().unwrap();

    let mut hashes: Vec<_> =
        BANKS.map(|bank| Case::new(bank.name(), 1, move || drop(black_box(bank.digest(image))))).into();
    hashes.push(Case::new(TREE, 1, || pass(Medium::new(image, None), &[])));
    let most = processors.len().min(2);
    let rate = |name, rate| Row::new(name, most, move || Medium::new(image, rate));
    let mut rows = [
        rate("memory", None),
        rate("2 GB/s", Some(2e9)),
        rate("1 GB/s", Some(1e9)),
        rate("500 MB/s", Some(5e8)),
        Row::new("this folder's disk", most, || FileBlocks::new(file, "image", BYTES as u64).unwrap()),
    ];
    // Without these tools, the rest is measured.
    let mut others: Vec<_> = tools(named.path())
        .then(|| Case::new(TOOLS, most, || assert!(tools(named.path()), "{TOOLS}")))
        .into_iter()
        .collect();
    for _ in 0..ROUNDS {
        let cases = others.iter_mut().chain(&mut hashes).chain(rows.iter_mut().flat_map(Row::cases));
        cases.for_each(|case| case.time(&processors));
    }

    println!(
        "{} MiB, {ROUNDS} rounds, milliseconds. Load at the start: {load}; above 0.5, other programs affect the figures.\n",
        BYTES >> 20
    );
    println!("  {:20} {:>20} {:>19}", "each hash alone", "least", "median");
    for hash in &hashes {
        println!("  {:20} {:20.1} {:19.1}", hash.name, hash.least(), hash.median());
    }
    let sum = hashes.iter().map(Case::least).sum();
    let slowest = hashes.iter().filter(|hash| hash.name != TREE).map(Case::least).fold(0.0, f64::max);
    println!(
        "\n  {:20} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "all of them", "processors", "read", "least", "median", "x limit", "x work"
    );
    for row in &rows {
        row.print(slowest, sum);
    }
    println!("\n  {TOOLS}, one after the other, from the page cache");
    match others.first() {
        Some(case) => println!("  {:20} {:20.1} {:19.1}", "", case.least(), case.median()),
        None => println!("  (not measured: is cryptsetup-bin installed?)"),
    }
    println!(
        "
  \"read\" is the time to read the medium only. \"x limit\" compares the pass with the slower of \"read\" and the slowest
  bank's hash; on one processor, with the slower of \"read\" and the sum of the hashes. \"x work\" also counts that two
  processors need half of the sum: for three hashes of equal speed this is 1.5 times the slowest."
    );
}

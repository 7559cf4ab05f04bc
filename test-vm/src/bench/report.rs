//! The report about the boots of the contestants.

use super::{Bench, contestant::Contestant, figures, figures::row, record::Record};
use crate::Result;
use std::collections::BTreeSet;

/// Prints the size of each initramfs.
pub(super) fn sizes(contestants: &[Contestant]) -> Result<()> {
    println!("Initramfs, bytes, compressed:");
    let sizes: Result<BTreeSet<_>> = contestants
        .iter()
        .map(|contestant| Ok((std::fs::metadata(&contestant.initramfs)?.len(), contestant.program())))
        .collect();
    for (bytes, program) in sizes? {
        println!("  {bytes:9}  {program}");
    }
    Ok(())
}

/// Prints the times, the agent's steps, and the memory.
pub(super) fn boots(records: &[(String, Vec<Record>)], bench: &Bench) -> Result<()> {
    times(records, bench);
    steps(records);
    memory(records);
    verity(records)
}

fn of(records: &[Record], value: impl Fn(&Record) -> f64) -> Vec<f64> {
    records.iter().map(value).collect()
}

fn times(records: &[(String, Vec<Record>)], bench: &Bench) {
    let total = |records: &[Record]| figures::median(&of(records, Record::total));
    let shells: Vec<_> = records.iter().filter(|(who, _)| who.starts_with("shell")).collect();
    println!(
        "\nFrom /init to the image's own init, {} MiB, {} boots each, seconds: median (least-most)",
        bench.mebibytes, bench.runs
    );
    let heads = ["in all", "hashing", "all else"].map(String::from).into_iter();
    println!("{}", row("", heads.chain(shells.iter().map(|(who, _)| format!("x {who}"))), 24));
    for (who, records) in records {
        let parts =
            [of(records, Record::total), of(records, Record::hashing), of(records, |r| r.total() - r.hashing())];
        let factors = shells.iter().map(|(_, shell)| format!("{:.1}", total(shell) / total(records)));
        println!("{}", row(who, parts.iter().map(|part| figures::spread(part)).chain(factors), 24));
    }
    let all: Vec<_> = records.iter().flat_map(|(_, records)| of(records, Record::tpm_start)).collect();
    println!("  \"x\" is how many times faster than that shell pipeline.");
    println!(
        "  The clock starts when PID 1 becomes /init. Before that it started swtpm, which took {:.3} s. That is not counted,",
        figures::median(&all)
    );
    println!("  because a real machine has its TPM.");
}

fn steps(records: &[(String, Vec<Record>)]) {
    let agents: Vec<_> = records.iter().filter(|(_, records)| records.iter().all(|r| r.status.is_some())).collect();
    let seconds = |record: &Record, step: &str| {
        record.status.as_ref().and_then(|status| status.seconds.get(step)).copied().unwrap_or_default()
    };
    let cells = |value: &dyn Fn(&Record) -> f64| {
        agents.iter().map(|(_, r)| format!("{:.3}", figures::median(&of(r, value)) * 1000.0)).collect::<Vec<_>>()
    };
    println!("\nThe agent's steps, median, milliseconds");
    let heads = agents.iter().map(|(who, _)| who.trim_start_matches("agent").trim_start_matches([' ', ',']).to_owned());
    println!("{}", row("", heads, 28));
    for step in agents
        .iter()
        .flat_map(|(_, r)| r)
        .filter_map(|r| r.status.as_ref())
        .flat_map(|s| s.seconds.keys())
        .collect::<BTreeSet<_>>()
    {
        if step != "total" {
            println!("{}", row(step, cells(&|record| seconds(record, step)), 28));
        }
    }
    println!("{}", row("before and after these", cells(&|record| record.total() - seconds(record, "total")), 28));
}

// KiB are below 2^53.
#[allow(clippy::cast_precision_loss)]
fn kib(records: &[Record], value: impl Fn(&Record) -> u64) -> f64 {
    figures::median(&of(records, |record| value(record) as f64))
}

fn peak(records: &[Record]) -> f64 {
    kib(records, |record| record.status.as_ref().map_or(0, |status| status.memory_peak_kib))
}

fn memory(records: &[(String, Vec<Record>)]) {
    println!("\nMemory, KiB, median");
    println!("{}", row("", ["agent's peak", "disk cache", "file cache", "free"].map(String::from), 16));
    for (who, records) in records {
        let agent = if records.iter().all(|r| r.status.is_some()) { peak(records).to_string() } else { "-".into() };
        let rest = [kib(records, |r| r.buffers_kib), kib(records, |r| r.cached_kib), kib(records, |r| r.free_kib)];
        println!("{}", row(who, std::iter::once(agent).chain(rest.map(|kib| kib.to_string())), 16));
    }
    println!("  As the new init finds it; the file cache holds the software TPM, which still runs.");
}

// KiB are below 2^53.
#[allow(clippy::cast_precision_loss)]
fn verity(records: &[(String, Vec<Record>)]) -> Result<()> {
    let find = |who: &str| records.iter().find(|(name, _)| name == who).ok_or(format!("no boot of {who}"));
    let ((_, plain), (_, verity)) = (find("agent sha1+sha256")?, find("agent,verity sha1+sha256")?);
    let (agent, tree) = (peak(verity), kib(verity, |r| r.shmem_kib) - kib(plain, |r| r.shmem_kib));
    let bytes = verity.first().and_then(|r| r.status.as_ref()).map_or(0, |status| status.image.bytes);
    let limit = (8192.0 + bytes as f64 / 1024.0 * 0.008).floor();
    println!(
        "  With the seal verity the agent's peak and its tree are {agent} + {tree} = {} KiB; the limit is 8 MiB + 0.8 % of the image, {limit} KiB.",
        agent + tree
    );
    Ok(())
}

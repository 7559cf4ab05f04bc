//! Images of two sizes that veritysetup prepared. The question is whether the boot of the larger one takes longer.

use super::{Bench, contestant::Contestant, figures, figures::row, record::Record, uml, uml::Uml};
use crate::{Bank, Result};
use std::collections::BTreeSet;

// In MiB. The script makes an image of each.
const SIZES: [u32; 2] = [1024, 8192];

// Only many boots show a difference of a few per cent. One takes half a second.
const BOOTS_A_RUN: usize = 8;

/// Boots the images in turns. The result is in the order of the sizes.
pub(super) fn boots(bench: &Bench, uml: &Uml) -> Result<[Vec<Record>; 2]> {
    let mut records = [Vec::new(), Vec::new()];
    let boots = bench.runs * BOOTS_A_RUN;
    for boot in 1..=boots {
        for turn in 0..2 {
            // The order changes, so that no image always comes second.
            let which = (turn + boot) % 2;
            super::progress(&format!("boot {boot} of {boots}: prepared, {} MiB", SIZES[which]));
            records[which].push(one(bench, uml, SIZES[which])?);
        }
    }
    Ok(records)
}

fn one(bench: &Bench, uml: &Uml, size: u32) -> Result<Record> {
    let folder = bench.products.join(format!("prepared-{size}"));
    let root_hash = std::fs::read_to_string(folder.join("roothash"))?.trim_end().to_owned();
    let measured = uml.scratch.path("measured");
    std::fs::write(&measured, format!("measureroot: roothash={root_hash}"))?;
    let parameters = [&format!("roothash={root_hash}"), "measureroot.hashdev=/dev/ubdb"];
    let agent = Contestant::agent("prepared", &bench.agent, &[Bank::Sha1, Bank::Sha256], &parameters);
    uml.boot(&agent, &folder.join("image"), Some(&folder.join("hashes")), &uml::extended_once(&measured)?)
}

fn milliseconds(records: &[Record], step: &str) -> Vec<f64> {
    let all = records.iter().filter_map(|record| record.status.as_ref());
    all.map(|status| status.seconds.get(step).copied().unwrap_or_default() * 1000.0).collect()
}

/// Prints the agent's times with each image.
pub(super) fn report(records: &[Vec<Record>; 2]) {
    println!(
        "\nThe agent with images that veritysetup prepared (roothash=), {} boots each, milliseconds: median (least-most)",
        records[0].len()
    );
    println!("{}", row("", SIZES.map(|size| format!("{size} MiB")), 28));
    let steps: BTreeSet<_> =
        records.iter().flatten().filter_map(|r| r.status.as_ref()).flat_map(|status| status.seconds.keys()).collect();
    let total = std::iter::once("total");
    for step in total.chain(steps.into_iter().map(String::as_str).filter(|step| *step != "total")) {
        println!("{}", row(step, records.iter().map(|of_size| figures::spread(&milliseconds(of_size, step))), 28));
    }
    println!(
        "  The largest takes {} times as long as the smallest; the limit is 1.05.",
        figures::spread(&ratios(records))
    );
}

/// How many times as long the larger image takes: two boots after each other, which a slow minute of this machine affects alike.
fn ratios([small, large]: &[Vec<Record>; 2]) -> Vec<f64> {
    let [small, large] = [small, large].map(|records| milliseconds(records, "total"));
    small.iter().zip(large).map(|(small, large)| large / small).collect()
}

#[cfg(test)]
mod tests {
    use super::super::record::AgentStatus;
    use super::*;

    fn record(total: f64) -> Record {
        let status = AgentStatus { seconds: [("total".to_owned(), total)].into(), ..AgentStatus::default() };
        Record { status: Some(status), ..Record::default() }
    }

    #[test]
    fn boots_after_each_other_are_compared() {
        let found = ratios(&[vec![record(1.0), record(4.0)], vec![record(2.0), record(4.0)]]);
        assert!((found[0] - 2.0).abs() < 1e-9 && (found[1] - 1.0).abs() < 1e-9 && found.len() == 2, "{found:?}");
    }
}

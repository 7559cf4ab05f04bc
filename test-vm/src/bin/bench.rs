//! The part of `test-vm/bench` that boots and reports: `bench PRODUCTS AGENT RUNS MEBIBYTES`.

use std::process::ExitCode;
use test_vm::{Error, Result, bench::Bench};

fn main() -> ExitCode {
    match bench(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error(cause)) => {
            eprintln!("bench: {cause}");
            ExitCode::from(2)
        }
    }
}

fn bench(words: &[String]) -> Result<()> {
    let [products, agent, runs, mebibytes] = words else {
        return Err("test-vm/bench starts this program: see test-vm/bench --help".into());
    };
    Bench { products: products.into(), agent: agent.into(), runs: runs.parse()?, mebibytes: mebibytes.parse()? }.run()
}

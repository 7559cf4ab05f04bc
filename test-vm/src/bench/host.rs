//! The time of other programs of this machine that read or hash the same bytes.

use crate::{Bank, Result, scratch::Scratch, tool};
use std::path::Path;
use std::time::{Duration, Instant};

/// The processors of this machine.
pub(super) fn processors() -> Result<String> {
    let all = std::fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<_> = all.lines().filter(|line| line.starts_with("model name")).collect();
    let model = models.first().and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown");
    Ok(format!("{} processors, {model}", models.len()))
}

/// Prints the times.
pub(super) fn report(image: &Path, scratch: &Scratch) -> Result<()> {
    println!(
        "\nThe host's own programs with the same image, once each, seconds (all but dd find it in memory, as the guests' disk does):"
    );
    let (image, hashes) = (image.display().to_string(), scratch.path("hashes").display().to_string());
    let verity = || run("veritysetup", &["format", &image, &hashes]);
    let sum = |bank: Bank| run(&format!("{}sum", bank.name()), &[&image]);
    let start = Instant::now();
    verity().and_then(|()| sum(Bank::Sha1)).and_then(|()| sum(Bank::Sha256))?;
    line(start, "veritysetup format IMAGE, sha1sum IMAGE, sha256sum IMAGE, one after the other");
    let start = Instant::now();
    run("dd", &["bs=8M", "iflag=direct", "status=none", "of=/dev/null", &format!("if={image}")])?;
    line(start, "dd bs=8M iflag=direct of=/dev/null if=IMAGE");
    for bank in Bank::ALL {
        let start = Instant::now();
        sum(bank)?;
        line(start, &format!("{}sum IMAGE", bank.name()));
    }
    Ok(())
}

fn line(start: Instant, what: &str) {
    println!("  {:6.3}  {what}", start.elapsed().as_secs_f64());
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    tool::output(Duration::from_secs(300), program, arguments).map(drop)
}

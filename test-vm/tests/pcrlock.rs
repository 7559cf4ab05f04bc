//! `measureroot predict`, compared with systemd-pcrlock of Debian 13, which hashes the same files for its own policies. There is no boot
//! here. It knows unified kernel images as stub 257 measures them, programs (PCR 4), and the kernel's command line and initrd (PCR 9).

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Kernel, Result, ensure, tool, uki};

const LIMIT: Duration = Duration::from_secs(120);
const CMDLINE: &str = "root=/dev/vda ro";

/// The digests of an event, for each bank.
type Digests = BTreeMap<String, String>;

/// The PCR and the digests of each event that systemd-pcrlock makes a file of.
fn locked(command: &str, file: &Path, scratch: &Scratch) -> Result<Vec<(u64, Digests)>> {
    let lock = scratch.path("lock.pcrlock");
    let mut pcrlock = tool::systemd_257("systemd-pcrlock", LIMIT)?;
    tool::finish(pcrlock.args([command, "--pcrlock"]).arg(&lock).arg(file))?;
    let said: Value = serde_json::from_slice(&std::fs::read(&lock)?)?;
    let records = said["records"].as_array().ok_or("no records")?.iter();
    let digest = |one: &Value| Some((one["hashAlg"].as_str()?.to_owned(), one["digest"].as_str()?.to_owned()));
    let record = |record: &Value| {
        Some((record["pcr"].as_u64()?, record["digests"].as_array()?.iter().map(digest).collect::<Option<_>>()?))
    };
    Ok(records.map(record).collect::<Option<_>>().ok_or_else(|| format!("{said}"))?)
}

fn predicted(option: &str, file: &Path, more: &[&str]) -> Result<Value> {
    let mut predict = tool::measureroot(LIMIT)?;
    let said = tool::finish(predict.args(["predict", "--json", option]).arg(file).args(more))?;
    Ok(serde_json::from_str(&said)?)
}

/// The events of a PCR, without those that a machine decides.
fn events(predicted: &Value, pcr: u64) -> Result<Vec<Digests>> {
    let parts = predicted["pcrs"][pcr.to_string()]["parts"].as_array().ok_or_else(|| format!("no PCR {pcr}"))?;
    let digests = parts.iter().filter_map(|part| part.get("event")).map(|event| event["digests"].clone());
    Ok(digests.map(serde_json::from_value).collect::<std::result::Result<_, _>>()?)
}

#[test]
fn an_image_is_measured_as_systemd_pcrlock_says() -> Result<()> {
    let scratch = Scratch::new()?;
    let own = uki::made(&scratch, "252", CMDLINE)?;
    let mut bytes = std::fs::read(&own)?;
    // systemd-pcrlock hashes as if the image were signed: programs that sign fill up the file to eight bytes.
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    std::fs::write(&own, &bytes)?;
    // The same image, which calls its stub 257.
    let mark = b"LoaderInfo: systemd-stub 252";
    let at = bytes.windows(mark.len()).position(|window| window == mark).ok_or("no stub 252")?;
    bytes[at + mark.len() - 3..at + mark.len()].copy_from_slice(b"257");
    let newer = scratch.path("257.efi");
    std::fs::write(&newer, bytes)?;
    for (uki, is_257) in [(own, false), (newer, true)] {
        let (locked, predicted) = (locked("lock-uki", &uki, &scratch)?, predicted("--uki", &uki, &[])?);
        let of = |pcr| locked.iter().filter(move |record| record.0 == pcr).map(|record| &record.1);
        let program = events(&predicted, 4)?;
        ensure!(of(4).eq(program.iter().skip(2)), "PCR 4: {locked:?} {program:?}");
        let (sections, all) = (events(&predicted, 11)?, of(11).count());
        // The name and the content of .sbat, which 252 does not measure.
        ensure!(all == sections.len() + if is_257 { 0 } else { 2 } && all > 8, "PCR 11: {locked:?} {sections:?}");
        ensure!(of(11).zip(&sections).all(|(theirs, ours)| theirs == ours), "PCR 11: {locked:?} {sections:?}");
    }
    Ok(())
}

#[test]
fn a_kernel_is_measured_as_systemd_pcrlock_says() -> Result<()> {
    let scratch = Scratch::new()?;
    let (kernel, initrd, line) = (Kernel::V6_12.image()?, Kernel::V6_12.initramfs()?, scratch.path("cmdline"));
    std::fs::write(&line, CMDLINE)?;
    let initrd_name = initrd.to_str().ok_or("a path in UTF-8")?;
    let predicted = predicted("--kernel", &kernel, &["--append", CMDLINE, "--initrd", initrd_name])?;
    let one = |command, file: &Path| -> Result<Digests> {
        let [(_, digests)] = locked(command, file, &scratch)?.try_into().map_err(|all| format!("{all:?}"))?;
        Ok(digests)
    };
    assert_eq!(events(&predicted, 4)?.pop().ok_or("no program")?, one("lock-pe", &kernel)?);
    assert_eq!(events(&predicted, 9)?, [one("lock-kernel-initrd", &initrd)?]);
    // With a zero at the end of the load options, as systemd-boot hands them over.
    let answer = predicted["pcrs"]["9"]["parts"][0]["choice"]["answers"][0]["events"][0]["digests"].clone();
    assert_eq!(serde_json::from_value::<Digests>(answer)?, one("lock-kernel-cmdline", &line)?);
    Ok(())
}

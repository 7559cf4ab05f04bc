//! `measureroot predict --like` and `--efivars`: OVMF starts one unified kernel image, and its log predicts the boot of another one, in
//! all PCRs, without and with Secure Boot.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::signed::signed;
use test_vm::{Bus, Firmware, Guest, Image, Result, RootFs, Vm, bank, predict, tool, uki};

const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SECURITY: &str = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

const CMDLINE: &str = "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff";
/// The firmware's log with measureroot's events behind it.
const LOG: &str = "/run/measureroot/binary_bios_measurements";

fn boot(firmware: Firmware, program: &Path, scratch: &Scratch) -> Result<Guest> {
    let esp = scratch.path("esp");
    std::fs::create_dir_all(esp.join("EFI/BOOT"))?;
    std::fs::copy(program, esp.join("EFI/BOOT/BOOTX64.EFI"))?;
    let vm = Vm::started_by(firmware).large().disk_file(Bus::Virtio, uki::disk(&esp, &[], scratch)?);
    vm.disk(&Image::small(RootFs::Squashfs)?).boots()
}

/// The log of a boot of `good` predicts the boot of `new`.
fn predicts(firmware: Firmware, good: &Path, new: &Path, scratch: &Scratch) -> Result<()> {
    let mut guest = boot(firmware, good, scratch)?;
    let log = scratch.path("good.log");
    std::fs::write(&log, guest.bytes(LOG)?.content)?;
    guest.power_off()?;
    let chain = predict::chain_with(new, &["--like", &log.display().to_string()])?;
    let keys: Vec<_> = chain.keys().copied().collect();
    let efivars = scratch.path("efivars");
    variables(&log, &efivars)?;
    let of_variables = predict::chain_with(new, &["--efivars", &efivars.display().to_string()])?;
    let vm = boot(firmware, new, scratch)?.power_off()?;
    for pcr in [4, 7] {
        let values = of_variables.get(&pcr).ok_or_else(|| format!("PCR {pcr} does not follow from the variables"))?;
        predict::answers(values, &vm.pcrs(pcr)?, pcr)?;
    }
    for (pcr, values) in &chain {
        assert_eq!(values.len(), if *pcr == 11 { 5 } else { 1 }, "PCR {pcr} is decided");
    }
    predict::holds(&vm, &chain)?;
    assert_eq!(keys, [0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 14]);
    Ok(())
}

/// The variables that the firmware measured, as files of efivarfs: the small guest has no module for it.
fn variables(log: &Path, folder: &Path) -> Result<()> {
    std::fs::create_dir(folder)?;
    let mut replay = tool::measureroot(Duration::from_secs(60))?;
    let records: Value = serde_json::from_str(&tool::finish(replay.args(["replay", "--to", "cel"]).arg(log))?)?;
    let is_variable = |record: &&Value| record["content"]["event_type"] == "EV_EFI_VARIABLE_DRIVER_CONFIG";
    for record in records.as_array().ok_or("no array")?.iter().filter(is_variable) {
        let data = bank::bytes(record["content"]["event_data"].as_str().ok_or("no data")?)?;
        let length = 2 * usize::try_from(u64::from_le_bytes(data[16..24].try_into()?))?;
        let (name, value) = data[32..].split_at(length);
        let name: String = name.iter().filter(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect();
        let vendor = if name.starts_with("db") { SECURITY } else { GLOBAL };
        if !value.is_empty() {
            std::fs::write(folder.join(format!("{name}-{vendor}")), [&[7, 0, 0, 0], value].concat())?;
        }
    }
    Ok(())
}

fn both(scratch: &Scratch) -> Result<[PathBuf; 2]> {
    Ok([uki::made(scratch, "good", CMDLINE)?, uki::made(scratch, "new", &format!("{CMDLINE} quiet"))?])
}

#[test]
fn a_good_log_predicts_another_image() -> Result<()> {
    let scratch = Scratch::new()?;
    let [good, new] = both(&scratch)?;
    predicts(Firmware::Uefi, &good, &new, &scratch)
}

#[test]
fn a_good_log_predicts_another_image_with_secure_boot() -> Result<()> {
    let scratch = Scratch::new()?;
    let [good, new] = both(&scratch)?;
    predicts(Firmware::SecureBoot, &signed(&good, &scratch)?, &signed(&new, &scratch)?, &scratch)
}

//! The variables of Secure Boot as files of efivarfs. The small guest has no module for it: they come from the firmware's log.

use crate::{Result, bank, tool};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SECURITY: &str = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

/// Makes a folder with the variables that the firmware measured.
pub fn of_log(log: &Path, folder: &Path) -> Result<()> {
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

//! Files that systemd's stub takes from the partition (systemd-stub(7), "Companion Files").

use super::forecasts::Forecasts;
use super::volume::Volume;
use crate::error::Result;

/// What is expected of an image at `path`, if there are such files: addons, credentials, extensions.
pub(super) fn with_files_beside(volume: &dyn Volume, path: &str, mut forecasts: Forecasts) -> Result<Forecasts> {
    for folder in [&format!("{path}.extra.d"), "loader/addons", "loader/credentials"] {
        let names = volume.names(folder)?;
        let why = |file: &String| format!("{folder}/{file}: what the stub takes from there is not predicted");
        if let Some(file) = names.first() {
            for pcr in [9, 12] {
                forecasts.open(pcr, why(file));
            }
        }
        // Extension images (systemd, src/boot/stub.c, `pack_cpio` with TPM2_PCR_SYSEXTS).
        if let Some(image) = names.iter().find(|name| name.to_ascii_lowercase().ends_with(".raw")) {
            forecasts.extensions = Some(why(image));
        }
    }
    Ok(forecasts)
}

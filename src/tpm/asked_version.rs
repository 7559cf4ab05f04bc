//! Which version a TPM has, if the kernel does not say it: a command tells.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tss2_static::tcti::family::Family;
use tss2_static::tcti::line::Line;

/// `TPM2_GetCapability` of the first fixed property (TPM 2.0 Library, Part 3, section 30.2). The kernel asks the same (Linux,
/// drivers/char/tpm/tpm2-cmd.c, `tpm2_probe`).
const QUESTION: [u8; 22] = [0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x7a, 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 0, 1];

/// The slowest TPM that tests itself answers in this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// The TPMs that were asked, each with whether it is a TPM 1.2: the caller looks again and again until all TPMs are ready.
static ASKED: Mutex<Vec<(PathBuf, bool)>> = Mutex::new(Vec::new());

/// Whether the TPM at this device is a TPM 1.2. It is not, if it does not answer.
#[must_use]
pub fn is_version12(device: &Path) -> bool {
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, answer)) = asked.iter().find(|(known, _)| known == device) {
        return *answer;
    }
    // The device may not be there yet, or another program may hold it: then it is asked next time.
    let Ok(line) = Line::open(device, Family::V1_2, PATIENCE) else { return false };
    // A TPM 1.2 answers TPM_BADTAG, with the tag of its own answers. A TPM 2.0 takes the command, also one whose firmware is being
    // updated, and its answer has another tag.
    let answer = line.run(&QUESTION).is_ok();
    asked.push((device.to_owned(), answer));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tpm_that_is_not_there_is_asked_again_and_one_without_an_answer_is_not() {
        // /dev/null takes the command, and answers nothing.
        let [missing, silent] = ["/no/such/tpm", "/dev/null"].map(Path::new);
        assert!(!is_version12(missing) && !is_version12(silent));
        let asked = ASKED.lock().unwrap();
        assert!(asked.contains(&(silent.to_owned(), false)) && !asked.iter().any(|(device, _)| device == missing));
    }
}

//! Waiting until the kernel shows the TPMs that the boot needs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::boot::shown_tpms::{ShownTpms, node};
use crate::error::{Error, Result};
use crate::measure::tpm_version::TpmChoice;
use crate::media::wait::Wait;
use crate::say;
use crate::sys::waits::UNNOTICED;

/// Whether the boot has waited for the whole time, and the TPM that it needs was not ready.
static ABSENT: AtomicBool = AtomicBool::new(false);

/// Tells what the kernel shows now.
type Look<'a> = &'a dyn Fn() -> Result<ShownTpms>;

/// Looks until the TPMs are those that `choice` needs, or `patience` is over. Says so if it takes long. Returns what the last look
/// showed.
///
/// # Errors
/// The first error of `look`.
pub(super) fn wait_for(choice: TpmChoice, patience: Duration, look: Look) -> Result<ShownTpms> {
    let (start, mut told, mut shown) = (Instant::now(), false, ShownTpms::default());
    let found = Wait::at_most(patience).until_found(|| {
        if !told && start.elapsed() > UNNOTICED {
            told = true;
            let version = if choice == TpmChoice::V2_0 { " 2.0" } else { "" };
            // It is no error, but only errors are shown in spite of `quiet`.
            say::error!("no TPM{version} for {} s; waits for at most {} s", UNNOTICED.as_secs(), patience.as_secs());
        }
        shown = look()?;
        Ok(shown.is_ready_for(choice).then_some(()))
    })?;
    ABSENT.store(found.is_none(), Ordering::Release);
    Ok(shown)
}

/// Waits for the TPMs of a measured boot; `None` if none appears in time.
///
/// # Errors
/// When a TPM is there and not ready, or when there are only TPMs of a version that the command line does not accept.
pub(super) fn wait_to_measure(choice: TpmChoice, patience: Duration, look: Look) -> Result<Option<ShownTpms>> {
    let shown = wait_for(choice, patience, look)?;
    if shown.is_ready_for(choice) {
        return Ok(Some(shown));
    }
    shown.refuse_unsettled()?;
    let Some(&first) = shown.version12.first() else { return Ok(None) };
    let cause = format_args!("is a TPM 1.2, and no TPM 2.0 appeared in {} s", patience.as_secs());
    Err(Error::new(format_args!("/dev/{}", node(first)), cause).hint("the command line says measureroot.tpm=2.0"))
}

/// Whether the boot has waited already, and the TPM that it needs was not ready.
pub(super) fn has_waited() -> bool {
    ABSENT.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What the kernel shows: the numbers of the TPMs 2.0, of the TPMs 1.2, and of one that is not ready.
    type Shows = (&'static [u32], &'static [u32], Option<u32>);

    const NEVER: Duration = Duration::from_millis(60);
    const ENOUGH: Duration = Duration::from_secs(60);

    /// Waits on a machine that shows these TPMs, one after the other at each look, and the last ones for ever.
    fn waited(choice: TpmChoice, patience: Duration, shows: &[Shows]) -> Result<Option<ShownTpms>> {
        let looks = Cell::new(0);
        wait_to_measure(choice, patience, &|| {
            let nth = looks.replace(looks.get() + 1).min(shows.len() - 1);
            let (newer, older, pending) = shows[nth];
            Ok(ShownTpms::of(newer, older, pending))
        })
    }

    #[test]
    fn a_slow_tpm_is_waited_for() {
        const NONE: Shows = (&[], &[], None);
        const ONLY_12: Shows = (&[], &[0], None);
        const BOTH: Shows = (&[1], &[0], None);
        let table = [
            (TpmChoice::Any, &[NONE, NONE, ONLY_12, BOTH][..], ONLY_12),
            // A TPM 1.2 alone is not what the command line asks for.
            (TpmChoice::V2_0, &[NONE, ONLY_12, ONLY_12, BOTH], BOTH),
            (TpmChoice::V2_0, &[ONLY_12, (&[], &[0], Some(1)), BOTH], BOTH),
            // The kernel shows a second TPM and has not got it ready: it would stay unextended.
            (TpmChoice::Any, &[(&[0], &[], Some(1)), (&[0, 1], &[], None)], (&[0, 1], &[], None)),
            (TpmChoice::V2_0, &[(&[0], &[], Some(1)), (&[0], &[1], None)], (&[0], &[1], None)),
        ];
        for (choice, shows, (newer, older, pending)) in table {
            let expected = ShownTpms::of(newer, older, pending);
            assert_eq!(waited(choice, ENOUGH, shows).unwrap(), Some(expected), "{choice:?}, {shows:?}");
        }
    }

    #[test]
    fn a_tpm_that_never_comes_is_an_error_that_names_the_others() {
        let error = |choice, shows| waited(choice, NEVER, &[shows]).unwrap_err().to_string();
        assert_eq!(
            error(TpmChoice::V2_0, (&[], &[3], None)),
            "/dev/tpm3: is a TPM 1.2, and no TPM 2.0 appeared in 0 s (the command line says measureroot.tpm=2.0)"
        );
        for (choice, shows) in [(TpmChoice::V2_0, (&[][..], &[0][..], Some(1))), (TpmChoice::Any, (&[0], &[], Some(1)))]
        {
            assert!(error(choice, shows).starts_with("/dev/tpm1: the kernel does not get this TPM ready"));
        }
        for choice in [TpmChoice::Any, TpmChoice::V2_0] {
            assert_eq!(waited(choice, NEVER, &[(&[], &[], None)]).unwrap(), None);
        }
    }
}

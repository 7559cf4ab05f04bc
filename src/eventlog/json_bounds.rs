//! How much a log in JSON may hold. A value of JSON can take 90 times its bytes in memory (`{"":0}` is a whole map), and the log
//! comes from the machine that is judged.

use crate::error::{Error, Result};

/// The most objects and arrays in a log. The records with the fewest bytes for each, those of IMA, have 70: so a log of 16 MiB, the
/// most that is read, has fewer. Each takes up to 700 bytes.
const MOST_CONTAINERS: usize = 1 << 18;

/// The most values that follow another one. Each takes up to 100 bytes.
const MOST_COMMAS: usize = 1 << 20;

/// Counts the brackets and commas, before anything is allocated. Those in strings count, too: no text of an event has so many.
///
/// # Errors
/// When there are more than any machine's log has.
pub(super) fn check(log: &[u8]) -> Result<()> {
    let (mut containers, mut commas) = (0, 0);
    for byte in log {
        containers += usize::from(matches!(byte, b'{' | b'['));
        commas += usize::from(*byte == b',');
    }
    for (count, most, what) in [(containers, MOST_CONTAINERS, "objects and arrays"), (commas, MOST_COMMAS, "values")] {
        if count > most {
            let cause = format!("has {count} {what}, more than {most}");
            return Err(
                Error::new("event log", cause).hint("no machine writes such a log: was it made to use up memory?")
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_with_more_values_than_a_machine_writes_is_refused() {
        for (piece, most) in [("{\"\":0}", MOST_CONTAINERS), ("[", MOST_CONTAINERS), ("0,", MOST_COMMAS)] {
            assert!(check(piece.repeat(most).as_bytes()).is_ok(), "{piece}");
            let error = check(piece.repeat(most + 1).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(&most.to_string()), "{error}");
        }
    }
}

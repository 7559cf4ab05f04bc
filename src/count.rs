//! A count with its noun in the singular or the plural.

use std::fmt::Display;

/// `1 byte`, `0 bytes`, `2 bytes`: for nouns whose plural only adds an s.
pub(crate) fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(counted(0_u64, "event"), "0 events");
        assert_eq!(counted(1_u64, "event"), "1 event");
        assert_eq!(counted(2_usize, "PCR value"), "2 PCR values");
    }
}

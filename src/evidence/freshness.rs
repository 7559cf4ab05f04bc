//! Whether a quote is the answer to a nonce of this verifier, or may be from an earlier boot.

use crate::count::counted;

/// The shortest nonce that proves something, in bytes: 64 bits (RFC 9711, section 4.1). A machine could collect quotes for all values of a
/// shorter one. A TPM signs a nonce of any length, also an empty one (TPM 2.0 Library, Part 2, section 10.4.3, `TPM2B_DATA`). Keylime's
/// nonces have 20 bytes.
const SHORTEST: usize = 8;

/// Whether a quote is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It has the nonce of this verifier.
    Fresh,
    /// It has the nonce of this verifier, but the nonce has so few bytes that an earlier quote may have the same.
    ShortNonce(usize),
    /// The verifier gave no nonce.
    NoNonce,
}

impl Freshness {
    /// That of a quote which has the verifier's nonce, if there is one.
    pub(super) fn of(nonce: Option<&[u8]>) -> Self {
        match nonce.map(<[u8]>::len) {
            None => Self::NoNonce,
            Some(length) if length < SHORTEST => Self::ShortNonce(length),
            Some(_) => Self::Fresh,
        }
    }

    /// Why it is not, and what to do. `None` if it is.
    pub(crate) fn doubt(self) -> Option<(String, String)> {
        match self {
            Self::Fresh => None,
            Self::ShortNonce(length) => {
                let cause = format!("a nonce of {} is too short to prove the opposite", counted(length, "byte"));
                Some((cause, format!("give --nonce at least {SHORTEST} bytes")))
            }
            Self::NoNonce => Some(("it answers no nonce".to_owned(), "give --nonce".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_of_less_than_eight_bytes_proves_nothing() {
        for (nonce, expected) in [
            (None, Freshness::NoNonce),
            (Some(&[1][..]), Freshness::ShortNonce(1)),
            (Some(&[1; 7]), Freshness::ShortNonce(7)),
            (Some(&[1; 8]), Freshness::Fresh),
            (Some(&[1; 64]), Freshness::Fresh),
        ] {
            let found = Freshness::of(nonce);
            assert_eq!((found, found.doubt().is_none()), (expected, expected == Freshness::Fresh), "{nonce:?}");
        }
    }
}

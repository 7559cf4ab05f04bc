//! Signature schemes (TPM 2.0 Library, Part 2, section 6.3: `TPM_ALG_ID`).

use std::fmt::{self, Display};

use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::bank::Bank;

/// `TPM_ALG_NULL`: no algorithm.
pub(super) const NULL: u16 = 0x0010;

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5.
    RsaSsa,
    /// RSASSA-PSS.
    RsaPss,
    /// ECDSA.
    Ecdsa,
}

impl SignatureAlgorithm {
    /// The algorithm with this `TPM_ALG_ID`, if it is one of those above.
    fn of(algorithm: u16) -> Option<Self> {
        match algorithm {
            0x0014 => Some(Self::RsaSsa),
            0x0016 => Some(Self::RsaPss),
            0x0018 => Some(Self::Ecdsa),
            _ => None,
        }
    }
}

/// A signature algorithm with its hash algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// The signature algorithm.
    pub(super) algorithm: SignatureAlgorithm,
    /// The hash algorithm.
    pub(super) hash: Bank,
}

impl Scheme {
    /// Reads a scheme (`TPMT_SIG_SCHEME`, and the start of `TPMT_SIGNATURE`). `None` for `TPM_ALG_NULL`.
    ///
    /// # Errors
    /// If one of its algorithms is not known.
    pub(super) fn read(cursor: &mut Cursor) -> Result<Option<Self>> {
        let algorithm = cursor.u16_be()?;
        if algorithm == NULL {
            return Ok(None);
        }
        let Some(signature) = SignatureAlgorithm::of(algorithm) else {
            return Err(cursor.error(format_args!("the scheme {algorithm:#06x} is not RSASSA, RSAPSS or ECDSA")));
        };
        let hash = cursor.u16_be()?;
        match Bank::of_algorithm(hash) {
            Some(hash) => Ok(Some(Self { algorithm: signature, hash })),
            None => Err(cursor.error(format_args!("the hash {hash:#06x} is not known"))),
        }
    }
}

impl Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self.algorithm {
            SignatureAlgorithm::RsaSsa => "RSASSA",
            SignatureAlgorithm::RsaPss => "RSAPSS",
            SignatureAlgorithm::Ecdsa => "ECDSA",
        };
        write!(f, "{algorithm} with {}", self.hash)
    }
}

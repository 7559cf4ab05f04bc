//! How a key signs (TPM 2.0 Library, Part 2, section 6.3: `TPM_ALG_ID`).

use std::fmt::{self, Display};

use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::bank::Bank;

/// `TPM_ALG_NULL`: nothing is laid down.
pub const NULL: u16 = 0x0010;

/// A way to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// RSASSA-PKCS1-v1_5.
    RsaSsa,
    /// RSASSA-PSS.
    RsaPss,
    /// ECDSA.
    Ecdsa,
}

impl Way {
    /// The way that a `TPM_ALG_ID` means.
    #[must_use]
    pub fn of(algorithm: u16) -> Option<Self> {
        match algorithm {
            0x0014 => Some(Self::RsaSsa),
            0x0016 => Some(Self::RsaPss),
            0x0018 => Some(Self::Ecdsa),
            _ => None,
        }
    }
}

/// A way to sign, with its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// The way.
    pub way: Way,
    /// The hash.
    pub hash: Bank,
}

impl Scheme {
    /// Reads a scheme (`TPMT_SIG_SCHEME` and the start of `TPMT_SIGNATURE`); `None` for `TPM_ALG_NULL`.
    ///
    /// # Errors
    /// When it is not one of those above, or its hash is unknown.
    pub(crate) fn take(cursor: &mut Cursor) -> Result<Option<Self>> {
        let algorithm = cursor.u16_be()?;
        if algorithm == NULL {
            return Ok(None);
        }
        let Some(way) = Way::of(algorithm) else {
            return Err(cursor.error(format!("the scheme {algorithm:#06x} is not RSASSA, RSAPSS or ECDSA")));
        };
        let hash = cursor.u16_be()?;
        match Bank::of_algorithm(hash) {
            Some(hash) => Ok(Some(Self { way, hash })),
            None => Err(cursor.error(format!("the hash {hash:#06x} is not known"))),
        }
    }
}

impl Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::RsaSsa => "RSASSA",
            Way::RsaPss => "RSAPSS",
            Way::Ecdsa => "ECDSA",
        };
        write!(f, "{way} with {}", self.hash)
    }
}

//! The qualified name of a key, which each quote has: a hash of the key's whole public area and of all its parents.

use super::key::Key;
use super::quote::Quote;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// The hierarchies of the owner and of endorsements, the null hierarchy and that of the platform (TPM 2.0 Library, Part 2, section 7.4,
/// `TPM_RH`). The name of a hierarchy is its handle.
const HIERARCHIES: [u32; 4] = [0x4000_0001, 0x4000_000b, 0x4000_0007, 0x4000_000c];

/// Checks that the quote's signer is this key, as a primary key of a hierarchy. The signature alone proves the numbers of the key, and not what
/// the rest of its public area says.
///
/// # Errors
/// If it is another one, or if the key has another parent.
pub(super) fn check(quote: &Quote, key: &Key) -> Result<()> {
    let signer = quote.attested.as_ref().map(|attested| attested.signer.as_slice());
    let of_hierarchy = |hierarchy: u32| {
        // TPM 2.0 Library, Part 1, section 16: the algorithm, and the hash of the parent's qualified name with the key's name.
        let name = key.name()?;
        let (algorithm, _) = name.split_at_checked(2)?;
        let bank = Bank::of_algorithm(u16::from_be_bytes(algorithm.try_into().ok()?))?;
        let digest = bank.digest(&[&hierarchy.to_be_bytes(), name].concat());
        Some([algorithm, digest.as_bytes()].concat())
    };
    if HIERARCHIES.into_iter().filter_map(of_hierarchy).any(|name| Some(name.as_slice()) == signer) {
        return Ok(());
    }
    Err(Error::new("key", "is not the one that the quote names as its signer").hint(
        "was the key changed? A file of evidence has a primary key: measureroot attest makes one, and so does tpm2_createprimary",
    ))
}

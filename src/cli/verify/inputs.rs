//! What a machine sent: in one file of evidence, or in files of their own.

use std::path::Path;

use super::MAX_BYTES;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};
use crate::evidence::check::{Broken, Check};
use crate::evidence::evidence_file::EvidenceFile;
use crate::evidence::key::Key;
use crate::evidence::proof::Proof;
use crate::evidence::submission::Submission;
use crate::measure::pcr::PcrIndex;

/// The limit for a file of evidence, in bytes: 128 MiB. Its logs are in hex, and each may have as many bytes as a log in a file of its own;
/// usual ones have some 100 KiB.
const EVIDENCE: u64 = 8 * read_limited::LOG;

/// The inputs.
pub(super) enum Inputs {
    Files(Box<Files>),
    /// The file of evidence is malformed.
    Malformed(Error),
}

/// The inputs that could be read.
pub(super) struct Files {
    pub(super) quote: Option<Vec<u8>>,
    pub(super) signature: Vec<u8>,
    pub(super) key: Vec<u8>,
    /// The values of the quoted PCRs, one after the other; or why they are none.
    pub(super) values: Option<Result<Vec<u8>>>,
    /// The logs, each with its name.
    pub(super) logs: Vec<(String, Vec<u8>)>,
    /// The file of evidence that all of this is from, and the key that the verifier accepted once, if it is given.
    pub(super) whole: Option<(EvidenceFile, Option<Key>)>,
}

impl Inputs {
    /// The inputs in a file of `measureroot attest`. `accepted` is the file with the key that the verifier accepted once.
    ///
    /// # Errors
    /// If a file cannot be read, or if the accepted key is none.
    pub(super) fn of_evidence(path: &Path, accepted: Option<&Path>) -> Result<Self> {
        let key = |path: &Path| {
            let bytes = read_limited::read(path, MAX_BYTES, Kinds::Stream)?;
            Key::parse(&bytes).map_err(|error| error.on(path.display()))
        };
        let accepted = accepted.map(key).transpose()?;
        let bytes = read_limited::read(path, EVIDENCE, Kinds::Stream)?;
        Ok(match EvidenceFile::parse(&bytes) {
            Ok(file) => Self::Files(Box::new(Files {
                quote: Some(file.quote.clone()),
                signature: file.signature.clone(),
                key: file.key.clone(),
                values: Some(file.quoted_values()),
                logs: file.named_logs(),
                whole: Some((file, accepted)),
            })),
            Err(error) => Self::Malformed(error.on(path.display())),
        })
    }

    /// Makes all checks. The nonce is that of the verifier: the one in the file of evidence makes nothing fresh.
    ///
    /// # Errors
    /// The first check that fails.
    pub(super) fn check(self, nonce: Option<&[u8]>, pcr: PcrIndex, sha1: bool) -> std::result::Result<Proof, Broken> {
        let files = match self {
            Self::Files(files) => files,
            Self::Malformed(error) => return Err(Broken { check: Check::Evidence, error }),
        };
        let (values, malformed) = match files.values.transpose() {
            Ok(values) => (values, None),
            Err(error) => (None, Some(error)),
        };
        let (quote, signature, key, logs) =
            (files.quote.as_deref(), &files.signature[..], &files.key[..], &files.logs[..]);
        let submission = Submission { quote, signature, key, nonce, values: values.as_deref(), logs, pcr, sha1 };
        let checked = match (submission.check(), malformed) {
            // The checks before that of the values come first.
            (Ok(_) | Err(Broken { check: Check::Log, .. }), Some(error)) => Err(Broken { check: Check::Values, error }),
            (checked, _) => checked,
        };
        let mut proof = checked?;
        let Some((file, accepted)) = files.whole else { return Ok(proof) };
        file.check_with(&proof)?;
        match accepted {
            Some(accepted) if !accepted.is_same(&proof.key) => {
                let cause = "is not that of --key: the evidence is from another machine, or the key is not the one that was accepted";
                Err(Broken { check: Check::Key, error: Error::new("key", cause) })
            }
            // What the verifier's form of the key does not say, the evidence cannot add: the owner of a key writes it.
            Some(accepted) => {
                proof.key = accepted;
                Ok(proof)
            }
            None => Ok(proof),
        }
    }
}

//! A prediction as a Concise Reference Integrity Manifest (draft-ietf-rats-corim), with one tag (CoMID) of reference values.

use std::collections::BTreeMap;
use std::fmt::Display;

use corim::builder::{ComidBuilder, CorimBuilder};
use corim::types::common::{MeasuredElement, TagIdChoice};
use corim::types::corim::{CorimId, CorimMetaMap, CorimSignerMap};
use corim::types::environment::EnvironmentMap;
use corim::types::measurement::{
    Digest, IntegrityRegisterId, IntegrityRegisters, MeasurementMap, MeasurementValuesMap,
};
use corim::types::signed::{CoseAlgorithm, SignedCorimBuilder};
use corim::types::triples::ReferenceTriple;

use super::rvps::pcr_name;
use super::subject::Subject;
use crate::error::{Error, Result};
use crate::evidence::signer::Signer;
use crate::evidence::signer_key::SignerKey;
use crate::hash::bank::Bank;
use crate::hash::digest;
use crate::measure::measurement::{Extension, Report};

/// What the values are about: the vendor and the model of the environment.
const VENDOR: &str = "measureroot";
const MODEL: &str = "root-image";
/// The measurement that is the whole TPM.
const TPM: &str = "tpm";

/// The manifest in CBOR: with a key, in a COSE_Sign1 (RFC 9052).
///
/// # Errors
/// If a bank is SHA-1, if the key is not at hand, or if the values cannot be written.
pub(super) fn bytes(subject: &Subject, report: &Report, key: Option<&dyn Signer>) -> Result<Vec<u8>> {
    let digests = |of: fn(&Extension) -> &digest::Digest| {
        let digest = |(bank, extension): (&Bank, &Extension)| {
            Ok(Digest::new(algorithm(*bank)?, of(extension).as_bytes().to_vec()))
        };
        report.banks.iter().map(digest).collect::<Result<Vec<_>>>()
    };
    let (after, extended) = (digests(|extension| &extension.after)?, digests(|extension| &extension.digest)?);
    let pcr = u64::from(report.pcr.get());
    let registers = IntegrityRegisters(BTreeMap::from([(IntegrityRegisterId::Uint(pcr), after.clone())]));
    // A triple each: the measurements of one triple must all be in the evidence of a machine.
    let measurements = [
        measurement(TPM, |values| values.integrity_registers = Some(registers)),
        measurement(&pcr_name(pcr), |values| values.digests = Some(after)),
        measurement(MODEL, |values| {
            values.digests = Some(extended);
            values.name = Some(subject.name());
        }),
    ];
    let id = identity(subject, report);
    let mut tag = ComidBuilder::new(TagIdChoice::Text(id.clone()));
    for measurement in measurements {
        let environment = EnvironmentMap::for_class(VENDOR, MODEL);
        tag = tag.add_reference_triple(ReferenceTriple::new(environment, vec![measurement]));
    }
    let tag = tag.build().map_err(wrong)?;
    let manifest =
        CorimBuilder::new(CorimId::Text(id)).add_comid_tag(tag).map_err(wrong)?.build_bytes().map_err(wrong)?;
    key.map_or(Ok(manifest.clone()), |key| signed(manifest, key))
}

fn measurement(name: &str, set: impl FnOnce(&mut MeasurementValuesMap)) -> MeasurementMap {
    let mut mval = MeasurementValuesMap::new();
    set(&mut mval);
    MeasurementMap { mkey: Some(MeasuredElement::Text(name.to_owned())), mval, authorized_by: None }
}

/// The same values have the same identity, and others another one: a store of manifests keeps both.
fn identity(subject: &Subject, report: &Report) -> String {
    let best = report.banks.values().next_back();
    let value = best.map_or_else(String::new, |extension| extension.after.to_string());
    format!("{VENDOR}/{}/{}/{value}", subject.name(), pcr_name(report.pcr))
}

/// The hash in the registry "Named Information Hash Algorithm" of IANA, which CoRIM takes.
fn algorithm(bank: Bank) -> Result<i64> {
    match bank {
        Bank::Sha256 => Ok(1),
        Bank::Sha384 => Ok(7),
        Bank::Sha512 => Ok(8),
        Bank::Sha1 => Err(Error::new(bank, "a CoRIM names no SHA-1")),
    }
}

/// The manifest in a COSE_Sign1. The key's ID is the SHA-256 digest of its public key.
fn signed(manifest: Vec<u8>, key: &dyn Signer) -> Result<Vec<u8>> {
    let public = key.public();
    let id = public.id()?;
    // RFC 9864 has newer numbers, which readers do not know yet: the crate corim-rs, which Trustee uses, has these.
    let algorithm = match public {
        SignerKey::P256(_) => CoseAlgorithm::Es256,
        SignerKey::P384(_) => CoseAlgorithm::Es384,
        SignerKey::Ed25519(_) => CoseAlgorithm::EdDsa,
    };
    // A name is required, and nothing here knows the signer's.
    let signer = CorimSignerMap { signer_name: format!("key {}", hex::encode(&id)), signer_uri: None };
    let meta = CorimMetaMap { signer, signature_validity: None };
    let mut envelope = SignedCorimBuilder::new(algorithm, manifest).set_corim_meta(meta).kid(id);
    let signature = key.sign(&envelope.to_be_signed(&[]).map_err(wrong)?)?;
    envelope.build_with_signature(public.plain(&signature)?).map_err(wrong)
}

fn wrong(error: impl Display) -> Error {
    Error::new("CoRIM", error).hint("report this: a prediction has all that a manifest needs")
}

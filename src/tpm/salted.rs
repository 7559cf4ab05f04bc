//! The session that carries commands and answers past whoever sits on the bus: salted with a key of the TPM's null
//! hierarchy, so that each command and each answer has an HMAC that only the TPM and we can compute.
//!
//! What it is worth: who can listen learns nothing that helps to forge, for the salt is agreed on by Diffie-Hellman. Who can
//! alter what passes, and begins after the key was read, can drop commands, but neither change, repeat nor answer them: no
//! extend is believed that the TPM did not make. The key itself comes over the same bus. Who sat there already when it was
//! read, and plays the whole TPM from then on, is found out by the name of the key: where the kernel read the key too when
//! it started (Linux 6.10 and later with CONFIG_TCG_TPM2_HMAC), both must have seen the same one; and where somebody played
//! the TPM from the power-on, only a certificate of that key (TPM2_Certify by an attestation key that is believed) tells.
//! Nothing here helps against who resets the TPM alone, later, and extends it anew.

use std::fmt::Display;

use tss_esapi::attributes::SessionAttributesBuilder;
use tss_esapi::constants::{SessionType, Tss2ResponseCode, Tss2ResponseCodeKind as Code};
use tss_esapi::handles::{KeyHandle, SessionHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Public, SymmetricDefinition};
use tss_esapi::traits::{Marshall, UnMarshall};
use tss_esapi::{Context as Esys, Error as EsysError};

use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;

/// The public area of the salt key before the TPM fills in its point. It is the kernel's own, byte for byte (Linux,
/// drivers/char/tpm/tpm2-sessions.c, `tpm2_create_primary`), or the two keys would have different names: the storage key
/// of the TCG TPM v2.0 Provisioning Guidance 1.0, section 7.5.1, with no unique point.
const TEMPLATE: [u8; 26] = [
    0x00, 0x23, // TPM_ALG_ECC
    0x00, 0x0b, // its name is a hash by TPM_ALG_SHA256
    0x00, 0x03, 0x04, 0x72, // fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, decrypt
    0x00, 0x00, // no policy
    0x00, 0x06, 0x00, 0x80, 0x00, 0x43, // it would wrap keys by TPM_ALG_AES, 128 bits, TPM_ALG_CFB
    0x00, 0x10, // TPM_ALG_NULL: no signatures
    0x00, 0x03, // TPM_ECC_NIST_P256
    0x00, 0x10, // TPM_ALG_NULL: no key derivation of its own
    0x00, 0x00, 0x00, 0x00, // no unique point
];

/// Why there is no session.
pub(super) enum Refusal {
    /// The TPM lacks what it takes, or somebody says so in its name.
    Unable(Error),
    /// Anything else.
    Failed(Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unable(error) | Refusal::Failed(error) => error,
        }
    }
}

impl Refusal {
    /// Of TPM2_CreatePrimary.
    fn of(error: EsysError) -> Self {
        const NAME: &str = "TPM2_CreatePrimary";
        let EsysError::Tss2Error(code) = error else { return Self::Failed(explained(NAME, error)) };
        // What a TPM answers that does not know the command, the key's type, its curve, or one of its algorithms.
        match code.kind() {
            Some(
                Code::Asymmetric
                | Code::CommandCode
                | Code::Curve
                | Code::Hash
                | Code::Hierarchy
                | Code::Kdf
                | Code::KeySize
                | Code::Mode
                | Code::Scheme
                | Code::Symmetric
                | Code::Type
                | Code::Value,
            ) => Self::Unable(explained(NAME, error)),
            _ => Self::Failed(explained(NAME, error)),
        }
    }
}

/// tpm2-tss says so of an answer with a wrong HMAC (`TSS2_ESYS_RC_RSP_AUTH_FAILED`) and of one without a session
/// (`TSS2_SYS_RC_BAD_SEQUENCE`); tss-esapi has no words for either.
const FORGED: [u32; 2] = [0x0007_001b, 0x0008_0007];

/// What went wrong with a command, and why that may be.
pub(super) fn explained(command: impl Display, error: EsysError) -> Error {
    let bus = "who sits between us and the TPM?";
    let EsysError::Tss2Error(code) = error else {
        return Error::new(command, error).hint("did it answer with an algorithm that is not known here?");
    };
    if FORGED.map(Tss2ResponseCode::from).contains(&code) {
        return Error::new(command, "the HMAC of the answer is wrong or missing").hint(bus);
    }
    let number: &dyn Display = match &code {
        Tss2ResponseCode::Success => &"success",
        Tss2ResponseCode::FormatZero(code) => code,
        Tss2ResponseCode::FormatOne(code) => code,
    };
    Error::new(command, format_args!("{error} ({number})")).hint(match code.kind() {
        Some(Code::AuthFail) => bus,
        _ => "is the TPM in failure mode, or its locality wrong?",
    })
}

/// Starts a session that holds until a command ends it, with three commands. The key is not left in the TPM.
///
/// `null_name` is what the kernel calls the key, if it knows it.
pub(super) fn start(esys: &mut Esys, null_name: Option<&str>) -> std::result::Result<AuthSession, Refusal> {
    let template = Public::unmarshall(&TEMPLATE).about("template of the salt key").map_err(Refusal::Failed)?;
    let key = esys
        .execute_with_session(Some(AuthSession::Password), |esys| {
            esys.create_primary(Hierarchy::Null, template, None, None, None, None)
        })
        .map_err(Refusal::of)?;
    // A TPM that made such a key has all that a session takes: from here on nothing excuses it.
    let session = check(&key.out_public, null_name).and_then(|()| salted_with(esys, key.key_handle));
    let flushed = esys.flush_context(key.key_handle.into()).map_err(|error| explained("TPM2_FlushContext", error));
    let session = session.map_err(Refusal::Failed)?;
    flushed.and_then(|()| set(esys, session, true)).map_err(Refusal::Failed)?;
    Ok(session)
}

fn salted_with(esys: &mut Esys, key: KeyHandle) -> Result<AuthSession> {
    const NAME: &str = "TPM2_StartAuthSession";
    let (plain, hash) = (SymmetricDefinition::Null, HashingAlgorithm::Sha256);
    let session = esys.start_auth_session(Some(key), None, None, SessionType::Hmac, plain, hash);
    session.map_err(|error| explained(NAME, error))?.ok_or_else(|| Error::new(NAME, "gave no session"))
}

/// Makes tss-esapi forget a session that the TPM has ended: it would flush it once more.
pub(super) fn forget(esys: &mut Esys, session: AuthSession) {
    // It calls this an error, for it knows sessions that are flushed only; but it has forgotten.
    esys.tr_close(&mut SessionHandle::from(session).into()).ok();
}

/// Says whether the session lives on after the next command. It is an audit session, too: commands that need no
/// authorization take a session for a purpose only (TPM 2.0 Library, Part 2, section 8.4).
pub(super) fn set(esys: &mut Esys, session: AuthSession, lives_on: bool) -> Result<()> {
    let (attributes, mask) = SessionAttributesBuilder::new().with_audit(true).with_continue_session(lives_on).build();
    esys.tr_sess_set_attributes(session, attributes, mask).about("session attributes")
}

/// The key came over the bus: it must be what was asked for. That its point is on the curve is seen when it is used.
fn check(key: &Public, null_name: Option<&str>) -> Result<()> {
    const OBJECT: &str = "salt key of the TPM's null hierarchy";
    const COORDINATE: usize = 2 + 32;
    let public = key.marshall().about(OBJECT)?;
    let asked = &TEMPLATE[..TEMPLATE.len() - 4];
    if !public.starts_with(asked) || public.len() != asked.len() + 2 * COORDINATE {
        return Err(
            Error::new(OBJECT, "is not of the kind that was asked for").hint("who sits between us and the TPM?")
        );
    }
    // TPM_ALG_SHA256 in front of the hash (TPM 2.0 Library, Part 1, section 16).
    let name = format!("000b{}", Bank::Sha256.digest(&public));
    match null_name {
        Some(known) if known.trim_end() != name => {
            let cause = format!("its name is {name}, but was {} when the kernel started", known.trim_end());
            Err(Error::new(OBJECT, cause).hint("somebody sits between us and the TPM, or it was reset since"))
        }
        _ => Ok(()),
    }
}

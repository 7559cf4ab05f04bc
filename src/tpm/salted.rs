//! The HMAC session that protects commands and answers on the bus to the TPM. It is salted with a key of the TPM's null
//! hierarchy, so each command and each answer has an HMAC that only the TPM and this program can compute.
//!
//! What it protects against:
//!
//! * An attacker that only listens learns nothing that helps to forge: the salt is agreed on by Diffie-Hellman.
//! * An attacker that starts to alter the traffic after the key was read can drop commands. It can neither change, repeat nor
//!   answer them. So an extend that the TPM did not make does not count.
//! * The key itself comes over the same bus. An attacker can be active before the key is read, and imitate the whole TPM from
//!   then on. The name of the key reveals this, if the kernel read the key too when it started (Linux 6.10 and later with
//!   CONFIG_TCG_TPM2_HMAC): both names must be the same.
//! * If the attacker imitates the TPM from the power-on, only a certificate of that key detects it (TPM2_Certify by a trusted
//!   attestation key).
//! * Nothing here protects against an attacker that later resets the TPM alone and extends it again.

use tss_esapi::attributes::SessionAttributesBuilder;
use tss_esapi::constants::{SessionType, Tss2ResponseCodeKind as Code};
use tss_esapi::handles::{KeyHandle, SessionHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Public, SymmetricDefinition};
use tss_esapi::traits::{Marshall, UnMarshall};
use tss_esapi::{Context as Esys, Error as EsysError};
use tss2_static::tcti::line::Line;

use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::tpm::command_error::{ATTACKER, command_error};

/// The public area of the salt key before the TPM fills in its point. It equals the kernel's, byte for byte (Linux,
/// drivers/char/tpm/tpm2-sessions.c, `tpm2_create_primary`): otherwise the two keys would have different names. It is the
/// storage key of the TCG TPM v2.0 Provisioning Guidance 1.0, section 7.5.1, without a unique point.
const TEMPLATE: [u8; 26] = [
    0x00, 0x23, // TPM_ALG_ECC
    0x00, 0x0b, // the name is a hash by TPM_ALG_SHA256
    0x00, 0x03, 0x04, 0x72, // fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, decrypt
    0x00, 0x00, // no policy
    0x00, 0x06, 0x00, 0x80, 0x00, 0x43, // keys below it would be encrypted by TPM_ALG_AES, 128 bits, TPM_ALG_CFB
    0x00, 0x10, // TPM_ALG_NULL: no signatures
    0x00, 0x03, // TPM_ECC_NIST_P256
    0x00, 0x10, // TPM_ALG_NULL: no key derivation
    0x00, 0x00, 0x00, 0x00, // no unique point
];

const CREATE_PRIMARY: &str = "TPM2_CreatePrimary";

/// Why a session could not be started.
pub(super) enum SessionError {
    /// The TPM answered that it does not support the session. An attacker on the bus can forge this answer.
    Unsupported(Error),
    /// The TPM answered that it has no room for the key or for the session.
    Full(Error),
    /// Any other cause.
    Failed(Error),
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Unsupported(error) | SessionError::Full(error) | SessionError::Failed(error) => error,
        }
    }
}

impl SessionError {
    /// The error of TPM2_CreatePrimary or TPM2_StartAuthSession.
    fn of(line: &Line, name: &str, error: EsysError) -> Self {
        let EsysError::Tss2Error(code) = error else { return Self::Failed(command_error(line, name, error)) };
        match code.kind() {
            Some(
                Code::ContextGap
                | Code::Memory
                | Code::ObjectHandles
                | Code::ObjectMemory
                | Code::SessionHandles
                | Code::SessionMemory,
            ) => Self::Full(command_error(line, name, error)),
            // A TPM that could make the key supports the session.
            _ if name != CREATE_PRIMARY => Self::Failed(command_error(line, name, error)),
            // A TPM returns these codes if it does not support the command, the key's type, its curve, or an algorithm.
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
            ) => Self::Unsupported(command_error(line, name, error)),
            _ => Self::Failed(command_error(line, name, error)),
        }
    }
}

/// Starts a session that lasts until a command ends it. This takes three commands. The key does not stay in the TPM.
///
/// `null_name` is the kernel's name of the key, if the kernel has read it.
pub(super) fn start(
    esys: &mut Esys,
    line: &Line,
    null_name: Option<&str>,
) -> std::result::Result<AuthSession, SessionError> {
    let template = Public::unmarshall(&TEMPLATE).about("template of the salt key").map_err(SessionError::Failed)?;
    let key = esys
        .execute_with_session(Some(AuthSession::Password), |esys| {
            esys.create_primary(Hierarchy::Null, template, None, None, None, None)
        })
        .map_err(|error| SessionError::of(line, CREATE_PRIMARY, error))?;
    // A TPM that created such a key supports the session: from here on each failure is an error.
    let checked = check(&key.out_public, null_name).map_err(SessionError::Failed);
    let session = checked.and_then(|()| salted_with(esys, line, key.key_handle));
    let flushed = esys.flush_context(key.key_handle.into());
    let flushed = flushed.map_err(|error| command_error(line, "TPM2_FlushContext", error));
    let session = session?;
    flushed.and_then(|()| set_attributes(esys, session, true)).map_err(SessionError::Failed)?;
    Ok(session)
}

fn salted_with(esys: &mut Esys, line: &Line, key: KeyHandle) -> std::result::Result<AuthSession, SessionError> {
    const NAME: &str = "TPM2_StartAuthSession";
    let (plain, hash) = (SymmetricDefinition::Null, HashingAlgorithm::Sha256);
    let session = esys.start_auth_session(Some(key), None, None, SessionType::Hmac, plain, hash);
    let session = session.map_err(|error| SessionError::of(line, NAME, error))?;
    session.ok_or_else(|| SessionError::Failed(Error::new(NAME, "gave no session")))
}

/// Makes tss-esapi forget a session that the TPM has ended. Otherwise it would flush the session again.
pub(super) fn forget(esys: &mut Esys, session: AuthSession) {
    // It returns an error, because it expects that sessions end by a flush only. It forgets the session all the same.
    esys.tr_close(&mut SessionHandle::from(session).into()).ok();
}

/// Sets whether the session stays open after the next command. It also makes it an audit session: a command without
/// authorization accepts a session only if the session has a purpose (TPM 2.0 Library, Part 2, section 8.4).
pub(super) fn set_attributes(esys: &mut Esys, session: AuthSession, stays_open: bool) -> Result<()> {
    let (attributes, mask) = SessionAttributesBuilder::new().with_audit(true).with_continue_session(stays_open).build();
    esys.tr_sess_set_attributes(session, attributes, mask).about("session attributes")
}

/// Checks the key, because it came over the bus. Whether its point is on the curve is checked when the key is used.
fn check(key: &Public, null_name: Option<&str>) -> Result<()> {
    const OBJECT: &str = "salt key of the TPM's null hierarchy";
    const COORDINATE: usize = 2 + 32;
    let public = key.marshall().about(OBJECT)?;
    let requested = &TEMPLATE[..TEMPLATE.len() - 4];
    if !public.starts_with(requested) || public.len() != requested.len() + 2 * COORDINATE {
        return Err(Error::new(OBJECT, "is not of the requested type").hint(ATTACKER));
    }
    // The name is TPM_ALG_SHA256, then the hash (TPM 2.0 Library, Part 1, section 16).
    let name = format!("000b{}", Bank::Sha256.digest(&public));
    match null_name {
        Some(known) if known.trim_end() != name => {
            let cause = format!("its name is {name}, but was {} when the kernel started", known.trim_end());
            Err(Error::new(OBJECT, cause).hint("is there an attacker on the bus to the TPM, or was the TPM reset?"))
        }
        _ => Ok(()),
    }
}

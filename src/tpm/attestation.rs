//! What a TPM 2.0 attests for `measureroot attest`: quotes, its endorsement key with the certificate, and that it has a key. Not in the agent.

use tss_esapi::Context as Esys;
use tss_esapi::attributes::SessionAttributesBuilder;
use tss_esapi::constants::SessionType;
use tss_esapi::handles::{AuthHandle, KeyHandle, ObjectHandle, SessionHandle, TpmHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{
    Data, Digest as TpmDigest, EncryptedSecret, IdObject, Nonce, PcrSelectionListBuilder, PcrSlot, Public,
    SignatureScheme, SymmetricDefinition,
};
use tss_esapi::traits::{Marshall, UnMarshall};

use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::measure::pcr::Pcr;
use crate::tpm::esys::EsysPcrs;
use crate::tpm::key_templates::KeyKind;
use crate::tpm::pcrs::{algorithm, slot};

/// The hierarchy that the keys are derived from.
const ENDORSEMENT: &str = "endorsement hierarchy";

/// A key that the TPM holds. [`EsysPcrs::release`] takes it out again.
#[derive(Debug)]
pub(crate) struct HeldKey {
    handle: KeyHandle,
    /// `TPM2B_PUBLIC`, the form of `tpm2_readpublic --output`.
    pub(crate) public: Vec<u8>,
    /// A persistent key stays in the TPM.
    is_persistent: bool,
    /// A key that is used by its policy needs a session.
    is_used_by_policy: bool,
}

/// A quote.
#[derive(Debug)]
pub(crate) struct SignedQuote {
    /// `TPMS_ATTEST`.
    pub(crate) quote: Vec<u8>,
    /// `TPMT_SIGNATURE`.
    pub(crate) signature: Vec<u8>,
}

/// Keys and quotes. Each command is authorized with an empty password: nothing of them is secret on the bus but the result of
/// [`EsysPcrs::activate`].
impl EsysPcrs {
    /// The attestation key of this TPM: on P-256, or RSA if the TPM has no such curve. It is the same at each call.
    ///
    /// # Errors
    /// If the TPM makes none.
    pub(crate) fn attestation_key(&mut self) -> Result<HeldKey> {
        match self.primary(KeyKind::AttestationEcc) {
            Err(_) if self.line.last().is_ok_and(is_unsupported) => self.primary(KeyKind::AttestationRsa),
            made => made,
        }
    }

    /// A key at a persistent handle, such as 0x81010002.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn persistent_key(&mut self, handle: u32) -> Result<HeldKey> {
        let name = format!("key at the handle {handle:#010x}");
        let handle = TpmHandle::try_from(handle).about(&name)?;
        let found = self.run(&name, None, |esys| esys.tr_from_tpm_public(handle));
        let handle = KeyHandle::from(found.map_err(|error| error.hint("tpm2_getcap handles-persistent lists them"))?);
        let (public, ..) = self.run(&name, None, |esys| esys.read_public(handle))?;
        Ok(HeldKey {
            handle,
            public: counted(&public.marshall().about(&name)?)?,
            is_persistent: true,
            is_used_by_policy: false,
        })
    }

    /// The endorsement key of this kind. It is the one that the maker of the TPM certified.
    ///
    /// # Errors
    /// If the TPM makes none.
    pub(crate) fn endorsement_key(&mut self, kind: KeyKind) -> Result<HeldKey> {
        self.primary(kind)
    }

    /// Makes a primary key of the endorsement hierarchy.
    fn primary(&mut self, kind: KeyKind) -> Result<HeldKey> {
        let template = Public::unmarshall(&kind.template()).about(kind.name())?;
        let made = self.run(kind.name(), Some(AuthSession::Password), |esys| {
            esys.create_primary(Hierarchy::Endorsement, template, None, None, None, None)
        });
        let made = match made {
            Err(_) if self.line.last().is_ok_and(is_wrong_password) => return Err(has_password()),
            Err(error) if self.line.last().is_ok_and(is_full) => return Err(error.hint(FULL)),
            made => made?,
        };
        Ok(HeldKey {
            handle: made.key_handle,
            public: counted(&made.out_public.marshall().about(kind.name())?)?,
            is_persistent: false,
            is_used_by_policy: kind.is_used_by_policy(),
        })
    }

    /// Takes a key out of the TPM.
    ///
    /// # Errors
    /// If the TPM refuses.
    pub(crate) fn release(&mut self, key: &HeldKey) -> Result<()> {
        if key.is_persistent {
            return Ok(());
        }
        self.run("TPM2_FlushContext", None, |esys| esys.flush_context(key.handle.into()))
    }

    /// Quotes these PCRs.
    ///
    /// # Errors
    /// If the TPM refuses.
    pub(crate) fn quote(&mut self, key: &HeldKey, nonce: &[u8], pcrs: &[(Bank, Pcr)]) -> Result<SignedQuote> {
        const NAME: &str = "TPM2_Quote";
        let nonce = Data::try_from(nonce).about("nonce")?;
        let slots = pcrs.iter().map(|&(bank, pcr)| Ok((algorithm(bank), slot(pcr)?)));
        let slots: Vec<(HashingAlgorithm, PcrSlot)> = slots.collect::<Result<_>>()?;
        let add = |list: PcrSelectionListBuilder, &(bank, slot): &_| list.with_selection(bank, &[slot]);
        let list = slots.iter().fold(PcrSelectionListBuilder::new(), add).build().about("PCR selection")?;
        let signed = self
            .run(NAME, Some(AuthSession::Password), |esys| esys.quote(key.handle, nonce, SignatureScheme::Null, list));
        let (quote, signature) = match signed {
            // TPM_RC_SIZE, parameter 1 (TPM 2.0 Library, Part 2, section 6.6.3).
            Err(error) if self.line.last() == Ok(0x1d5) => {
                return Err(error.hint("a TPM takes a nonce of at most the bytes of its longest hash, often 32 or 48"));
            }
            Err(_) if self.line.last().is_ok_and(is_wrong_password) => return Err(key_has_password()),
            Err(error) if self.line.last().is_ok_and(is_no_signer) => {
                return Err(error.hint("is it an attestation key? tpm2_readpublic -c HANDLE shows that: restricted, sign, no decrypt, a scheme"));
            }
            signed => signed?,
        };
        Ok(SignedQuote { quote: quote.marshall().about(NAME)?, signature: signature.marshall().about(NAME)? })
    }

    /// Decrypts a credential. A TPM does this only if it has both keys, and if the credential is for the name of the attestation key (TPM 2.0
    /// Library, Part 1, "Credential Protection"). `blob` is what `TPM2B_ID_OBJECT` has, `secret` what `TPM2B_ENCRYPTED_SECRET` has.
    ///
    /// # Errors
    /// If the credential is for another TPM or another key.
    pub(crate) fn activate(&mut self, key: &HeldKey, ek: &HeldKey, blob: &[u8], secret: &[u8]) -> Result<Vec<u8>> {
        const NAME: &str = "TPM2_ActivateCredential";
        let blob = IdObject::try_from(blob).about("credential")?;
        let secret = EncryptedSecret::try_from(secret).about("encrypted secret")?;
        let session = if ek.is_used_by_policy { Some(self.policy_session()?) } else { None };
        let authorized = session.map_or(Ok(()), |session| self.authorize(session));
        let activated = authorized.and_then(|()| {
            self.run(NAME, None, |esys: &mut Esys| {
                let password = Some(AuthSession::Password);
                esys.execute_with_sessions((password, session.or(password), None), |esys| {
                    esys.activate_credential(key.handle, ek.handle, blob, secret)
                })
            })
        });
        let code = self.line.last().unwrap_or_default();
        let is_refused = activated.is_err() && code != 0;
        let flushed = match session {
            Some(session) => self.run("TPM2_FlushContext", None, |esys| {
                esys.flush_context(ObjectHandle::from(SessionHandle::from(session)))
            }),
            None => Ok(()),
        };
        let hint =
            "is the challenge for this TPM, for the key of --enroll, and as long as tpm2_makecredential made it?";
        let activated = activated.map_err(|error| if is_refused { error.hint(hint) } else { error })?;
        flushed.map(|()| activated.to_vec())
    }

    /// Starts a session for a policy.
    fn policy_session(&mut self) -> Result<AuthSession> {
        const NAME: &str = "TPM2_StartAuthSession";
        let (plain, hash) = (SymmetricDefinition::Null, HashingAlgorithm::Sha256);
        let session =
            self.run(NAME, None, |esys| esys.start_auth_session(None, None, None, SessionType::Policy, plain, hash));
        let session = match session {
            Err(error) if self.line.last().is_ok_and(is_full) => return Err(error.hint(FULL)),
            session => session?,
        };
        session.ok_or_else(|| Error::new(NAME, "gave no session"))
    }

    /// Makes the session one that may use the endorsement key: the policy of that key is the authorization of the endorsement hierarchy.
    fn authorize(&mut self, session: AuthSession) -> Result<()> {
        let policy = PolicySession::try_from(session).about("policy session")?;
        // The command after this one must not end it: it is flushed on each path.
        let (attributes, mask) = SessionAttributesBuilder::new().with_continue_session(true).build();
        let set = self.run("session attributes", None, |esys| esys.tr_sess_set_attributes(session, attributes, mask));
        set?;
        let authorized = self.run("TPM2_PolicySecret", Some(AuthSession::Password), |esys| {
            let (empty, any_command) = (Nonce::default, TpmDigest::default());
            esys.policy_secret(policy, AuthHandle::Endorsement, empty(), any_command, empty(), None)
        });
        match authorized {
            Err(_) if self.line.last().is_ok_and(is_wrong_password) => Err(has_password()),
            authorized => authorized.map(drop),
        }
    }
}

/// `TPM2B_PUBLIC` of `TPMT_PUBLIC`.
fn counted(public: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(public.len()).about("key")?;
    Ok([&length.to_be_bytes(), public].concat())
}

/// The error about a response code without the handle, the session or the parameter that it is about; `None` if it is not about one (TPM 2.0
/// Library, Part 2, section 6.6.2).
fn about_a_part(code: u32) -> Option<u32> {
    (code & !0xfff == 0 && code & 0x80 != 0).then_some(code & 0xbf)
}

/// `TPM_RC_ASYMMETRIC`, `TPM_RC_VALUE`, `TPM_RC_TYPE`, `TPM_RC_SCHEME`, `TPM_RC_CURVE` (TPM 2.0 Library, Part 2, section 6.6.3): what a TPM
/// without the curve answers.
fn is_unsupported(code: u32) -> bool {
    about_a_part(code).is_some_and(|error| matches!(error, 0x81 | 0x84 | 0x8a | 0x92 | 0xa6))
}

/// `TPM_RC_KEY`, `TPM_RC_SCHEME`, `TPM_RC_ATTRIBUTES` (TPM 2.0 Library, Part 2, section 6.6.3): what a TPM answers if a key does not sign.
fn is_no_signer(code: u32) -> bool {
    about_a_part(code).is_some_and(|error| matches!(error, 0x82 | 0x92 | 0x9c))
}

/// `TPM_RC_CONTEXT_GAP` to `TPM_RC_OBJECT_HANDLES` (section 6.6.3): the TPM has no room.
fn is_full(code: u32) -> bool {
    (0x901..=0x906).contains(&code)
}

/// What to do if the TPM has no room. Here, unlike in the boot, other programs use the TPM, too: what they have there is not flushed.
const FULL: &str = "other programs left keys or sessions in the TPM: use the kernel's resource manager (--tpm /dev/tpmrm0), or end these \
                    programs, and flush what is left with tpm2_flushcontext -t, -l and -s";

/// `TPM_RC_AUTH_FAIL`, `TPM_RC_BAD_AUTH`.
pub(super) fn is_wrong_password(code: u32) -> bool {
    about_a_part(code).is_some_and(|error| matches!(error, 0x8e | 0xa2))
}

fn key_has_password() -> Error {
    Error::new("attestation key", "has a password, and attest gives none").hint(
        "make one without a password: all programs that may use the TPM can quote with it then, and the key signs only what the TPM made",
    )
}

fn has_password() -> Error {
    Error::new(ENDORSEMENT, "has a password, and no key can be made without it").hint(
        "for quotes, make an attestation key once, which is a primary key: tpm2_createprimary -C e -P PASSWORD -G ecc256:ecdsa-sha256:null \
         -a 'restricted|sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda' -c ak.ctx; make it persistent (tpm2_evictcontrol \
         -c ak.ctx), and give its --handle; for the register, use tpm2-tools as docs/evidence.md says",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_compared_without_the_part_that_it_is_about() {
        // TPM_RC_CURVE of parameter 2, TPM_RC_TYPE of parameter 1, TPM_RC_VALUE of handle 1.
        assert!([0x2e6, 0x1ca, 0x184].into_iter().all(is_unsupported));
        // TPM_RC_BAD_AUTH and TPM_RC_AUTH_FAIL of session 1.
        assert!([0x9a2, 0x98e].into_iter().all(is_wrong_password));
        // TPM_RC_INITIALIZE, TPM_RC_LOCKOUT, success; a code of another layer.
        assert!(
            [0x100, 0x921, 0, 0x0007_00a6].into_iter().all(|code| !is_unsupported(code) && !is_wrong_password(code))
        );
        assert!(!is_wrong_password(0x2e6) && !is_unsupported(0x9a2));
    }
}

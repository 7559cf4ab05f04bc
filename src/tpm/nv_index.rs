//! The certificate of an endorsement key, which the maker of the TPM put into its NV memory. Not in the agent.

use tss_esapi::constants::CapabilityType;
use tss_esapi::handles::{NvIndexHandle, TpmHandle};
use tss_esapi::interface_types::resource_handles::NvAuth;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::CapabilityData;

use crate::error::{Context, Error, Result};
use crate::say;
use crate::tpm::attestation::is_wrong_password;
use crate::tpm::esys::EsysPcrs;
use crate::tpm::key_templates::KeyKind;

/// How many bytes one command reads: each TPM of a PC can give that many (TCG PC Client Platform TPM Profile 1.05, `TPM_PT_NV_BUFFER_MAX`).
const PART: usize = 512;
/// The longest certificate that is read, in bytes. Usual ones have one or two thousand; an NV index of usual TPMs holds 2048.
const LONGEST: usize = 8 << 10;

impl EsysPcrs {
    /// The certificate of the endorsement key of this kind, in DER; `None` if the TPM has none, or has only the place for one.
    ///
    /// # Errors
    /// If it cannot be read, or if the index holds something else.
    pub(crate) fn endorsement_certificate(&mut self, kind: KeyKind) -> Result<Option<Vec<u8>>> {
        let Some(index) = kind.certificate_index() else { return Ok(None) };
        let name = format!("NV index {index:#010x}");
        let handle = TpmHandle::try_from(index).about(&name)?;
        let (data, _) = self
            .run("TPM2_GetCapability(HANDLES)", None, |esys| esys.get_capability(CapabilityType::Handles, index, 1))?;
        // The list begins with the first handle that is not lower.
        let CapabilityData::Handles(list) = data else {
            return Err(Error::new(name, "the TPM gave another capability"));
        };
        if list.into_inner().first() != Some(&handle) {
            return Ok(None);
        }
        let found = self.run(&name, None, |esys| esys.tr_from_tpm_public(handle))?;
        let handle = NvIndexHandle::from(found);
        let (about, _) = self.run(&name, None, |esys| esys.nv_read_public(handle))?;
        let size = about.data_size();
        if size > LONGEST {
            return Err(Error::new(name, format_args!("has {size} bytes, and no certificate has that many")));
        }
        let attributes = about.attributes();
        if !attributes.written() {
            say::warn!("measureroot: {name}: is the place of a certificate, and nothing was written there");
            return Ok(None);
        }
        // Makers set either attribute, or both. The empty password of the index is never changed; that of the owner may be.
        let by = if attributes.auth_read() { NvAuth::NvIndex(handle) } else { NvAuth::Owner };
        let mut bytes = Vec::new();
        while bytes.len() < size {
            let length = u16::try_from((size - bytes.len()).min(PART)).about(&name)?;
            let offset = u16::try_from(bytes.len()).about(&name)?;
            let part = self.run(&name, Some(AuthSession::Password), |esys| esys.nv_read(by, handle, length, offset));
            let part = match part {
                Err(_) if self.line.last().is_ok_and(is_wrong_password) => {
                    return Err(Error::new(name, "cannot be read without a password of the index or the owner").hint(
                        "tpm2_nvread -C o -P PASSWORD reads it: send the certificate to the register by itself",
                    ));
                }
                part => part?,
            };
            if part.len() != usize::from(length) {
                return Err(Error::new(name, "the TPM gives fewer bytes than were asked for"));
            }
            bytes.extend_from_slice(&part);
        }
        certificate(&bytes).map(|found| Some(found.to_vec())).ok_or_else(|| {
            Error::new(name, "holds no certificate in DER").hint("ask the maker of the TPM where its certificates are")
        })
    }
}

/// The DER at the start. Some makers fill the rest of the index.
fn certificate(bytes: &[u8]) -> Option<&[u8]> {
    // A SEQUENCE whose length takes two bytes: 256 bytes at least, as each certificate has (ITU-T X.690, section 8.1.3.5).
    let [0x30, 0x82, high, low, ..] = bytes else { return None };
    bytes.get(..4 + usize::from(u16::from_be_bytes([*high, *low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_ends_where_its_length_says() {
        let whole = [&[0x30, 0x82, 1, 0][..], &[7; 256]].concat();
        assert_eq!(certificate(&whole), Some(&whole[..]));
        assert_eq!(certificate(&[&whole[..], &[0xff; 9]].concat()), Some(&whole[..]));
        for other in [&whole[..259], &[0x30, 0x81, 0x80], &[0x10, 0x01, 0, 9], &[]] {
            assert_eq!(certificate(other), None, "{other:?}");
        }
    }
}

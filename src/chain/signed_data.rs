//! An Authenticode signature: PKCS #7 `SignedData` (RFC 2315, section 9.1) about the digest of a program (Microsoft, "Windows
//! Authenticode Portable Executable Signature Format"). It is checked as edk2 does (`CryptAuthenticode.c`, `CryptPkcs7VerifyCommon.c`):
//! purposes and times of certificates do not count, and any certificate of the chain may be the trusted one.

use super::certificate::Certificate;
use super::der::{Elements, INTEGER, OCTETS, OID, SEQUENCE, SET, context};
use super::rsa_signature::{bank_of_hash, is_rsa_with, is_valid};
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};

const OBJECT: &str = "signature";
/// `signedData`, 1.2.840.113549.1.7.2; `messageDigest`, 1.2.840.113549.1.9.4 (RFC 5652, sections 5.1 and 11.2).
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
const MESSAGE_DIGEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04];
/// `SPC_INDIRECT_DATA_OBJID`, 1.3.6.1.4.1.311.2.1.4.
const INDIRECT_DATA: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x04];
/// The longest chain. Real ones have three certificates.
const LONGEST: usize = 8;
/// The most certificates. A hostile signature with many would take long.
const MOST: usize = 32;

/// A signature.
#[derive(Debug)]
pub(super) struct SignedData<'a> {
    /// The hash of the program that is signed.
    pub(super) bank: Bank,
    image: &'a [u8],
    content: &'a [u8],
    certificates: Vec<Certificate<'a>>,
    signer: Signer<'a>,
    chain: Vec<Certificate<'a>>,
}

#[derive(Debug)]
struct Signer<'a> {
    issuer: &'a [u8],
    serial: &'a [u8],
    bank: Bank,
    attributes: Option<&'a [u8]>,
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> SignedData<'a> {
    /// Reads a signature. Zeros that fill it up are left alone.
    ///
    /// # Errors
    /// If the bytes are none, or if it has more than one signer.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut info = Elements::new(OBJECT, bytes).nested(SEQUENCE)?;
        expect(&mut info, SIGNED_DATA)?;
        let mut data = info.nested(context(0))?.nested(SEQUENCE)?;
        data.tagged(INTEGER)?;
        let bank = hash(&mut data.nested(SET)?)?;
        let mut content = data.nested(SEQUENCE)?;
        expect(&mut content, INDIRECT_DATA)?;
        let content = content.nested(context(0))?.tagged(SEQUENCE)?.value;
        let mut indirect = Elements::new(OBJECT, content);
        indirect.skip()?;
        let mut info = indirect.nested(SEQUENCE)?;
        info.skip()?;
        let image = info.tagged(OCTETS)?.value;
        let mut certificates = Vec::new();
        if let Some(set) = data.optional(context(0))? {
            let mut set = Elements::new(OBJECT, set.value);
            while !set.is_empty() && certificates.len() < MOST {
                certificates.push(Certificate::parse(set.tagged(SEQUENCE)?.whole)?);
            }
        }
        data.optional(context(1))?; // Revocations.
        let mut signers = data.nested(SET)?;
        let signer = Signer::parse(&mut signers)?;
        if !signers.is_empty() {
            return Err(signers.error("has several signers"));
        }
        let mut data = Self { bank, image, content, certificates, signer, chain: Vec::new() };
        data.chain = data.chain();
        Ok(data)
    }

    /// Its certificates.
    pub(super) fn certificates(&self) -> &[Certificate<'a>] {
        &self.certificates
    }

    /// Whether it is about the program with these digests.
    pub(super) fn fits(&self, digests: &Digests) -> bool {
        digests.get(&self.bank).map(Digest::as_bytes) == Some(self.image)
    }

    /// Whether it is a valid signature of the program with these digests, by somebody for whom `trusted` vouches: it is in the chain, or
    /// signed a certificate of it.
    pub(super) fn is_by(&self, trusted: &Certificate<'_>, digests: &Digests) -> bool {
        let is =
            |certificate: &Certificate<'_>| certificate.whole == trusted.whole || certificate.is_signed_by(trusted);
        self.fits(digests) && self.chain.iter().any(is)
    }

    fn signer(&self) -> Option<&Certificate<'a>> {
        let Signer { issuer, serial, .. } = self.signer;
        self.certificates.iter().find(|certificate| certificate.issuer == issuer && certificate.serial == serial)
    }

    /// Whether the key of this certificate made the signature.
    fn is_signed_with(&self, certificate: &Certificate<'_>) -> bool {
        let Signer { bank, attributes, algorithm, signature, .. } = self.signer;
        let (true, Some(key)) = (is_rsa_with(algorithm, bank), certificate.key()) else { return false };
        let Some(attributes) = attributes else { return is_valid(&key, bank, self.content, signature) };
        // They are signed as the set that they are, with its usual tag (RFC 5652, section 5.4).
        let set = [&[SET], attributes.get(1..).unwrap_or_default()].concat();
        let digest = bank.digest(self.content);
        message_digest(attributes).is_ok_and(|found| found == Some(digest.as_bytes()))
            && is_valid(&key, bank, &set, signature)
    }

    /// The certificate of the signer, that of its issuer, and so on. None if the signature is not valid. It is found once: a hostile
    /// signature has many certificates with the same names.
    fn chain(&self) -> Vec<Certificate<'a>> {
        let mut chain: Vec<_> =
            self.signer().filter(|signer| self.is_signed_with(signer)).cloned().into_iter().collect();
        while let Some(last) = chain.last().filter(|_| chain.len() < LONGEST) {
            let is_new = |other: &Certificate<'_>| chain.iter().all(|own| own.whole != other.whole);
            let issuer = self.certificates.iter().find(|other| is_new(other) && last.is_signed_by(other));
            let Some(issuer) = issuer.cloned() else { break };
            chain.push(issuer);
        }
        chain
    }
}

impl<'a> Signer<'a> {
    fn parse(signers: &mut Elements<'a>) -> Result<Self> {
        let mut fields = signers.nested(SEQUENCE)?;
        fields.tagged(INTEGER)?;
        let mut name = fields.nested(SEQUENCE)?;
        let (issuer, serial) = (name.tagged(SEQUENCE)?.whole, name.tagged(INTEGER)?.value);
        let bank = hash(&mut fields)?;
        let attributes = fields.optional(context(0))?.map(|set| set.whole);
        let algorithm = fields.nested(SEQUENCE)?.tagged(OID)?.value;
        let signature = fields.tagged(OCTETS)?.value;
        Ok(Self { issuer, serial, bank, attributes, algorithm, signature })
    }
}

fn expect(elements: &mut Elements<'_>, oid: &[u8]) -> Result<()> {
    if elements.tagged(OID)?.value == oid { Ok(()) } else { Err(Error::new(OBJECT, "is no Authenticode signature")) }
}

fn hash(elements: &mut Elements<'_>) -> Result<Bank> {
    let oid = elements.nested(SEQUENCE)?.tagged(OID)?.value;
    bank_of_hash(oid).ok_or_else(|| elements.error("has a hash that is not known here"))
}

/// The digest of the content that the signer signed among the attributes.
fn message_digest(attributes: &[u8]) -> Result<Option<&[u8]>> {
    let mut outer = Elements::new(OBJECT, attributes);
    let mut set = outer.nested(context(0))?;
    while !set.is_empty() {
        let mut attribute = set.nested(SEQUENCE)?;
        if attribute.tagged(OID)?.value == MESSAGE_DIGEST {
            return attribute.nested(SET)?.tagged(OCTETS).map(|digest| Some(digest.value));
        }
    }
    Ok(None)
}

//! A machine for tests: it boots what a prediction says, and quotes its PCRs with a key that no TPM has.

use std::collections::BTreeMap;

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey;
use time::OffsetDateTime;

use super::event::{Expected, IPL};
use super::forecast::{Choice, Forecast, Part, Question};
use super::forecasts::Forecasts;
use crate::eventlog::claim::Claim;
use crate::eventlog::header::Header;
use crate::eventlog::{EventType, PcrValues, tcg};
use crate::evidence::accepted::{Accepted, AcceptedStart};
use crate::evidence::chain_judgement::ChainJudgement;
use crate::evidence::submission::Submission;
use crate::evidence::trusted_image::TrustedImage;
use crate::evidence::verdict::{Judgement, Verdict};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, digests_of};
use crate::measure::pcr::{Pcr, PcrIndex};

pub(crate) const BANK: Bank = Bank::Sha256;

/// An event that the machine measured.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) pcr: u8,
    pub(crate) kind: EventType,
    pub(crate) digest: Digest,
    pub(crate) data: Vec<u8>,
}

/// A machine after its boot.
#[derive(Debug, Clone, Default)]
pub(crate) struct MadeMachine {
    pub(crate) events: Vec<Measured>,
    /// Whether the verifier gets the log; without it, it gets the values.
    pub(crate) has_no_log: bool,
}

impl MadeMachine {
    /// It boots as predicted. `answer` is the number of its answer to each question.
    pub(crate) fn booted(forecasts: &Forecasts, answer: impl Fn(Question) -> usize) -> Self {
        let mut machine = Self::default();
        for (&pcr, forecast) in &forecasts.pcrs {
            let Forecast::Follows { parts, .. } = forecast else { continue };
            for part in parts {
                match part {
                    // TCG PC Client Platform Firmware Profile 1.06, section 10.4.5.3.
                    Part::Locality(locality) => machine.events.push(Measured {
                        pcr,
                        kind: EventType::NO_ACTION,
                        digest: Digest::zero(BANK),
                        data: [&b"StartupLocality\0"[..], &[*locality]].concat(),
                    }),
                    Part::Event(event) => machine.extend(pcr, event),
                    Part::Choice(Choice { question, answers }) => {
                        answers[answer(*question)].events.iter().for_each(|event| machine.extend(pcr, event));
                    }
                }
            }
        }
        machine
    }

    fn extend(&mut self, pcr: u8, event: &Expected) {
        // systemd logs the text that it measures.
        let text = event.what.split_once("command line \"").and_then(|(_, rest)| rest.split_once('"'));
        let data = match text {
            _ if event.what == "the root image" => Claim::image("/dev/vda", 1, "verity").tagged().unwrap(),
            Some((text, _)) if event.kind == IPL => {
                text.replace(r"\\", r"\").encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
            }
            _ => event.what.as_bytes().to_vec(),
        };
        self.events.push(Measured { pcr, kind: event.kind, digest: event.digests[&BANK].clone(), data });
    }

    /// Measures something else at this place.
    pub(crate) fn insert(&mut self, at: usize, pcr: u8, kind: EventType, bytes: &[u8]) {
        let (digest, data) = (BANK.digest(bytes), bytes.to_vec());
        self.events.insert(at, Measured { pcr, kind, digest, data });
    }

    /// How many events it measured.
    pub(crate) fn events(&self) -> usize {
        self.events.len()
    }

    fn value(&self, pcr: u8) -> Digest {
        let events = self.events.iter().filter(|event| event.pcr == pcr);
        events.fold(Digest::zero(BANK), |value, event| match event.kind {
            EventType::NO_ACTION => value.with_last_byte(event.data.last().copied().unwrap_or_default()),
            _ => value.extended(BANK, &event.digest),
        })
    }

    /// The judgement on a quote of these PCRs.
    pub(crate) fn judged(&self, pcrs: &[u8], trusted: &[TrustedImage]) -> (Verdict, ChainJudgement) {
        let selection = pcrs.iter().fold(0_u32, |bits, pcr| bits | 1 << pcr);
        let values: Vec<u8> =
            (0..24).filter(|pcr| pcrs.contains(pcr)).flat_map(|pcr| self.value(pcr).as_bytes().to_vec()).collect();
        // TPMS_ATTEST (TPM 2.0 Library, Part 2, section 10.12.12): no signer, no nonce, a clock of zeros, one selection.
        let mut quote = vec![0xFF, 0x54, 0x43, 0x47, 0x80, 0x18, 0, 0, 0, 0];
        quote.extend([0; 8 + 4 + 4 + 1 + 8]);
        quote.extend([0, 0, 0, 1, 0, 0x0B, 3]);
        quote.extend(&selection.to_le_bytes()[..3]);
        quote.extend([0, 32]);
        quote.extend(BANK.digest(&values).as_bytes());
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let signature: Signature = key.sign(&quote);
        let (key, signature) = (key.verifying_key().to_public_key_der().unwrap(), signature.to_der());
        let header = Header::of([BANK].into_iter());
        let mut log = header.encode();
        for Measured { pcr, kind, digest, data } in &self.events {
            if !self.has_no_log || *pcr == 13 {
                let (pcr, digests) =
                    (Pcr::try_from(u32::from(*pcr)).unwrap(), BTreeMap::from([(BANK, digest.clone())]));
                log.extend(tcg::encode(&header, pcr, *kind, &digests, data));
            }
        }
        let (logs, pcr) = ([("log".to_owned(), log)], PcrIndex::DEFAULT);
        let (quote, key, signature) = (Some(&quote[..]), key.as_bytes(), signature.as_bytes());
        let values = self.has_no_log.then_some(&values[..]);
        let submission = Submission { quote, signature, key, nonce: None, values, logs: &logs, pcr, sha1: false };
        let proof = submission.check().unwrap_or_else(|broken| panic!("{broken:?}"));
        // No file tells what the firmware is.
        let accepted = Accepted { start: AcceptedStart::Firmware, any_nonce: true, key_is_trusted: true };
        let Judgement { verdict, chain } = proof
            .judge(trusted, &PcrValues::new(), accepted, OffsetDateTime::UNIX_EPOCH)
            .unwrap_or_else(|broken| panic!("{broken:?}"));
        (verdict, chain)
    }
}

/// The trusted image with the content `bytes`.
pub(crate) fn image(bytes: &[u8]) -> TrustedImage {
    let (name, digests) = ("release 7".to_owned(), digests_of(&[BANK], bytes));
    let (before, others) = (BTreeMap::new(), BTreeMap::new());
    TrustedImage { name, pcr: PcrIndex::DEFAULT, digests, before, expiry: None, chain: None, others }
}

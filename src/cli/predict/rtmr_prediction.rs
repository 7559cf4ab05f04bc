//! The prediction of an RTMR, written in each output format that can express it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::format::Format;
use super::rvps;
use super::subject::Subject;
use crate::cli::{json, replay_rtmrs};
use crate::error::{Error, Result};
use crate::hash::digest::Digest;
use crate::measure::measurement::Report;
use crate::measure::rtmr::RtmrIndex;

/// What a boot would measure, and what the register would hold.
#[derive(Debug, Serialize)]
struct RtmrPrediction<'a> {
    #[serde(flatten)]
    subject: &'a Subject,
    rtmr: RtmrIndex,
    digest: &'a Digest,
    before: &'a Digest,
    after: &'a Digest,
}

/// Checks that the format can express an RTMR: the others are about the PCRs of a TPM.
pub(super) fn check_format(rtmr: Option<RtmrIndex>, format: Option<Format>) -> Result<()> {
    match (rtmr, format) {
        (None, _) | (_, None | Some(Format::Hex | Format::Json | Format::Rvps)) => Ok(()),
        (Some(_), Some(_)) => {
            Err(Error::new("--rtmr", "this format is for PCRs").hint("hex, json and rvps are for RTMRs, too"))
        }
    }
}

/// The text in a format; for a person, as `replay` prints it.
pub(super) fn text(rtmr: RtmrIndex, subject: &Subject, report: &Report, format: Option<Format>) -> Result<String> {
    let extension = report.banks.get(&RtmrIndex::BANK);
    let extension = extension.ok_or_else(|| Error::new(format_args!("RTMR {rtmr}"), "is not predicted"))?;
    let after = &extension.after;
    match format {
        Some(Format::Json) => {
            let (digest, before) = (&extension.digest, &extension.before);
            json::pretty(&RtmrPrediction { subject, rtmr, digest, before, after })
        }
        Some(Format::Hex) => Ok(format!("{after}\n")),
        // Trustee's default policy asks for this name: input.tdx.quote.body.rtmr_2.
        Some(Format::Rvps) => rvps::message(&BTreeMap::from([(format!("rtmr_{rtmr}"), vec![after.to_string()])])),
        _ => {
            log::info!("{subject}: {} {}", RtmrIndex::BANK, extension.digest);
            Ok(replay_rtmrs::text(&BTreeMap::from([(rtmr.get(), after.clone())])))
        }
    }
}

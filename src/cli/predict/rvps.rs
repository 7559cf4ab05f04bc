//! The message that Trustee's Reference Value Provider Service takes (github.com/confidential-containers/trustee, rvps/README.md).

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use serde::Serialize;

use crate::error::{Context, Result};

/// The version of the message (rvps/src/lib.rs, `MESSAGE_VERSION`).
const VERSION: &str = "0.1.0";

/// A message whose provenance nobody signed (rvps/src/extractors/sample).
#[derive(Debug, Serialize)]
struct Message {
    version: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The reference values in base64.
    payload: String,
}

/// The name of a PCR, as Trustee's policies ask for it: `input.tpm.pcr11 in query_reference_value("tpm_pcr11")`.
pub(super) fn pcr_name(pcr: impl std::fmt::Display) -> String {
    format!("tpm_pcr{pcr}")
}

/// The message with these values, by the names that a policy asks for.
///
/// # Errors
/// If they cannot be written as JSON.
pub(super) fn message(values: &BTreeMap<String, Vec<String>>) -> Result<String> {
    let payload = Base64::encode_string(serde_json::to_string(values).about("JSON")?.as_bytes());
    Ok(serde_json::to_string(&Message { version: VERSION, kind: "sample", payload }).about("JSON")? + "\n")
}

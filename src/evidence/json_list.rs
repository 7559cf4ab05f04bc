//! A list of trusted images as JSON: `{"images": [{"name": ..., "digests": {"sha256": ...}}]}`. An entry may also have `pcr` (default: 13),
//! `before` (the PCR's values before the boot, by bank; default: zeros), `until`, and `chain` (what must have started the agent).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::allow_list::AllowList;
use super::json_object::Object;
use super::library_words;
use super::trusted_image::{JsonImage, TrustedImage};
use crate::error::{Context, Error, Result};

/// The list as it is written. An unknown field is an error.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JsonList {
    images: Vec<Object<JsonImage>>,
}

impl AllowList {
    /// The text of the list.
    ///
    /// # Errors
    /// If it cannot be written as JSON, or if nobody could read it back.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.json()?).about("JSON")? + "\n")
    }

    /// The list as it is written.
    ///
    /// # Errors
    /// If nobody could read it back.
    pub(super) fn json(&self) -> Result<JsonList> {
        for image in &self.images {
            image.chain.iter().try_for_each(|chain| chain.check().map_err(|error| error.on(&image.name)))?;
        }
        Ok(JsonList { images: self.images.iter().map(JsonImage::from).map(Object).collect() })
    }

    /// The list that was written so.
    ///
    /// # Errors
    /// If an image is malformed.
    pub(super) fn of_json(list: &JsonList) -> Result<Self> {
        let images = list.images.iter().enumerate().map(|(number, Object(image))| {
            TrustedImage::try_from(image).map_err(|error| error.on(format!("image {} ({})", number + 1, image.name)))
        });
        Ok(Self { images: images.collect::<Result<_>>()? })
    }
}

impl FromStr for AllowList {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let list = library_words::json("list of trusted images", text);
        let Object(list) = list.map_err(|error| Self::why_no_list(text).unwrap_or(error))?;
        Self::of_json(&list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::digest::{Digests, digests_of};
    use crate::measure::pcr::PcrIndex;

    /// An entry that has a name and a digest alone.
    fn image(name: &str) -> TrustedImage {
        TrustedImage {
            name: name.to_owned(),
            pcr: PcrIndex::DEFAULT,
            digests: digests_of(&[Bank::Sha256], b"image"),
            before: Digests::new(),
            expiry: None,
            chain: None,
            others: Digests::new(),
        }
    }

    #[test]
    fn a_written_list_reads_back() {
        let ended = TrustedImage { expiry: Some("2027-01-31".parse().unwrap()), ..image("a") };
        let before = digests_of(&[Bank::Sha256], b"earlier");
        let other = TrustedImage { digests: digests_of(&[Bank::Sha256], b"other"), before, ..image("b") };
        let list = AllowList { images: vec![ended, other] };
        let text = list.to_json().unwrap();
        assert_eq!(text.parse::<AllowList>().unwrap(), list);
        // What was not stated is not written either.
        assert_eq!((text.matches("\"before\"").count(), text.matches("\"until\"").count()), (1, 1), "{text}");
    }

    #[test]
    fn an_entry_needs_only_a_name_and_a_digest() {
        let digest = Bank::Sha256.digest(b"image");
        let text = format!(r#"{{"images": [{{"name": "a", "digests": {{"sha256": "{digest}"}}}}]}}"#);
        assert_eq!(text.parse::<AllowList>().unwrap().images, [image("a")]);
    }

    #[test]
    fn digests_that_are_no_object_are_named_so() {
        let error = r#"{"images": [{"name": "a", "digests": 7}]}"#.parse::<AllowList>().unwrap_err().to_string();
        assert!(error.contains("an object with a text for each bank is expected"), "{error}");
    }

    #[test]
    fn a_malformed_list_is_refused() {
        let digest = "ab".repeat(32);
        let list = |fields: &str| format!(r#"{{"images": [{{"name": "a", {fields}}}]}}"#);
        for wrong in [
            String::new(),
            "[]".to_owned(),
            // Values without the names of their fields: nobody sees that the entry has no end.
            format!(r#"[[{{"name": "a", "digests": {{"sha256": "{digest}"}}}}]]"#),
            format!(r#"{{"images": [["a", 13, {{"sha256": "{digest}"}}]]}}"#),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "until": null"#)),
            r#"{"images": [], "more": 1}"#.to_owned(),
            list(r#""digests": {}"#),
            list(&format!(r#""digests": {{"sha256": "{digest}", "sha256": "{digest}"}}"#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "digests": {{"sha256": "{digest}"}}"#)),
            list(&format!(
                r#""digests": {{"sha256": "{digest}"}}, "before": {{"sha384": "{digest}{}"}}"#,
                "00".repeat(16)
            )),
            list(&format!(
                r#""digests": {{"sha256": "{digest}"}}, "before": {{"sha256": "{digest}", "sha256": "{digest}"}}"#
            )),
            list(&format!(r#""digests": {{"sha1": "{digest}"}}"#)),
            list(&format!(r#""digests": {{"md5": "{digest}"}}"#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "untill": "2027-01-31""#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "until": "soon""#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "pcr": 16"#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "pcr": 23"#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}"#)).replace(r#""a""#, r#""""#),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}"#)).replace(r#""a""#, "\" \u{200b}\u{a0}\""),
        ] {
            assert!(wrong.parse::<AllowList>().is_err(), "{wrong}");
        }
    }
}

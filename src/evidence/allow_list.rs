//! The list of trusted images: the provider of many images keeps it, and `predict --allow-entry` adds to it.
//!
//! It is JSON: `{"images": [{"name": ..., "digests": {"sha256": ...}}]}`. An entry may also have `pcr` (default: 13), `before`
//! (the PCR's values before the boot, by bank; default: zeros) and `until`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::trusted_image::{JsonImage, TrustedImage};
use crate::error::{Context, Error, Result};

/// What [`AllowList::add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It added the image.
    New,
    /// It replaced the name or the expiry of an image with the same measurement.
    Renewed,
    /// The list already had the image, so nothing changed.
    Known,
}

/// The list of trusted images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    /// The images, oldest first.
    pub(crate) images: Vec<TrustedImage>,
}

impl AllowList {
    /// Adds an image, or replaces the one with the same measurement.
    pub(crate) fn add(&mut self, image: TrustedImage) -> Added {
        match self.images.iter_mut().find(|known| known.is_same(&image)) {
            Some(known) if *known == image => Added::Known,
            Some(known) => {
                *known = image;
                Added::Renewed
            }
            None => {
                self.images.push(image);
                Added::New
            }
        }
    }

    /// The text of the list.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        let list = JsonList { images: self.images.iter().map(JsonImage::from).collect() };
        Ok(serde_json::to_string_pretty(&list).about("JSON")? + "\n")
    }
}

impl FromStr for AllowList {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let list: JsonList = serde_json::from_str(text).about("list of trusted images")?;
        let images = list.images.iter().enumerate().map(|(number, image)| {
            TrustedImage::try_from(image).map_err(|error| error.on(format!("image {} ({})", number + 1, image.name)))
        });
        Ok(Self { images: images.collect::<Result<_>>()? })
    }
}

/// The list as it is written. An unknown field is an error.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonList {
    images: Vec<JsonImage>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::digest::{Digests, digests_of};
    use crate::measure::pcr::PcrIndex;

    fn image(name: &str, expiry: Option<&str>) -> TrustedImage {
        let digests = digests_of(&[Bank::Sha256], b"image");
        let expiry = expiry.map(|text| text.parse().unwrap());
        TrustedImage { name: name.to_owned(), pcr: PcrIndex::DEFAULT, digests, before: Digests::new(), expiry }
    }

    #[test]
    fn a_written_list_reads_back() {
        let mut list = AllowList::default();
        assert_eq!(list.add(image("a", Some("2027-01-31"))), Added::New);
        let mut other = image("b", None);
        other.before = digests_of(&[Bank::Sha256], b"earlier");
        assert_eq!(list.add(other), Added::New);
        assert_eq!(list.to_json().unwrap().parse::<AllowList>().unwrap(), list);
    }

    #[test]
    fn images_with_the_same_measurement_have_one_entry() {
        let mut list = AllowList { images: vec![image("a", None)] };
        assert_eq!(list.add(image("a", None)), Added::Known);
        assert_eq!(list.add(image("a", Some("2027-01-31"))), Added::Renewed);
        assert_eq!(list.images, [image("a", Some("2027-01-31"))]);
    }

    #[test]
    fn an_entry_needs_only_a_name_and_a_digest() {
        let digest = Bank::Sha256.digest(b"image");
        let text = format!(r#"{{"images": [{{"name": "a", "digests": {{"sha256": "{digest}"}}}}]}}"#);
        assert_eq!(text.parse::<AllowList>().unwrap().images, [image("a", None)]);
    }

    #[test]
    fn a_malformed_list_is_refused() {
        let digest = "ab".repeat(32);
        let list = |fields: &str| format!(r#"{{"images": [{{"name": "a", {fields}}}]}}"#);
        for wrong in [
            String::new(),
            "[]".to_owned(),
            r#"{"images": [], "more": 1}"#.to_owned(),
            list(r#""digests": {}"#),
            list(&format!(r#""digests": {{"sha1": "{digest}"}}"#)),
            list(&format!(r#""digests": {{"md5": "{digest}"}}"#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "untill": "2027-01-31""#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "until": "soon""#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "pcr": 16"#)),
            list(&format!(r#""digests": {{"sha256": "{digest}"}}, "pcr": 23"#)),
        ] {
            assert!(wrong.parse::<AllowList>().is_err(), "{wrong}");
        }
    }
}

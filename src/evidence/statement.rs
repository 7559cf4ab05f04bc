//! A list of trusted images as a statement of in-toto (in-toto attestation framework, spec/v1/statement.md), signed or not.
//!
//! Its predicate is SCAI, version 0.3 (spec/predicates/scai.md): what holds for an artifact (`attribute`), and when (`conditions`, an object that
//! the writer and the reader agree on). Here, the artifacts are the images, and `conditions` is the whole list as it is.

use serde::{Deserialize, Serialize};

use super::allow_list::AllowList;
use super::bank_texts::BankTexts;
use super::json_list::JsonList;
use super::json_object::Object;
use super::signer::Signer;
use super::signer_key::SignerKey;
use super::{dsse, library_words};
use crate::error::{Context, Error, Result};

const TYPE: &str = "https://in-toto.io/Statement/v1";
const SCAI: &str = "https://in-toto.io/attestation/scai/v0.3";
/// What holds for the images.
const ATTRIBUTE: &str = "TRUSTED_IMAGES";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Object<Subject>>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Object<Predicate>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: String,
    digest: BankTexts,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    attributes: Vec<Object<Attribute>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attribute {
    attribute: String,
    conditions: Object<JsonList>,
}

fn subjects(list: &AllowList) -> Vec<Object<Subject>> {
    let subjects =
        list.images.iter().map(|image| Subject { name: image.name.clone(), digest: BankTexts::of(&image.digests) });
    subjects.map(Object).collect()
}

impl AllowList {
    /// The list as a statement that is not signed.
    ///
    /// # Errors
    /// If the list is empty, or as for [`AllowList::to_json`].
    pub fn to_statement(&self) -> Result<String> {
        if self.images.is_empty() {
            return Err(Error::new("list of trusted images", "has no image, and a statement is about at least one"));
        }
        let attribute = Attribute { attribute: ATTRIBUTE.to_owned(), conditions: Object(self.json()?) };
        let statement = Statement {
            kind: TYPE.to_owned(),
            subject: subjects(self),
            predicate_type: SCAI.to_owned(),
            predicate: Object(Predicate { attributes: vec![Object(attribute)] }),
        };
        serde_json::to_string(&statement).about("JSON")
    }

    /// The list as a signed statement in an envelope (DSSE).
    ///
    /// # Errors
    /// As for [`AllowList::to_statement`], or if the key is not at hand.
    pub fn to_signed(&self, key: &dyn Signer) -> Result<String> {
        dsse::sign(&self.to_statement()?, key)
    }

    /// The list in such an envelope, which `key` must have signed.
    ///
    /// # Errors
    /// If it is none, if the key did not sign it, or if what it signed is no such list.
    pub fn of_signed(text: &str, key: &SignerKey) -> Result<Self> {
        if !dsse::is_envelope(text) {
            return Err(Error::new("list of trusted images", "is NOT SIGNED, and --signed-by asks for a signature")
                .hint("predict --format in-toto --sign writes a signed list"));
        }
        let statement = dsse::open(text, key)?;
        let Object(statement): Object<Statement> = library_words::json("signed statement", &statement)?;
        let is_known = statement.kind == TYPE && statement.predicate_type == SCAI;
        let [Object(attribute)] = statement.predicate.0.attributes.as_slice() else {
            return Err(Error::new("signed statement", "has not one attribute, as a list of trusted images has"));
        };
        if !is_known || attribute.attribute != ATTRIBUTE {
            return Err(Error::new(
                "signed statement",
                "is well signed, but is about something else than trusted images",
            )
            .hint(format!("expected {TYPE}, {SCAI}, {ATTRIBUTE}")));
        }
        let list = Self::of_json(&attribute.conditions.0)?;
        // Another program reads the subjects. It must not see other images than the ones that are trusted here.
        if statement.subject != subjects(&list) {
            return Err(Error::new("signed statement", "its subjects are not the images of its list"));
        }
        Ok(list)
    }

    /// Why a text that is no list is none, if it is a statement about one.
    pub(super) fn why_no_list(text: &str) -> Option<Error> {
        const NAME: &str = "list of trusted images";
        if dsse::is_envelope(text) {
            let hint = "verify --signed-by PUB checks the signature; predict adds to the list that is not signed, and signs it again";
            return Some(Error::new(NAME, "is a signed list, and no key is given that checks it").hint(hint));
        }
        let is_bare = text.trim_start().starts_with('{') && text.contains("\"predicateType\"");
        is_bare.then(|| {
            let hint = "sign it (docs/reference-values.md), or take the list of predict --allow-entry";
            Error::new(NAME, "is a statement of in-toto WITHOUT A SIGNATURE").hint(hint)
        })
    }
}

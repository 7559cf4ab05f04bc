//! What libraries say of a wrong input, in the words of this project. Their own words name neither the input nor what to do, and some name
//! types of Rust.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::error::{Error, Result};

/// The bytes of a text in hex.
///
/// # Errors
/// If it is none.
pub(crate) fn hex(object: impl Display, text: &str) -> Result<Vec<u8>> {
    hex::decode(text).map_err(|error| {
        let cause = match error {
            hex::FromHexError::InvalidHexCharacter { c, .. } => format!("has {c:?} in it, which is no hex digit"),
            hex::FromHexError::OddLength => "has an odd number of hex digits".to_owned(),
            hex::FromHexError::InvalidStringLength => "has the wrong number of hex digits".to_owned(),
        };
        Error::new(object, cause).hint("give two digits, 0-9 and a-f, for each byte")
    })
}

/// What a key or a signature has, as a library of cryptography reads it. Such libraries tell no cause, on purpose.
///
/// # Errors
/// If it cannot be read: `cause` says what it is not.
pub(super) fn of_crypto<T, E>(read: std::result::Result<T, E>, object: &str, cause: &str) -> Result<T> {
    read.map_err(|_| Error::new(object, cause).hint("is it the right file, and was it changed or cut off?"))
}

/// What a text in JSON has.
///
/// # Errors
/// If it is no JSON, or if it has something else.
pub(crate) fn json<T: DeserializeOwned>(object: impl Display, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        let object = format!("{object}, line {}, column {}", error.line(), error.column());
        let words = error.to_string();
        let words = words.rsplit_once(" at line ").map_or(words.as_str(), |(words, _)| words);
        match error.classify() {
            Category::Eof => {
                Error::new(object, "the JSON ends too early").hint("was the file cut off, or is it empty?")
            }
            Category::Data => of_data(object, words),
            Category::Syntax | Category::Io => {
                Error::new(object, format!("is no JSON: {words}")).hint("is it the right file, and is a comma missing?")
            }
        }
    })
}

/// An error about JSON that has something else than what is expected.
fn of_data(object: String, words: &str) -> Error {
    let quoted = |start: &str| words.strip_prefix(start)?.split('`').next();
    let misspelt = "is it misspelt, or from a newer measureroot?";
    if let Some(field) = quoted("missing field `") {
        return Error::new(object, format!("the field {field:?} is missing"));
    }
    if let Some(field) = quoted("unknown field `").or_else(|| quoted("unknown variant `")) {
        return Error::new(object, format!("the field {field:?} is not known")).hint(misspelt);
    }
    if let Some(field) = quoted("duplicate field `") {
        return Error::new(object, format!("the field {field:?} is given twice"));
    }
    let found = ["invalid type: ", "invalid value: "].iter().find_map(|start| words.strip_prefix(start));
    let Some((found, expected)) = found.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return Error::new(object, words);
    };
    let expected = match expected {
        "u8" => "a number from 0 to 255",
        "u32" => "a number from 0 to 4294967295",
        "a string" => "a text",
        "a sequence" => "an array",
        other => other.strip_prefix("struct ").map_or(other, |_| "an object"),
    };
    let found = match found {
        "null" => "null".to_owned(),
        "map" => "an object".to_owned(),
        "sequence" => "an array".to_owned(),
        other => other.replacen("string ", "the text ", 1).replacen("integer ", "the number ", 1).replace('`', ""),
    };
    Error::new(object, format!("{found} is there, and {expected} is expected"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "pcr")]
        _pcr: u8,
    }

    #[test]
    fn a_wrong_input_is_told_without_the_words_of_libraries() {
        for (text, expected) in [
            ("", "list, line 1, column 0: the JSON ends too early ("),
            ("{\"name\": ", "the JSON ends too early ("),
            ("{\"name\" 1}", "list, line 1, column 9: is no JSON: expected `:` ("),
            ("{\"name\": \"a\"}", "list, line 1, column 13: the field \"pcr\" is missing"),
            ("{\"name\": \"a\", \"pcr\": 1, \"x\": 1}", "the field \"x\" is not known (is it misspelt"),
            ("{\"name\": \"a\", \"name\": \"b\"}", "the field \"name\" is given twice"),
            ("{\"name\": \"a\", \"pcr\": \"x\"}", "the text \"x\" is there, and a number from 0 to 255 is expected"),
            ("{\"name\": \"a\", \"pcr\": 300}", "the number 300 is there, and a number from 0 to 255 is expected"),
            ("{\"name\": null}", "null is there, and a text is expected"),
            ("7", "the number 7 is there, and an object is expected"),
        ] {
            let error = json::<Entry>("list", text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = json::<BTreeMap<String, u32>>("list", "{\"a\": []}").unwrap_err().to_string();
        assert!(error.ends_with("an array is there, and a number from 0 to 4294967295 is expected"), "{error}");
        for (text, expected) in [
            ("abc", "--nonce: has an odd number of hex digits (give two"),
            ("xy", "--nonce: has 'x' in it, which is no hex digit (give two"),
        ] {
            assert!(hex("--nonce", text).unwrap_err().to_string().starts_with(expected), "{text}");
        }
        assert_eq!(hex("--nonce", "0aFF").unwrap(), [0x0A, 0xFF]);
    }
}

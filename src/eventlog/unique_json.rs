//! JSON whose objects name each field once. A reader that takes the first of two fields of one name and one that takes the last read two
//! different logs (RFC 8259, section 4), and the log comes from the machine that is judged.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A value without a field that is given twice, at any depth.
#[derive(Debug)]
pub(super) struct Unique(pub(super) Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Unique)
    }
}

/// How `serde_json` hands over a fraction, as an object with this field, if a library asks it for numbers of any precision.
const NUMBER: &str = "$serde_json::private::Number";

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(value)) = values.next_element()? {
            array.push(value);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the field {name:?} is given twice")));
            }
            let Unique(value) = fields.next_value()?;
            object.insert(name, value);
        }
        let number = object.get(NUMBER).filter(|_| object.len() == 1).and_then(Value::as_str);
        Ok(number.and_then(|text| text.parse().ok()).map_or(Value::Object(object), Value::Number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_given_twice_is_refused_at_any_depth() {
        for good in [r#"{"a":[1,-1,0.5,"x",null,true,{"a":{"a":{}}}],"b":[]}"#, "[]", "18446744073709551615"] {
            let Unique(value) = serde_json::from_str(good).unwrap();
            assert_eq!(value, serde_json::from_str::<Value>(good).unwrap());
        }
        for (twice, name) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"[{"x":[{"b":1,"c":2,"b":3}]}]"#, "b"),
            (r#"{"pcr":13,"\u0070cr":4}"#, "pcr"),
        ] {
            let why = serde_json::from_str::<Unique>(twice).unwrap_err().to_string();
            assert!(why.contains(&format!("the field \"{name}\" is given twice")), "{why}");
        }
    }
}

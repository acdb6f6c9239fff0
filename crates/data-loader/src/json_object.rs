//! Does a JSON object say what it means? No key may stand in it twice, and some numbers have more digits than are kept.

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

/// How the sentence about a key begins that stands twice.
pub(crate) const TWICE: &str = "the key ";

/// A JSON object whose keys are all different. What a key means that stands twice every reader decides in its own way.
#[derive(Debug)]
pub(crate) struct Object(pub(crate) Map<String, Json>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
                let mut object = Map::new();
                while let Some(key) = access.next_key::<String>()? {
                    let value = access.next_value()?;
                    match object.entry(key) {
                        serde_json::map::Entry::Vacant(entry) => drop(entry.insert(value)),
                        serde_json::map::Entry::Occupied(entry) => {
                            return Err(A::Error::custom(format!("{TWICE}`{}` stands twice in it", entry.key())));
                        }
                    }
                }
                Ok(Object(object))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Whether `json` is a number that may have been written with other digits: up to 64 bits whole numbers are kept as they are,
/// larger ones are rounded to a double, so that two of them may become one.
pub(crate) fn is_rounded(json: &Json) -> bool {
    json.is_f64() && json.as_f64().is_some_and(|number| number.abs() >= 2_f64.powi(53))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_once() {
        let read = |text: &str| serde_json::from_str::<Object>(text).map_err(|error| error.to_string());
        let Object(object) = read(r#"{"b": 1, "a": {"x": 1, "y": 2}}"#).unwrap();
        assert_eq!(object.keys().collect::<Vec<_>>(), ["b", "a"]);
        let error = read(r#"{"a": 1, "b": 2, "\u0061": 3}"#).unwrap_err();
        assert!(error.starts_with("the key `a` stands twice in it"), "{error}");
        assert!(read("[1]").unwrap_err().contains("expected a map"));
    }

    #[test]
    fn digits_that_are_lost_are_known() {
        let rounded = |text: &str| is_rounded(&serde_json::from_str(text).unwrap());
        for kept in
            ["18446744073709551615", "-9223372036854775808", "9007199254740993", "0.1", "1e3", "-2.5", "\"1e30\""]
        {
            assert!(!rounded(kept), "{kept}");
        }
        for lost in
            ["18446744073709551616", "-9223372036854775809", "12345678901234567890123", "1e30", "9007199254740993.0"]
        {
            assert!(rounded(lost), "{lost}");
        }
    }
}

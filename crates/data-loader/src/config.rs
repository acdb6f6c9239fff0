//! How does a TOML file become a value, and a mistake in it a sentence that says where and what was probably meant?

use std::path::Path;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, closest};

/// Reads `text`, the content of the file at `path`. An unknown key or word names the closest known one.
pub fn parse_toml<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, Error> {
    toml::from_str(text).map_err(|error| explain(&error, Some(text), path))
}

/// Turns a table into a value, after `--set` changed some of it; `path` is where the table came from.
pub fn from_table<T: DeserializeOwned>(table: toml::Table, path: &Path) -> Result<T, Error> {
    table.try_into().map_err(|error| explain(&error, None, path))
}

/// Reads the file at `path`; `what` says in an error what it should have been, such as `card`.
pub fn read_toml<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::io(what, path, source))?;
    let text = String::from_utf8(bytes).map_err(|error| Error::Config {
        path: path.to_path_buf(),
        place: String::new(),
        message: format!("the byte at offset {} is not UTF-8", error.utf8_error().valid_up_to()),
        closest: None,
    })?;
    parse_toml(&text, path)
}

fn explain(error: &toml::de::Error, text: Option<&str>, path: &Path) -> Error {
    let mut place = String::new();
    if let (Some(text), Some(span)) = (text, error.span()) {
        let before = text.get(..span.start).unwrap_or(text);
        place = format!(", line {}", before.matches('\n').count() + 1);
        // The table is the last header at or above the line; the span of a table error points at the header itself.
        let end = text[before.len()..].find('\n').map_or(text.len(), |end| before.len() + end);
        let header = text[..end].lines().rev().map(str::trim).find(|line| line.starts_with('['));
        if let Some(header) = header {
            place = format!("{place}, in {}", header.split('#').next().unwrap_or(header).trim());
        }
    }
    let mut message = error.message().trim_end_matches('.').replace('\n', "; ");
    if text.is_none()
        && let Some(keys) =
            error.to_string().lines().find_map(|line| line.trim().strip_prefix("in `").map(str::to_owned))
    {
        message = format!("{message} at `{keys}");
    }
    let closest = unknown_word(&message).and_then(|(word, known)| closest(word, known.into_iter()));
    Error::Config { path: path.to_path_buf(), place, message, closest }
}

/// The unknown word of a message of serde's, and the known words: "unknown field `a`, expected one of `b`, `c`".
fn unknown_word(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ").or_else(|| message.strip_prefix("unknown variant "))?;
    let mut words = rest.split('`').skip(1).step_by(2);
    Some((words.next()?, words.collect()))
}

/// A map that keeps the order in which it was written. Names are unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedMap<V>(pub Vec<(String, V)>);

impl<V> Default for OrderedMap<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> OrderedMap<V> {
    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl<V: Serialize> Serialize for OrderedMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for OrderedMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
            type Value = OrderedMap<V>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Vec<(String, V)> = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, V>()? {
                    if !names.insert(name.clone()) {
                        return Err(serde::de::Error::custom(format!("the key `{name}` stands twice")));
                    }
                    pairs.push((name, value));
                }
                Ok(OrderedMap(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code)]
        threads: Option<usize>,
        #[expect(dead_code)]
        prefetch: Option<usize>,
    }

    fn check(text: &str, sentence: &str, hint: Option<&str>) {
        let error = parse_toml::<Outer>(text, Path::new("c.toml")).unwrap_err();
        assert_eq!(error.to_string(), sentence);
        assert_eq!(error.hint().as_deref(), hint);
        assert!(error.is_usage());
    }

    #[test]
    fn a_misspelt_key_names_line_table_and_the_closest_key() {
        check(
            "[inner] # here\nprefetch = 2\nthread = 1\n",
            "c.toml, line 3, in [inner]: unknown field `thread`, expected `threads` or `prefetch`.",
            Some("Did you mean `threads`?"),
        );
        check("iner = {}\n", "c.toml, line 1: unknown field `iner`, expected `inner`.", Some("Did you mean `inner`?"));
    }

    #[test]
    fn a_wrong_type_names_line_and_table() {
        check(
            "[inner]\nthreads = \"two\"",
            "c.toml, line 2, in [inner]: invalid type: string \"two\", expected usize.",
            Some("Texts stand in quotes, numbers do not, and lists stand in brackets."),
        );
        check(
            "[inner]\nthreads = -1",
            "c.toml, line 2, in [inner]: invalid value: integer `-1`, expected usize.",
            Some("Texts stand in quotes, numbers do not, and lists stand in brackets."),
        );
    }

    #[test]
    fn broken_toml_is_an_error() {
        let error = parse_toml::<Outer>("[inner\n", Path::new("c.toml")).unwrap_err();
        assert!(error.to_string().starts_with("c.toml, line 1"), "{error}");
        for text in ["é = 1", "\u{feff}x", "[inner]\n[inner]\n", "=", "a = \"é"] {
            assert!(parse_toml::<Outer>(text, Path::new("c.toml")).is_err());
        }
    }

    #[test]
    fn a_table_explains_itself_without_a_text() {
        let table: toml::Table = toml::from_str("[inner]\nthread = 1").unwrap();
        let error = from_table::<Outer>(table, Path::new("c.toml")).unwrap_err();
        assert!(error.to_string().contains("`thread`") && error.to_string().contains("inner"), "{error}");
        assert_eq!(error.hint().as_deref(), Some("Did you mean `threads`?"));
    }

    #[test]
    fn a_map_keeps_its_order() {
        let map: OrderedMap<u8> = toml::from_str("z = 1\na = 2\nm = 3").unwrap();
        assert_eq!(map.0, [("z".to_owned(), 1), ("a".to_owned(), 2), ("m".to_owned(), 3)]);
        assert_eq!(toml::to_string(&map).unwrap(), "z = 1\na = 2\nm = 3\n");
    }
}

//! What of a JSON text is kept? Columns that the schema knows, of so many records and no more: of what clients send
//! beside them nothing takes up memory, and of what they nest only images.

use std::fmt;

use data_loader::{FeatureKind, Schema};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The key under which several records may stand.
pub(super) const RECORDS: &str = "records";
/// So many keys that no column has are kept, and no longer ones: one may be a column that was misspelt.
const STRANGERS: usize = 32;
const LONGEST_STRANGER: usize = 64;
/// The most lists within the list of an image: three for each row of pixels of a large one.
const MOST_LISTS: usize = 1 << 15;
/// The most numbers of an image: as JSON each of them takes some thirty bytes of memory.
const MOST_NUMBERS: usize = 1 << 20;

/// What was asked in the body of a request.
pub(super) enum Objects {
    One(Map<String, Value>),
    Many(Vec<Map<String, Value>>),
}

/// Reads one object, a list of at most `rows`, or such a list under [`RECORDS`], where that is no column.
///
/// # Errors
/// A sentence about what is wrong.
pub(super) fn read(body: &[u8], schema: &Schema, rows: usize) -> Result<Objects, String> {
    let mut text = serde_json::Deserializer::from_slice(body);
    let read = Whole { schema, rows }.deserialize(&mut text).and_then(|objects| text.end().map(|()| objects));
    read.map_err(|error| {
        let words = error.to_string();
        match error.is_data() {
            // Where it stands does not help who never saw it as text.
            true => words.split(" at line ").next().unwrap_or(&words).to_owned(),
            false => format!("the body is not JSON: {words}"),
        }
    })
}

/// The whole text.
#[derive(Clone, Copy)]
struct Whole<'a> {
    schema: &'a Schema,
    rows: usize,
}

impl Whole<'_> {
    fn is_column(self, name: &str) -> bool {
        self.schema.key.as_deref() == Some(name) || self.schema.features.0.iter().any(|(column, _)| column == name)
    }

    /// The rest of an object; `list` becomes what stands under [`RECORDS`], where it may.
    fn object<'de, A: MapAccess<'de>>(
        self,
        mut entries: A,
        list: Option<&mut Option<Vec<Map<String, Value>>>>,
    ) -> Result<Map<String, Value>, A::Error> {
        let (mut object, mut strangers, mut list) = (Map::new(), 0, list);
        while let Some(key) = entries.next_key::<String>()? {
            if let Some(list) = list.as_deref_mut().filter(|_| key == RECORDS && !self.is_column(RECORDS)) {
                if list.is_some() {
                    return Err(A::Error::custom(format!("the key `{RECORDS}` stands twice")));
                }
                *list = Some(entries.next_value_seed(List(self))?);
            } else if !self.is_column(&key) {
                entries.next_value::<IgnoredAny>()?;
                strangers += 1;
                if strangers <= STRANGERS && key.len() <= LONGEST_STRANGER {
                    object.insert(key, Value::Null);
                }
            } else if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice in a record")));
            } else {
                let image =
                    self.schema.features.0.iter().any(|(name, kind)| *name == key && *kind == FeatureKind::Image);
                let value = entries.next_value_seed(Kept { image, lists: &mut 0, numbers: &mut 0 })?;
                object.insert(key, value);
            }
        }
        Ok(object)
    }
}

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Objects;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Objects, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Objects;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Objects, A::Error> {
        List(self).visit_seq(items).map(Objects::Many)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Objects, A::Error> {
        let mut list = None;
        let object = self.object(entries, Some(&mut list))?;
        match (list, object.keys().find(|key| self.is_column(key))) {
            (Some(_), Some(column)) => {
                Err(A::Error::custom(format!("`{column}` stands beside `{RECORDS}`, and belongs into one of them")))
            }
            (Some(list), None) => Ok(Objects::Many(list)),
            (None, _) => Ok(Objects::One(object)),
        }
    }
}

/// Records in a list.
struct List<'a>(Whole<'a>);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Vec<Map<String, Value>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<Map<String, Value>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut objects = Vec::new();
        while let Some(object) = items.next_element_seed(Record { whole: self.0, place: objects.len() })? {
            if objects.len() == self.0.rows {
                let rows = self.0.rows;
                return Err(A::Error::custom(format!("the request has more than {rows} records; ask several times")));
            }
            objects.push(object);
        }
        Ok(objects)
    }
}

/// One record of a list.
struct Record<'a> {
    whole: Whole<'a>,
    place: usize,
}

impl<'de> DeserializeSeed<'de> for Record<'_> {
    type Value = Map<String, Value>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Record<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object as record #{}", self.place)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        self.whole.object(entries, None)
    }
}

/// The value of a column. What is nested is kept of an image alone; elsewhere an empty list stands for any, which no
/// other column takes.
struct Kept<'a> {
    image: bool,
    lists: &'a mut usize,
    numbers: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Kept<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Kept<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a column")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        if !self.image {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(list.into());
        }
        *self.lists += 1;
        if *self.lists > MOST_LISTS {
            return Err(A::Error::custom(format!("an image consists of more than {MOST_LISTS} lists")));
        }
        let Self { lists, numbers, .. } = self;
        while let Some(item) =
            items.next_element_seed(Kept { image: true, lists: &mut *lists, numbers: &mut *numbers })?
        {
            *numbers += 1;
            if *numbers > MOST_NUMBERS {
                return Err(A::Error::custom(format!("an image consists of more than {MOST_NUMBERS} numbers")));
            }
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Map::new().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        toml::from_str("key = \"id\"\n[features]\nx = \"number\"\npicture = \"image\"").unwrap()
    }

    fn one(text: &str) -> Result<Value, String> {
        match read(text.as_bytes(), &schema(), 2)? {
            Objects::One(object) => Ok(Value::Object(object)),
            Objects::Many(objects) => Ok(objects.into_iter().map(Value::Object).collect()),
        }
    }

    #[test]
    fn what_no_column_takes_is_not_kept() {
        let text = r#"{"id": "a", "x": [[1]], "picture": [[1, 2]], "other": {"y": [1]}}"#;
        assert_eq!(one(text).unwrap(), serde_json::json!({ "id": "a", "x": [], "picture": [[1, 2]], "other": null }));
        let many = (0..1000).map(|k| format!("\"k{k}\": [0], ")).collect::<Vec<_>>().concat();
        assert_eq!(one(&format!("{{{many}\"x\": 1.5}}")).unwrap().as_object().unwrap().len(), STRANGERS + 1);
        let long = "k".repeat(LONGEST_STRANGER + 1);
        assert_eq!(one(&format!("{{\"{long}\": 1}}")).unwrap(), serde_json::json!({}));
        for text in [r#"[{"x": 1}, {"x": "2"}]"#, r#"{"records": [{"x": 1}, {"x": "2"}], "more": 1}"#] {
            assert_eq!(one(text).unwrap(), serde_json::json!([{ "x": 1 }, { "x": "2" }]));
        }
    }

    #[test]
    fn what_is_too_much_or_no_record_is_refused() {
        for (text, words) in [
            ("[{}, {}, {}]", "more than 2 records"),
            ("[1]", "an object as record #0"),
            ("[{}, []]", "an object as record #1"),
            (r#"{"records": {}}"#, "a list of records"),
            ("7", "an object or a list of objects"),
            (r#"{"x": 1, "x": 2}"#, "the key `x` stands twice"),
            (r#"{"records": [{"x": 1}], "records": []}"#, "the key `records` stands twice"),
            (r#"{"records": [], "x": 1}"#, "`x` stands beside `records`"),
            (&format!("{{\"picture\": [{}0]}}", "0,".repeat(MOST_NUMBERS)), "numbers"),
            ("{} {}", "not JSON"),
            ("", "not JSON"),
            (&format!("{{\"picture\": [{}[]]}}", "[],".repeat(MOST_LISTS)), "lists"),
        ] {
            let error = one(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let columns: Schema = toml::from_str("[features]\nrecords = \"text\"").unwrap();
        assert!(matches!(read(br#"{"records": "a"}"#, &columns, 2), Ok(Objects::One(object)) if object.len() == 1));
    }
}

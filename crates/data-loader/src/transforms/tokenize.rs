//! How does a text become token ids? Character by character.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::error::Error;
use crate::example::{Record, Value};
use crate::random::Random;
use crate::registry::Entry;
use crate::schema::FeatureKind;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "tokenize", summary: "turn texts into the ids of their characters" };

/// The id of the padding behind the end of a text.
pub const PADDING: i64 = 0;
/// The id of a character that training never saw.
pub const UNKNOWN: i64 = 1;
/// The id of the first known character.
const FIRST: i64 = 2;

/// `[data.transforms.tokenize]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many characters of a text are kept; what follows is cut off.
    pub max_length: usize,
    /// Whether capitals count as small letters.
    pub lowercase: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_length: 256, lowercase: false }
    }
}

/// The known characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokenize {
    /// The column that holds the text; none if the schema has no text.
    pub column: Option<String>,
    /// In ascending order; the id of a character is its place plus 2.
    pub characters: Vec<char>,
    /// How many characters of a text are kept.
    pub max_length: usize,
    /// Whether capitals count as small letters.
    pub lowercase: bool,
}

impl Tokenize {
    /// How many ids there are, padding and unknown included.
    pub fn vocabulary(&self) -> usize {
        self.characters.len() + FIRST as usize
    }

    /// The ids of the characters of `text`.
    pub fn ids(&self, text: &str) -> Vec<i64> {
        self.kept(text)
            .map(|c| self.characters.binary_search(&c).map_or(UNKNOWN, |place| place as i64 + FIRST))
            .collect()
    }

    /// The characters that count, of which there are `max_length` at most.
    fn kept<'a>(&self, text: &'a str) -> Box<dyn Iterator<Item = char> + 'a> {
        let characters = text.chars();
        if self.lowercase {
            // Some capitals become two small characters, so the cut comes after.
            return Box::new(characters.flat_map(char::to_lowercase).take(self.max_length));
        }
        Box::new(characters.take(self.max_length))
    }
}

impl Transform for Tokenize {
    type Config = Config;

    /// Lists the characters of the training part.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        if config.max_length == 0 {
            return Err(Error::Setting {
                key: "data.transforms.tokenize.max_length".into(),
                message: "is 0".into(),
                hint: "Keep at least one character.".into(),
            });
        }
        let column = training.schema.names(FeatureKind::Text).first().map(|name| (*name).to_owned());
        let mut fitted =
            Self { column, characters: Vec::new(), max_length: config.max_length, lowercase: config.lowercase };
        let mut seen = BTreeSet::new();
        if let Some(column) = &fitted.column {
            training.each(|record| {
                if let Some(Value::Text(text)) = record.field(column) {
                    seen.extend(fitted.kept(text));
                }
                Ok(())
            })?;
        }
        fitted.characters = seen.into_iter().collect();
        Ok(fitted)
    }

    /// Puts token ids in the place of the text of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        if let Some(column) = &self.column
            && let Some(value) = record.field_mut(column)
            && let Value::Text(text) = &*value
        {
            *value = Value::Tokens(self.ids(text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transforms::FittedTransform;
    use crate::transforms::tests::{applied, fit};

    const SCHEMA: &str = "[features]\nt = \"text\"";

    fn text(text: &str) -> [Value; 1] {
        [Value::Text(text.into())]
    }

    #[test]
    fn characters_become_ids_in_ascending_order() {
        let found = applied("[tokenize]", SCHEMA, &[&text("ba"), &text("aé"), &[Value::Missing]]);
        assert_eq!(found[0], [Value::Tokens(vec![3, 2])]);
        assert_eq!(found[1], [Value::Tokens(vec![2, 4])]);
        assert_eq!(found[2], [Value::Missing]);
    }

    #[test]
    fn length_case_and_the_unknown() {
        let (fitted, _) = fit("[tokenize]\nmax_length = 3\nlowercase = true", SCHEMA, &[&text("ABcd")]).unwrap();
        let [FittedTransform::Tokenize(tokenize)] = &fitted[..] else { panic!("no tokenize") };
        assert_eq!(tokenize.characters, ['a', 'b', 'c']);
        assert_eq!(tokenize.vocabulary(), 5);
        assert_eq!(tokenize.ids("cAx…"), [4, 2, UNKNOWN]);
        assert_eq!(tokenize.ids("İİ").len(), 3); // Each becomes two characters in lower case.
        assert!(fit("[tokenize]\nmax_length = 0", SCHEMA, &[&text("a")]).is_err());
    }
}

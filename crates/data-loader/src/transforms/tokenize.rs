//! How does a text become token ids? Character by character, or by pieces of words that are learnt or given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::{Training, Transform};
use crate::error::{Error, quoted};
use crate::example::{Record, Value};
use crate::generation;
use crate::random::Random;
use crate::registry::Entry;
use crate::schema::FeatureKind;
use crate::subwords::merges::{Plan, learn};
use crate::subwords::{Kind, PADDING_TOKEN, Subwords, UNKNOWN_TOKEN, vocabulary};
use crate::task::Task;

/// This transform in the list of transforms.
pub const ENTRY: Entry =
    Entry { name: "tokenize", summary: "turn texts into the ids of characters or pieces of words" };

/// The id of padding where tokens are learnt, and in batches what stands where the mask is 0, which no network looks at.
pub const PADDING: i64 = 0;
/// The id of a token that training never saw, where tokens are learnt.
pub const UNKNOWN: i64 = 1;
/// No text has so many tokens, and every number of a `tokenizer.json` has room for it.
const WITHOUT_END: usize = u32::MAX as usize;
/// The id of the first known character.
const FIRST: i64 = 2;

/// What a token is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A character that the training part has.
    #[default]
    Characters,
    /// A piece of a word that byte-pair encoding found in the training part, over bytes as GPT-2 does: nothing is unknown.
    Bpe,
    /// A piece of a word, as BERT has them, that the training part gave.
    Wordpiece,
    /// What a `tokenizer.json` says, in the layout of Hugging Face's tokenizers: `method = { file = "tokenizer.json" }`. Its ids stay.
    File(GivenFile),
    /// A piece of a word, as BERT has them, that a file has a line for: `method = { vocabulary = "vocab.txt" }`. Its ids are the lines,
    /// counted from 0, and each text begins with `[CLS]` and ends with `[SEP]`, unless texts are generated.
    Vocabulary(GivenFile),
}

/// What becomes of a text with more tokens than `max_length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Long {
    /// What follows is cut off.
    Cut,
    /// It is an example of its own for each `max_length` tokens, in the task `generate`.
    Pieces,
    /// It is an example that cannot be used.
    Refuse,
}

/// The path of a file that a card or config names.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct GivenFile {
    /// As it is written: relative to the card, or to where the path of the card in a config is relative to.
    pub path: PathBuf,
    /// What it is relative to.
    #[serde(skip)]
    folder: PathBuf,
}

impl PartialEq for GivenFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

/// `[data.transforms.tokenize]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What a token is: "characters", "bpe", "wordpiece", { file = "tokenizer.json" } or { vocabulary = "vocab.txt" }.
    pub method: Method,
    /// How many tokens "bpe" and "wordpiece" may learn, padding and unknown included.
    pub vocabulary: usize,
    /// "bpe" and "wordpiece" join pieces that stand side by side at least so often in the training part.
    pub min_count: usize,
    /// How many tokens of a text are kept; what becomes of longer ones says `long`.
    pub max_length: usize,
    /// What becomes of a text with more tokens than `max_length`: "cut", "refuse" or "pieces". If left out it is cut, and where
    /// texts are generated it becomes several examples, so that nothing is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long: Option<Long>,
    /// Whether capitals count as small letters. If left out they do where a `vocabulary` is given, which takes accents away as well, as
    /// models called `uncased` have it, and elsewhere they do not; a `tokenizer.json` says that itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowercase: Option<bool>,
    /// Which token of a given file stands before and behind every text where texts are generated. If left out it is the one by which
    /// published files end a text, such as `<|endoftext|>`, and where there is none a token more than the file has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            method: Method::default(),
            vocabulary: 8000,
            min_count: 2,
            max_length: 256,
            long: None,
            lowercase: None,
            mark: None,
        }
    }
}

impl Config {
    /// From now on a file is looked for from `folder`.
    pub(super) fn look_in(&mut self, folder: &Path) {
        if let Method::File(file) | Method::Vocabulary(file) = &mut self.method {
            file.folder = folder.to_path_buf();
        }
    }
}

/// The known tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tokenize {
    /// The column that holds the text; none if the schema has no text.
    pub column: Option<String>,
    /// In ascending order; the id of a character is its place plus 2. None where there are pieces of words.
    pub characters: Vec<char>,
    /// How many tokens of a text are kept.
    pub max_length: usize,
    /// Whether capitals count as small letters.
    pub lowercase: bool,
    /// Whether a text with more tokens is an example that cannot be used, instead of being cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refuse: bool,
    /// Whether a mark stands before and behind every text, for networks that continue texts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marked: bool,
    /// The mark where it is a token of a given file; else it has an id behind all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark_of_file: Option<i64>,
    /// The `tokenizer.json`, where tokens are pieces of words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subwords: Option<Subwords>,
}

impl Tokenize {
    /// How many ids there are, padding, unknown and mark included.
    pub fn vocabulary(&self) -> usize {
        let tokens = self.subwords.as_ref().map_or(self.characters.len() + FIRST as usize, Subwords::vocabulary);
        tokens + usize::from(self.marked && self.mark_of_file.is_none())
    }

    /// Whether ids mean the same tokens to both; how long texts may be and what stands around them may differ.
    pub(crate) fn has_ids_of(&self, other: &Self) -> bool {
        let same_pieces = match (&self.subwords, &other.subwords) {
            (Some(one), Some(other)) => one.has_ids_of(other),
            (None, None) => self.characters == other.characters,
            _ => false,
        };
        same_pieces && self.lowercase == other.lowercase
    }

    /// The id of padding, if the tokens have one. Some files pad with what marks the end of a text; that is then the mark.
    pub fn padding(&self) -> Option<i64> {
        let padding = self.subwords.as_ref().map_or(Some(PADDING), Subwords::padding);
        padding.filter(|_| padding != self.mark())
    }

    /// The id of what training never saw, if the tokens have one that is not the mark.
    pub fn unknown(&self) -> Option<i64> {
        let unknown = self.subwords.as_ref().map_or(Some(UNKNOWN), Subwords::unknown);
        unknown.filter(|_| unknown != self.mark())
    }

    /// The id of the mark before and behind every text, where texts have one.
    pub fn mark(&self) -> Option<i64> {
        self.marked.then(|| self.mark_of_file.unwrap_or_else(|| self.vocabulary() as i64 - 1))
    }

    /// The text of which these are the ids; padding and marks are nothing, and an unknown character is U+FFFD.
    ///
    /// # Errors
    /// A sentence where a `tokenizer.json` has no text for the ids.
    pub fn text(&self, ids: &[i64]) -> Result<String, String> {
        let ids = ids.iter().copied().filter(|&id| Some(id) != self.padding() && Some(id) != self.mark());
        if let Some(subwords) = &self.subwords {
            return subwords.text(&ids.collect::<Vec<_>>());
        }
        let character = |id: i64| self.characters.get(usize::try_from(id - FIRST).ok()?).copied();
        Ok(ids.map(|id| character(id).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }

    /// After how many tokens the rest of a text is not looked at.
    fn end(&self) -> usize {
        match (self.marked, self.refuse) {
            (true, _) => WITHOUT_END,
            (false, true) => self.max_length.saturating_add(1),
            (false, false) => self.max_length,
        }
    }

    /// The ids of the tokens of `text`, without marks.
    ///
    /// # Errors
    /// A sentence where a `tokenizer.json` has no ids for the text.
    pub fn ids(&self, text: &str) -> Result<Vec<i64>, String> {
        if let Some(subwords) = &self.subwords {
            // Where our mark stands around a text, what the file would put there is too much.
            return subwords.ids(text, !(self.marked && subwords.keeps_ids()));
        }
        let id = |c: char| self.characters.binary_search(&c).map_or(UNKNOWN, |place| place as i64 + FIRST);
        Ok(self.kept(text).map(id).collect())
    }

    /// The first character of `text` that training never saw, where tokens are characters.
    pub(crate) fn unknown_character(&self, text: &str) -> Option<char> {
        self.subwords.is_none().then(|| self.kept(text).find(|c| self.characters.binary_search(c).is_err())).flatten()
    }

    /// The characters that count.
    fn kept<'a>(&self, text: &'a str) -> Box<dyn Iterator<Item = char> + 'a> {
        let characters = text.chars();
        if self.lowercase {
            // Some capitals become two small characters, so the cut comes after.
            return Box::new(characters.flat_map(char::to_lowercase).take(self.end()));
        }
        Box::new(characters.take(self.end()))
    }
}

impl Transform for Tokenize {
    type Config = Config;

    /// Learns the tokens of the training part, or reads them from their file.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        if config.max_length == 0 {
            return Err(wrong("max_length", "is 0", "Keep at least one token."));
        }
        let marked = training.task == Task::Generate;
        match config.long {
            Some(Long::Pieces) if !marked => {
                let hint = "A text in pieces has one answer too many for other tasks than `generate`; use \"cut\" or \"refuse\".";
                return Err(wrong("long", "is \"pieces\"", hint));
            }
            Some(Long::Cut) if marked => {
                let hint = "Where texts are generated nothing is cut off: use \"pieces\" or \"refuse\".";
                return Err(wrong("long", "is \"cut\"", hint));
            }
            _ => {}
        }
        let column = training.schema.names(FeatureKind::Text).first().map(|name| (*name).to_owned());
        let mut fitted = Self {
            column,
            characters: Vec::new(),
            max_length: config.max_length,
            lowercase: config.lowercase.unwrap_or(matches!(config.method, Method::Vocabulary(_))),
            refuse: config.long == Some(Long::Refuse),
            marked,
            mark_of_file: None,
            subwords: None,
        };
        let Some(column) = fitted.column.clone() else { return Ok(fitted) };
        match &config.method {
            Method::Characters => {
                let mut seen = BTreeSet::new();
                texts(&column, training, |text| {
                    seen.extend(fitted.kept(text));
                    Ok(())
                })?;
                fitted.characters = seen.into_iter().collect();
            }
            Method::Bpe => fitted.subwords = Some(learnt(Kind::Bytes, &column, config, fitted.end(), training)?),
            Method::Wordpiece => fitted.subwords = Some(learnt(Kind::Words, &column, config, fitted.end(), training)?),
            Method::File(_) if fitted.lowercase => {
                return Err(wrong(
                    "lowercase",
                    "is set, and a `tokenizer.json` is given",
                    "What the file does to capitals is written in it; leave `lowercase` out.",
                ));
            }
            Method::File(file) => {
                fitted.subwords = Some(Subwords::open(&file.folder.join(&file.path), fitted.end())?);
            }
            Method::Vocabulary(file) => {
                let path = file.folder.join(&file.path);
                fitted.subwords = Some(vocabulary::open(&path, fitted.lowercase, !marked, fitted.end())?);
            }
        }
        fitted.mark_of_file = generation::mark_of_file(config, fitted.subwords.as_ref(), marked)?;
        Ok(fitted)
    }

    /// Puts token ids in the place of the text of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        if let Some(column) = &self.column
            && let Some(place) = record.place(column, 0)
            && let Value::Text(text) = &record.fields[place].1
        {
            let mut ids = self.ids(text).map_err(|reason| unreadable(record, column, text, &reason))?;
            if let Some(mark) = self.mark() {
                ids.insert(0, mark);
                ids.push(mark);
            } else if ids.len() > self.max_length && self.refuse {
                return Err(too_long(&record.id.key, column, None, self.max_length));
            } else if ids.is_empty() && self.subwords.as_ref().is_some_and(Subwords::keeps_ids) {
                // A network that must look at something would read 0, which here is any token.
                ids.extend(self.padding().or(self.unknown()));
            }
            record.fields[place].1 = Value::Tokens(ids);
        }
        Ok(())
    }
}

/// The error for a text of more tokens than there may be; how many there are, where that is known.
pub(crate) fn too_long(id: &str, column: &str, tokens: Option<usize>, max_length: usize) -> Error {
    let tokens = tokens.map_or_else(|| format!("more than {max_length}"), |tokens| tokens.to_string());
    Error::Field {
        id: id.to_owned(),
        kind: "text",
        column: column.to_owned(),
        found: format!("{tokens} tokens long, and {max_length} is the most"),
        hint: "Raise `max_length` in [data.transforms.tokenize], or let `long` say what becomes of longer texts."
            .into(),
    }
}

pub(crate) fn wrong(key: &str, message: &str, hint: &str) -> Error {
    Error::Setting { key: format!("data.transforms.tokenize.{key}"), message: message.into(), hint: hint.into() }
}

/// The error for a text that a tokenizer refuses.
fn unreadable(record: &Record, column: &str, text: &str, reason: &str) -> Error {
    Error::Field {
        id: record.id.key.clone(),
        kind: "text",
        column: column.to_owned(),
        found: format!("{}, for which the tokenizer has no ids: {reason}", quoted(text)),
        hint: "A tokenizer with an unknown token has ids for every text.".into(),
    }
}

/// Calls `visit` with every text of the training part.
fn texts(
    column: &str,
    training: &Training<'_>,
    mut visit: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), Error> {
    training.each(|record| match record.field(column) {
        Some(Value::Text(text)) => visit(text).map_err(|reason| unreadable(record, column, text, &reason)),
        _ => Ok(()),
    })
}

/// Learns pieces of words from the training part.
fn learnt(kind: Kind, column: &str, config: &Config, end: usize, training: &Training<'_>) -> Result<Subwords, Error> {
    let alphabet: BTreeSet<char> = match kind {
        Kind::Bytes => ByteLevel::alphabet().into_iter().collect(),
        Kind::Words => BTreeSet::new(),
    };
    let special = [PADDING_TOKEN, UNKNOWN_TOKEN];
    let least = special.len() + alphabet.len().max(1);
    if config.vocabulary < least {
        let message = format!("is {}", config.vocabulary);
        let hint = match kind {
            Kind::Bytes => {
                format!("Use at least {least}: padding, the unknown token and the 256 bytes; 8000 are usual.")
            }
            Kind::Words => format!("Use at least {least}; 8000 are usual."),
        };
        return Err(wrong("vocabulary", &message, &hint));
    }
    let lowercase = config.lowercase == Some(true);
    let splitter = Subwords::empty(kind, lowercase)?;
    let mut words = BTreeMap::<String, u64>::new();
    texts(column, training, |text| {
        splitter.words(text, |word| match words.get_mut(word) {
            Some(times) => *times += 1,
            None => drop(words.insert(word.to_owned(), 1)),
        })
    })?;
    let prefix = if kind == Kind::Words { "##" } else { "" };
    let (vocabulary, min_count) = (config.vocabulary, config.min_count as u64);
    let pieces = learn(&words, &Plan { special: &special, alphabet, prefix, vocabulary, min_count });
    Subwords::of(kind, lowercase, end, &pieces)
}

#[cfg(test)]
#[path = "tokenize_tests.rs"]
mod tests;

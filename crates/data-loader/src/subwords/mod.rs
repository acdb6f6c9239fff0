//! How does a text become ids of pieces of words? By a `tokenizer.json`, as Hugging Face's tokenizers write it, learnt or given.
//!
//! The ids of a given file stay, since the row of a pretrained embedding is the id of its token. Which of them pads and which stands
//! for what is unknown says the file; it may have neither. Files that are learnt here begin with 0 for padding and 1 for the unknown
//! token. Bundles that were made before given ids stayed had the file's tokens brought to that beginning; they are read as they were.

pub(crate) mod merges;
pub(crate) mod vocabulary;

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokenizers::Tokenizer;
use tokenizers::tokenizer::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PostProcessor, PreTokenizedString, PreTokenizer,
};

use self::merges::Pieces;
use crate::error::Error;
use crate::files::unpack::read_bytes;
use crate::transforms::tokenize::{PADDING, UNKNOWN};

/// The token of padding, in the files that are learnt here.
pub(crate) const PADDING_TOKEN: &str = "[PAD]";
/// The unknown token, in the files that are learnt here.
pub(crate) const UNKNOWN_TOKEN: &str = "[UNK]";

/// How published files call the token that ends a text: those of GPT-2, of Llama, of T5 and of GPT-NeoX with theirs.
const ENDS_OF_TEXT: [&str; 5] = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[EOS]"];

/// Where the token that a given file padded with is kept in a bundle; the crate knows no such key.
const PADDING_KEY: &str = "padding_token";
/// Whether the ids are the file's, in a bundle; the crate does not know this key either.
const KEPT_KEY: &str = "ids_of_the_file";

/// Published files leave ids free, of which no more are than there are tokens; small ones may have so many more.
const SPARE_IDS: usize = 1024;

/// The largest `tokenizer.json` that is read: the largest published ones have about 30 MB.
const MAX_BYTES: u64 = 256 << 20;

/// A `tokenizer.json`, ready to be used.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct Subwords {
    json: Json,
    tokenizer: Box<Tokenizer>,
    /// How many ids there are: one more than the largest.
    vocabulary: usize,
    /// The id that pads, if there is one.
    padding: Option<i64>,
    /// The id of what is unknown, if there is one.
    unknown: Option<i64>,
    /// Where the ids are not the file's.
    brought: Option<Brought>,
}

/// The ids of a given file, brought to a beginning of padding and unknown, as all were once.
#[derive(Clone)]
struct Brought {
    /// The network's id of each of the file's ids.
    ids: HashMap<u32, i64>,
    /// The file's id of each of the network's ids.
    file_ids: HashMap<i64, u32>,
}

impl Brought {
    /// The tokens that stand for padding and unknown get their ids, all others follow in the order of the file.
    fn of(tokens: Vec<(u32, String)>, padding: Option<&str>, unknown: Option<&str>) -> Self {
        let mut next = UNKNOWN;
        let id = |(id, token): (u32, String)| {
            if Some(token.as_str()) == padding {
                return (id, PADDING);
            }
            if Some(token.as_str()) == unknown {
                return (id, UNKNOWN);
            }
            next += 1;
            (id, next)
        };
        let ids: HashMap<u32, i64> = tokens.into_iter().map(id).collect();
        let file_ids = ids.iter().map(|(&file, &network)| (network, file)).collect();
        Self { ids, file_ids }
    }
}

impl PartialEq for Subwords {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl std::fmt::Debug for Subwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subwords").field("vocabulary", &self.vocabulary).finish_non_exhaustive()
    }
}

impl From<Subwords> for Json {
    fn from(subwords: Subwords) -> Self {
        subwords.json
    }
}

impl TryFrom<Json> for Subwords {
    type Error = String;

    fn try_from(json: Json) -> Result<Self, String> {
        if json["model"]["dropout"].as_f64().is_some_and(|dropout| dropout > 0.0) {
            return Err("its model drops merges by chance (`dropout`), so that a text has no fixed ids".into());
        }
        let mut plain = json.clone();
        if let Some(object) = plain.as_object_mut() {
            object.remove(PADDING_KEY);
            object.remove(KEPT_KEY);
        }
        // What the file says is not believed: should the crate not be prepared for it, that is an error and no crash.
        let read = || {
            let tokenizer = Tokenizer::from_bytes(plain.to_string()).map_err(|error| error.to_string())?;
            let added = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
            let most = tokenizer.get_truncation().map_or(usize::MAX, |truncation| truncation.max_length);
            if added >= most {
                return Err(format!("it adds {added} tokens to every text, and `max_length` is {most}"));
            }
            let read = tokenizer.encode_fast("a b", true).map_err(|error| format!("it cannot read a text: {error}"))?;
            let most = read.get_ids().iter().max().map_or(0, |most| *most as usize);
            Ok::<_, String>((tokenizer, most))
        };
        let (tokenizer, most) = std::panic::catch_unwind(read).map_err(|_| "it contradicts itself".to_owned())??;
        let padding = padding_of(&json);
        let unknown = match &json["model"] {
            model if model["type"] == "Unigram" => {
                model["unk_id"].as_u64().and_then(|id| model["vocab"][id as usize][0].as_str())
            }
            model => model["unk_token"].as_str(),
        };
        let mut tokens: Vec<(u32, String)> =
            tokenizer.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        tokens.sort_unstable();
        tokens.dedup_by_key(|(id, _)| *id);
        let (padding, unknown) = (padding.as_deref(), unknown);
        let brought = (json[KEPT_KEY] != true).then(|| Brought::of(tokens.clone(), padding, unknown));
        let (vocabulary, padding, unknown) = if let Some(brought) = &brought {
            let most = brought.ids.values().max().map_or(UNKNOWN, |most| (*most).max(UNKNOWN));
            (most as usize + 1, Some(PADDING), Some(UNKNOWN))
        } else {
            let rows = rows(&tokens)?;
            if most >= rows {
                return Err(format!(
                    "it puts the id {most} into every text, and the largest of its tokens is {}",
                    rows - 1
                ));
            }
            let id = |token: &str| tokenizer.token_to_id(token).map(i64::from);
            (rows, padding.and_then(id), unknown.and_then(id))
        };
        Ok(Self { json, tokenizer: Box::new(tokenizer), vocabulary, padding, unknown, brought })
    }
}

/// How many rows the embedding of a file's tokens has; they are in the order of their ids.
fn rows(tokens: &[(u32, String)]) -> Result<usize, String> {
    let Some((most, token)) = tokens.last() else { return Err("it has no token".into()) };
    let rows = *most as usize + 1;
    // A file that claims an id of billions must not make a network of as many rows.
    if rows > 2 * tokens.len() + SPARE_IDS {
        return Err(format!(
            "its {} tokens have ids up to {most}, that of `{token}`, so that most rows of a network would stand for nothing",
            tokens.len()
        ));
    }
    Ok(rows)
}

/// The token that pads: the one that the file pads with, or a special one that is called as padding usually is.
fn padding_of(json: &Json) -> Option<String> {
    if let Some(token) = json[PADDING_KEY].as_str() {
        return Some(token.to_owned());
    }
    let added = json["added_tokens"].as_array().into_iter().flatten().filter_map(|token| token["content"].as_str());
    let usual = |token: &&str| matches!(*token, PADDING_TOKEN | "<pad>" | "<PAD>" | "<|pad|>" | "[pad]");
    let learnt = json["model"]["vocab"].get(PADDING_TOKEN).is_some().then_some(PADDING_TOKEN);
    added.filter(usual).map(str::to_owned).next().or_else(|| learnt.map(str::to_owned))
}

/// How texts are taken apart before their words are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// GPT-2's: words with the blank before them, as bytes, so that every text has its pieces.
    Bytes,
    /// BERT's: words and punctuation marks, without blanks and control characters.
    Words,
}

impl Subwords {
    /// Reads the `tokenizer.json` at `path`; texts are cut after `max_length` tokens.
    pub(crate) fn open(path: &Path, max_length: usize) -> Result<Self, Error> {
        let bytes = read_bytes(path, MAX_BYTES)?;
        let malformed = |message: String| Error::Malformed { path: path.to_path_buf(), message };
        let mut json: Json = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        let Some(object) = json.as_object_mut() else { return Err(malformed("it is no JSON object".into())) };
        // Our batches pad, each to its own longest text; which token it was is kept.
        let padding = object.insert("padding".into(), Json::Null).unwrap_or_default();
        if let Some(token) = padding["pad_token"].as_str() {
            object.insert(PADDING_KEY.into(), token.into());
        }
        object.insert("truncation".into(), truncation(max_length));
        object.insert(KEPT_KEY.into(), true.into());
        json.try_into().map_err(malformed)
    }

    /// A tokenizer that takes texts apart as `kind` says and knows no pieces yet.
    pub(crate) fn empty(kind: Kind, lowercase: bool) -> Result<Self, Error> {
        Self::of(
            kind,
            lowercase,
            1,
            &Pieces { tokens: vec![PADDING_TOKEN.into(), UNKNOWN_TOKEN.into()], merges: Vec::new() },
        )
    }

    /// A tokenizer of pieces that were learnt; texts are cut after `max_length` tokens.
    pub(crate) fn of(kind: Kind, lowercase: bool, max_length: usize, pieces: &Pieces) -> Result<Self, Error> {
        let mut json = layout(kind, lowercase, max_length, &pieces.tokens);
        if kind == Kind::Bytes {
            json["model"]["merges"] = json!(pieces.merges);
        }
        json.try_into().map_err(|message| Error::Mismatch {
            message: format!("The tokenizer that was learnt cannot be used: {message}"),
            hint: "This is a fault of the program; please report it.".into(),
        })
    }

    /// How many ids there are, padding, unknown and those that stand for nothing included.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Whether the ids are those of a file, rather than of what was learnt or brought to it.
    pub(crate) fn keeps_ids(&self) -> bool {
        self.brought.is_none()
    }

    /// The id that pads, if the file has one.
    pub fn padding(&self) -> Option<i64> {
        self.padding
    }

    /// The id of what is unknown, if the file has one.
    pub fn unknown(&self) -> Option<i64> {
        self.unknown
    }

    /// The id of the token by which a given file ends a text, such as GPT-2's `<|endoftext|>`, if it has one.
    pub(crate) fn end_of_text(&self) -> Option<i64> {
        let added = self.json["added_tokens"].as_array()?.iter().filter(|token| token["special"] == true);
        let usual = added.filter_map(|token| token["content"].as_str()).find(|token| ENDS_OF_TEXT.contains(token));
        self.id_of(usual?)
    }

    /// Whether ids mean the same tokens to both.
    pub(crate) fn has_ids_of(&self, other: &Self) -> bool {
        let same = |key: &str| self.json[key] == other.json[key];
        same("model") && same("added_tokens") && self.brought.is_some() == other.brought.is_some()
    }

    /// The id of a token, if there is such a token.
    pub(crate) fn id_of(&self, token: &str) -> Option<i64> {
        let id = self.tokenizer.token_to_id(token)?;
        self.brought.as_ref().map_or(Some(i64::from(id)), |brought| brought.ids.get(&id).copied())
    }

    /// The ids of `text`, with those that the file puts around every text if `framed` says so.
    ///
    /// # Errors
    /// A sentence where the tokenizer has no answer, such as a model without an unknown token.
    pub fn ids(&self, text: &str, framed: bool) -> Result<Vec<i64>, String> {
        let encoding = self.tokenizer.encode_fast(text, framed).map_err(|error| error.to_string())?;
        let id = |id: &u32| match &self.brought {
            // A text that spells the padding token out must not look as if it ended there.
            Some(brought) => brought.ids.get(id).copied().filter(|id| *id != PADDING).unwrap_or(UNKNOWN),
            None => i64::from(*id),
        };
        Ok(encoding.get_ids().iter().map(id).collect())
    }

    /// The text of these ids; tokens that are no text, such as `[CLS]`, are left out.
    ///
    /// # Errors
    /// A sentence where the tokenizer has no answer.
    pub fn text(&self, ids: &[i64]) -> Result<String, String> {
        let id = |id: &i64| match &self.brought {
            Some(brought) => brought.file_ids.get(id).copied(),
            None => u32::try_from(*id).ok(),
        };
        let ids: Vec<u32> = ids.iter().filter_map(id).collect();
        self.tokenizer.decode(&ids, true).map_err(|error| error.to_string())
    }

    /// Calls `visit` with each word of `text`, as the model is going to meet it.
    pub(crate) fn words(&self, text: &str, mut visit: impl FnMut(&str)) -> Result<(), String> {
        let mut normalized = NormalizedString::from(text);
        if let Some(normalizer) = self.tokenizer.get_normalizer() {
            normalizer.normalize(&mut normalized).map_err(|error| error.to_string())?;
        }
        let mut pieces = PreTokenizedString::from(normalized);
        if let Some(pre_tokenizer) = self.tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces).map_err(|error| error.to_string())?;
        }
        pieces.get_splits(OffsetReferential::Original, OffsetType::None).into_iter().for_each(|(word, ..)| visit(word));
        Ok(())
    }
}

/// The `tokenizer.json` of these tokens, whose ids are their places, without merges; texts are cut after `max_length` tokens.
fn layout(kind: Kind, lowercase: bool, max_length: usize, tokens: &[String]) -> Json {
    let vocabulary: serde_json::Map<String, Json> =
        tokens.iter().cloned().zip((0..tokens.len()).map(Json::from)).collect();
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let (normalizer, pre_tokenizer, decoder, model) = match kind {
        Kind::Bytes => (
            if lowercase { json!({"type": "Lowercase"}) } else { Json::Null },
            bytes.clone(),
            bytes,
            json!({
                "type": "BPE", "dropout": null, "unk_token": UNKNOWN_TOKEN, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocabulary, "merges": [],
            }),
        ),
        Kind::Words => (
            // Accents go where capitals go, as in BERT.
            json!({
                "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
                "lowercase": lowercase,
            }),
            json!({"type": "BertPreTokenizer"}),
            json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
            json!({
                "type": "WordPiece", "unk_token": UNKNOWN_TOKEN, "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocabulary,
            }),
        ),
    };
    json!({
        "version": "1.0", "truncation": truncation(max_length), "padding": null, "added_tokens": [],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": decoder,
        "model": model,
    })
}

/// Texts are cut behind; a mark that closes a text, such as `[SEP]`, stays.
fn truncation(max_length: usize) -> Json {
    json!({"direction": "Right", "max_length": max_length, "strategy": "LongestFirst", "stride": 0})
}

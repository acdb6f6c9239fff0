//! How does a text become ids of pieces of words? By a `tokenizer.json`, as Hugging Face's tokenizers write it, learnt or given.
//!
//! A network's ids begin with 0 for padding and 1 for the unknown token, whatever numbers the file has: the tokens that stand
//! for these two get their ids, all others follow in the order of the file. Files that are learnt here have these ids already.

pub(crate) mod merges;

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

/// Where the token that a given file padded with is kept in a bundle; the crate knows no such key.
const PADDING_KEY: &str = "padding_token";

/// The largest `tokenizer.json` that is read: the largest published ones have about 30 MB.
const MAX_BYTES: u64 = 256 << 20;

/// A `tokenizer.json`, ready to be used.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct Subwords {
    json: Json,
    tokenizer: Box<Tokenizer>,
    /// The network's id of each of the file's ids.
    ids: HashMap<u32, i64>,
    /// The file's id of each of the network's ids.
    file_ids: HashMap<i64, u32>,
}

impl PartialEq for Subwords {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl std::fmt::Debug for Subwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subwords").field("tokens", &self.ids.len()).finish_non_exhaustive()
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
        }
        // What the file says is not believed: should the crate not be prepared for it, that is an error and no crash.
        let read = || {
            let tokenizer = Tokenizer::from_bytes(plain.to_string()).map_err(|error| error.to_string())?;
            let added = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
            let most = tokenizer.get_truncation().map_or(usize::MAX, |truncation| truncation.max_length);
            if added >= most {
                return Err(format!("it adds {added} tokens to every text, and `max_length` is {most}"));
            }
            tokenizer.encode_fast("a b", true).map_err(|error| format!("it cannot read a text: {error}"))?;
            Ok::<_, String>(tokenizer)
        };
        let tokenizer = std::panic::catch_unwind(read).map_err(|_| "it contradicts itself".to_owned())??;
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
        let mut next = UNKNOWN;
        let id = |(id, token): (u32, String)| {
            if Some(&token) == padding.as_ref() {
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
        Ok(Self { json, tokenizer: Box::new(tokenizer), ids, file_ids })
    }
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
        let vocabulary: serde_json::Map<String, Json> =
            pieces.tokens.iter().cloned().zip((0..pieces.tokens.len()).map(Json::from)).collect();
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        let (normalizer, pre_tokenizer, decoder, model) = match kind {
            Kind::Bytes => (
                if lowercase { json!({"type": "Lowercase"}) } else { Json::Null },
                bytes.clone(),
                bytes,
                json!({
                    "type": "BPE", "dropout": null, "unk_token": UNKNOWN_TOKEN, "continuing_subword_prefix": null,
                    "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                    "vocab": vocabulary, "merges": pieces.merges,
                }),
            ),
            Kind::Words => (
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
        let json = json!({
            "version": "1.0", "truncation": truncation(max_length), "padding": null, "added_tokens": [],
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": decoder,
            "model": model,
        });
        json.try_into().map_err(|message| Error::Mismatch {
            message: format!("The tokenizer that was learnt cannot be used: {message}"),
            hint: "This is a fault of the program; please report it.".into(),
        })
    }

    /// How many ids there are, padding and unknown included.
    pub fn vocabulary(&self) -> usize {
        self.ids.values().max().map_or(0, |most| *most as usize).max(UNKNOWN as usize) + 1
    }

    /// The ids of `text`.
    ///
    /// # Errors
    /// A sentence where the tokenizer has no answer, such as a model without an unknown token.
    pub fn ids(&self, text: &str) -> Result<Vec<i64>, String> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|error| error.to_string())?;
        // A text that spells the padding token out must not look as if it ended there.
        let id = |id: &u32| self.ids.get(id).copied().filter(|id| *id != PADDING).unwrap_or(UNKNOWN);
        Ok(encoding.get_ids().iter().map(id).collect())
    }

    /// The text of these ids; tokens that are no text, such as `[CLS]`, are left out.
    ///
    /// # Errors
    /// A sentence where the tokenizer has no answer.
    pub fn text(&self, ids: &[i64]) -> Result<String, String> {
        let ids: Vec<u32> = ids.iter().filter_map(|id| self.file_ids.get(id).copied()).collect();
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

/// Texts are cut behind; a mark that closes a text, such as `[SEP]`, stays.
fn truncation(max_length: usize) -> Json {
    json!({"direction": "Right", "max_length": max_length, "strategy": "LongestFirst", "stride": 0})
}

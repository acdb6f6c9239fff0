//! How does BERT's list of pieces of words, a `vocab.txt`, become a tokenizer? Each line is a token, and its number its id, from 0.
//!
//! Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019. What is no text is taken
//! away, Chinese characters stand alone, capitals and accents go where the model is `uncased`, words are parted at blanks and
//! punctuation marks, and of each word the longest known beginning is a piece, then the longest of what is left; a word that leaves
//! a rest, or has more than 100 characters, is unknown as a whole.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::{KEPT_KEY, Kind, MAX_BYTES, PADDING_TOKEN, Subwords, UNKNOWN_TOKEN, layout};
use crate::error::{Error, quoted};
use crate::files::unpack::read_bytes;

/// What begins a text.
const BEGIN: &str = "[CLS]";
/// What ends a text.
const END: &str = "[SEP]";
/// What stands for a word that is to be guessed.
const MASK: &str = "[MASK]";

/// Reads the list at `path`. With `lowercase` capitals and accents do not count; with `marks` each text begins with `[CLS]` and ends
/// with `[SEP]`. Texts are cut after `max_length` tokens, these two included.
///
/// # Errors
/// [`Error::Mismatch`] with path and line where the file is no such list, and whatever keeps it from being read.
pub(crate) fn open(path: &Path, lowercase: bool, marks: bool, max_length: usize) -> Result<Subwords, Error> {
    if path.is_dir() {
        let hint = format!("Name the file in it, as in `{{ vocabulary = \"{}\" }}`.", path.join("vocab.txt").display());
        return Err(Error::Mismatch { message: format!("{} is a folder, and no vocabulary", path.display()), hint });
    }
    let bytes = read_bytes(path, MAX_BYTES)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
        wrong(path, Some(line), "is no text in UTF-8", "Save the file as UTF-8, or take that of the model's publisher.")
    })?;
    let tokens = tokens(path, text)?;
    let mut json = layout(Kind::Words, lowercase, max_length, &tokens);
    let id = |token: &str| tokens.iter().position(|known| known == token);
    let special = [PADDING_TOKEN, UNKNOWN_TOKEN, BEGIN, END, MASK].into_iter().filter_map(|token| {
        Some(json!({
            "id": id(token)?, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true,
        }))
    });
    json["added_tokens"] = special.collect();
    let needed = |token: &'static str| id(token).ok_or_else(|| lacking(path, token, &tokens));
    needed(UNKNOWN_TOKEN)?;
    if marks {
        let (begin, end) = (needed(BEGIN)?, needed(END)?);
        json["post_processor"] = json!({"type": "BertProcessing", "cls": [BEGIN, begin], "sep": [END, end]});
    }
    json[KEPT_KEY] = Json::Bool(true);
    json.try_into().map_err(|message| Error::Malformed { path: path.to_path_buf(), message })
}

/// The lines of the file: none empty or there twice, since one that was put in by mistake gives every token behind it the id of another.
fn tokens(path: &Path, text: &str) -> Result<Vec<String>, Error> {
    const ORDER: &str = "Each line is one token, and its number the token's id: a line too many or too few moves all that \
        follow. Take the file that was published with the weights.";
    // Some editors put a mark of the encoding in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.is_empty() {
        let hint = "A vocabulary has a token in each line; was the file fetched whole?";
        return Err(Error::Mismatch { message: format!("{} is empty", path.display()), hint: hint.into() });
    }
    let mut seen = HashMap::<&str, usize>::new();
    let mut tokens = Vec::new();
    // Not `lines` of Python's kind: some lists have a token that is a line separator of Unicode.
    for (number, line) in text.strip_suffix('\n').unwrap_or(text).split('\n').enumerate() {
        let token = line.strip_suffix('\r').unwrap_or(line);
        if token.is_empty() {
            return Err(wrong(path, Some(number), "is empty", ORDER));
        }
        if !token.trim().is_empty() && token != token.trim_matches([' ', '\t']) {
            let hint =
                "No word has a blank, so that this token would never be met: take the blanks away, or keep one column.";
            return Err(wrong(path, Some(number), &format!("is {}, with a blank at its edge", quoted(token)), hint));
        }
        if let Some(first) = seen.insert(token, number) {
            let message = format!("is {}, as line {} is already", quoted(token), first + 1);
            return Err(wrong(path, Some(number), &message, ORDER));
        }
        tokens.push(token.to_owned());
    }
    Ok(tokens)
}

/// The error for a line, counted from 0.
fn wrong(path: &Path, line: Option<usize>, message: &str, hint: &str) -> Error {
    let place = line.map_or_else(String::new, |line| format!("Line {} of ", line + 1));
    Error::Mismatch { message: format!("{place}{} {message}", path.display()), hint: hint.into() }
}

/// The error for a token without which texts have no ids.
fn lacking(path: &Path, token: &str, tokens: &[String]) -> Error {
    let message =
        format!("has no `{token}` in its {} lines, of which the first is {}", tokens.len(), quoted(&tokens[0]));
    let hint = "A vocabulary of BERT's kind has [UNK], [CLS] and [SEP]. If the model has other names for them, give its \
        tokenizer.json by `method = { file = \"tokenizer.json\" }`.";
    wrong(path, None, &message, hint)
}

#[cfg(test)]
#[path = "vocabulary_tests.rs"]
mod tests;

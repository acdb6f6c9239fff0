//! How does a text become an example of a network that continues texts?
//!
//! A mark stands before and behind every text. What goes in is the text with the mark before it, what is to be told is the next
//! token at each place, and so the mark at the end.

use crate::batch::{Array, ArrayData};
use crate::error::{Error, quoted};
use crate::example::{Example, ExampleId, Record, TargetValue, Value};
use crate::pipeline::{Pipeline, unusable};
use crate::schema::{FeatureKind, Schema};
use crate::signature::OutputSpec;
use crate::subwords::Subwords;
use crate::transforms::FittedTransform;
use crate::transforms::tokenize::{Config, Tokenize, too_long, wrong};

/// The tokenizer among the transforms.
pub(crate) fn tokenizer(fitted: &[FittedTransform]) -> Option<&Tokenize> {
    fitted.iter().find_map(|transform| match transform {
        FittedTransform::Tokenize(tokenize) => Some(tokenize),
        _ => None,
    })
}

/// One score for each token.
pub(crate) fn output(schema: &Schema, fitted: &[FittedTransform]) -> Result<OutputSpec, Error> {
    let [(_, FeatureKind::Text)] = &schema.features.0[..] else {
        return Err(Error::Mismatch {
            message: "The task `generate` continues a text, and the schema has other features, or none of kind text"
                .into(),
            hint: "Keep one feature of kind text in [schema.features] and list other columns in `ignore`.".into(),
        });
    };
    let tokenize = tokenizer(fitted).ok_or_else(|| Error::Mismatch {
        message: "The task `generate` needs texts as tokens, and no transform turns them into some".into(),
        hint: "Add [data.transforms.tokenize].".into(),
    })?;
    Ok(OutputSpec::Tokens { vocabulary: tokenize.vocabulary() })
}

/// Turns the marked tokens of `record` into an example.
pub(crate) fn prepare(pipeline: &Pipeline, record: &mut Record) -> Result<Example, Error> {
    let column = pipeline.only(FeatureKind::Text).to_owned();
    let most = tokenizer(pipeline.transforms()).map_or(0, |tokenize| tokenize.max_length);
    let mut tokens = match record.field_mut(&column) {
        Some(Value::Tokens(tokens)) if tokens.len() > 1 => std::mem::take(tokens),
        _ => return Err(unusable(record, "text", &column, record.field(&column))),
    };
    if tokens.len() - 1 > most {
        return Err(too_long(&record.id.key, &column, Some(tokens.len() - 1), most));
    }
    let target = TargetValue::Tokens(tokens[1..].to_vec());
    tokens.pop();
    let input = Array { shape: vec![tokens.len()], data: ArrayData::I64(tokens) };
    let id = ExampleId { key: std::mem::take(&mut record.id.key) };
    let inputs = pipeline.signature().inputs.iter().map(|spec| (spec.name.clone(), input.clone())).collect();
    Ok(Example { id, inputs, target, weight: 1.0 })
}

/// The token of a given file that stands before and behind every text, where texts are `marked` and the file has one.
pub(crate) fn mark_of_file(config: &Config, subwords: Option<&Subwords>, marked: bool) -> Result<Option<i64>, Error> {
    let given = subwords.filter(|subwords| subwords.keeps_ids());
    match (&config.mark, given) {
        (None, given) => Ok(given.filter(|_| marked).and_then(Subwords::end_of_text)),
        (Some(token), Some(given)) if marked => given.id_of(token).map(Some).ok_or_else(|| {
            let hint = "Name a token of the file, or leave it out.";
            wrong("mark", &format!("is {}, which the file of the tokenizer does not have", quoted(token)), hint)
        }),
        (Some(_), _) => {
            let hint = "Leave it out: a mark is a token of a given file, in the task `generate`.";
            Err(wrong("mark", "is set, and no file is given or no text generated", hint))
        }
    }
}

impl Pipeline {
    /// The id of the mark that ends a text, where the task is to continue texts.
    pub fn mark(&self) -> Option<i64> {
        tokenizer(self.transforms())?.mark()
    }

    /// Whether ids mean the same tokens to both, or one of them reads no tokens.
    pub fn has_tokens_of(&self, other: &Self) -> bool {
        match (tokenizer(self.transforms()), tokenizer(other.transforms())) {
            (Some(one), Some(other)) => one.has_ids_of(other),
            _ => true,
        }
    }

    /// The ids that no text is to be continued with: padding and the unknown token, where there are any.
    pub fn never_drawn(&self) -> Vec<i64> {
        tokenizer(self.transforms())
            .into_iter()
            .flat_map(|tokens| [tokens.padding(), tokens.unknown()])
            .flatten()
            .collect()
    }

    /// The ids with which a text begins that is to be continued: the mark, then those of `text`.
    ///
    /// # Errors
    /// If training never saw a part of `text`.
    pub fn prompt(&self, text: &str) -> Result<Vec<i64>, Error> {
        let mut ids: Vec<i64> = self.mark().into_iter().collect();
        let Some(tokenize) = tokenizer(self.transforms()) else { return Ok(ids) };
        let refused = |reason: String| Error::Mismatch {
            message: format!("The prompt cannot be continued: {reason}"),
            hint: "Write it in the characters of the texts with which the model was trained.".into(),
        };
        let found = tokenize.ids(text).map_err(refused)?;
        if tokenize.unknown().is_some_and(|unknown| found.contains(&unknown)) {
            let unknown =
                tokenize.unknown_character(text).map_or_else(|| "a part of it".to_owned(), |c| format!("`{c}`"));
            return Err(refused(format!("training never saw {unknown}")));
        }
        ids.extend(found);
        Ok(ids)
    }

    /// The text of which these are the ids; padding and marks are nothing.
    ///
    /// # Errors
    /// If there is no tokenizer, or it has no text for the ids.
    pub fn text(&self, ids: &[i64]) -> Result<String, Error> {
        let wrong = |message: String| Error::Mismatch {
            message: format!("Tokens cannot be turned into text: {message}"),
            hint: "Use a model with [data.transforms.tokenize], whose tokenizer has a decoder.".into(),
        };
        let tokenize = tokenizer(self.transforms()).ok_or_else(|| wrong("the model reads no texts".into()))?;
        tokenize.text(ids).map_err(wrong)
    }
}

#[cfg(test)]
#[path = "generation_tests.rs"]
mod tests;

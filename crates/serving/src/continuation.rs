//! How does a model continue a text?

use std::ops::ControlFlow;

use data_loader::random::Random;
use data_loader::{InputKind, Pipeline};
use model_zoo::generator::Generator;
use serde::Serialize;

use crate::{Error, Predictor, Sampling};

/// What a model wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Continuation {
    /// With what it began.
    pub prompt: String,
    /// What it put behind that.
    pub text: String,
    /// How many tokens it drew, the mark at the end not counted.
    pub tokens: usize,
    /// Whether the model ended the text, rather than the number of tokens.
    pub ended: bool,
}

impl Predictor {
    /// Continues `prompt` by at most `tokens` tokens and calls `tell` with every new part of the text as it comes, until it breaks
    /// off. Equal seeds give equal texts on one device. Padding and the unknown token are never drawn.
    ///
    /// # Errors
    /// [`Error::CannotContinue`] for a model of another task; [`Error::Sampling`]; [`Error::NotFinite`]; if training never saw a
    /// part of the prompt or the device fails.
    pub fn generate(
        &self,
        prompt: &str,
        tokens: usize,
        sampling: &Sampling,
        seed: u64,
        mut tell: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Continuation, Error> {
        sampling.check()?;
        let pipeline = self.pipeline();
        let Some(mark) = pipeline.mark() else {
            return Err(Error::CannotContinue { task: pipeline.signature().task });
        };
        let excluded = pipeline.never_drawn();
        let mut random = Random::derive(&[STREAM, seed]);
        let trained = pipeline.signature().inputs.iter().find_map(|input| match input.kind {
            InputKind::Tokens { max_length, .. } if max_length > 0 => Some(max_length),
            _ => None,
        });
        let mut generator = Generator::new(self.network(), self.device())?.within(trained.unwrap_or(usize::MAX));
        let prompt_ids = pipeline.prompt(prompt)?;
        let mut scores = generator.read(&prompt_ids)?;
        // What is told is the text behind these ids, of which the last few suffice: the whole is decoded once, at the end.
        let mut ids = prompt_ids.clone();
        let mut settled = ids.len();
        let (mut told, mut ended) = (String::new(), false);
        while ids.len() - prompt_ids.len() < tokens {
            for never in &excluded {
                if let Some(score) = scores.get_mut(*never as usize) {
                    *score = f32::NEG_INFINITY;
                }
            }
            let place = ids.len() - prompt_ids.len() + 1;
            let broken = || Error::NotFinite { id: format!("token {place} behind the prompt") };
            let next = sampling.draw(&scores, &mut random).ok_or_else(broken)? as i64;
            if next == mark {
                ended = true;
                break;
            }
            ids.push(next);
            // A character may be spread over tokens: it is told once it is whole. Where later tokens change the text before them,
            // as the blanks around punctuation marks, what was told stays and the end sets it right.
            let before = settled.saturating_sub(BESIDE);
            let new = behind(pipeline, &ids[before..settled], &ids[settled..])?;
            if !new.is_empty() && !new.ends_with(char::REPLACEMENT_CHARACTER) {
                told.push_str(&new);
                settled = ids.len();
                if tell(&new).is_break() {
                    break;
                }
            }
            if ids.len() - prompt_ids.len() < tokens {
                scores = generator.read(&[next])?;
            }
        }
        let drawn = &ids[prompt_ids.len()..];
        let text = behind(pipeline, &prompt_ids, drawn)?;
        if let Some(rest) = text.strip_prefix(told.as_str()).filter(|rest| !rest.is_empty()) {
            let _ = tell(rest);
        }
        Ok(Continuation { prompt: prompt.to_owned(), text, tokens: drawn.len(), ended })
    }
}

/// Beside so many tokens a new one is decoded.
const BESIDE: usize = 8;

/// The text of `drawn` as it stands behind a prompt: whether a piece of a word goes on with the last one shows only beside it.
fn behind(pipeline: &Pipeline, prompt: &[i64], drawn: &[i64]) -> Result<String, Error> {
    let before = pipeline.text(prompt)?;
    let whole = pipeline.text(&[prompt, drawn].concat())?;
    match whole.strip_prefix(before.as_str()) {
        Some(text) => Ok(text.to_owned()),
        // Some tokenizers write a prompt otherwise once something follows it.
        None => Ok(pipeline.text(drawn)?),
    }
}

/// Keeps the random streams of texts apart from all others.
const STREAM: u64 = 0x7465_7874;

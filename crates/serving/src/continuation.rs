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

/// A text that is being written. Between two tokens the network may do something else.
pub(crate) struct Writing {
    generator: Generator,
    prompt: String,
    prompt_ids: Vec<i64>,
    /// The most tokens that are drawn.
    most: usize,
    sampling: Sampling,
    random: Random,
    mark: i64,
    never_drawn: Vec<i64>,
    /// All tokens, those of the prompt first.
    ids: Vec<i64>,
    /// What is told is the text behind these, of which the last few suffice: the whole is decoded once, at the end.
    settled: usize,
    told: String,
    /// Of the token that comes next.
    scores: Vec<f32>,
}

impl Writing {
    /// Reads the prompt.
    ///
    /// # Errors
    /// As [`Predictor::generate`].
    pub(crate) fn begin(
        predictor: &Predictor,
        prompt: &str,
        most: usize,
        sampling: &Sampling,
        seed: u64,
    ) -> Result<Self, Error> {
        sampling.check()?;
        let pipeline = predictor.pipeline();
        let Some(mark) = pipeline.mark() else {
            return Err(Error::CannotContinue { task: pipeline.signature().task });
        };
        let trained = pipeline.signature().inputs.iter().find_map(|input| match input.kind {
            InputKind::Tokens { max_length, .. } if max_length > 0 => Some(max_length),
            _ => None,
        });
        let mut generator = Generator::new(predictor.network())?.within(trained.unwrap_or(usize::MAX));
        let ids = pipeline.prompt(prompt)?;
        let scores = generator.read(predictor.network(), predictor.device(), &ids)?;
        Ok(Self {
            generator,
            prompt: prompt.to_owned(),
            prompt_ids: ids.clone(),
            most,
            sampling: *sampling,
            random: Random::derive(&[STREAM, seed]),
            mark,
            never_drawn: pipeline.never_drawn(),
            settled: ids.len(),
            ids,
            told: String::new(),
            scores,
        })
    }

    /// Draws a token; the text once it is at its end.
    ///
    /// # Errors
    /// As [`Predictor::generate`].
    pub(crate) fn step(
        &mut self,
        predictor: &Predictor,
        tell: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Option<Continuation>, Error> {
        let pipeline = predictor.pipeline();
        let drawn = self.ids.len() - self.prompt_ids.len();
        if drawn >= self.most {
            return self.end(pipeline, tell, false).map(Some);
        }
        for never in &self.never_drawn {
            if let Some(score) = self.scores.get_mut(*never as usize) {
                *score = f32::NEG_INFINITY;
            }
        }
        let broken = || Error::NotFinite { id: format!("token {} behind the prompt", drawn + 1) };
        let next = self.sampling.draw(&self.scores, &mut self.random).ok_or_else(broken)? as i64;
        if next == self.mark {
            return self.end(pipeline, tell, true).map(Some);
        }
        self.ids.push(next);
        // A character may be spread over tokens: it is told once it is whole. Where later tokens change the text before them,
        // as the blanks around punctuation marks, what was told stays and the end sets it right.
        let before = self.settled.saturating_sub(BESIDE);
        let new = behind(pipeline, &self.ids[before..self.settled], &self.ids[self.settled..])?;
        if !new.is_empty() && !new.ends_with(char::REPLACEMENT_CHARACTER) {
            self.told.push_str(&new);
            self.settled = self.ids.len();
            if tell(&new).is_break() {
                return self.end(pipeline, tell, false).map(Some);
            }
        }
        if drawn + 1 < self.most {
            self.scores = self.generator.read(predictor.network(), predictor.device(), &[next])?;
        }
        Ok(None)
    }

    fn end(
        &mut self,
        pipeline: &Pipeline,
        tell: &mut dyn FnMut(&str) -> ControlFlow<()>,
        ended: bool,
    ) -> Result<Continuation, Error> {
        let drawn = &self.ids[self.prompt_ids.len()..];
        let text = behind(pipeline, &self.prompt_ids, drawn)?;
        if let Some(rest) = text.strip_prefix(self.told.as_str()).filter(|rest| !rest.is_empty()) {
            let _ = tell(rest);
        }
        Ok(Continuation { prompt: std::mem::take(&mut self.prompt), text, tokens: drawn.len(), ended })
    }
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
        let mut writing = Writing::begin(self, prompt, tokens, sampling, seed)?;
        loop {
            if let Some(whole) = writing.step(self, &mut tell)? {
                return Ok(whole);
            }
        }
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

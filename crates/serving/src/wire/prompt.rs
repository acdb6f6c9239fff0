//! How is a text asked for, and how does it come piece by piece?

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;
use crate::registry::Version;
use crate::{Continuation, Sampling};

/// The most tokens that one request may ask for.
const MOST_TOKENS: usize = 4096;

/// The body of a request for a text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// With what it begins.
    #[serde(default)]
    pub prompt: String,
    /// How many tokens are put behind that at most.
    #[serde(default = "usual_tokens")]
    pub tokens: usize,
    temperature: Option<f64>,
    top_k: Option<usize>,
    top_p: Option<f64>,
    /// Equal seeds give equal texts.
    #[serde(default)]
    pub seed: u64,
    /// Whether it comes piece by piece, as server-sent events.
    #[serde(default)]
    pub stream: bool,
}

fn usual_tokens() -> usize {
    100
}

impl Wish {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let prompt: Self = serde_json::from_slice(body).map_err(|error| {
            Refusal::bad(format!("the body asks for no text: {error}"))
                .with_hint(r#"write {"prompt": "...", "tokens": 100, "temperature": 0.8, "stream": true}"#)
        })?;
        match prompt.tokens {
            0 | MOST_TOKENS.. => Err(Refusal::bad(format!(
                "`tokens` is {}, and must lie between 1 and {}",
                prompt.tokens,
                MOST_TOKENS - 1
            ))),
            _ => Ok(prompt),
        }
    }

    /// How tokens are drawn.
    pub(crate) fn sampling(&self) -> Sampling {
        let usual = Sampling::default();
        Sampling {
            temperature: self.temperature.unwrap_or(usual.temperature),
            top_k: self.top_k.unwrap_or(usual.top_k),
            top_p: self.top_p.unwrap_or(usual.top_p),
        }
    }
}

/// An event with a piece of the text.
pub(crate) fn piece(text: &str) -> Vec<u8> {
    format!("data: {}\n\n", json!({ "text": text })).into_bytes()
}

/// A whole text, with what wrote it.
pub(crate) fn whole(whole: &Continuation, served: &Version, took: Duration) -> Value {
    let mut told = json!(whole);
    told["model_name"] = json!(served.name);
    told["model_version"] = json!(served.id);
    told["milliseconds"] = json!(took.as_micros() as f64 / 1e3);
    told
}

/// The last event: the whole text, or why there is none.
pub(crate) fn last(told: &Result<Value, Refusal>) -> Vec<u8> {
    match told {
        Ok(whole) => format!("event: end\ndata: {whole}\n\n").into_bytes(),
        Err(refusal) => format!("event: error\ndata: {}\n\n", json!(refusal)).into_bytes(),
    }
}

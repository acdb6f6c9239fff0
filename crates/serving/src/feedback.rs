//! What was right? Whoever learns it tells, by the name of the request, and it is kept beside what was answered.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::json;

use crate::access::Caller;
use crate::journal::Journal;
use crate::registry::Version;
use crate::wire::Refusal;
use crate::{Error, Prediction};

/// So many examples are remembered, and so many of one request.
const REMEMBERED: usize = 64 << 10;
const EXAMPLES: usize = 64;
/// So many scores of each: of classes the best, of numbers the first.
const SCORES: usize = 8;
/// So many characters of the name of an example.
const NAME: usize = 128;

/// What is told of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// What the request was called, in the header `X-Request-Id` of its answer.
    request_id: String,
    /// Which of its examples, counted from 0.
    #[serde(default)]
    example: usize,
    /// The class that was right.
    label: Option<String>,
    /// The number that was.
    value: Option<f64>,
    /// Whatever else is to be known.
    comment: Option<String>,
}

/// What was answered.
struct Answered {
    model: String,
    version: String,
    /// How many examples there were; of the first ones the predictions are kept.
    count: usize,
    predictions: Vec<Prediction>,
}

#[derive(Default)]
struct Recent {
    /// By who asked, and what they called it: nobody speaks of the requests of others.
    by_id: HashMap<(u64, String), Answered>,
    order: VecDeque<(u64, String)>,
    examples: usize,
}

/// Answers that were given of late, and a file of what was right.
pub(crate) struct Feedback {
    recent: Mutex<Recent>,
    journal: Journal,
}

impl Feedback {
    /// Keeps what is told in the file at `path`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn open(path: &Path, failed: fn(&str)) -> Result<Self, Error> {
        Ok(Self { recent: Mutex::default(), journal: Journal::open(path, failed)? })
    }

    /// Remembers what was answered.
    pub(crate) fn answered(&self, client: u64, id: &str, version: &Version, predictions: &[Prediction]) {
        let (count, key) = (predictions.len(), (client, id.to_owned()));
        let predictions: Vec<Prediction> = predictions.iter().take(EXAMPLES).map(short).collect();
        let mut guard = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = &mut *guard;
        // Who remembers nothing of a request takes up room, too.
        let weight = |answered: &Answered| answered.predictions.len().max(1);
        let answered = Answered { model: version.name.clone(), version: version.id.clone(), count, predictions };
        recent.examples += weight(&answered);
        match recent.by_id.insert(key.clone(), answered) {
            None => recent.order.push_back(key),
            Some(older) => recent.examples -= weight(&older),
        }
        while recent.examples > REMEMBERED
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.examples -= recent.by_id.remove(&oldest).as_ref().map_or(0, weight);
        }
    }

    /// Ends; what was told is on the disk then.
    pub(crate) fn close(&self) {
        self.journal.close();
    }

    /// Keeps what `body` tells.
    ///
    /// # Errors
    /// If it cannot be meant; if the disk cannot keep up.
    pub(crate) fn take(&self, body: &[u8], caller: &Caller) -> Result<(), Refusal> {
        let wrong = |error: String| {
            Refusal::bad(error)
                .with_hint(r#"write {"request_id": "...", "label": "..."}, or "value" in the place of "label""#)
        };
        let said: Said =
            serde_json::from_slice(body).map_err(|error| wrong(format!("the body is no feedback: {error}")))?;
        if said.label.is_some() == said.value.is_some() {
            return Err(wrong("what was right is either `label` or `value`".into()));
        }
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = recent.by_id.get(&(caller.client, said.request_id.clone()));
        if let Some(answered) = answered.filter(|answered| said.example >= answered.count) {
            let error = format!("the request had {} examples, and `example` is {}", answered.count, said.example);
            return Err(Refusal::bad(error));
        }
        let prediction = answered.and_then(|answered| answered.predictions.get(said.example));
        // A label that the model does not know is worth more than any other.
        let line = json!({
            "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            "request_id": said.request_id,
            "example": said.example,
            "label": said.label,
            "value": said.value,
            "comment": said.comment,
            "caller": caller.name,
            // Another server may have answered, or too long ago.
            "model": answered.map(|answered| &answered.model),
            "version": answered.map(|answered| &answered.version),
            "prediction": prediction,
        });
        drop(recent);
        match self.journal.write(line.to_string()) {
            true => Ok(()),
            false => Err(Refusal::busy("what is told cannot be written fast enough")),
        }
    }
}

/// A prediction without most of its scores.
fn short(prediction: &Prediction) -> Prediction {
    let mut scores = prediction.scores.clone();
    if prediction.label.is_some() && scores.len() > SCORES {
        scores.sort_by(|one, other| other.1.total_cmp(&one.1));
    }
    scores.truncate(SCORES);
    let id = prediction.id.chars().take(NAME).collect();
    Prediction { id, label: prediction.label.clone(), scores, unusual: Vec::new() }
}

//! How are tensors and records answered?

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::http::request::Parts;

use super::answers::Asking;
use super::responses::{self, Answer};
use super::routes::Named;
use super::{Shared, requests};
use crate::Prediction;
use crate::attribution::Variants;
use crate::batching::{Answered, Sender, Unanswered, joined};
use crate::limits::Limits;
use crate::registry::{Chosen, Version};
use crate::shadow::{Compared, compare_numbers, compare_predictions};
use crate::wire::{self, Kind, Question, Refusal, Sent};

/// The largest record that is explained, in bytes as it is sent, and the largest image; and how many variants of one are there at once.
const EXPLAINED_BYTES: usize = 256 << 10;
const EXPLAINED_PIXELS: u64 = 4_000_000;
const EXPLAINED_TOGETHER: usize = 8;
/// How urgent it is to ask a shadow, and for how long its answer is of use.
const SHADOW_PRIORITY: u8 = 9;
const SHADOW_PATIENCE: Duration = Duration::from_secs(5);

impl Shared {
    /// Tensors for tensors.
    pub(super) async fn infer(
        self: &Arc<Self>,
        head: &Parts,
        named: Named<'_>,
        asking: &Arc<Asking>,
    ) -> Result<Answer, Refusal> {
        let chosen = self.choose(named.name, named.version, &head.headers, asking)?;
        let json = requests::json_length(&head.headers)?;
        let body = requests::json(&head.headers, asking.body()?, &self.limits, &self.room).await?;
        let (rows, size) = (self.limits.rows, body.bytes.len());
        let read = move |signature: &_| wire::question(&body.bytes, json, signature, rows);
        let (question, answered) = self.tensors(asking, &chosen, size, read).await?;
        let begun = Instant::now();
        let (numbers, version) = (answered.numbers, Arc::clone(&chosen.version));
        let size = numbers.values.len() * 8;
        let text = requests::aside(size, move || wire::answer(&question, &numbers, &version)).await?;
        self.told(asking, &chosen.version, begun.elapsed());
        Ok(responses::tensors(text.map_err(responses::unwritten)?))
    }

    /// What a version answers to the tensors that `read` finds in `size` bytes.
    pub(super) async fn tensors(
        self: &Arc<Self>,
        asking: &Arc<Asking>,
        chosen: &Chosen,
        size: usize,
        read: impl FnOnce(&data_loader::Signature) -> Result<(Question, data_loader::Batch), Refusal> + Send + 'static,
    ) -> Result<(Question, Answered), Refusal> {
        let begun = Instant::now();
        let version = Arc::clone(&chosen.version);
        let (question, batch) = self.aside(asking, size, move || read(version.signature())).await??;
        let prepared = begun.elapsed();
        let answered = self.engine.infer(&chosen.version.network, batch, asking.sender).await?;
        self.noted(asking, &chosen.version, &answered, prepared);
        if let Some(shadow) = self.watching(chosen) {
            let (shared, batch, numbers) = (Arc::clone(self), answered.batch.clone(), answered.numbers.clone());
            let fits = shadow.signature().inputs == chosen.version.signature().inputs;
            tokio::spawn(async move {
                let compared = match fits {
                    true => {
                        let told = shared.engine.infer(&shadow.network, *batch, of_shadow()).await;
                        told.ok().map(|told| compare_numbers(&numbers, &told.numbers))
                    }
                    false => None,
                };
                shared.metrics.shadow(&shadow, compared);
            });
        }
        Ok((question, answered))
    }

    /// Predictions for records, or for an image.
    pub(super) async fn predict(
        self: &Arc<Self>,
        head: &Parts,
        name: &str,
        asking: &Arc<Asking>,
    ) -> Result<Answer, Refusal> {
        let chosen = self.choose(name, None, &head.headers, asking)?;
        let kind = requests::kind(&head.headers)?;
        let body = requests::whole(&head.headers, asking.body()?, &self.limits, &self.room).await?;
        let sent = Sent { kind, bytes: body.bytes.clone(), rows: self.limits.rows, pixels: self.limits.pixels };
        let predictions = self.predictions(asking, &chosen.version, asking.sender, sent.clone()).await?;
        if let Some(feedback) = &self.feedback {
            feedback.answered(asking.caller.client, &asking.id, &chosen.version, &predictions);
        }
        if let Some(shadow) = self.watching(&chosen) {
            let (shared, asking, told) = (Arc::clone(self), Arc::clone(asking), predictions.clone());
            tokio::spawn(async move {
                let other = shared.predictions(&asking, &shadow, of_shadow(), sent).await;
                let compared: Option<Compared> = other.ok().map(|other| compare_predictions(&told, &other));
                shared.metrics.shadow(&shadow, compared);
            });
        }
        let text = wire::predictions(&predictions, &chosen.version, asking.begun.elapsed());
        Ok(responses::text_of_json(200, text.map_err(responses::unwritten)?))
    }

    /// What a version predicts for what was sent.
    async fn predictions(
        &self,
        asking: &Asking,
        version: &Arc<Version>,
        sender: Sender,
        sent: Sent,
    ) -> Result<Vec<Prediction>, Refusal> {
        let begun = Instant::now();
        let (size, of_reader) = (sent.work(), Arc::clone(version));
        let prepared = self.aside(asking, size, move || {
            let records = wire::records(&sent, of_reader.schema())?;
            match records.is_empty() {
                true => Ok(None),
                false => of_reader.meaning.prepare(records).map(Some).map_err(Refusal::from),
            }
        });
        let Some(batch) = prepared.await?? else { return Ok(Vec::new()) };
        let prepared = begun.elapsed();
        let answered = self.engine.infer(&version.network, batch, sender).await?;
        self.noted(asking, version, &answered, prepared);
        let begun = Instant::now();
        let told = version.meaning.tell(&answered.batch, &answered.numbers)?;
        self.told(asking, version, begun.elapsed());
        Ok(told)
    }

    /// What of a record or an image speaks for the answer to it, and what against.
    pub(super) async fn explain(
        self: &Arc<Self>,
        head: &Parts,
        name: &str,
        asking: &Arc<Asking>,
    ) -> Result<Answer, Refusal> {
        let version = self.choose(name, None, &head.headers, asking)?.version;
        let kind = requests::kind(&head.headers)?;
        // It is asked a hundred times and more.
        let body_size = if kind == Kind::Image { self.limits.body } else { self.limits.body.min(EXPLAINED_BYTES) };
        let limits = Limits { body: body_size, pixels: self.limits.pixels.min(EXPLAINED_PIXELS), ..self.limits };
        let body = requests::whole(&head.headers, asking.body()?, &limits, &self.room).await?;
        let sent = Sent { kind, bytes: body.bytes.clone(), rows: 2, pixels: limits.pixels };
        let of_reader = Arc::clone(&version);
        let read = self.aside(asking, usize::MAX, move || {
            let records = wire::records(&sent, of_reader.schema())?;
            let variants = Variants::of(records, of_reader.schema())?;
            if !variants.is_of_image() {
                let batch = of_reader.meaning.prepare(variants.records().collect())?;
                return Ok::<_, Refusal>((variants, batch));
            }
            // Images are large until they are brought to the size of the network.
            let mut prepared = Vec::new();
            let mut records = variants.records().peekable();
            while records.peek().is_some() {
                let some = records.by_ref().take(EXPLAINED_TOGETHER).collect();
                prepared.push(of_reader.meaning.prepare(some)?);
            }
            drop(records);
            Ok((variants, joined(&prepared.iter().collect::<Vec<_>>())))
        });
        let (variants, batch) = read.await??;
        let prepared = asking.begun.elapsed();
        let answered = self.engine.infer(&version.network, batch, asking.sender).await?;
        self.noted(asking, &version, &answered, prepared);
        let told = version.meaning.tell(&answered.batch, &answered.numbers)?;
        responses::json(200, &variants.attribution(&told)?)
    }

    /// Reads what takes long elsewhere, but not what nobody waits for any more, nor more than can be read soon.
    async fn aside<T: Send + 'static>(
        &self,
        asking: &Asking,
        size: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = match size > requests::SMALL {
            true => Some(Arc::clone(&self.reading).try_acquire_owned().map_err(|_| Refusal::from(Unanswered::Full))?),
            false => None,
        };
        let deadline = asking.sender.deadline;
        let told = requests::aside(size, move || {
            let told = match deadline {
                Some(deadline) if Instant::now() > deadline => Err(Refusal::from(Unanswered::Late)),
                _ => Ok(work()),
            };
            drop(place);
            told
        });
        told.await?
    }

    /// The shadow that is asked too, if there is one and others do not wait for it.
    fn watching(&self, chosen: &Chosen) -> Option<Arc<Version>> {
        let shadow = chosen.shadow.as_ref()?;
        (2 * self.engine.waiting() < self.limits.waiting).then(|| Arc::clone(shadow))
    }

    /// Counts on what the time of an answer went.
    fn noted(&self, asking: &Asking, version: &Version, answered: &Answered, prepared: Duration) {
        let Answered { queued, computed, rows, .. } = answered;
        for (phase, took) in [("preprocess", prepared), ("queue", *queued), ("infer", *computed)] {
            self.took(asking, version, phase, took);
        }
        self.metrics.batch(version, *rows);
        version.statistics.answered(answered, prepared);
    }

    fn told(&self, asking: &Asking, version: &Version, took: Duration) {
        self.took(asking, version, "postprocess", took);
        version.statistics.told(took);
    }
}

/// A shadow is asked when nobody else asks.
fn of_shadow() -> Sender {
    Sender { client: 0, priority: SHADOW_PRIORITY, deadline: Some(Instant::now() + SHADOW_PATIENCE) }
}

//! What did a version do since it was read? As the protocol's extension for statistics asks it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::batching::Answered;
use crate::wire::messages::{BatchStatistics, InferStatistics, Took, VersionStatistics};

/// Counts of one version.
#[derive(Default)]
pub(crate) struct Statistics(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    last: Option<SystemTime>,
    examples: u64,
    batches: u64,
    success: Took,
    fail: Took,
    queue: Took,
    input: Took,
    infer: Took,
    output: Took,
    /// By how many examples were answered at once.
    by_rows: BTreeMap<usize, Took>,
}

impl Statistics {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what the network answered, to which `prepared` was spent on the question.
    pub(crate) fn answered(&self, answered: &Answered, prepared: Duration) {
        let Answered { queued, computed, rows, leads, batch, .. } = answered;
        let mut counts = self.lock();
        counts.last = Some(SystemTime::now());
        counts.examples += batch.len() as u64;
        counts.input.add(prepared);
        counts.queue.add(*queued);
        counts.infer.add(*computed);
        if *leads {
            counts.batches += 1;
            counts.by_rows.entry(*rows).or_default().add(*computed);
        }
    }

    /// Counts what it took to tell an answer.
    pub(crate) fn told(&self, took: Duration) {
        self.lock().output.add(took);
    }

    /// Counts a request as a whole.
    pub(crate) fn ended(&self, well: bool, took: Duration) {
        let mut counts = self.lock();
        match well {
            true => counts.success.add(took),
            false => counts.fail.add(took),
        }
    }

    /// All of it, of the version of this name.
    pub(crate) fn tell(&self, name: &str, version: &str) -> VersionStatistics {
        let counts = self.lock();
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let batch =
            |(rows, took): (&usize, &Took)| BatchStatistics { batch_size: *rows as u64, compute_infer: Some(*took) };
        VersionStatistics {
            name: name.to_owned(),
            version: version.to_owned(),
            last_inference: counts.last.map_or(0, |last| u64::try_from(since(last).as_millis()).unwrap_or(u64::MAX)),
            inference_count: counts.examples,
            execution_count: counts.batches,
            inference_stats: Some(InferStatistics {
                success: Some(counts.success),
                fail: Some(counts.fail),
                queue: Some(counts.queue),
                compute_input: Some(counts.input),
                compute_infer: Some(counts.infer),
                compute_output: Some(counts.output),
            }),
            batch_stats: counts.by_rows.iter().map(batch).collect(),
        }
    }
}

//! What did the server do so far? In the text that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::Model;

/// The upper bounds of the buckets of latencies, in seconds.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What was counted.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Paths are those of routes, never those of clients, who could invent as many as they like.
    counts: Mutex<BTreeMap<&'static str, Path>>,
}

#[derive(Default)]
struct Path {
    /// How many requests there were, by status.
    requests: BTreeMap<u16, u64>,
    /// How many took at most as long as each bound, and longer than the bound before.
    buckets: [u64; BOUNDS.len()],
    seconds: f64,
}

impl Metrics {
    /// Counts a request.
    pub(crate) fn count(&self, path: &'static str, status: u16, took: Duration) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.entry(path).or_default();
        *counts.requests.entry(status).or_default() += 1;
        counts.seconds += took.as_secs_f64();
        if let Some(bucket) = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound) {
            counts.buckets[bucket] += 1;
        }
    }

    /// Everything as text.
    pub(crate) fn text(&self, model: &Model) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments| {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "{line}");
        };
        line(format_args!(
            "# HELP firebox_requests_total Requests that were answered.\n# TYPE firebox_requests_total counter"
        ));
        for (path, counts) in counts.iter() {
            for (status, count) in &counts.requests {
                line(format_args!("firebox_requests_total{{path=\"{path}\",status=\"{status}\"}} {count}"));
            }
        }
        line(format_args!(
            "# HELP firebox_request_seconds Time from the head of a request to its answer.\n\
             # TYPE firebox_request_seconds histogram"
        ));
        for (path, counts) in counts.iter() {
            let mut below = 0;
            for (bound, bucket) in BOUNDS.iter().zip(counts.buckets) {
                below += bucket;
                line(format_args!("firebox_request_seconds_bucket{{path=\"{path}\",le=\"{bound}\"}} {below}"));
            }
            let all: u64 = counts.requests.values().sum();
            line(format_args!("firebox_request_seconds_bucket{{path=\"{path}\",le=\"+Inf\"}} {all}"));
            line(format_args!("firebox_request_seconds_sum{{path=\"{path}\"}} {}", counts.seconds));
            line(format_args!("firebox_request_seconds_count{{path=\"{path}\"}} {all}"));
        }
        line(format_args!(
            "# HELP firebox_waiting_requests Requests that wait for the model.\n# TYPE firebox_waiting_requests gauge\n\
             firebox_waiting_requests {}",
            model.waiting()
        ));
        if let Ok(card) = model.card() {
            line(format_args!(
                "# HELP firebox_model_info The model that is ready.\n# TYPE firebox_model_info gauge\n\
                 firebox_model_info{{name=\"{}\",version=\"{}\",task=\"{}\"}} 1",
                card.name, card.version, card.signature.task
            ));
        }
        text
    }
}

//! What did the server do so far? In the text that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::registry::{Registry, Version};
use crate::shadow::Compared;

/// The upper bounds of the buckets of latencies, in seconds.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The upper bounds of the buckets of examples that were answered at once.
const ROWS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// The upper bounds of the buckets of differences between the answers of a shadow and those that were sent.
const DIFFERENCES: [f64; 8] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0];

/// What was counted.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Paths are those of routes, never those of clients, who could invent as many as they like.
    requests: Mutex<BTreeMap<&'static str, Requests>>,
    /// By model, version and phase.
    phases: Mutex<BTreeMap<(String, String, &'static str), Histogram<{ BOUNDS.len() }>>>,
    /// By model, version and what became of it.
    shadows: Mutex<BTreeMap<(String, String, &'static str), u64>>,
    /// By model and version.
    differences: Mutex<BTreeMap<(String, String), Histogram<{ DIFFERENCES.len() }>>>,
    /// By model and version.
    rows: Mutex<BTreeMap<(String, String), Histogram<{ ROWS.len() }>>>,
}

/// Requests to one route.
#[derive(Default)]
struct Requests {
    by_status: BTreeMap<u16, u64>,
    seconds: Histogram<{ BOUNDS.len() }>,
}

/// How many values lay at most at each bound, and above the bound before.
#[derive(Clone, Copy)]
struct Histogram<const N: usize> {
    buckets: [u64; N],
    count: u64,
    sum: f64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self { buckets: [0; N], count: 0, sum: 0.0 }
    }
}

impl<const N: usize> Histogram<N> {
    fn observe(&mut self, bounds: &[f64; N], value: f64) {
        self.count += 1;
        self.sum += value;
        if let Some(bucket) = bounds.iter().position(|bound| value <= *bound) {
            self.buckets[bucket] += 1;
        }
    }

    /// Its lines, with `labels` in front of the bound.
    fn write(&self, text: &mut String, name: &str, labels: &str, bounds: &[f64; N]) {
        let mut below = 0;
        // Writing into a text cannot fail.
        for (bound, bucket) in bounds.iter().zip(self.buckets) {
            below += bucket;
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", self.count);
        let _ = writeln!(text, "{name}_sum{{{labels}}} {}", self.sum);
        let _ = writeln!(text, "{name}_count{{{labels}}} {}", self.count);
    }
}

fn lock<T>(counts: &Mutex<T>) -> MutexGuard<'_, T> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// Counts a request.
    pub(crate) fn count(&self, path: &'static str, status: u16, took: Duration) {
        let mut requests = lock(&self.requests);
        let of_path = requests.entry(path).or_default();
        *of_path.by_status.entry(status).or_default() += 1;
        of_path.seconds.observe(&BOUNDS, took.as_secs_f64());
    }

    /// Counts a part of what an answer took.
    pub(crate) fn phase(&self, version: &Version, phase: &'static str, took: Duration) {
        let key = (version.name.clone(), version.id.clone(), phase);
        lock(&self.phases).entry(key).or_default().observe(&BOUNDS, took.as_secs_f64());
    }

    /// Counts how many examples were answered at once with those of a request.
    pub(crate) fn batch(&self, version: &Version, rows: usize) {
        let key = (version.name.clone(), version.id.clone());
        lock(&self.rows).entry(key).or_default().observe(&ROWS, rows as f64);
    }

    /// Counts what a shadow answered; nothing if it did not.
    pub(crate) fn shadow(&self, version: &Version, compared: Option<Compared>) {
        let outcome = match compared {
            Some(Compared { same: true, .. }) => "same",
            Some(_) => "other",
            None => "none",
        };
        let key = (version.name.clone(), version.id.clone());
        *lock(&self.shadows).entry((key.0.clone(), key.1.clone(), outcome)).or_default() += 1;
        if let Some(difference) = compared.map(|compared| compared.difference).filter(|value| value.is_finite()) {
            lock(&self.differences).entry(key).or_default().observe(&DIFFERENCES, difference);
        }
    }

    /// Everything as text.
    pub(crate) fn text(&self, registry: &Registry, waiting: usize) -> String {
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        head(&mut text, "firebox_requests_total", "counter", "Requests that were answered.");
        let requests = lock(&self.requests);
        for (path, of_path) in requests.iter() {
            for (status, count) in &of_path.by_status {
                let _ = writeln!(text, "firebox_requests_total{{path=\"{path}\",status=\"{status}\"}} {count}");
            }
        }
        let name = "firebox_request_seconds";
        head(&mut text, name, "histogram", "Time from the head of a request to its answer.");
        for (path, of_path) in requests.iter() {
            of_path.seconds.write(&mut text, name, &format!("path=\"{path}\""), &BOUNDS);
        }
        drop(requests);
        let name = "firebox_phase_seconds";
        head(&mut text, name, "histogram", "On what the time of answers went.");
        for ((model, version, phase), histogram) in lock(&self.phases).iter() {
            let labels = format!("model=\"{model}\",version=\"{version}\",phase=\"{phase}\"");
            histogram.write(&mut text, name, &labels, &BOUNDS);
        }
        let name = "firebox_batch_examples";
        head(&mut text, name, "histogram", "Examples that were answered at once, as each request met them.");
        for ((model, version), histogram) in lock(&self.rows).iter() {
            histogram.write(&mut text, name, &format!("model=\"{model}\",version=\"{version}\""), &ROWS);
        }
        let name = "firebox_shadow_answers_total";
        head(&mut text, name, "counter", "Answers of shadows, by whether they are those that were sent.");
        for ((model, version, outcome), count) in lock(&self.shadows).iter() {
            let labels = format!("model=\"{model}\",version=\"{version}\",outcome=\"{outcome}\"");
            let _ = writeln!(text, "{name}{{{labels}}} {count}");
        }
        let name = "firebox_shadow_difference";
        head(
            &mut text,
            name,
            "histogram",
            "The largest difference between an answer of a shadow and the one that was sent.",
        );
        for ((model, version), histogram) in lock(&self.differences).iter() {
            histogram.write(&mut text, name, &format!("model=\"{model}\",version=\"{version}\""), &DIFFERENCES);
        }
        head(&mut text, "firebox_waiting_requests", "gauge", "Requests that wait for their turn.");
        let _ = writeln!(text, "firebox_waiting_requests {waiting}");
        head(&mut text, "firebox_model_info", "gauge", "The versions that answer.");
        for version in registry.versions() {
            let (name, task) = (&version.name, version.signature().task);
            let version = &version.id;
            let _ = writeln!(text, "firebox_model_info{{name=\"{name}\",version=\"{version}\",task=\"{task}\"}} 1");
        }
        if let Some(bytes) = resident_memory() {
            head(&mut text, "process_resident_memory_bytes", "gauge", "Memory that the process holds.");
            let _ = writeln!(text, "process_resident_memory_bytes {bytes}");
        }
        text
    }
}

/// The memory that this process holds, where the system says.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kilobytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

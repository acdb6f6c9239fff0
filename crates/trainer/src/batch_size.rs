//! How many examples make a batch, where the config leaves it to measurement?
//!
//! `batch_size = "auto"`: powers of two are tried, each in a process of its own, so that one that does not fit into memory takes nothing
//! with it. The largest one is kept that fits and still learns from more examples a second than half of it did.

use std::path::Path;

use model_zoo::device::Found;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::breakdown::{self, Breakdown, Measure};
use crate::{Error, Experiment};

/// By how much more examples a second a batch twice as large must bring: less than this is noise.
const FASTER: f64 = 1.05;
/// How much of the memory that is free a process may take; the rest is for what runs beside it.
const ROOM: f64 = 0.8;
/// The first batch that is tried.
const SMALLEST: usize = 8;
/// Seconds that a probe goes on.
const SECONDS: f64 = 1.0;

/// How many examples make a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// So many.
    Examples(usize),
    /// As many as measurement says.
    Auto,
}

impl Serialize for BatchSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Examples(count) => serializer.serialize_u64(*count as u64),
            Self::Auto => serializer.serialize_str("auto"),
        }
    }
}

impl<'de> Deserialize<'de> for BatchSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = BatchSize;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of examples, or \"auto\"")
            }
            fn visit_u64<E: de::Error>(self, count: u64) -> Result<BatchSize, E> {
                let count = usize::try_from(count);
                count.map(BatchSize::Examples).map_err(|_| E::custom("there are no batches as large as that"))
            }
            fn visit_i64<E: de::Error>(self, count: i64) -> Result<BatchSize, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Signed(count), &self);
                u64::try_from(count).map_err(wrong).and_then(|count| Words.visit_u64(count))
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<BatchSize, E> {
                match word {
                    "auto" => Ok(BatchSize::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl JsonSchema for BatchSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BatchSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "auto" }] })
    }
}

/// How fast a network learns from batches of one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Examples in a batch.
    pub batch_size: usize,
    /// How many are learnt from in a second.
    pub examples_per_second: f64,
    /// The most bytes that the process had resident, where the system says so.
    pub peak_memory: Option<u64>,
}

/// Learns for a second from batches of the size that `experiment` names, and keeps nothing.
///
/// # Errors
/// As training.
pub fn measure(experiment: Experiment, config: &Path, device: &Found) -> Result<Probe, Error> {
    let found = breakdown::measure(experiment, config, device, Measure { seconds: SECONDS, exact: false })?;
    let Breakdown { batch_size, examples_per_second, peak_memory, .. } = found;
    Ok(Probe { batch_size, examples_per_second, peak_memory })
}

/// The largest power of two, up to `most`, that `probe` can learn from and that is still faster; and every probe. A size of which the probe
/// gives nothing does not fit. `free` is how much memory there was before.
///
/// # Errors
/// The first probe's, if not even the smallest size fits.
pub fn choose<E>(
    most: usize,
    free: Option<u64>,
    mut probe: impl FnMut(usize) -> Result<Probe, E>,
) -> Result<(usize, Vec<Probe>), E> {
    let mut size = SMALLEST.min(1 << most.max(1).ilog2());
    let first = probe(size)?;
    let mut probes = vec![first];
    let mut best = first;
    while 2 * size <= most && !would_burst(&probes, free) {
        size *= 2;
        let Ok(next) = probe(size) else { break };
        probes.push(next);
        if next.examples_per_second < FASTER * best.examples_per_second {
            break;
        }
        best = next;
    }
    Ok((best.batch_size, probes))
}

/// Whether a batch twice as large as the last one would take more memory than there is: what the last doubling added, it adds twice.
fn would_burst(probes: &[Probe], free: Option<u64>) -> bool {
    let (Some(free), [.., last]) = (free, probes) else { return false };
    let Some(peak) = last.peak_memory else { return false };
    let before = probes.iter().rev().nth(1).and_then(|probe| probe.peak_memory).unwrap_or(peak / 2);
    let next = peak as f64 + 2.0 * peak.saturating_sub(before) as f64;
    next > ROOM * free as f64
}

/// The most bytes that a process has had resident, by its number or `self`, where the system says.
pub fn peak_memory(process: &str) -> Option<u64> {
    kibibytes(&std::fs::read_to_string(format!("/proc/{process}/status")).ok()?, "VmHWM:")
}

/// The bytes that this process has resident now.
pub(crate) fn resident_memory() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// How many bytes of memory are free on this machine, where it says so.
pub fn free_memory() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probes a machine on which `speed` says how fast each size is; a size that it does not know does not fit.
    fn chosen(most: usize, free: Option<u64>, speeds: &[(usize, f64, u64)]) -> (usize, Vec<usize>) {
        let probe = |size: usize| {
            let found = speeds.iter().find(|(known, ..)| *known == size);
            found
                .map(|&(batch_size, examples_per_second, memory)| Probe {
                    batch_size,
                    examples_per_second,
                    peak_memory: Some(memory),
                })
                .ok_or(())
        };
        let (best, probes) = choose(most, free, probe).unwrap();
        (best, probes.iter().map(|probe| probe.batch_size).collect())
    }

    #[test]
    fn the_largest_that_fits_and_is_still_faster_is_kept() {
        let speeds = [(8, 100.0, 10), (16, 190.0, 12), (32, 300.0, 16), (64, 310.0, 24), (128, 900.0, 40)];
        assert_eq!(chosen(1000, None, &speeds), (32, vec![8, 16, 32, 64]));
        assert_eq!(chosen(1000, None, &speeds[..2]), (16, vec![8, 16]));
        assert_eq!(chosen(31, None, &speeds), (16, vec![8, 16]));
        assert_eq!(chosen(5, None, &[(4, 1.0, 1)]), (4, vec![4]));
        assert_eq!(chosen(1, None, &[(1, 1.0, 1)]), (1, vec![1]));
        assert!(choose(100, None, |_| Err::<Probe, _>("no room")).is_err());
    }

    /// From 12 to 16 four were added, so that the next one is taken to need 24: four fifths of 30 are that much, of 29 less.
    #[test]
    fn what_would_not_fit_is_not_tried() {
        let speeds = [(8, 100.0, 10), (16, 190.0, 12), (32, 300.0, 16), (64, 400.0, 24)];
        assert_eq!(chosen(64, Some(30), &speeds).0, 64);
        assert_eq!(chosen(64, Some(29), &speeds).0, 32);
    }

    #[test]
    fn a_size_is_a_number_or_a_word() {
        let read = |text: &str| serde_json::from_str::<BatchSize>(text);
        assert_eq!(read("64").unwrap(), BatchSize::Examples(64));
        assert_eq!(read("\"auto\"").unwrap(), BatchSize::Auto);
        for (wrong, word) in [("\"autp\"", "auto"), ("-3", "number of examples"), ("1.5", "number of examples")] {
            assert!(read(wrong).unwrap_err().to_string().contains(word), "{wrong}");
        }
        assert_eq!(serde_json::to_string(&[BatchSize::Auto, BatchSize::Examples(3)]).unwrap(), "[\"auto\",3]");
    }
}

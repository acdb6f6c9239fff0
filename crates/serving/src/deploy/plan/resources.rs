//! How much of a machine does one server ask for?
//!
//! Memory cannot be given back under load, so as much is asked for as may be used: half again what was measured, in
//! whole steps. Of the processor a quarter more than was measured is asked for, and nothing forbids more, because a
//! server that is held back shows it in its slowest answers. So that it does not begin as many threads as a large
//! machine has cores, it is told how many. Where nothing was measured, the figures are meant to be too large, and say
//! so.

use super::{Deployment, REQUESTS};

const MIB: u64 = 1 << 20;
/// Memory is asked for in steps of so many bytes, the processor in steps of so many thousandths.
const MEMORY_STEP: u64 = 16 * MIB;
const CPU_STEP: u64 = 50;
/// A program, its threads and its buffers, before there is a model.
const PROGRAM: u64 = 256 * MIB;
/// A model that nobody measured: as read, as built, what it computes with, and as much for surprises.
const COPIES: u64 = 4;
/// The processor of one that nobody measured.
const UNMEASURED_CPU: u64 = 1000;

/// What one server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Memory in bytes, which it gets and may not exceed.
    pub memory_bytes: u64,
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// With so many threads it computes.
    pub threads: u64,
    /// From what these figures were made.
    pub origin: String,
}

impl Resources {
    /// As Kubernetes writes memory.
    pub fn memory(&self) -> String {
        format!("{}Mi", self.memory_bytes / MIB)
    }

    /// As Kubernetes writes the processor.
    pub fn cpu(&self) -> String {
        format!("{}m", self.cpu_millis)
    }
}

impl Deployment {
    pub(in crate::deploy) fn resources(&self) -> Resources {
        let (memory, cpu, origin) = match &self.measured {
            Some(found) => (
                found.memory_bytes.saturating_add(found.memory_bytes / 2).saturating_add(REQUESTS),
                found.cpu_millis.saturating_add(found.cpu_millis / 4).max(2 * CPU_STEP),
                format!(
                    "{}: {} and {}m of processor at {} requests a second, p99 {} ms; memory is that and a half \
                     and {} for requests, the processor that and a quarter",
                    if found.of_server { "measured" } else { "measured of the network without a server" },
                    size(found.memory_bytes),
                    found.cpu_millis,
                    found.requests_per_second,
                    found.p99_ms,
                    size(REQUESTS)
                ),
            ),
            None => (
                PROGRAM.saturating_add(self.bundle_bytes().saturating_mul(COPIES)),
                UNMEASURED_CPU,
                format!(
                    "not measured: {} and {COPIES} times the bundle of {}, and one processor; measure under load and \
                     package again",
                    size(PROGRAM),
                    size(self.bundle_bytes())
                ),
            ),
        };
        let up = |amount: u64, step: u64| amount.div_ceil(step).saturating_mul(step);
        let cpu_millis = up(cpu, CPU_STEP);
        // The largest number of bytes is no whole number of steps.
        let memory_bytes = up(memory.min(u64::MAX - MEMORY_STEP), MEMORY_STEP);
        Resources { memory_bytes, cpu_millis, threads: cpu_millis.div_ceil(1000).max(1), origin }
    }
}

/// A number of bytes for a reader.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=1_048_575 => format!("{:.0} KiB", bytes as f64 / 1024.0),
        _ if bytes < 100 * MIB => format!("{:.1} MiB", bytes as f64 / MIB as f64),
        _ => format!("{:.0} MiB", bytes as f64 / MIB as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::Measured;
    use crate::deploy::plan::tests::{bundle, full};

    #[test]
    fn what_was_measured_is_asked_for_with_room() {
        let folder = bundle("penguins");
        let resources = full(folder.path()).resources();
        // 180 MiB and a half and 256 are 526, in steps of 16 MiB 528; 850 and a quarter are 1062, in steps of 50 1100.
        assert_eq!((resources.memory().as_str(), resources.cpu().as_str()), ("528Mi", "1100m"));
        assert_eq!(resources.threads, 2);
        assert!(resources.origin.starts_with("measured: 180 MiB and 850m of processor at 420 requests"));
    }

    #[test]
    fn what_was_not_measured_says_so() {
        let folder = bundle("penguins");
        let resources = Deployment { measured: None, ..full(folder.path()) }.resources();
        assert_eq!((resources.memory().as_str(), resources.cpu().as_str()), ("272Mi", "1000m"));
        assert!(resources.origin.starts_with("not measured: 256 MiB and 4 times the bundle of 69 KiB"));
    }

    #[test]
    fn figures_without_measure_do_not_overflow() {
        let folder = bundle("penguins");
        let huge = Measured {
            memory_bytes: u64::MAX,
            cpu_millis: u64::MAX,
            p99_ms: 1.0,
            requests_per_second: 1e300,
            of_server: true,
        };
        let resources = Deployment { measured: Some(huge), ..full(folder.path()) }.resources();
        assert_eq!(resources.memory_bytes % MEMORY_STEP, 0);
        let small = Measured { memory_bytes: 1, cpu_millis: 1, p99_ms: 1.0, requests_per_second: 1.0, of_server: true };
        let resources = Deployment { measured: Some(small), ..full(folder.path()) }.resources();
        assert_eq!((resources.memory().as_str(), resources.cpu().as_str()), ("272Mi", "100m"));
    }
}

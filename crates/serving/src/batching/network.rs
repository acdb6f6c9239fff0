//! What answers, how many examples at once, and whether it still does?

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Unanswered;
use crate::{Error, Predictor};

/// How requests come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most examples that are answered at once.
    pub rows: usize,
    /// How long a request waits for others that could be answered with it; 0 is as long as another batch is being answered.
    pub window: Duration,
    /// How long a batch may take: of examples that take long, fewer are answered at once, but one always. Large networks gain little by
    /// more, and whoever is among them waits for all and pays with memory.
    pub longest: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rows: 32, window: Duration::ZERO, longest: Duration::from_millis(250) }
    }
}

/// A network that answers, until it breaks down.
pub(crate) struct Network {
    predictor: Mutex<Predictor>,
    broken: AtomicBool,
    pub(super) settings: Settings,
    /// How many nanoseconds an example took of late; 0 while nobody knows.
    pace: AtomicU64,
}

impl Network {
    pub(crate) fn new(predictor: Predictor, settings: Settings) -> Self {
        let (samples, took) = predictor.replayed();
        let (broken, pace) = (AtomicBool::new(false), AtomicU64::new(0));
        let network = Self { predictor: Mutex::new(predictor), broken, settings, pace };
        if samples > 0 {
            network.took(samples, took);
        }
        network
    }

    /// Whether it broke down; what it would answer now nobody knows.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// How many examples are answered at once: as far as is known, those that take no longer than they may.
    pub(super) fn rows(&self) -> usize {
        match self.pace.load(Ordering::Relaxed) {
            0 => self.settings.rows,
            pace => {
                let most = self.settings.longest.as_nanos() / u128::from(pace);
                usize::try_from(most).unwrap_or(usize::MAX).clamp(1, self.settings.rows.max(1))
            }
        }
    }

    /// Learns how long so many examples took.
    pub(super) fn took(&self, rows: usize, took: Duration) {
        let each = u64::try_from(took.as_nanos() / rows.max(1) as u128).unwrap_or(u64::MAX).max(1);
        // What happened once, as when another program had the machine, is soon forgotten.
        let pace = match self.pace.load(Ordering::Relaxed) {
            0 => each,
            before => before - before / 8 + each / 8,
        };
        self.pace.store(pace.max(1), Ordering::Relaxed);
    }

    /// Lets the predictor do something; what panics here or fails by its device breaks the network.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Predictor) -> Result<T, Error>) -> Result<T, Unanswered> {
        if self.is_broken() {
            return Err(Unanswered::Broken);
        }
        let predictor = self.predictor.lock().unwrap_or_else(PoisonError::into_inner);
        let told = catch_unwind(AssertUnwindSafe(|| work(&predictor)))
            .unwrap_or(Err(Error::Panicked { doing: "it answered a request" }));
        told.map_err(|error| {
            let broken = matches!(error, Error::Panicked { .. } | Error::Model(model_zoo::Error::DeviceFailed { .. }));
            self.broken.fetch_or(broken, Ordering::AcqRel);
            Unanswered::Failed(Box::new(error))
        })
    }
}

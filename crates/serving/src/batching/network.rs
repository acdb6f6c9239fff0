//! What answers, how many examples at once, and whether it still does?

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Unanswered;
use super::pace::Pace;
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
    pace: Pace,
}

impl Network {
    pub(crate) fn new(predictor: Predictor, settings: Settings) -> Self {
        let (samples, took) = predictor.replayed();
        let (broken, pace) = (AtomicBool::new(false), Pace::default());
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

    /// How many examples are answered at once: as many as are answered fastest, and as far as is known take no longer than they may.
    pub(super) fn rows(&self) -> usize {
        self.pace.rows(self.settings.rows, self.settings.longest)
    }

    /// Learns how long so many examples took.
    pub(super) fn took(&self, rows: usize, took: Duration) {
        self.pace.took(rows, took);
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

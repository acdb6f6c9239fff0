//! Is training still getting anywhere?

use serde::{Deserialize, Serialize};

use crate::metrics::Direction;

/// The best value so far of the watched metric, and how long ago it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The value; none before the first evaluation.
    pub value: Option<f64>,
    /// After how many steps it was reached.
    pub step: u64,
    /// Evaluations since then.
    pub waited: u64,
}

impl Best {
    /// Takes note of a value and says whether it is the best so far.
    pub fn observe(&mut self, value: f64, step: u64, direction: Direction, min_delta: f64) -> bool {
        let better = match (self.value, direction) {
            _ if value.is_nan() => false,
            (None, _) => true,
            (Some(best), Direction::Higher) => value > best + min_delta,
            (Some(best), Direction::Lower) => value < best - min_delta,
        };
        if better {
            *self = Self { value: Some(value), step, waited: 0 };
        } else {
            self.waited += 1;
        }
        better
    }

    /// Whether `patience` evaluations in a row brought nothing better.
    pub fn is_due(&self, patience: Option<u64>) -> bool {
        patience.is_some_and(|patience| self.waited >= patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_patience_evaluations_without_progress() {
        let mut best = Best::default();
        let mut improved = Vec::new();
        for (step, value) in [0.5, 0.6, 0.605, f64::NAN, 0.59].into_iter().enumerate() {
            improved.push(best.observe(value, step as u64, Direction::Higher, 0.01));
        }
        assert_eq!(improved, [true, true, false, false, false]);
        assert_eq!(best, Best { value: Some(0.6), step: 1, waited: 3 });
        assert!(best.is_due(Some(3)) && !best.is_due(Some(4)) && !best.is_due(None));
    }

    #[test]
    fn less_can_be_better() {
        let mut best = Best::default();
        assert!(best.observe(2.0, 1, Direction::Lower, 0.0));
        assert!(!best.observe(2.0, 2, Direction::Lower, 0.0));
        assert!(best.observe(1.9, 3, Direction::Lower, 0.0));
    }
}

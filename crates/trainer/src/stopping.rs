//! Is training still getting anywhere?

use serde::{Deserialize, Serialize};

use crate::metrics::Direction;

/// The best value so far of the watched metric, and for how long it has not got better by enough to go on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The metric that is watched.
    pub metric: String,
    /// The value; none before the first evaluation.
    pub value: Option<f64>,
    /// After how many steps it was reached.
    pub step: u64,
    /// The value from which progress is measured: the last one that was better by more than `stopping.min_delta`.
    pub mark: Option<f64>,
    /// Evaluations since then.
    pub waited: u64,
}

impl Best {
    /// Begins to watch `metric`. Values of another one say nothing about it, so they are forgotten.
    pub fn judge_by(&mut self, metric: &str) {
        if self.metric != metric {
            *self = Self { metric: metric.to_owned(), ..Self::default() };
        }
    }

    /// Takes note of a value and says whether it is the best so far. What is better by no more than `min_delta` is the best
    /// all the same, and its weights are worth keeping, but it does not lengthen the wait.
    pub fn observe(&mut self, value: f64, step: u64, direction: Direction, min_delta: f64) -> bool {
        let beats = |than: Option<f64>, by: f64| match (than, direction) {
            _ if !value.is_finite() => false,
            (None, _) => true,
            (Some(than), Direction::Higher) => value > than + by,
            (Some(than), Direction::Lower) => value < than - by,
        };
        let (best, progress) = (beats(self.value, 0.0), beats(self.mark, min_delta));
        if best {
            self.value = Some(value);
            self.step = step;
        }
        if progress {
            self.mark = Some(value);
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        best
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
        for (step, value) in [0.5, 0.6, 0.605, f64::NAN, f64::INFINITY].into_iter().enumerate() {
            improved.push(best.observe(value, step as u64, Direction::Higher, 0.01));
        }
        assert_eq!(improved, [true, true, true, false, false]);
        assert_eq!((best.value, best.step, best.mark, best.waited), (Some(0.605), 2, Some(0.6), 3));
        assert!(best.is_due(Some(3)) && !best.is_due(Some(4)) && !best.is_due(None));
    }

    #[test]
    fn small_steps_add_up_to_progress() {
        let mut best = Best::default();
        let waited: Vec<u64> = [0.50, 0.506, 0.512, 0.513, 0.523]
            .into_iter()
            .enumerate()
            .map(|(step, value)| {
                assert!(best.observe(value, step as u64, Direction::Higher, 0.01));
                best.waited
            })
            .collect();
        assert_eq!(waited, [0, 1, 0, 1, 0]);
    }

    #[test]
    fn another_metric_begins_anew() {
        let mut best = Best::default();
        best.judge_by("loss");
        best.observe(1.06, 10, Direction::Lower, 0.0);
        best.judge_by("loss");
        assert_eq!(best.value, Some(1.06));
        best.judge_by("accuracy");
        assert_eq!(best.value, None);
        assert!(best.observe(0.5, 20, Direction::Higher, 0.0));
    }

    #[test]
    fn less_can_be_better() {
        let mut best = Best::default();
        assert!(best.observe(2.0, 1, Direction::Lower, 0.0));
        assert!(!best.observe(2.0, 2, Direction::Lower, 0.0));
        assert!(best.observe(1.9, 3, Direction::Lower, 0.0));
    }
}

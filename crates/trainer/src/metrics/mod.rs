//! How good are the answers?
//!
//! Metrics count on the host, exactly, over every example of a split: never a mean of batch means. Where a value is not
//! defined (a ranking with one class only) it is left out, and each file says so. Rows of weight 0 do not count at all.

use data_loader::{Entry, Task};
use serde::{Deserialize, Serialize};

pub mod accuracy;
pub mod auroc;
pub mod calibration_error;
pub mod confusion_matrix;
pub mod coverage;
pub mod f1;
pub mod iou;
pub mod log_loss;
pub mod mae;
pub mod mase;
pub mod perplexity;
pub mod pinball;
pub mod precision;
pub mod r2;
pub mod recall;
pub mod rmse;
pub mod top_k;

pub use confusion_matrix::Matrix;

/// Every metric, in alphabetical order.
pub const MEMBERS: &[Entry] = &[
    accuracy::ENTRY,
    auroc::ENTRY,
    calibration_error::ENTRY,
    confusion_matrix::ENTRY,
    coverage::ENTRY,
    f1::ENTRY,
    iou::ENTRY,
    log_loss::ENTRY,
    mae::ENTRY,
    mase::ENTRY,
    perplexity::ENTRY,
    pinball::ENTRY,
    precision::ENTRY,
    r2::ENTRY,
    recall::ENTRY,
    rmse::ENTRY,
    top_k::ENTRY,
];

/// Values by class are listed up to so many classes; beyond it they would drown everything else.
pub const CLASSES_LISTED: usize = 30;

/// Up to so many classes every score is kept for an exact ranking.
const CLASSES_RANKED: usize = 32;

/// Up to so many classes a matrix of all pairs is counted.
const CLASSES_PAIRED: usize = 1000;

/// What was expected of a number of rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// The right class of each row; negative means that the row does not count.
    Classes(Vec<i64>),
    /// A distribution over the classes, `[rows, width]`.
    SoftLabels(Vec<f32>),
    /// Numbers in the network's units, and what makes them the user's.
    Values {
        /// `[rows, width]`.
        values: Vec<f32>,
        /// Added to each column, after the product; `[width]`, or fewer to be used in turns.
        mean: Vec<f64>,
        /// The factor of each column, as many as `mean`.
        std: Vec<f64>,
    },
    /// The coming steps of a series, of each of which one number or some quantiles were told: `[rows, horizon, quantiles]`.
    Horizon {
        /// `[rows, horizon]`, in the network's units.
        values: Vec<f32>,
        /// Added to each step, after the product; `[horizon]`.
        mean: Vec<f64>,
        /// The factor of each step; `[horizon]`.
        std: Vec<f64>,
        /// Which quantiles were told, ascending; empty where it was one number.
        quantiles: Vec<f64>,
        /// How far each known window is from itself a season before, on average, in the user's units; `[rows]`, or empty where
        /// nobody knows.
        naive: Vec<f64>,
    },
}

/// A window of which coming steps were told, all in the user's units.
#[derive(Clone, Debug)]
pub struct ForecastRow<'a> {
    /// `[horizon, quantiles]`.
    pub told: Vec<f64>,
    /// `[horizon]`.
    pub expected: Vec<f64>,
    /// Which quantiles were told; empty where it was one number.
    pub quantiles: &'a [f64],
    /// How far the known window is from itself a season before, on average.
    pub naive: Option<f64>,
    /// How much the row counts; more than 0.
    pub weight: f64,
}

impl ForecastRow<'_> {
    /// Of each step the one number, or the quantile next to the median.
    pub fn middle(&self) -> impl Iterator<Item = f64> + '_ {
        let far = |quantile: &f64| (quantile - 0.5).abs();
        let nearest = self.quantiles.iter().enumerate().min_by(|a, b| far(a.1).total_cmp(&far(b.1)));
        let middle = nearest.map_or(0, |(place, _)| place);
        self.told.iter().copied().skip(middle).step_by(self.quantiles.len().max(1))
    }
}

/// The answers to a number of rows: examples, or the pixels or tokens of examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// Scores before softmax, or numbers in the network's units; `[rows, width]` row-major.
    pub scores: Vec<f32>,
    /// Classes, or numbers, in a row. Width 1 with classes expected is a single logit: the log-odds of class 1 against 0.
    pub width: usize,
    /// What was expected.
    pub expected: Expected,
    /// How much each row counts; `None` when all count 1.
    pub weights: Option<Vec<f32>>,
}

/// A row of which a class was expected.
#[derive(Clone, Copy, Debug)]
pub struct ClassRow<'a> {
    /// The score of each class before softmax, `[classes]`; two of them where the network gave a single logit.
    pub scores: &'a [f32],
    /// The right class, less than the number of scores; with soft labels the likeliest one.
    pub class: usize,
    /// The expected distribution, `[classes]`, where there is one.
    pub soft: Option<&'a [f32]>,
    /// How much the row counts; more than 0.
    pub weight: f64,
}

impl Answers {
    /// Shows every row of which a class was expected. Rows without a class (negative, or beyond the scores) are left out.
    pub fn each_class(&self, mut visit: impl FnMut(ClassRow<'_>)) {
        if self.width == 0 {
            return;
        }
        for (row, scores) in self.scores.chunks_exact(self.width).enumerate() {
            let weight = self.weight(row);
            let soft = match &self.expected {
                Expected::SoftLabels(soft) => soft.get(row * self.width..(row + 1) * self.width),
                _ => None,
            };
            let (logit_pair, soft_pair); // A single logit is the second of two scores, the first being 0.
            let (scores, soft) = if let [logit] = scores {
                logit_pair = [0.0, *logit];
                soft_pair = soft.map(|soft| [1.0 - soft[0], soft[0]]);
                (&logit_pair[..], soft_pair.as_ref().map(|pair| &pair[..]))
            } else {
                (scores, soft)
            };
            let class = match (&self.expected, soft) {
                (Expected::Classes(classes), _) => classes.get(row).and_then(|class| usize::try_from(*class).ok()),
                (_, Some(soft)) => best(soft),
                _ => None,
            };
            if let Some(class) = class.filter(|class| *class < scores.len() && weight > 0.0) {
                visit(ClassRow { scores, class, soft, weight });
            }
        }
    }

    /// Shows every row of which numbers were expected, as (answered, expected, weight): `[width]`, `[width]`, more than 0. The
    /// numbers are in the user's units, in 64 bits: a moment in seconds has no room in 32. Of quantiles the median is shown.
    pub fn each_values(&self, mut visit: impl FnMut(&[f64], &[f64], f64)) {
        self.each_forecast(|row| visit(&row.middle().collect::<Vec<f64>>(), &row.expected, row.weight));
        let Expected::Values { values, mean, std } = &self.expected else { return };
        let width = self.width.max(1);
        let in_units = |numbers: &[f32]| -> Vec<f64> {
            let units = mean.iter().zip(std).cycle();
            numbers.iter().zip(units).map(|(&number, (mean, std))| mean + std * f64::from(number)).collect()
        };
        for (row, (answered, expected)) in self.scores.chunks_exact(width).zip(values.chunks_exact(width)).enumerate() {
            let weight = self.weight(row);
            if weight > 0.0 {
                visit(&in_units(answered), &in_units(expected), weight);
            }
        }
    }

    /// Shows every window of which coming steps were told.
    pub fn each_forecast(&self, mut visit: impl FnMut(ForecastRow<'_>)) {
        let Expected::Horizon { values, mean, std, quantiles, naive } = &self.expected else { return };
        let each = quantiles.len().max(1);
        let horizon = (self.width / each).max(1);
        let rows = self.scores.chunks_exact(horizon * each).zip(values.chunks_exact(horizon));
        for (row, (told, expected)) in rows.enumerate() {
            let weight = self.weight(row);
            if weight > 0.0 {
                let units = || mean.iter().zip(std).cycle();
                let in_units = |(&number, (mean, std)): (&f32, (&f64, &f64))| mean + std * f64::from(number);
                let each_unit = units().flat_map(|unit| std::iter::repeat_n(unit, each));
                visit(ForecastRow {
                    told: told.iter().zip(each_unit).map(in_units).collect(),
                    expected: expected.iter().zip(units()).map(in_units).collect(),
                    quantiles,
                    naive: naive.get(row).copied(),
                    weight,
                });
            }
        }
    }

    /// How much a row counts: a weight that is negative or not a number counts 0.
    fn weight(&self, row: usize) -> f64 {
        let weight = self.weights.as_ref().map_or(1.0, |weights| weights.get(row).copied().unwrap_or(0.0));
        if weight.is_finite() { f64::from(weight.max(0.0)) } else { 0.0 }
    }
}

/// Gathers answers and judges them.
pub trait Metric: Send {
    /// Takes note of some answers.
    fn observe(&mut self, answers: &Answers);

    /// The names of all values that it can give, in their order.
    fn names(&self) -> Vec<String>;

    /// The verdict on everything observed, as (name, value); empty where nothing was observed or the value is undefined.
    fn values(&self) -> Vec<(String, f64)>;

    /// Which class was taken for which; only from the metric that counts it.
    fn matrix(&self) -> Option<Matrix> {
        None
    }
}

/// Which of two values of a metric is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The larger one.
    Higher,
    /// The smaller one.
    Lower,
}

impl Direction {
    /// Whether `value` is better than `than`. Nothing is better when it is not a number, anything is better than that.
    pub fn is_better(self, value: f64, than: f64) -> bool {
        match self {
            _ if value.is_nan() => false,
            _ if than.is_nan() => true,
            Self::Higher => value > than,
            Self::Lower => value < than,
        }
    }
}

/// Which way a value is better, by the name under which a metric gives it (`loss`, `f1`, `f1/<class>`, `top_5_accuracy`);
/// `None` for a name that no metric gives.
pub fn direction(name: &str) -> Option<Direction> {
    let family = name.split('/').next().unwrap_or(name);
    match family {
        "accuracy" | "auroc" | "coverage" | "f1" | "f1_micro" | "f1_weighted" | "iou" | "precision" | "r2"
        | "recall" => Some(Direction::Higher),
        "calibration_error" | "log_loss" | "loss" | "mae" | "mase" | "perplexity" | "pinball" | "rmse" => {
            Some(Direction::Lower)
        }
        _ => {
            let k = family.strip_prefix("top_")?.strip_suffix("_accuracy")?;
            k.parse::<usize>().is_ok().then_some(Direction::Higher)
        }
    }
}

/// The metrics by which a task is judged unless the user says otherwise. `labels` are the names of the classes.
pub fn for_task(task: Task, labels: &[String]) -> Vec<Box<dyn Metric>> {
    let classes = labels.len();
    let mut metrics: Vec<Box<dyn Metric>> = Vec::new();
    match task {
        Task::Classify | Task::Segment => {
            metrics.push(Box::new(accuracy::Accuracy::default()));
            if classes > top_k::DEFAULT_K && task == Task::Classify {
                metrics.push(Box::new(top_k::TopK::default()));
            }
            metrics.push(Box::new(precision::Precision::new(labels)));
            metrics.push(Box::new(recall::Recall::new(labels)));
            metrics.push(Box::new(f1::F1::new(labels)));
            if task == Task::Segment {
                metrics.push(Box::new(iou::Iou::new(labels)));
            } else {
                if classes <= CLASSES_RANKED {
                    metrics.push(Box::new(auroc::Auroc::default()));
                }
                metrics.push(Box::new(log_loss::LogLoss::default()));
                metrics.push(Box::new(calibration_error::CalibrationError::default()));
            }
            if classes <= CLASSES_PAIRED {
                metrics.push(Box::new(confusion_matrix::ConfusionMatrix::new(labels)));
            }
        }
        // Of the other views of a batch, which one is of the same image; how hard that is depends on how many there are.
        Task::Contrast => metrics.push(Box::new(accuracy::Accuracy::default())),
        Task::Generate => {
            metrics.push(Box::new(perplexity::Perplexity::default()));
            metrics.push(Box::new(accuracy::Accuracy::default()));
            metrics.push(Box::new(top_k::TopK::default()));
        }
        Task::Regress | Task::Forecast | Task::Reconstruct => {
            metrics.push(Box::new(mae::Mae::default()));
            metrics.push(Box::new(rmse::Rmse::default()));
            let of_numbers = if task == Task::Reconstruct { r2::R2::by_spread() } else { r2::R2::default() };
            metrics.push(Box::new(of_numbers));
            if task == Task::Forecast {
                metrics.push(Box::new(mase::Mase::default()));
                metrics.push(Box::new(pinball::Pinball::default()));
                metrics.push(Box::new(coverage::Coverage::default()));
            }
        }
    }
    metrics
}

/// The names of the values that the metrics of a task can give, in their order; `loss` is not among them.
pub fn names(task: Task, labels: &[String]) -> Vec<String> {
    for_task(task, labels).iter().flat_map(|metric| metric.names()).collect()
}

/// Where the largest score lies, the first one of equals (as in numpy). `None` if a score is not a number: such a row has
/// no prediction, and counts as wrong.
pub fn best(scores: &[f32]) -> Option<usize> {
    let mut best = None;
    let mut highest = f32::NEG_INFINITY;
    for (index, score) in scores.iter().enumerate() {
        if score.is_nan() {
            return None;
        }
        if best.is_none() || *score > highest {
            (best, highest) = (Some(index), *score);
        }
    }
    best
}

/// The negative logarithm of the softmax of `scores` at `class`, in nats.
pub fn surprise(scores: &[f32], class: usize) -> f64 {
    log_sum_exp(scores) - scores.get(class).map_or(f64::NAN, |score| f64::from(*score))
}

/// The logarithm of the sum of the exponentials, without overflow.
pub(crate) fn log_sum_exp(scores: &[f32]) -> f64 {
    let highest = scores.iter().fold(f64::NEG_INFINITY, |highest, score| highest.max(f64::from(*score)));
    highest + scores.iter().map(|score| (f64::from(*score) - highest).exp()).sum::<f64>().ln()
}

/// A mean in which each observation has a weight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    /// Takes note of a value.
    pub(crate) fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.weight += weight;
    }

    /// The mean; `None` if nothing was added.
    pub(crate) fn get(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }

    /// The mean under a name, as [`Metric::values`] wants it.
    pub(crate) fn named(self, name: &str) -> Vec<(String, f64)> {
        self.get().map(|mean| (name.to_owned(), mean)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests;

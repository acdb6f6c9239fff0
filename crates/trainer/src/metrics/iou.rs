//! How much do expected and predicted rows of a class overlap?
//!
//! Intersection over union (Jaccard 1901): right / (expected + predicted - right), by class, and their unweighted mean over
//! the classes expected or predicted at least once. With pixels as rows this is the "mean `IoU`" of segmentation.

use data_loader::Entry;

use super::confusion_matrix::{Count, Counts, ratio};
use super::{Answers, Metric};

/// How it is listed.
pub const ENTRY: Entry =
    Entry { name: "iou", summary: "intersection over union of expected and predicted rows: macro and by class" };

/// `iou` (macro) and `iou/<class>`, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Iou(Counts);

impl Iou {
    /// Counts the classes called `labels`.
    pub fn new(labels: &[String]) -> Self {
        Self(Counts::new(labels))
    }
}

fn iou(count: &Count) -> f64 {
    ratio(count.right, count.expected + count.predicted - count.right)
}

impl Metric for Iou {
    fn observe(&mut self, answers: &Answers) {
        self.0.observe(answers);
    }

    fn names(&self) -> Vec<String> {
        self.0.names(&["iou"])
    }

    fn values(&self) -> Vec<(String, f64)> {
        self.0.named("iou", iou)
    }
}

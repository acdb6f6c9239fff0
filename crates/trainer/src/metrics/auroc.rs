//! How well do the scores rank a class above the others?
//!
//! The area under the receiver operating characteristic: the chance that a row of the class has a higher score than a row
//! of another, ties counting half (Mann and Whitney 1947), exact by ranks. With two classes the second is the positive
//! one; with more, each class stands against the rest and the mean counts them the same (one-versus-rest macro).
//!
//! A class without rows, or with all of them, has no ranking and is left out of the mean (as in torchmetrics; scikit-learn
//! refuses); if that leaves nothing, or a score is not a number, the value is undefined and left out.

use data_loader::Entry;

use super::{Answers, Metric};

/// How it is listed.
pub const ENTRY: Entry = Entry { name: "auroc", summary: "how well scores rank a class above the others" };

/// `auroc`, from 0 to 1; 0.5 is chance. Keeps 8 bytes a class and row; of two classes only one.
#[derive(Clone, Debug, Default)]
pub struct Auroc {
    /// The log-odds of each class that is ranked, by class: unlike the probability they do not saturate near 1.
    odds: Vec<Vec<f64>>,
    classes: Vec<u32>,
    weights: Vec<f32>,
    undefined: bool,
}

impl Metric for Auroc {
    fn observe(&mut self, answers: &Answers) {
        answers.each_class(|row| {
            let ranked = if row.scores.len() == 2 { 1 } else { row.scores.len() };
            if self.odds.is_empty() {
                self.odds.resize(ranked, Vec::new());
            }
            if self.odds.len() != ranked || row.scores.iter().any(|score| score.is_nan()) {
                self.undefined = true;
                return;
            }
            if let [negative, positive] = row.scores {
                self.odds[0].push(coarse(f64::from(*positive) - f64::from(*negative)));
            } else {
                push_odds(row.scores, &mut self.odds);
            }
            self.classes.push(row.class as u32);
            self.weights.push(row.weight as f32);
        });
    }

    fn names(&self) -> Vec<String> {
        vec!["auroc".to_owned()]
    }

    fn values(&self) -> Vec<(String, f64)> {
        if self.undefined {
            return Vec::new();
        }
        let binary = self.odds.len() == 1;
        let ranked = self.odds.iter().enumerate();
        let areas = ranked.filter_map(|(class, odds)| self.area(odds, if binary { 1 } else { class as u32 }));
        let areas: Vec<f64> = areas.collect();
        if areas.is_empty() {
            return Vec::new();
        }
        vec![("auroc".to_owned(), areas.iter().sum::<f64>() / areas.len() as f64)]
    }
}

impl Auroc {
    /// The area of one class against the rest; `None` if one side is empty.
    fn area(&self, odds: &[f64], positive: u32) -> Option<f64> {
        let mut order: Vec<u32> = (0..odds.len() as u32).collect();
        order.sort_unstable_by(|a, b| odds[*a as usize].total_cmp(&odds[*b as usize]));
        let (mut below, mut won, mut positives) = (0.0_f64, 0.0_f64, 0.0_f64);
        for ties in order.chunk_by(|a, b| odds[*a as usize] == odds[*b as usize]) {
            let (mut tied_positive, mut tied_negative) = (0.0_f64, 0.0_f64);
            for row in ties {
                let weight = f64::from(self.weights[*row as usize]);
                if self.classes[*row as usize] == positive {
                    tied_positive += weight;
                } else {
                    tied_negative += weight;
                }
            }
            won += tied_positive * (below + tied_negative / 2.0);
            below += tied_negative;
            positives += tied_positive;
        }
        (positives > 0.0 && below > 0.0).then(|| won / (positives * below))
    }
}

/// log p / (1 - p) of each class; the others are summed from both sides, because 1 - p would cancel.
fn push_odds(scores: &[f32], odds: &mut [Vec<f64>]) {
    let highest = scores.iter().fold(f64::NEG_INFINITY, |highest, score| highest.max(f64::from(*score)));
    let shares: Vec<f64> = scores.iter().map(|score| (f64::from(*score) - highest).exp()).collect();
    let mut after = vec![0.0; shares.len() + 1];
    for class in (0..shares.len()).rev() {
        after[class] = after[class + 1] + shares[class];
    }
    let mut before = 0.0;
    for (class, share) in shares.iter().enumerate() {
        odds[class].push(coarse((share / (before + after[class + 1])).ln()));
        before += share;
    }
}

/// The number with 41 of its 53 significant bits: far finer than scores of 24 bits, coarse enough that rows with the same
/// scores in another order stay tied.
fn coarse(value: f64) -> f64 {
    if value.is_finite() { f64::from_bits((value.to_bits() + 0x800) & !0xfff) + 0.0 } else { value }
}

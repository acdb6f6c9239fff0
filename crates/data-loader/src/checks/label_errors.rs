//! Which labels are probably wrong? Confident learning on probabilities that no example had a part in.
//!
//! Northcutt, Jiang and Chuang: "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of Artificial
//! Intelligence Research 70 (2021). The probabilities are out of fold: those of an example come from a model that never saw it.
//!
//! 1. The threshold of a class is the mean probability of that class over the examples that are labelled with it.
//! 2. An example counts as confidently `j` where the probability of `j` reaches the threshold of `j`, and of several such
//!    classes where it is the most likely one. The confident joint counts the examples of each label by what they confidently
//!    are.
//! 3. The joint is calibrated: each row is shared out over the number of examples that carry its label, in whole examples, the
//!    largest remainders first.
//! 4. Pruning by noise rate: of the examples labelled `i`, as many as the calibrated joint finds under `j` are suspects, those
//!    with the largest lead of `j` over `i`. Those whose own label is still the most likely one are let off.
//! 5. All examples are ranked by the normalised margin, the probability of the given label less that of the most likely other
//!    one: -1 is the worst, 1 the best. The suspects are ranked by it too.

use serde::{Deserialize, Serialize};

use super::{Found, counted, percent};
use crate::error::Error;
use crate::registry::Entry;
use crate::split::apportion;
use crate::survey::report::{Finding, SHOWN, Severity};
use crate::survey::{Gates, Survey, Targets};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "label_errors", summary: "labels that are probably wrong, by models that never saw the example" };

/// Models that are right about fewer than this share of what naming the largest class alone gets wrong know too little of the
/// labels to doubt them.
const SKILL: f64 = 0.2;

/// Above a threshold by less than this is on it: the mean of equal numbers may come out a little above them.
const ROUNDING: f64 = 1e-9;

/// What a model that never saw the examples says of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutOfFold {
    /// The number of each example's row in its data set.
    pub rows: Vec<u32>,
    /// The id of each example.
    pub ids: Vec<String>,
    /// The label that each example was given, by its place among `labels`.
    pub given: Vec<usize>,
    /// The probability of each class for each example, `[examples, classes]`, row-major.
    pub probabilities: Vec<f32>,
    /// The names of the classes.
    pub labels: Vec<String>,
}

/// An example whose label is probably wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// 0 is the most suspicious of all.
    pub rank: usize,
    /// Its row in the data set.
    pub row: u32,
    /// Its id.
    pub id: String,
    /// The label that it was given.
    pub given: String,
    /// The most likely other label.
    pub suggested: String,
    /// The probability of the given label.
    pub self_confidence: f64,
    /// The probability of the given label less that of the suggested one, from -1 to 1.
    pub margin: f64,
}

/// What confident learning found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelErrors {
    /// The names of the classes.
    pub labels: Vec<String>,
    /// How many examples were judged.
    pub examples: usize,
    /// Of each class the mean probability over the examples labelled with it; none where no example is.
    pub thresholds: Vec<Option<f64>>,
    /// How many examples of each label (rows) are confidently of each class (columns).
    pub confident_joint: Vec<Vec<usize>>,
    /// The same, each row shared out over the number of examples with its label.
    pub calibrated_joint: Vec<Vec<usize>>,
    /// The estimated share of wrong labels: what lies off the diagonal, before shares are rounded to whole examples.
    pub noise_rate: f64,
    /// The examples whose label is probably wrong, the most suspicious first.
    pub suspects: Vec<Suspect>,
    /// The share of examples whose label the models found the most likely one. Where it is low, the models are too weak for
    /// their suspicion to mean much.
    pub agreement: f64,
}

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let Some(answers) = found.answers else {
        if gates.label_errors.is_some() {
            let text = "The gate `label_errors` is set, and no labels were judged: it takes a target of classes, and models that learn \
                        from [label_errors] `folds` of at least 2.";
            found.add(Finding::new(ENTRY.name, Severity::Error, 1, text.into()).gated("label_errors"));
        }
        if matches!(survey.targets, Targets::Classes { .. }) {
            found.remark("Labels are checked by a quick model, and none was trained.".into());
        }
        return Ok(());
    };
    let most = gates.label_errors;
    let mut result = find(answers)?;
    if skill(&result) < SKILL {
        let text = format!(
            "Labels could not be judged: models that never saw an example agree with {} of the labels, hardly more than the largest \
             class alone would. Let them learn longer by `epochs` in [label_errors]{}.",
            percent(result.agreement),
            if most.is_some() { ", or leave the gate out" } else { "" }
        );
        let severity = if most.is_some() { Severity::Error } else { Severity::Warning };
        found.add(Finding::new(ENTRY.name, severity, result.examples, text).gated("label_errors"));
        result.suspects.clear();
        found.report.label_errors = Some(result);
        return Ok(());
    }
    let failed = most.is_some_and(|most| result.noise_rate > most);
    if failed || !result.suspects.is_empty() {
        let severity = if failed { Severity::Error } else { Severity::Warning };
        let count = result.suspects.len();
        let mut text = format!(
            "{} of {} {} probably wrong, by models that agree with {} of the labels; the share of wrong labels is estimated at {}",
            counted(count, "label"),
            counted(result.examples, "example"),
            if count == 1 { "is" } else { "are" },
            percent(result.agreement),
            percent(result.noise_rate),
        );
        if let Some(most) = most.filter(|_| failed) {
            text = format!("{text}, and the gate is {most}");
        }
        let mut finding = Finding::new(ENTRY.name, severity, count, format!("{text}.")).gated("label_errors");
        for suspect in result.suspects.iter().take(SHOWN) {
            if let Ok(place) = survey.rows.binary_search(&suspect.row) {
                let why = format!(
                    "labelled {}, probably {} (margin {:.2})",
                    suspect.given, suspect.suggested, suspect.margin
                );
                finding.examples.push(survey.sample(place, why));
            }
        }
        found.add(finding);
    }
    found.report.label_errors = Some(result);
    Ok(())
}

/// Of what naming the largest class alone gets wrong, the share that the models get right.
fn skill(result: &LabelErrors) -> f64 {
    let sizes = result.calibrated_joint.iter().map(|row| row.iter().sum::<usize>());
    let largest = sizes.max().unwrap_or(0) as f64 / result.examples as f64;
    if largest < 1.0 { (result.agreement - largest) / (1.0 - largest) } else { 0.0 }
}

/// Finds the labels that are probably wrong.
///
/// # Errors
/// [`Error::Mismatch`] where the numbers do not fit together, or are no probabilities.
pub fn find(found: &OutOfFold) -> Result<LabelErrors, Error> {
    check(found)?;
    let judged = Judged { classes: found.labels.len(), found };
    let thresholds = judged.thresholds();
    let confident_joint = judged.confident_joint(&thresholds);
    let sizes = judged.sizes();
    let calibrated_joint = calibrate(&confident_joint, &sizes);
    let picked = judged.prune(&calibrated_joint);

    let margins = judged.margins();
    let ranking = ranked(&margins);
    let suspects = ranking.iter().filter(|&&example| picked[example]).enumerate().map(|(rank, &example)| Suspect {
        rank,
        row: found.rows[example],
        id: found.ids[example].clone(),
        given: found.labels[found.given[example]].clone(),
        suggested: found.labels[margins[example].1].clone(),
        self_confidence: judged.probability(example, found.given[example]),
        margin: margins[example].0,
    });
    Ok(LabelErrors {
        labels: found.labels.clone(),
        examples: found.given.len(),
        thresholds,
        noise_rate: wrong(&confident_joint, &sizes) / found.given.len() as f64,
        suspects: suspects.collect(),
        agreement: margins.iter().filter(|(margin, _)| *margin >= 0.0).count() as f64 / found.given.len() as f64,
        confident_joint,
        calibrated_joint,
    })
}

/// All examples by their place in the input, the most suspicious first, whether they are suspects or not.
///
/// # Errors
/// As [`find`].
pub fn rank(found: &OutOfFold) -> Result<Vec<usize>, Error> {
    check(found)?;
    Ok(ranked(&Judged { classes: found.labels.len(), found }.margins()))
}

/// The places of margins from the smallest to the largest. Equal ones go by place, so that the list is the same everywhere.
fn ranked(margins: &[(f64, usize)]) -> Vec<usize> {
    let mut ranking: Vec<usize> = (0..margins.len()).collect();
    ranking.sort_by(|&a, &b| margins[a].0.total_cmp(&margins[b].0).then(a.cmp(&b)));
    ranking
}

fn check(found: &OutOfFold) -> Result<(), Error> {
    let (examples, classes) = (found.given.len(), found.labels.len());
    let wrong = |message: String| {
        let hint = "Label errors are looked for with one probability for each class of each example.".into();
        Err(Error::Mismatch { message, hint })
    };
    if examples == 0 {
        return Err(Error::NoExamples { place: "whose labels could be judged".into(), hint: "Label some examples." });
    }
    if classes < 2 {
        return wrong(format!("There are {classes} classes, and a label can be wrong only where there are two"));
    }
    if found.rows.len() != examples || found.ids.len() != examples {
        return wrong(format!("There are {examples} labels, {} rows and {} ids", found.rows.len(), found.ids.len()));
    }
    if examples.checked_mul(classes) != Some(found.probabilities.len()) {
        return wrong(format!(
            "There are {} probabilities for {examples} examples and {classes} classes",
            found.probabilities.len()
        ));
    }
    if let Some(place) = found.given.iter().position(|&label| label >= classes) {
        return wrong(format!("Example {} has label number {} of {classes}", found.ids[place], found.given[place]));
    }
    if let Some(place) = found.probabilities.iter().position(|p| !(0.0..=1.0 + 1e-4).contains(p)) {
        let (id, value) = (&found.ids[place / classes], found.probabilities[place]);
        return wrong(format!("Example {id} has the probability {value}"));
    }
    Ok(())
}

/// Shares each row of the joint out over the examples with its label. A label of which no example is confidently anything is
/// taken to be right.
fn calibrate(joint: &[Vec<usize>], sizes: &[usize]) -> Vec<Vec<usize>> {
    let share = |(label, counts): (usize, &Vec<usize>)| match counts.iter().all(|&count| count == 0) {
        true => (0..counts.len()).map(|class| if class == label { sizes[label] } else { 0 }).collect(),
        false => apportion(counts, sizes[label], &vec![0; counts.len()]),
    };
    joint.iter().enumerate().map(share).collect()
}

/// How many of the examples are expected to carry a wrong label.
fn wrong(joint: &[Vec<usize>], sizes: &[usize]) -> f64 {
    let of_label = |(label, counts): (usize, &Vec<usize>)| {
        let total: usize = counts.iter().sum();
        (total - counts[label]) as f64 / total.max(1) as f64 * sizes[label] as f64
    };
    joint.iter().enumerate().map(of_label).sum()
}

/// Numbers that were checked.
struct Judged<'a> {
    classes: usize,
    found: &'a OutOfFold,
}

impl Judged<'_> {
    fn row(&self, example: usize) -> &[f32] {
        &self.found.probabilities[example * self.classes..(example + 1) * self.classes]
    }

    fn probability(&self, example: usize, class: usize) -> f64 {
        f64::from(self.row(example)[class])
    }

    /// How many examples carry each label.
    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.classes];
        self.found.given.iter().for_each(|&label| sizes[label] += 1);
        sizes
    }

    fn thresholds(&self) -> Vec<Option<f64>> {
        let mut sums = vec![0.0; self.classes];
        for (example, &label) in self.found.given.iter().enumerate() {
            sums[label] += self.probability(example, label);
        }
        sums.iter().zip(self.sizes()).map(|(sum, size)| (size > 0).then(|| sum / size as f64)).collect()
    }

    fn confident_joint(&self, thresholds: &[Option<f64>]) -> Vec<Vec<usize>> {
        let mut joint = vec![vec![0; self.classes]; self.classes];
        for (example, &label) in self.found.given.iter().enumerate() {
            let reached = |class: &usize| {
                thresholds[*class].is_some_and(|least| self.probability(example, *class) >= least - ROUNDING)
            };
            // Of equal ones the first counts.
            let likely = (0..self.classes)
                .filter(reached)
                .rev()
                .max_by(|&a, &b| self.probability(example, a).total_cmp(&self.probability(example, b)));
            if let Some(class) = likely {
                joint[label][class] += 1;
            }
        }
        joint
    }

    fn margins(&self) -> Vec<(f64, usize)> {
        (0..self.found.given.len()).map(|example| self.margin(example)).collect()
    }

    /// The probability of the given label less that of the most likely other one, and which one that is.
    fn margin(&self, example: usize) -> (f64, usize) {
        let given = self.found.given[example];
        let other = (0..self.classes)
            .filter(|&class| class != given)
            .rev()
            .max_by(|&a, &b| self.probability(example, a).total_cmp(&self.probability(example, b)))
            .expect("there are two classes or more");
        (self.probability(example, given) - self.probability(example, other), other)
    }

    /// Which examples are suspects.
    fn prune(&self, joint: &[Vec<usize>]) -> Vec<bool> {
        let mut by_label = vec![Vec::new(); self.classes];
        for (example, &label) in self.found.given.iter().enumerate() {
            by_label[label].push(example);
        }
        let mut picked = vec![false; self.found.given.len()];
        for (label, examples) in by_label.iter_mut().enumerate() {
            for (class, &count) in
                joint[label].iter().enumerate().filter(|(class, count)| *class != label && **count > 0)
            {
                let lead = |example: usize| self.probability(example, class) - self.probability(example, label);
                examples.sort_by(|&a, &b| lead(b).total_cmp(&lead(a)).then(a.cmp(&b)));
                for &example in &examples[..count] {
                    picked[example] |= self.margin(example).0 < 0.0;
                }
            }
        }
        picked
    }
}

#[cfg(test)]
#[path = "label_errors_tests.rs"]
mod tests;

//! Which class do scores mean, and how likely is it?

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use burn::tensor::Tensor;
use data_loader::signature::{OutputSpec, Signature};
use serde::{Deserialize, Serialize};

use crate::Decoding;

/// What the threshold of a score of how unusual an example is is called.
pub const ANOMALY: &str = "anomaly";

/// Temperatures that 32 bits can divide scores by, with room to spare.
const TEMPERATURES: RangeInclusive<f64> = 1e-6..=1e6;
/// A threshold lies so far from 0 and from 1 at least, and those of two classes sum to 1 as nearly.
const LEAST: f64 = 1e-6;

/// How scores become probabilities that hold what they say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Scores are divided by it before they become probabilities; above 0. (Guo et al. 2017, "On Calibration of Modern Neural
    /// Networks".)
    pub temperature: f64,
    /// By which part of the data it was fitted, such as `validation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

impl Calibration {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let temperature = self.temperature;
        match TEMPERATURES.contains(&temperature) {
            true => Ok(()),
            false => Err(format!(
                "its temperature is {temperature}, and must lie between {} and {}",
                TEMPERATURES.start(),
                TEMPERATURES.end()
            )),
        }
    }
}

/// From scores to probabilities, and to the class that is answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// What scores mean before they are calibrated.
    pub decoding: Decoding,
    /// By what scores are divided before they become probabilities.
    pub temperature: Option<f64>,
    /// The threshold of each class, where some were set; see [`class`](Self::class).
    pub cutoffs: Option<Vec<f64>>,
}

impl Decision {
    /// What `decoding`, `calibration` and `thresholds` by the name of a class say of the classes of `signature`.
    ///
    /// # Errors
    /// Which threshold cannot be meant, a sentence.
    pub fn new(
        decoding: Decoding,
        calibration: Option<&Calibration>,
        thresholds: &BTreeMap<String, f64>,
        signature: &Signature,
    ) -> Result<Self, String> {
        let cutoffs = match &signature.output {
            OutputSpec::Classes { labels } => cutoffs(thresholds, labels)?,
            OutputSpec::Inputs => {
                check_anomaly(thresholds)?;
                None
            }
            _ if thresholds.is_empty() => None,
            _ => return Err(format!("it has thresholds, and the task `{}` has no use for one", signature.task)),
        };
        Ok(Self { decoding, temperature: calibration.map(|calibration| calibration.temperature), cutoffs })
    }

    /// The probability of each class.
    ///
    /// # Shapes
    /// - `scores`: `[batch, classes]`
    /// - result: `[batch, classes]`
    pub fn probabilities(&self, scores: Tensor<2>) -> Tensor<2> {
        match self.temperature {
            Some(temperature) => self.decoding.probabilities(scores.div_scalar(temperature)),
            None => self.decoding.probabilities(scores),
        }
    }

    /// The place of the class that is answered to an example: the one with the highest score; with thresholds the one whose
    /// probability is most times its threshold, which of two classes is the one that reaches its own (the rule of the argument
    /// `cutoff` of R's randomForest). Of equal ones the first; nothing where there are none.
    pub fn class(&self, scores: &[f32], probabilities: &[f32]) -> Option<usize> {
        let first_best = |numbers: &mut dyn Iterator<Item = f32>| {
            // Of equal ones `max_by` takes the last.
            numbers.enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(place, _)| place)
        };
        match &self.cutoffs {
            // In 32 bits, as a graph divides them.
            Some(cutoffs) => {
                first_best(&mut probabilities.iter().zip(cutoffs).map(|(share, cutoff)| share / *cutoff as f32))
            }
            None => first_best(&mut scores.iter().copied()),
        }
    }
}

/// The threshold of each class. Those without one share evenly what the others leave of 1.
fn cutoffs(thresholds: &BTreeMap<String, f64>, labels: &[String]) -> Result<Option<Vec<f64>>, String> {
    if thresholds.is_empty() {
        return Ok(None);
    }
    for (name, threshold) in thresholds {
        if !labels.contains(name) {
            let known = labels.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("it has a threshold of `{}`, and the classes are {known}", name.escape_debug()));
        }
        if !(LEAST..=1.0 - LEAST).contains(threshold) {
            return Err(format!("the threshold of `{name}` is {threshold}, and must lie between 0 and 1"));
        }
    }
    let given: f64 = thresholds.values().sum();
    if labels.len() == 2 && thresholds.len() == 2 && (given - 1.0).abs() > LEAST {
        return Err(format!("the thresholds of its two classes sum to {given}, and must to 1: name that of one"));
    }
    let rest = (1.0 - given) / (labels.len() - thresholds.len()).max(1) as f64;
    if labels.len() > thresholds.len() && rest <= 0.0 {
        return Err(format!("its thresholds sum to {given}, which leaves nothing for the classes without one"));
    }
    Ok(Some(labels.iter().map(|label| thresholds.get(label).copied().unwrap_or(rest)).collect()))
}

fn check_anomaly(thresholds: &BTreeMap<String, f64>) -> Result<(), String> {
    for (name, threshold) in thresholds {
        if name != ANOMALY {
            return Err(format!("it has a threshold of `{}`, and can have one of `{ANOMALY}`", name.escape_debug()));
        }
        if !(threshold.is_finite() && *threshold >= 0.0) {
            return Err(format!("its threshold of `{ANOMALY}` is {threshold}, and must be a number from 0 on"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use data_loader::Task;

    use super::*;

    fn signature(labels: &[&str]) -> Signature {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        Signature { task: Task::Classify, inputs: Vec::new(), output: OutputSpec::Classes { labels } }
    }

    fn decision(thresholds: &[(&str, f64)], labels: &[&str]) -> Result<Decision, String> {
        let thresholds = thresholds.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Decision::new(Decoding::Softmax, None, &thresholds, &signature(labels))
    }

    #[test]
    fn of_two_classes_the_one_that_reaches_its_threshold_is_answered() {
        let decision = decision(&[("yes", 0.2)], &["no", "yes"]).unwrap();
        assert_eq!(decision.cutoffs, Some(vec![0.8, 0.2]));
        for (yes, class) in [(0.1, 0), (0.199, 0), (0.201, 1), (0.5, 1), (0.9, 1)] {
            // Scores do not matter then.
            assert_eq!(decision.class(&[9.0, 0.0], &[1.0 - yes, yes]), Some(class), "{yes}");
        }
        assert_eq!(decision.class(&[], &[]), None);
    }

    #[test]
    fn classes_without_a_threshold_share_what_is_left() {
        let found = decision(&[("a", 0.5)], &["a", "b", "c"]).unwrap();
        assert_eq!(found.cutoffs, Some(vec![0.5, 0.25, 0.25]));
        assert_eq!(found.class(&[0.0; 3], &[0.5, 0.3, 0.2]), Some(1));
        // Without any, the one with the highest score; of equal ones the first.
        let plain = decision(&[], &["a", "b", "c"]).unwrap();
        assert_eq!(plain.class(&[-40.0, -30.0, -30.0], &[0.0, 0.0, 0.0]), Some(1));
    }

    #[test]
    fn thresholds_that_cannot_be_meant_are_refused() {
        for (thresholds, words) in [
            (vec![("d", 0.5)], "the classes are a, b, c"),
            (vec![("a", 0.0)], "must lie between 0 and 1"),
            (vec![("a", 1e-60)], "must lie between 0 and 1"),
            (vec![("a", f64::NAN)], "must lie between 0 and 1"),
            (vec![("a", 0.5), ("b", 0.6)], "leaves nothing"),
        ] {
            let error = decision(&thresholds, &["a", "b", "c"]).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let error = decision(&[("a", 0.5), ("b", 0.2)], &["a", "b"]).unwrap_err();
        assert!(error.contains("sum to 0.7"), "{error}");
        assert!(decision(&[("a", 0.75), ("b", 0.25)], &["a", "b"]).is_ok());
        let thresholds = BTreeMap::from([(ANOMALY.to_owned(), -1.0)]);
        let signature = Signature { task: Task::Reconstruct, inputs: Vec::new(), output: OutputSpec::Inputs };
        assert!(Decision::new(Decoding::Softmax, None, &thresholds, &signature).is_err());
    }

    #[test]
    fn scores_are_divided_by_the_temperature() {
        let calibration = Calibration { temperature: 2.0, part: None };
        let decision =
            Decision::new(Decoding::Softmax, Some(&calibration), &BTreeMap::new(), &signature(&["a", "b"])).unwrap();
        let scores = Tensor::<2>::from_data(TensorData::from([[0.0_f32, 3.0]]), &Device::flex());
        let found = decision.probabilities(scores).try_into_vec_as::<f32>().unwrap();
        assert!((f64::from(found[1]) - 1.0 / (1.0 + (-1.5_f64).exp())).abs() < 1e-6, "{found:?}");
    }
}

//! What must scores be divided by, and from where on is a class answered, so that a model holds what it says?
//!
//! Both follow from the validation split: by what was learnt from a model believes too much, and what it is tested on is not touched.

use std::cell::RefCell;

use data_loader::OutputSpec;
use model_zoo::decision::{ANOMALY, Calibration};
use model_zoo::device::Found;
use model_zoo::{Decision, Inputs, bundle};
use serde_json::json;

use crate::evaluate::each_batch;
use crate::exporters::{Judge, Source};
use crate::metrics::Expected;
use crate::{Error, contents};

mod temperature;
mod threshold;

pub use threshold::Threshold;

/// Rows of scores as the network gives them, with the class that was expected of each.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scored {
    /// `[rows, classes]`, row-major.
    scores: Vec<f32>,
    /// How many classes there are.
    width: usize,
    /// The class of each row.
    classes: Vec<usize>,
    /// How much each row counts.
    weights: Vec<f64>,
}

impl Scored {
    fn rows(&self) -> impl Iterator<Item = (&[f32], usize, f64)> {
        let expected = self.classes.iter().zip(&self.weights);
        self.scores.chunks(self.width.max(1)).zip(expected).map(|(row, (class, weight))| (row, *class, *weight))
    }
}

/// Gives `source` a temperature, if `calibrate`, and `thresholds`. What it holds then is another bundle than the run's, with a record of
/// what was found among its tests.
///
/// # Errors
/// [`Error::NotCalibrated`]; if the data of the run cannot be read.
pub fn calibrate(
    source: &mut Source,
    calibrate: bool,
    thresholds: &[(String, Threshold)],
    device: &Found,
) -> Result<(), Error> {
    let classify = matches!(source.content.pipeline.signature().output, OutputSpec::Classes { .. });
    let fitted = calibrate || thresholds.iter().any(|(_, threshold)| *threshold == Threshold::BestF1);
    if fitted && !classify {
        let task = source.content.pipeline.signature().task;
        return Err(Error::NotCalibrated {
            reason: format!("its task is `{task}`, and only classes have probabilities"),
            way_out: "leave out `--calibrate`; what is unusual can be told by `--threshold anomaly=99%`",
        });
    }
    let scored = if fitted { scored(source, device)? } else { Scored::default() };
    let content = &mut source.content;
    let two = matches!(&content.pipeline.signature().output, OutputSpec::Classes { labels } if labels.len() == 2);
    if two && !thresholds.is_empty() {
        // One of two says all of both.
        content.thresholds.clear();
    }
    // Of what is found anew, what was found before does not hold any more.
    content.tests.retain(|record| {
        let of_class = |name: &str| record["class"] == name;
        match record["test"].as_str() {
            Some("calibration") => !calibrate,
            Some("threshold") => !thresholds.iter().any(|(name, _)| two || of_class(name)),
            _ => true,
        }
    });
    let inherited = content.thresholds.keys().find(|name| !thresholds.iter().any(|(anew, _)| anew == *name));
    if let (true, Some(name)) = (calibrate && classify, inherited) {
        return Err(Error::NotCalibrated {
            reason: format!("it has a threshold of `{name}`, which was found at another temperature"),
            way_out: "give the threshold anew, by `--threshold`",
        });
    }
    if calibrate {
        let fit = temperature::fit(&scored, content.decoding).map_err(|reason| Error::NotCalibrated {
            reason,
            way_out: "leave out `--calibrate`: by so few mistakes nobody can tell what certainty is worth",
        })?;
        content.tests.push(json!({
            "test": "calibration", "part": PART, "examples": scored.classes.len(), "temperature": fit.temperature,
            "loss": { "before": fit.loss[0], "after": fit.loss[1] },
            "calibration_error": { "before": fit.error[0], "after": fit.error[1] },
        }));
        content.calibration = Some(Calibration { temperature: fit.temperature, part: Some(PART.to_owned()) });
    }
    // What is fitted goes by probabilities that are calibrated already.
    let probabilities =
        Decision { temperature: content.calibration.as_ref().map(|it| it.temperature), ..plain(content) };
    for (name, threshold) in thresholds {
        let unmeant = |reason: String| Error::NotCalibrated { reason, way_out: THRESHOLDS };
        let value = match threshold {
            Threshold::Number(value) => *value,
            Threshold::Percentile(percent) => {
                let (score, part) = threshold::percentile(content, name, *percent).map_err(unmeant)?;
                content.tests.push(json!({
                    "test": "threshold", "part": part, "class": name, "threshold": score, "percentile": percent,
                }));
                score
            }
            Threshold::BestF1 => {
                let labels = match &content.pipeline.signature().output {
                    OutputSpec::Classes { labels } => labels.clone(),
                    _ => Vec::new(),
                };
                let best = threshold::best_f1(&scored, &probabilities, name, &labels).map_err(unmeant)?;
                content.tests.push(json!({
                    "test": "threshold", "part": PART, "examples": scored.classes.len(), "class": name,
                    "threshold": best.threshold, "f1": { "at_half": best.at_half, "at_threshold": best.f1 },
                }));
                best.threshold
            }
        };
        content.thresholds.insert(name.clone(), value);
    }
    content.decision().map_err(|reason| Error::NotCalibrated { reason, way_out: THRESHOLDS })?;
    // Its files are no longer those of the bundle that it came from.
    source.bundle = None;
    Ok(())
}

const PART: &str = "validation";
const THRESHOLDS: &str =
    "write it as in `--threshold yes=0.3`, `--threshold yes=f1` for one of two classes, or `--threshold anomaly=99%`";

fn plain(content: &bundle::Content) -> Decision {
    Decision { decoding: content.decoding, ..Decision::default() }
}

/// The scores of the validation split.
fn scored(source: &Source, device: &Found) -> Result<Scored, Error> {
    let Some(run) = &source.run else {
        return Err(Error::NotCalibrated {
            reason: "a bundle by itself has no data".into(),
            way_out: "name the run that it came from, or one of its checkpoints",
        });
    };
    let data = contents::data_of(run)?;
    let Some(judge) = Judge::new(data, Some(data_loader::Part::Validation)) else {
        return Err(Error::NotCalibrated {
            reason: "its data have no validation split".into(),
            way_out: "give the config one: by the test split a model would be made to look better than it is",
        });
    };
    let (plan, dataset) = judge.data();
    let content = &source.content;
    let network =
        bundle::load(&source.architecture()?, &plan.signature, &content.weights, &source.path, &device.device)?;
    let raw = RefCell::new(Vec::new());
    let mut answer = |batch: &data_loader::Batch| {
        let output = network.answer(&Inputs::from_batch(batch, &plan.signature, &device.device)?)?;
        raw.replace(output.clone().numbers()?);
        Ok(output)
    };
    let mut all = Scored { width: plan.labels().len(), ..Scored::default() };
    each_batch(&mut answer, dataset, data_loader::Part::Validation, plan, &mut |judged| {
        let raw = raw.borrow();
        let weights = judged.answers.weights.as_deref();
        for (at, row) in raw.chunks(all.width.max(1)).enumerate() {
            let class = match &judged.answers.expected {
                Expected::Classes(classes) => classes.get(at).and_then(|class| usize::try_from(*class).ok()),
                Expected::SoftLabels(soft) => soft.chunks(all.width.max(1)).nth(at).and_then(crate::metrics::best),
                _ => None,
            };
            let weight = weights.map_or(1.0, |weights| f64::from(weights[at]));
            if let Some(class) = class.filter(|class| *class < all.width && weight > 0.0) {
                all.scores.extend(row);
                all.classes.push(class);
                all.weights.push(weight);
            }
        }
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests;

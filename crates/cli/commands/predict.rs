//! `firebox predict`: answer new data with a trained model.

use data_loader::{Record, formats};
use model_zoo::bundle::Bundle;
use serde_json::json;
use serving::unusual::{ANOMALY_SCORE, PERCENTILE};
use serving::{Prediction, Predictor};
use trainer::address::Address;
use trainer::{Experiment, RunDir};

use super::Ended;
use crate::args::Predict;
use crate::failure::{Failure, Status};
use crate::report;

pub(super) fn run(args: &Predict, json: bool) -> Ended {
    let device = model_zoo::device::open(&args.device)?;
    let predictor = open(&args.model, &device)?;
    let records = formats::open_for_prediction(&args.input, predictor.pipeline().schema())?;
    if records.is_empty() {
        let place = format!("in {}", args.input.display());
        let hint = "Give a file with at least one record in it.";
        return Err(data_loader::Error::NoExamples { place, hint }.into());
    }
    if let [first, others @ ..] = records.passed_over() {
        let more =
            if others.is_empty() { String::new() } else { format!(" and {} more", report::count(others.len() as u64)) };
        report::note(format!("Passed over {}{more}: by its name it is nothing that can be read.", first.display()));
    }
    let rows: Vec<usize> = (0..records.len()).collect();
    let mut predictions = Vec::new();
    for chunk in rows.chunks(args.batch_size as usize) {
        let chunk: Vec<Record> = chunk.iter().map(|&row| records.read(row)).collect::<Result<_, _>>()?;
        let answered = predictor.predict(chunk)?;
        if json {
            predictions.extend(answered);
        } else {
            answered.iter().for_each(show);
        }
    }
    if json {
        report::json(&json!(predictions));
    }
    Ok(Status::Done)
}

/// Opens a bundle, the bundle of a run, or one of its checkpoints.
pub(super) fn open(model: &str, device: &model_zoo::device::Found) -> Result<Predictor, Failure> {
    let address = Address::parse(model);
    if address.checkpoint.is_none() {
        let of_run = RunDir::open(&address.run).ok().map(|run| run.bundle());
        for folder in [Some(address.run.clone()), of_run].into_iter().flatten() {
            if Bundle::is_at(&folder) {
                return Ok(Predictor::open(Bundle::read(&folder)?, device)?);
            }
        }
    }
    let (run, chosen) = address.open()?;
    let experiment = Experiment::read(&run.config(), &[])?;
    let pipeline = trainer::origin::fitted_pipeline(&run)?;
    let architecture = experiment.architecture(&run.config())?;
    let decoding = experiment.loss.as_ref().map_or_else(Default::default, trainer::losses::Loss::decoding);
    Ok(Predictor::from_parts(architecture, pipeline, decoding, &address.weights()?, &chosen.path, device)?)
}

fn show(prediction: &Prediction) {
    let mut scores = prediction.scores.clone();
    let text = match (unusual(prediction), &prediction.label) {
        (Some(score), Some(label)) => format!("{label}, {score}"),
        (Some(score), None) => score,
        (None, Some(label)) => {
            scores.sort_by(|a, b| b.1.total_cmp(&a.1));
            let shown: Vec<String> =
                scores.iter().take(3).map(|(name, p)| format!("{name} {:.1}%", p * 100.0)).collect();
            format!("{label}  ({})", shown.join(", "))
        }
        (None, None) => scores.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", "),
    };
    report::line(format!("{}: {text}", prediction.id));
}

/// How unusual a record is, as far as that was asked.
fn unusual(prediction: &Prediction) -> Option<String> {
    let find = |wanted: &str| prediction.scores.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let score = find(ANOMALY_SCORE)?;
    let lower =
        find(PERCENTILE).map_or_else(String::new, |percent| format!(", not below {percent:.1}% of held-out examples"));
    let shares: Vec<String> =
        prediction.unusual.iter().map(|(name, share)| format!("{name} {:.0}%", share * 100.0)).collect();
    let blamed = if shares.is_empty() { String::new() } else { format!("  ({})", shares.join(", ")) };
    Some(format!("anomaly score {score:.4}{lower}{blamed}"))
}

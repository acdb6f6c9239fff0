//! `firebox predict`: answer new data with a trained model.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use data_loader::formats::{self, Records};
use model_zoo::bundle::Bundle;
use serde_json::{Value, json};
use serving::unusual::{ANOMALY_SCORE, PERCENTILE};
use serving::{Prediction, Predictor, many};
use trainer::address::{Address, typed};
use trainer::{Experiment, RunDir};

use super::Ended;
use super::train::interrupt_flag;
use crate::args::Predict;
use crate::console::records::Progress;
use crate::failure::{Failure, Status};
use crate::report;

mod answers;
mod queried;

use answers::{ANSWERS_TO, Answers};
use queried::Queried;

pub(super) fn run(args: &Predict, json: bool) -> Ended {
    let device = model_zoo::device::open(&args.device)?;
    let predictor = open(&args.model, &device)?;
    let queried = match &args.query {
        Some(query) => Some(Queried::fetch(&args.input, query, &*interrupt_flag()?)?),
        None => None,
    };
    let input = queried.as_ref().map_or(args.input.as_path(), Queried::path);
    let records = formats::open_for_prediction(input, predictor.pipeline().schema())?;
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
    match &args.out {
        Some(out) => {
            let begun = beginning(args, queried.as_ref(), records.len())?;
            write(args, &predictor, records.as_ref(), &begun, out, json)
        }
        None => tell(args, &predictor, records.as_ref(), json),
    }
}

fn plan<'a>(args: &Predict, start: usize, stop: &'a AtomicBool) -> many::Plan<'a> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    many::Plan { start, together: args.batch_size as usize, threads, stop }
}

/// Prints the answers.
fn tell(args: &Predict, predictor: &Predictor, records: &dyn Records, json: bool) -> Ended {
    let mut predictions = Vec::new();
    // Ctrl-C ends the program where it stands: nothing would be lost by it.
    many::predict(predictor, records, plan(args, 0, &AtomicBool::new(false)), |answered| {
        if json {
            predictions.extend(answered);
        } else {
            answered.iter().for_each(show);
        }
        Ok::<(), Failure>(())
    })?;
    if json {
        report::json(&json!(predictions));
    }
    Ok(Status::Done)
}

/// Writes the answers to a file, or goes on doing so.
fn write(args: &Predict, predictor: &Predictor, records: &dyn Records, begun: &Value, out: &Path, json: bool) -> Ended {
    let mut answers = Answers::open(out, begun)?;
    let begun_with = answers.begun_with;
    if begun_with > 0 && !json {
        report::note(format!(
            "Going on behind {} records that were answered before.",
            report::count(begun_with as u64)
        ));
    }
    let stop = interrupt_flag()?;
    let mut progress = Progress::new(records.len() as u64, begun_with as u64);
    let answered = many::predict(predictor, records, plan(args, begun_with, &stop), |predictions| {
        answers.push(&predictions)?;
        progress.add(predictions.len() as u64);
        Ok::<(), Failure>(())
    });
    progress.clear();
    let answered = answered?;
    if answered < records.len() && stop.load(Ordering::Relaxed) {
        let (done, total) = (report::count(answered as u64), report::count(records.len() as u64));
        if json {
            report::json(&json!({ "status": "interrupted", "answered": answered, "records": records.len() }));
        } else {
            report::line(format!(
                "Interrupted; {done} of {total} records are answered, and kept in {}.",
                answers.unfinished().display()
            ));
            report::line("The same command goes on behind them.");
        }
        return Ok(Status::Interrupted);
    }
    answers.finish(records.len())?;
    if json {
        let out = out.display().to_string();
        report::json(&json!({ "status": "complete", "records": records.len(), "out": out }));
    } else {
        let (count, rate) = (report::count(records.len() as u64), progress.rate());
        report::line(format!("{count} records are answered in {}, {rate}.", typed(out)));
    }
    Ok(Status::Done)
}

/// Words by which a later command knows that it asks the same.
fn beginning(args: &Predict, queried: Option<&Queried>, records: usize) -> Result<Value, Failure> {
    let folder = model(&args.model);
    let hash = folder.as_ref().map(|folder| model_zoo::bundle::manifest_sha256(folder)).transpose()?;
    // Of a checkpoint, and of a folder of images, every file counts.
    let checkpoint = match folder {
        Some(_) => None,
        None => known(&Address::parse(&args.model).open()?.1.path),
    };
    // The rows of a query lie in a file that is another one each time; what they are is told by what they say.
    let input = match queried {
        None => known(&args.input),
        Some(queried) => Some(json!([args.input.display().to_string(), args.query, queried.sha256])),
    };
    Ok(
        json!({ (ANSWERS_TO): input, "records": records, "model": args.model, "manifest": hash, "checkpoint": checkpoint }),
    )
}

/// Name, length and time of a file, or of every file of a folder.
fn known(path: &Path) -> Option<Value> {
    let metadata = path.metadata().ok()?;
    if metadata.is_dir() {
        let mut entries: Vec<PathBuf> =
            path.read_dir().ok()?.map(|entry| Some(entry.ok()?.path())).collect::<Option<_>>()?;
        entries.sort();
        // Of many files their own words would be long.
        let mut hasher = DefaultHasher::new();
        for entry in &entries {
            known(entry)?.to_string().hash(&mut hasher);
        }
        return Some(json!([entries.len(), format!("{:016x}", hasher.finish())]));
    }
    let time = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(json!([path.canonicalize().ok()?.display().to_string(), metadata.len(), time.as_nanos().to_string()]))
}

/// The folder of the bundle that an address means, if it means one.
fn model(model: &str) -> Option<PathBuf> {
    let address = Address::parse(model);
    if address.checkpoint.is_some() {
        return None;
    }
    let of_run = RunDir::open(&address.run).ok().map(|run| run.bundle());
    [Some(address.run), of_run].into_iter().flatten().find(|folder| Bundle::is_at(folder))
}

/// Opens a bundle, the bundle of a run, or one of its checkpoints.
pub(super) fn open(model: &str, device: &model_zoo::device::Found) -> Result<Predictor, Failure> {
    if let Some(folder) = self::model(model) {
        return Ok(Predictor::open(Bundle::read(&folder)?, device)?);
    }
    let address = Address::parse(model);
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

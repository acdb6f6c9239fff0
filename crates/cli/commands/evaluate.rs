//! `firebox evaluate`: judge a trained model on a split of its data.

use serde_json::{Map, json};
use trainer::Experiment;
use trainer::address::Address;

use super::Ended;
use crate::args::Evaluate;
use crate::failure::{Failure, Status};
use crate::report;

pub(super) fn run(args: &Evaluate, json: bool) -> Ended {
    let address = Address::parse(&args.run);
    let (run, chosen) = address.open()?;
    let experiment = Experiment::read(&run.config(), &[])?;
    let device = model_zoo::device::open(args.device.as_deref().unwrap_or(&experiment.device))?;
    let part = args.part.into();
    let found = trainer::train::judge(&run, experiment, &address.weights()?, part, &device)?;
    if found.examples == 0 {
        return Err(Failure::usage(
            format!("{} has no {part} split", run.path().display()),
            "`--part` takes train, validation or test",
        ));
    }
    if json {
        let mut object = Map::new();
        object.insert("run".into(), json!(run.path().display().to_string()));
        object.insert("step".into(), json!(chosen.step));
        object.insert("examples".into(), json!(found.examples));
        for (name, value) in &found.values {
            object.insert(format!("{part}_{name}"), json!(value));
        }
        report::json(&object.into());
    } else {
        report::line(format!(
            "{} examples of the {part} split, weights of step {}, on {}",
            report::count(found.examples as u64),
            report::count(chosen.step),
            device.name
        ));
        let rows: Vec<Vec<String>> =
            found.values.iter().map(|(name, value)| vec![name.clone(), format!("{value:.4}")]).collect();
        report::table(&["metric", "value"], &rows);
    }
    Ok(Status::Done)
}

//! What goes into the bundle of a checkpoint?

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use data_loader::{BadExamples, Dataset, Part, Record};
use model_zoo::architectures::WithNetwork;
use model_zoo::bundle::{self, Content};
use model_zoo::device::Found;
use model_zoo::network::NetworkConfig;
use model_zoo::weights::{self, Weights};
use model_zoo::{Architecture, Network};
use serde_json::json;

use crate::address::Address;
use crate::evaluate::{Evaluation, evaluate};
use crate::{Error, Experiment, Plan, RunDir, anomaly, origin};

/// How many samples a bundle carries as proof.
const GOLDEN_SAMPLES: usize = 8;

/// Weights, and how they did.
pub(crate) struct Weighed {
    /// After how many steps they were so.
    pub(crate) step: u64,
    /// The numbers.
    pub(crate) weights: Weights,
    /// Scores by split and metric.
    pub(crate) metrics: BTreeMap<String, BTreeMap<String, f64>>,
    /// Records of the tests that told so.
    pub(crate) tests: Vec<serde_json::Value>,
}

/// The content of a bundle of `network`, which holds the weights of the checkpoint and lies on the plain `device`.
///
/// # Errors
/// If the data cannot be read or the device fails.
pub(crate) fn content<M: Network>(
    network: &M,
    checkpoint: Weighed,
    run: &RunDir,
    plan: &Plan,
    dataset: &Arc<Dataset>,
    device: &Device,
    architecture: serde_json::Value,
) -> Result<Content, Error> {
    let records = golden_records(dataset)?;
    Ok(Content {
        name: run.name(),
        architecture,
        config: Some(serde_json::to_value(&plan.experiment).expect("our own types have text keys")),
        decoding: plan.loss.decoding(),
        calibration: None,
        thresholds: BTreeMap::new(),
        tests: checkpoint.tests,
        golden: Some(bundle::record_golden(records, dataset.pipeline(), network, device)?),
        pipeline: dataset.pipeline().clone(),
        weights: checkpoint.weights,
        step: checkpoint.step,
        metrics: checkpoint.metrics,
        anomaly: anomaly::reference(network, dataset, plan, device)?,
        lineage: Some(dataset.lineage().clone()),
        began_with: origin::began_with(run)?,
    })
}

/// The content of a bundle of the checkpoint at `address`, whose weights are judged on the test split for it, or on the validation split
/// where there is no test split.
///
/// # Errors
/// As [`Address::weights`] and [`origin::reopen`]; if the device fails.
pub fn of_checkpoint(address: &Address, device: &Found) -> Result<Content, Error> {
    struct Job<'a> {
        run: &'a RunDir,
        plan: &'a Plan,
        dataset: &'a Arc<Dataset>,
        weighed: Weighed,
        architecture: serde_json::Value,
        device: &'a Device,
    }
    impl WithNetwork for Job<'_> {
        type Out = Result<Content, Error>;
        fn run<C: NetworkConfig>(mut self, config: &C) -> Self::Out {
            let network = config.build(&self.plan.signature, 0, self.device)?;
            let network = weights::apply(network.no_grad(), &self.weighed.weights, self.run.path())?;
            let filled = [Part::Test, Part::Validation].into_iter().find(|part| !self.dataset.part(*part).is_empty());
            if let Some(part) = filled {
                let found = evaluate(&network, self.dataset, part, self.plan, self.device)?;
                self.weighed.tests = vec![test_record(part, &found)];
                let scores = found.values.into_iter().filter(|(_, value)| value.is_finite()).collect();
                self.weighed.metrics = BTreeMap::from([(part.name().to_owned(), scores)]);
            }
            content(&network, self.weighed, self.run, self.plan, self.dataset, self.device, self.architecture)
        }
    }
    let (run, chosen) = address.open()?;
    let (plan, dataset) = data_of(&run)?;
    let architecture: Architecture = plan.experiment.architecture(&run.config())?.clone();
    let value = serde_json::to_value(&architecture).expect("our own types have text keys");
    let weighed =
        Weighed { step: chosen.step, weights: address.weights()?, metrics: BTreeMap::new(), tests: Vec::new() };
    let device = &device.device;
    architecture.with(Job { run: &run, plan: &plan, dataset: &dataset, weighed, architecture: value, device })
}

/// What a bundle says of a test that it went through: how it did on a part of the data, and which class it took for which.
pub(crate) fn test_record(part: Part, found: &Evaluation) -> serde_json::Value {
    let finite = found.values.iter().filter(|(_, value)| value.is_finite());
    let metrics: BTreeMap<&str, f64> = finite.map(|(name, value)| (name.as_str(), *value)).collect();
    let mut record =
        json!({ "test": "evaluation", "part": part.name(), "examples": found.examples, "metrics": metrics });
    if let Some(confusion) = &found.confusion {
        record["confusion"] = json!(confusion);
    }
    record
}

/// The plan and the data of a run, prepared with the transforms as they were fitted.
///
/// # Errors
/// As [`origin::reopen`].
pub fn data_of(run: &RunDir) -> Result<(Plan, Arc<Dataset>), Error> {
    let experiment = Experiment::read(&run.config(), &[])?;
    let dataset = Arc::new(origin::reopen(&experiment, run)?);
    let plan = Plan::new(experiment, &run.config(), &dataset)?;
    Ok((plan, dataset))
}

/// The first records of the test split, or of another if it is too small, that can be used as they are.
fn golden_records(dataset: &Dataset) -> Result<Vec<Record>, Error> {
    let skip = dataset.config().loader.bad_examples == BadExamples::Skip;
    let rows = [Part::Test, Part::Validation, Part::Train].into_iter().flat_map(|part| dataset.part(part));
    let usable = rows.filter_map(|&row| {
        let record = dataset.record(row).and_then(|record| dataset.pipeline().prepare(record.clone()).map(|_| record));
        match record {
            Err(error) if skip && error.is_bad_example() => None,
            record => Some(record),
        }
    });
    Ok(usable.take(GOLDEN_SAMPLES).collect::<Result<_, _>>()?)
}

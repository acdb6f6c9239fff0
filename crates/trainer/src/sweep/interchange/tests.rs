//! A study for tests: with conditions, lists, steps, two objectives if wanted, and a trial of every kind.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::View;
use crate::sweep::config::Sweep;
use crate::sweep::dimensions::Dimensions;
use crate::sweep::objectives::Objective;
use crate::sweep::trial::{Look, State, Trial};

pub(in crate::sweep) struct Sample {
    pub sweep: Sweep,
    pub dimensions: Dimensions,
    pub trials: Vec<Trial>,
}

const SWEEP: &str = r#"
    trials = 20
    objectives = ["accuracy"]
    [space]
    "model" = { choices = ["mlp", "gru"] }
    "model.mlp.hidden" = { each = { low = 16, high = 64, log = true }, count = { low = 0, high = 3 }, when = { model = "mlp" } }
    "model.gru.hidden" = { low = 8, high = 32, step = 8, when = { model = ["gru"] } }
    "model.gru.dropout" = { low = 0.0, high = 0.5, step = 0.2, when = { model = ["gru"] } }
    "optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
    "train.batch_size" = { choices = [16, 32, "auto"] }
    "train.epochs" = 7
"#;

pub(in crate::sweep) fn settings(values: Value) -> BTreeMap<String, Value> {
    serde_json::from_value(values).unwrap()
}

impl Sample {
    pub fn of(sweep: &str) -> Self {
        let mut sweep: Sweep = toml::from_str(sweep).unwrap();
        sweep.settle().unwrap();
        let dimensions = Dimensions::new(&sweep.space).unwrap();
        Self { sweep, dimensions, trials: Vec::new() }
    }

    pub fn new() -> Self {
        let mut sample = Self::of(SWEEP);
        let mlp = |hidden: Value, rate: f64| {
            settings(json!({
                "model": "mlp", "model.mlp.hidden": hidden, "optimizer.adamw.learning_rate": rate,
                "train.batch_size": 32, "train.epochs": 7
            }))
        };
        let gru = settings(json!({
            "model": "gru", "model.gru.hidden": 24, "model.gru.dropout": 0.4, "optimizer.adamw.learning_rate": 0.01,
            "train.batch_size": "auto", "train.epochs": 7
        }));
        let complete = Trial {
            state: State::Complete,
            settings: Some(mlp(json!([20, 20]), 1e-4)),
            began: Some(1_700_000_000.25),
            ended: Some(1_700_000_060.5),
            seconds: 60.0,
            step: 300,
            planned: 3,
            history: vec![Look(100, Some(0.5)), Look(200, None), Look(300, Some(0.9))],
            scores: BTreeMap::from([("accuracy".into(), 0.9), ("loss".into(), 0.25), ("seconds".into(), 60.0)]),
            ..Trial::new(0, "searcher")
        };
        let pruned = Trial {
            state: State::Pruned,
            settings: Some(gru.clone()),
            history: vec![Look(100, Some(0.25))],
            scores: BTreeMap::from([("accuracy".into(), 0.25), ("loss".into(), 2.0), ("seconds".into(), 9.0)]),
            step: 100,
            ..Trial { number: 1, ..complete.clone() }
        };
        let failed = Trial {
            state: State::Failed,
            settings: Some(mlp(json!([]), 0.1)),
            error: Some("the loss is no longer a number".into()),
            history: Vec::new(),
            scores: BTreeMap::new(),
            step: 0,
            ..Trial { number: 2, ..complete.clone() }
        };
        let running = Trial {
            state: State::Running,
            settings: Some(gru),
            history: vec![Look(100, Some(0.75))],
            scores: BTreeMap::new(),
            ended: None,
            worker: Some("host-1".into()),
            ..Trial { number: 3, ..complete.clone() }
        };
        let waiting = Trial { settings: Some(mlp(json!([16]), 0.05)), ..Trial::new(4, "hand") };
        let unknown = Trial::new(5, "searcher");
        let odd = Trial {
            scores: BTreeMap::from([("accuracy".into(), f64::NAN)]),
            began: None,
            ended: None,
            settings: Some(mlp(json!([64, 64, 64]), 0.5)),
            ..Trial { number: 6, ..complete.clone() }
        };
        sample.trials = vec![complete, pruned, failed, running, waiting, unknown, odd];
        sample
    }

    /// The same with a second objective.
    pub fn of_two() -> Self {
        let mut sample = Self::new();
        sample.sweep.objectives.push(Objective::of("seconds"));
        sample
    }

    pub fn view(&self) -> View<'_> {
        View { name: "sample", sweep: &self.sweep, dimensions: &self.dimensions, trials: &self.trials }
    }
}

//! What is worth varying where a config does not say? How fast it is learnt, in which portions, and what sizes and dropout the architecture has.

use std::collections::BTreeMap;

use data_loader::Task;
use serde_json::{Value, json};

use super::space::{Parameter, Range, Space, Values};
use crate::Experiment;
use crate::batch_size::BatchSize;

/// Rates within this factor of the one in the config, to either side.
const RATES: f64 = 10.0;
/// Widths within this factor of the one in the config, to either side.
const WIDTHS: u64 = 4;
/// The sizes of batches that are tried.
const BATCHES: &[usize] = &[16, 32, 64, 128, 256];
/// An epoch has so many steps at least.
const STEPS: usize = 4;

/// The space that suits an experiment on so many examples.
pub fn of(experiment: &Experiment, examples: usize) -> Space {
    let mut space = Space::new();
    let optimizer = format!("optimizer.{}", experiment.optimizer.name());
    let rate = experiment.optimizer.learning_rate();
    put(&mut space, format!("{optimizer}.learning_rate"), by_factors(rate / RATES, rate * RATES));
    let settings = serde_json::to_value(&experiment.optimizer).unwrap_or_default();
    let settings = &settings[experiment.optimizer.name()];
    if settings["weight_decay"].is_number() {
        put(&mut space, format!("{optimizer}.weight_decay"), by_factors(1e-6, 1e-1));
    }
    if experiment.optimizer.name() == "sgd" {
        put(&mut space, format!("{optimizer}.momentum"), between(0.5, 0.99));
    }
    let sizes: Vec<Value> = BATCHES.iter().filter(|&&size| size * STEPS <= examples).map(|&size| json!(size)).collect();
    // What is told from others in its batch is another question in another batch.
    let free = matches!(experiment.train.batch_size, BatchSize::Examples(_)) && experiment.task != Some(Task::Contrast);
    if free && sizes.len() > 1 {
        put(&mut space, "train.batch_size".into(), Values::Choices(sizes));
    }
    if let Some(model) = &experiment.model {
        let settings = serde_json::to_value(model).unwrap_or_default();
        for (name, value) in settings[model.name()].as_object().into_iter().flatten() {
            if let Some(values) = of_model(model.name(), name, value) {
                put(&mut space, format!("model.{}.{name}", model.name()), values);
            }
        }
    }
    space
}

/// What a setting of an architecture may be; nothing where others depend on it.
fn of_model(architecture: &str, name: &str, value: &Value) -> Option<Values> {
    let whole = value.as_u64().filter(|&value| value > 0);
    match (name, whole) {
        ("dropout" | "residual_dropout" | "attention_dropout", _) if value.is_number() => Some(between(0.0, 0.5)),
        ("drop_path", _) if value.is_number() => Some(between(0.0, 0.3)),
        ("hidden", None) if architecture == "mlp" => {
            let (each, count) = (widths(16, 256), Range { log: false, step: Some(1.0), ..widths(1, 3) });
            Some(Values::List { each, count })
        }
        ("hidden" | "embedding", Some(size)) => Some(Values::Range(widths((size / WIDTHS).max(1), size * WIDTHS))),
        ("width", Some(size)) if architecture == "tabular_resnet" => {
            Some(Values::Range(widths((size / WIDTHS).max(1), size * WIDTHS)))
        }
        ("layers" | "blocks", Some(count)) => {
            Some(Values::Range(Range { log: false, step: Some(1.0), ..widths(1, 2 * count) }))
        }
        _ => None,
    }
}

fn put(space: &mut Space, address: String, values: Values) {
    space.insert(address, Parameter { values, when: BTreeMap::new() });
}

fn by_factors(low: f64, high: f64) -> Values {
    Values::Range(Range { low, high, log: true, step: None, whole: false })
}

fn between(low: f64, high: f64) -> Values {
    Values::Range(Range { low, high, log: false, step: None, whole: false })
}

fn widths(low: u64, high: u64) -> Range {
    Range { low: low as f64, high: high as f64, log: true, step: None, whole: true }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn space(model: &str, optimizer: &str) -> Vec<String> {
        let text = format!("[data]\ncard = \"c\"\n[model.{model}]\n[optimizer.{optimizer}]\n");
        let experiment = Experiment::parse(&text, Path::new("c.toml"), &[]).unwrap();
        of(&experiment, 300).into_keys().collect()
    }

    #[test]
    fn optimizer_and_architecture_have_what_they_have() {
        let common = |optimizer: &str| {
            ["learning_rate", "weight_decay"].map(|name| format!("optimizer.{optimizer}.{name}")).to_vec()
        };
        let mlp = ["model.mlp.batch_norm", "model.mlp.dropout", "model.mlp.hidden"].map(str::to_owned);
        let wanted: Vec<String> =
            mlp[1..].iter().cloned().chain(common("adamw")).chain(["train.batch_size".into()]).collect();
        assert_eq!(space("mlp", "adamw"), wanted);
        let found = space("resnet", "sgd");
        assert!(
            found.contains(&"optimizer.sgd.momentum".to_owned()) && !found.iter().any(|at| at.starts_with("model"))
        );
    }

    #[test]
    fn every_architecture_has_settings_that_make_configs() {
        for entry in model_zoo::architectures::ARCHITECTURES {
            let text = format!("[data]\ncard = \"c\"\n[model.{}]\n", entry.name);
            let experiment = Experiment::parse(&text, Path::new("c.toml"), &[]).unwrap();
            let dimensions = super::super::dimensions::Dimensions::new(&of(&experiment, 10_000)).unwrap();
            for seed in 0..20 {
                let point = dimensions.random(&mut data_loader::random::Random::derive(&[seed]));
                let settings = dimensions.settings(&point).into_iter().collect();
                let made = crate::experiment::with_values(&experiment, &settings, Path::new("c.toml"));
                assert!(made.is_ok(), "{}: {:?}", entry.name, made.err());
            }
        }
    }
}

//! Studies that nobody ran, for tests and for looking at pages.

use data_loader::random::Random;
use serde::Deserialize;
use serde_json::{Value, json};

use super::SweepFacts;
use crate::sweep::dimensions::Dimensions;
use crate::sweep::objectives::Objective;
use crate::sweep::space::Space;
use crate::sweep::trial::{Look, State, Trial};

/// A space as it stands in a config.
pub(super) fn space(text: &str) -> Space {
    #[derive(Deserialize)]
    struct Holder {
        space: Space,
    }
    toml::from_str::<Holder>(&format!("[space]\n{text}")).unwrap().space
}

/// With a choice on which others depend, a list, and every kind of range.
pub(super) const CONDITIONAL: &str = r#"
    "model" = { choices = ["mlp", "tabular_resnet"] }
    "model.mlp.hidden" = { each = { low = 16, high = 256, log = true }, count = { low = 1, high = 3 }, when = { model = "mlp" } }
    "model.tabular_resnet.blocks" = { low = 1, high = 4, when = { model = "tabular_resnet" } }
    "optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
    "optimizer.adamw.weight_decay" = { low = 1e-6, high = 1e-1, log = true }
    "train.batch_size" = { choices = [16, 32, 64, 128] }
    "model.dropout" = { low = 0.0, high = 0.5, step = 0.1 }
    "train.epochs" = 20
"#;

/// A study without trials.
pub(super) fn empty(objectives: &[&str], text: &str) -> SweepFacts {
    let space = space(text);
    SweepFacts {
        name: "sweep-penguins_mlp".into(),
        state: "over".into(),
        written: 1.7725e9,
        budget: None,
        objectives: objectives.iter().map(|name| Objective::of(name)).collect(),
        dimensions: Dimensions::new(&space).unwrap(),
        space,
        trials: Vec::new(),
        seed: 7,
        study: "[sweep]\ntrials = 200\nobjectives = [\"accuracy\"]\n\n[sweep.searcher.tpe]\n\n[sweep.pruner.asha]\n"
            .into(),
        config: None,
        next: vec![("Train the best one".into(), "firebox train --from runs/sweep-penguins_mlp".into())],
    }
}

fn number(trial: &Trial, address: &str) -> Option<f64> {
    trial.settings.as_ref()?.get(address)?.as_f64()
}

/// How good settings are, without chance.
fn skill(trial: &Trial) -> f64 {
    let of = |address: &str| trial.settings.as_ref().and_then(|settings| settings.get(address));
    let rate = number(trial, "optimizer.adamw.learning_rate").unwrap_or(0.01).log10();
    let mut skill = -0.5 * (rate + 2.2).powi(2);
    skill -= 1.6 * (number(trial, "model.dropout").unwrap_or(0.2) - 0.2).abs();
    skill -=
        0.14 * (number(trial, "train.batch_size").unwrap_or(32.0) / 32.0).log2().abs() * (1.0 + (rate + 2.5).max(0.0));
    match of("model").and_then(Value::as_str) {
        Some("mlp") => {
            let widths: Vec<f64> = of("model.mlp.hidden")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_f64)
                .collect();
            skill +=
                0.45 * (widths.first().unwrap_or(&16.0).ln() - 3.0).min(1.6) - 0.15 * (widths.len() as f64 - 2.0).abs();
        }
        Some(_) => skill += 0.35 * number(trial, "model.tabular_resnet.blocks").unwrap_or(0.0) - 0.4,
        None => {}
    }
    skill
}

/// A study of so many trials, some pruned and failed, by three workers.
pub(super) fn study(objectives: &[&str], text: &str, count: u64) -> SweepFacts {
    let mut facts = empty(objectives, text);
    facts.budget = Some(count);
    let mut random = Random::derive(&[count, 3]);
    let mut free = [1.7724e9_f64, 1.7724e9 + 2.0, 1.7724e9 + 3.5];
    let mut reached: Vec<f64> = Vec::new();
    for number in 0..count {
        let origin = if number == 1 { "hand" } else { "searcher" };
        let mut trial = Trial::new(number, origin);
        let tries = if number > 30 { 3 } else { 1 };
        let best = (0..tries)
            .map(|_| {
                let point = facts.dimensions.random(&mut random);
                let settings = facts.dimensions.settings(&point).into_iter().collect();
                Trial { settings: Some(settings), ..trial.clone() }
            })
            .max_by(|a, b| skill(a).total_cmp(&skill(b)));
        trial = best.unwrap();
        let worker = (number % 3) as usize;
        trial.worker = Some(format!("host-{}-{:x}", 4000 + worker, 0x9f3a_6b00 + worker));
        trial.attempt = 1;
        trial.planned = 20;
        trial.began = Some(free[worker]);
        let goal = 0.62 + 0.36 / (1.0 + (-2.0 * (skill(&trial) + 0.6)).exp()) + 0.006 * (random.unit() - 0.5);
        let speed = 1.5 + random.unit();
        trial.state = State::Complete;
        for evaluation in 1..=20_u64 {
            let part = evaluation as f64 / 20.0;
            let value = goal - (goal - 0.35) * (-4.5 * part).exp() + 0.012 * (random.unit() - 0.5);
            trial.history.push(Look(evaluation * 43, Some(value)));
            trial.step = evaluation * 43;
            trial.seconds += speed * 0.4;
            let worse = reached.iter().filter(|other| **other > goal).count();
            if (evaluation == 4 || evaluation == 10) && reached.len() > 6 && worse * 3 > reached.len() * 2 {
                trial.state = State::Pruned;
                break;
            }
        }
        reached.push(goal);
        let value = trial.history.iter().filter_map(|look| look.1).fold(0.0, f64::max);
        let parameters = 900.0 * (1.0 + 40.0 * random.unit() * (value - 0.4));
        let seconds = trial.seconds;
        trial.scores.extend([
            ("accuracy".into(), value),
            ("loss".into(), 1.0 - value),
            ("parameters".into(), parameters),
            ("seconds".into(), seconds),
        ]);
        if number % 29 == 17 {
            trial.state = State::Failed;
            trial.history.truncate(2);
            trial.scores.clear();
            trial.error = Some("the loss is not a number after step 86 (try a smaller learning rate)".into());
        }
        free[worker] += trial.seconds + 0.3;
        trial.ended = Some(free[worker]);
        facts.trials.push(trial);
    }
    facts.config = Some("# Trial 3 that `firebox sweep` tried.\n[data]\ncard = \"datasets/penguins\"\n\n[model.mlp]\nhidden = [64, 64]\n".into());
    facts
}

/// A study in which every text is meant to do harm.
pub(super) fn hostile() -> SweepFacts {
    const HOSTILE: &str = "a\"><script>alert(1)</script></style><img src=x onerror=alert(1)>\u{202e}<!--'</pre>";
    let mut facts = study(&["accuracy"], CONDITIONAL, 60);
    let evil = json!(HOSTILE);
    facts.space = space(CONDITIONAL);
    let hidden = facts.space.remove("model.dropout").unwrap();
    facts.space.insert(HOSTILE.into(), hidden);
    facts.space.insert(
        "choice".into(),
        crate::sweep::space::Parameter {
            values: crate::sweep::space::Values::Choices(vec![evil.clone(), json!("plain")]),
            when: std::collections::BTreeMap::new(),
        },
    );
    facts.dimensions = Dimensions::new(&facts.space).unwrap();
    facts.objectives = vec![Objective::of(HOSTILE)];
    for trial in &mut facts.trials {
        let value = trial.scores.get("accuracy").copied();
        trial.scores.extend(value.map(|value| (HOSTILE.to_owned(), value)));
        if let Some(settings) = &mut trial.settings {
            let dropout = settings.remove("model.dropout").unwrap();
            settings.insert(HOSTILE.into(), dropout);
            settings.insert("choice".into(), if trial.number % 2 == 0 { evil.clone() } else { json!("plain") });
        }
        trial.origin = if trial.number == 5 { HOSTILE.into() } else { trial.origin.clone() };
        trial.worker = Some(HOSTILE.into());
        trial.error = trial.error.as_ref().map(|_| HOSTILE.to_owned());
    }
    facts.name = HOSTILE.into();
    facts.state = HOSTILE.into();
    facts.study = HOSTILE.into();
    facts.config = Some(HOSTILE.into());
    facts.next = vec![(HOSTILE.into(), HOSTILE.into())];
    facts
}

//! Who goes on from whom, and how settings change.

use serde_json::json;

use super::*;
use crate::sweep::space::Space;

fn dimensions() -> Dimensions {
    let space: Space = serde_json::from_value(json!({
        "optimizer.sgd.learning_rate": { "low": 1e-4, "high": 1.0, "log": true },
        "optimizer.sgd.nesterov": { "choices": [false, true] },
        "schedule.step.every": { "low": 1, "high": 9 }
    }))
    .unwrap();
    Dimensions::new(&space).unwrap()
}

fn member(number: u64, losses: &[f64], rate: f64) -> Trial {
    let settings = json!({
        "optimizer.sgd.learning_rate": rate, "optimizer.sgd.nesterov": false, "schedule.step.every": 3
    });
    Trial {
        settings: Some(serde_json::from_value(settings).unwrap()),
        generations: losses.len() as u64,
        history: losses.iter().enumerate().map(|(k, loss)| Look(10 * (k as u64 + 1), Some(*loss))).collect(),
        ..Trial::new(number, "searcher")
    }
}

#[test]
fn the_worst_quarter_goes_on_from_the_best() {
    let population = Population { resample: 0.0, ..Population::default() };
    let trials: Vec<Trial> = (0..8).map(|k| member(k, &[k as f64], 0.1)).collect();
    let objective = Objective::of("loss");
    let mut rates = std::collections::BTreeSet::new();
    for trial in &trials {
        for seed in 0..20 {
            let change = population.change(trial, &trials, &objective, &dimensions(), seed);
            assert_eq!(change.generation, 1);
            match (trial.number, change.from) {
                (0..6, None) => assert_eq!(Some(&change.settings), trial.settings.as_ref()),
                (6 | 7, Some(0 | 1)) => {
                    let rate = change.settings["optimizer.sgd.learning_rate"].as_f64().unwrap();
                    assert!([0.08, 0.12].iter().any(|wanted| (rate - wanted).abs() < 1e-9), "{rate}");
                    let every = change.settings["schedule.step.every"].as_i64().unwrap();
                    assert!([2, 4].contains(&every), "{every}");
                    rates.insert((rate * 100.0).round() as i64);
                }
                other => panic!("{other:?}"),
            }
            let again = population.change(trial, &trials, &objective, &dimensions(), seed);
            assert_eq!(again, change);
        }
    }
    assert_eq!(rates.len(), 2);
    // Among equals nobody goes on from another.
    let equals: Vec<Trial> = (0..8).map(|k| member(k, &[1.0], 0.1)).collect();
    assert!(equals.iter().all(|t| population.change(t, &equals, &objective, &dimensions(), 3).from.is_none()));
}

#[test]
fn nobody_begins_a_generation_before_all_have_ended_theirs() {
    let population = Population { every: 2, ..Population::default() };
    let at = |number, looks: usize, generations| Trial { generations, ..member(number, &vec![1.0; looks], 0.1) };
    let mut trials = vec![at(0, 2, 1), at(1, 2, 0), at(2, 3, 1)];
    assert!(!population.may_go_on(&trials[0], &trials) && population.may_go_on(&trials[1], &trials));
    // The second has come there, but what others may go on from is not kept yet.
    assert!(population.ends_generation(&trials[1]) && !population.begins_generation(&trials[1]));
    assert!(population.begins_generation(&trials[0]) && !population.begins_generation(&trials[2]));
    trials[1].state = State::Failed;
    assert!(population.may_go_on(&trials[0], &trials));
}

#[test]
fn what_would_make_another_checkpoint_cannot_change() {
    let space = |batches: serde_json::Value| -> Space {
        let rates = json!({ "low": 0.1, "high": 1.0 });
        serde_json::from_value(json!({ "optimizer.adamw.learning_rate": rates, "train.batch_size": batches })).unwrap()
    };
    assert_eq!(Population::unchangeable(&space(json!({ "choices": [3, 5] }))).unwrap(), "train.batch_size");
    // What is the same for all of them changes nothing.
    assert_eq!(Population::unchangeable(&space(json!(3))), None);
    for wrong in [json!({"every": 0}), json!({"share": 0.6}), json!({"resample": -1.0})] {
        let population: Population = serde_json::from_value(wrong).unwrap();
        assert!(population.check().is_err());
    }
}

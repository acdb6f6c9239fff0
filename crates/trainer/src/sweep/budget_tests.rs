//! Is everything tried that was to be tried, once, whoever tries it, and does only that count?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::leases::Next;
use super::place::Place;
use super::presence::{Watch, Worker};
use super::proposal::Proposal;
use super::study::Study;
use super::trial::{State, Trial};
use crate::Experiment;

const GRID: &str = r#"
[sweep.searcher.grid]
[sweep.space]
"model.mlp.dropout" = { low = 0.0, high = 0.3, step = 0.1 }
"optimizer.adamw.learning_rate" = { choices = [0.001, 0.01, 0.1] }
"train.batch_size" = { choices = [16, 32] }
"#;
/// How many combinations it has.
const ALL: usize = 24;

fn create(folder: &Path, sweep: &str) -> Study {
    let config = format!(
        "[data]\ncard = \"c\"\n[train]\nwatch = \"accuracy\"\nbatch_size = 32\n[model.mlp]\ndropout = 0.1\n\
         [optimizer.adamw]\nlearning_rate = 0.01\n[sweep]\nobjectives = [\"accuracy\"]\n{sweep}"
    );
    let mut experiment = Experiment::parse(&config, Path::new("c.toml"), &[]).unwrap();
    let mut sweep = experiment.sweep.take().unwrap();
    sweep.settle().unwrap();
    let proposal = Proposal { experiment, sweep, config: PathBuf::from("c.toml") };
    Study::create(&Place::Folder(folder.to_owned()), folder, &proposal).unwrap().study
}

/// Finishes trials, each at once, until the budget is used up.
fn finish(folder: &Path) {
    let mut study = Study::open(&Place::Folder(folder.to_owned()), None).unwrap();
    let worker = Worker::new(folder).unwrap();
    let mut watch = Watch::default();
    loop {
        match study.next_for(&worker.id, &mut watch).unwrap() {
            Next::Train(lease) => {
                let mut trial = study.trials[lease.number as usize].clone();
                assert!(trial.settings.is_some() || study.settle(&lease, &mut trial).unwrap());
                trial.state = State::Complete;
                trial.seconds = 1.0;
                trial.scores = BTreeMap::from([("accuracy".to_owned(), 0.5)]);
                assert!(study.write(&lease, &trial).unwrap());
            }
            Next::Wait => std::thread::yield_now(),
            Next::Over => return,
            Next::Stopped => panic!("nobody stopped it"),
        }
    }
}

fn settings(folder: &Path) -> Vec<String> {
    let study = Study::open(&Place::Folder(folder.to_owned()), None).unwrap();
    assert!(study.trials.iter().all(|trial| trial.state.is_finished()));
    study.trials.iter().map(|trial| json!(trial.settings).to_string()).collect()
}

fn distinct(all: &[String]) -> usize {
    all.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn many_workers_try_each_combination_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        create(folder.path(), &format!("trials = 1000\n{GRID}"));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| finish(folder.path()));
            }
        });
        let tried = settings(folder.path());
        assert_eq!((tried.len(), distinct(&tried)), (ALL, ALL));
    }
}

#[test]
fn a_trial_by_hand_is_known_whatever_was_left_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut study = create(folder.path(), &format!("trials = 1000\n{GRID}"));
    let by_hand = |address: &str, value: Value| BTreeMap::from([(address.to_owned(), value)]);
    let first = study.enqueue(by_hand("optimizer.adamw.learning_rate", json!(0.001))).unwrap();
    let known = study.trials[first as usize].settings.clone().unwrap();
    let wanted = json!({"model.mlp.dropout": 0.1, "optimizer.adamw.learning_rate": 0.001, "train.batch_size": 32});
    assert_eq!(json!(known), wanted);
    // One that is no combination stays as it is, and takes the place of none.
    study.enqueue(by_hand("train.batch_size", json!(5))).unwrap();
    finish(folder.path());
    let tried = settings(folder.path());
    assert_eq!((tried.len(), distinct(&tried)), (ALL + 1, ALL + 1));
}

#[test]
fn what_was_brought_in_uses_up_nothing() {
    for budget in ["trials = 6", "trials = 6\nhours = 1.0", "trials = 6\ntarget = 0.9"] {
        let folder = tempfile::tempdir().unwrap();
        let mut study = create(folder.path(), &format!("{budget}\n{GRID}"));
        let known = BTreeMap::from([("train.batch_size".to_owned(), json!(16))]);
        let brought = |number: u64| Trial {
            state: State::Complete,
            settings: Some(known.clone()),
            seconds: 4000.0,
            scores: BTreeMap::from([("accuracy".to_owned(), 0.95)]),
            ..Trial::new(number, "optuna")
        };
        study.bring_in(&(0..20).map(brought).collect::<Vec<_>>()).unwrap();
        finish(folder.path());
        assert_eq!(settings(folder.path()).len(), 26, "{budget}");
    }
}

#[test]
fn many_make_and_open_a_study_at_the_same_moment() {
    for _ in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let (folder, begins) = (folder.path(), std::sync::Barrier::new(6));
        std::thread::scope(|scope| {
            for number in 0..6 {
                let begins = &begins;
                scope.spawn(move || {
                    begins.wait();
                    if number < 3 {
                        drop(create(folder, &format!("trials = 5\n{GRID}")));
                        return;
                    }
                    // As whoever looks how it stands: there may be no study yet.
                    for _ in 0..20 {
                        match Study::open(&Place::Folder(folder.to_owned()), None) {
                            Ok(_) | Err(crate::Error::NoStudy(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
        });
        assert_eq!(Study::open(&Place::Folder(folder.to_owned()), None).unwrap().trials.len(), 0);
    }
}

//! What does a trial cost besides its training, where there are ten thousand of them?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use data_loader::random::Random;

use super::leases::Next;
use super::place::Place;
use super::presence::Watch;
use super::proposal::Proposal;
use super::status::Status;
use super::study::Study;
use super::trial::{Look, State, Trial};
use super::worker;
use crate::Experiment;

const CONFIG: &str = r#"
[data]
card = "c"
[train]
watch = "accuracy"
[model.mlp]
[sweep]
trials = 20000
objectives = ["accuracy"]
[sweep.space]
"model.mlp.hidden" = { each = { low = 16, high = 256, log = true }, count = { low = 1, high = 3 } }
"model.mlp.dropout" = { low = 0.0, high = 0.5 }
"optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
"optimizer.adamw.weight_decay" = { low = 1e-6, high = 1e-2, log = true }
"train.batch_size" = { choices = [16, 32, 64] }
"#;

/// A study with so many finished trials, a quarter of which came to their end after 40 evaluations, the others after fewer.
pub(super) fn large(folder: &Path, trials: u64) -> Study {
    let mut experiment = Experiment::parse(CONFIG, Path::new("c.toml"), &[]).unwrap();
    let mut sweep = experiment.sweep.take().unwrap();
    sweep.settle().unwrap();
    let proposal = Proposal { experiment, sweep, config: PathBuf::from("c.toml") };
    let mut study = Study::create(&Place::Folder(folder.to_owned()), folder, &proposal).unwrap().study;
    let mut random = Random::derive(&[5]);
    let brought: Vec<Trial> = (0..trials)
        .map(|number| {
            let point = study.dimensions.random(&mut random);
            let looks = [40, 1, 4, 16][random.below(4) as usize];
            let best = random.unit();
            Trial {
                state: if looks == 40 { State::Complete } else { State::Pruned },
                settings: Some(study.dimensions.settings(&point).into_iter().collect()),
                history: (1..=looks).map(|k| Look(9 * k, Some(best * k as f64 / looks as f64))).collect(),
                scores: BTreeMap::from([("accuracy".to_owned(), best), ("loss".to_owned(), 1.0 - best)]),
                step: 9 * looks,
                seconds: 0.1,
                ..Trial::new(number, "searcher")
            }
        })
        .collect();
    study.bring_in(&brought).unwrap();
    study
}

#[test]
fn a_worker_goes_on_where_there_are_many_trials() {
    let folder = tempfile::tempdir().unwrap();
    let mut study = large(folder.path(), 1000);
    let Next::Train(lease) = study.next_for("me", &mut Watch::default()).unwrap() else { panic!("there is work") };
    assert_eq!((lease.number, lease.attempt), (1000, 1));
    let settings = worker::propose(&mut study, lease.number);
    assert_eq!(settings.len(), 5);
    assert_eq!(settings, worker::propose(&mut study, lease.number), "of equal histories equal settings come");
}

#[test]
#[ignore = "a measurement, whose figures stand in LOG.md"]
#[expect(clippy::print_stdout, reason = "a measurement speaks to its reader")]
fn overhead_of_a_trial_among_ten_thousand() {
    let folder = std::env::var_os("STUDY").map_or_else(|| tempfile::tempdir().unwrap().keep(), PathBuf::from);
    let mut study = large(&folder, 10_000);
    let mut watch = Watch::default();
    let mut parts = [const { Vec::new() }; 3];
    for _ in 0..50 {
        let begun = Instant::now();
        let Next::Train(lease) = study.next_for("me", &mut watch).unwrap() else { panic!("there is work") };
        parts[0].push(begun.elapsed());
        let mut trial = study.trials[lease.number as usize].clone();
        trial.settings = Some(worker::propose(&mut study, lease.number));
        parts[1].push(begun.elapsed());
        assert!(study.write(&lease, &trial).unwrap());
        trial.state = State::Complete;
        trial.history = vec![Look(1, Some(0.5)); 40];
        trial.scores = BTreeMap::from([("accuracy".to_owned(), 0.5)]);
        assert!(study.write(&lease, &trial).unwrap());
        super::keep::tidy(&study).unwrap();
        parts[2].push(begun.elapsed());
    }
    for (name, times) in ["taken", "proposed", "finished"].iter().zip(&mut parts) {
        times.sort();
        println!("{name} after {:?} (median; {:?} to {:?})", times[25], times[0], times[49]);
    }
    let begun = Instant::now();
    let again = Study::open(&Place::Folder(folder.clone()), None).unwrap();
    let opened = begun.elapsed();
    let standing = Status::of(&again);
    println!("opened in {opened:?}, judged after {:?}: {} finished", begun.elapsed(), standing.finished);
}

//! Does every shipped config still learn as it did? Its first losses are committed and must come out the same.
//!
//! Equal to the last bit on a processor with the same vector instructions, for one thread and for two; within 1e-4 elsewhere,
//! where sums are added in another order. `FIREBOX_BLESS=1 cargo test --release --test it golden` writes them anew.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use trainer::environment::Environment;

use crate::sandbox::{Ended, Sandbox, all_shipped, firebox, repository, shipped};

/// How many steps.
const STEPS: u64 = 30;
/// On how many threads the committed losses were computed.
const THREADS: usize = 2;
/// By how much a loss may differ, as a part of it, where bits are not promised.
const TOLERANCE: f64 = 1e-4;

/// What is committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Golden {
    /// The vector instructions of the processor.
    cpu_features: String,
    /// Threads that computed.
    threads: usize,
    /// The loss of each step.
    losses: Vec<f64>,
}

fn path(name: &str) -> PathBuf {
    repository().join("tests/golden").join(name).with_extension("json")
}

/// Trains the first steps of a config as it is shipped.
fn losses(name: &str, threads: usize) -> Golden {
    let sandbox = Sandbox::empty();
    let (config, run) = (shipped(name), sandbox.path("r"));
    let mut command = firebox(["train", config.to_str().unwrap(), "--json", "--device", "cpu", "--run"]);
    command.arg(&run).env("RAYON_NUM_THREADS", threads.to_string());
    for setting in
        [format!("train.steps={STEPS}"), format!("train.evaluate_every={STEPS}"), "train.record_every=1".into()]
    {
        command.args(["--set", &setting]);
    }
    Ended::from(command.output().unwrap()).succeeded();
    let environment: Environment =
        serde_json::from_slice(&std::fs::read(run.join("environment.json")).unwrap()).unwrap();
    let losses = sandbox.history("r").progress.iter().map(|progress| progress.loss).collect();
    Golden { cpu_features: environment.cpu_features, threads, losses }
}

fn check(name: &str, golden: &Golden, found: &Golden) {
    assert_eq!((found.losses.len() as u64, golden.losses.len() as u64), (STEPS, STEPS), "{name}");
    let exact = golden.cpu_features == found.cpu_features;
    for (step, (&wanted, &loss)) in golden.losses.iter().zip(&found.losses).enumerate() {
        let same = if exact { loss == wanted } else { (loss - wanted).abs() <= TOLERANCE * wanted.abs() };
        assert!(
            same,
            "{name}: the loss of step {} is {loss} and was {wanted} ({} thread(s), {} here and {} there); if the change is \
             meant, FIREBOX_BLESS=1 writes the losses anew",
            step + 1,
            found.threads,
            found.cpu_features,
            golden.cpu_features
        );
    }
}

#[test]
fn another_processor_may_differ_in_the_fifth_digit() {
    let golden = Golden { cpu_features: "here".into(), threads: THREADS, losses: vec![2.0; STEPS as usize] };
    let moved = |features: &str, by: f64| {
        let mut found = Golden { cpu_features: features.into(), ..golden.clone() };
        found.losses[17] *= 1.0 + by;
        std::panic::catch_unwind(|| check("made up", &golden, &found)).is_ok()
    };
    assert!(moved("elsewhere", 0.9e-4) && moved("elsewhere", -0.9e-4) && moved("here", 0.0));
    assert!(!moved("elsewhere", 1.1e-4) && !moved("elsewhere", -1.1e-4) && !moved("here", 1e-15));
}

#[test]
fn the_first_losses_are_what_they_were() {
    let bless = std::env::var_os("FIREBOX_BLESS").is_some();
    let mut known: Vec<PathBuf> = Vec::new();
    for name in all_shipped() {
        let path = path(&name);
        let two = losses(&name, THREADS);
        if bless {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, serde_json::to_string_pretty(&two).unwrap() + "\n").unwrap();
        }
        let text = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; FIREBOX_BLESS=1 writes it", path.display()));
        let golden: Golden = serde_json::from_slice(&text).unwrap();
        assert_eq!(golden.threads, THREADS);
        check(&name, &golden, &two);
        check(&name, &golden, &losses(&name, 1));
        assert!(two.losses[29] < two.losses[0], "{name} does not learn");
        known.push(path);
    }
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(path("x").parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert_eq!(found, known, "losses without a config, or a config without losses");
}

//! Does `firebox sweep` find better settings, and lose nothing whatever happens to it?

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use data_loader::random::Random;
use serde_json::{Value, json};
use trainer::sweep::place::Place;
use trainer::sweep::study::Study;
use trainer::sweep::trial::{State, Trial};

use crate::sandbox::{CARD, CONFIG, Sandbox, tiny_rows};

/// How often a worker is killed; the issue asks for 30.
const KILLS: usize = 30;

const SPACE: &str = r#"
[sweep.space]
"model.mlp.hidden" = { each = { low = 4, high = 16, log = true }, count = { low = 1, high = 2 } }
"model.mlp.dropout" = { low = 0.0, high = 0.5 }
"optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
"train.batch_size" = { choices = [5, 9] }
"#;

/// The tiny data set with a sweep; a trial has so many epochs, all of them.
pub(super) fn sandbox(epochs: usize, sweep: &str) -> Sandbox {
    let config = CONFIG
        .replace("epochs = 8", &format!("epochs = {epochs}\nwatch = \"loss\""))
        .replace("patience = 1000", &format!("patience = {epochs}"));
    Sandbox::with(CARD, &tiny_rows(), &format!("{config}\n[sweep]\n{sweep}\n{SPACE}"))
}

pub(super) fn study(sandbox: &Sandbox, name: &str) -> Study {
    Study::open(&Place::Folder(sandbox.path(name)), None).unwrap()
}

/// What a trial is and what came of it, without what depends on the clock.
fn without_times(trial: &Trial) -> Value {
    let scores: BTreeMap<&String, &f64> = trial.scores.iter().filter(|(name, _)| *name != "seconds").collect();
    json!([trial.number, trial.state, trial.settings, trial.history, scores, trial.step, trial.course])
}

fn trials(study: &Study) -> Vec<Value> {
    study.trials.iter().map(without_times).collect()
}

/// Every trial is there once and finished, and the file is whole.
fn is_consistent(sandbox: &Sandbox, name: &str, count: usize) {
    let study = study(sandbox, name);
    let numbers: Vec<u64> = study.trials.iter().map(|trial| trial.number).collect();
    assert_eq!(numbers, (0..count as u64).collect::<Vec<_>>());
    for trial in &study.trials {
        assert!(trial.state.is_finished() && trial.error.is_none(), "{trial:?}");
        let steps: Vec<u64> = trial.history.iter().map(|look| look.0).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "each evaluation is there once: {steps:?}");
        assert_eq!(steps.last(), Some(&trial.step));
    }
    let standing = sandbox.run(&format!("sweep status {name} --json")).expect(0).json();
    assert_eq!(
        (&standing["finished"], &standing["running"], &standing["state"]),
        (&json!(count), &json!(0), &json!("over"))
    );
    // Only runs of kept trials are left, each whole.
    let kept: Vec<u64> = study.ranked().iter().take(study.sweep.keep).map(|trial| trial.number).collect();
    let mut found: Vec<u64> = std::fs::read_dir(sandbox.path(name).join("trials"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().parse().expect("nothing half-written is left"))
        .collect();
    found.sort_unstable();
    let mut expected = kept;
    expected.sort_unstable();
    assert_eq!(found, expected);
    for number in found {
        assert!(study.run_of(number).join("bundle/manifest.json").exists());
    }
}

#[test]
fn equal_seeds_give_equal_trials_and_the_best_is_a_run_like_any_other() {
    let sandbox = sandbox(6, "trials = 14\nkeep = 2");
    let told = sandbox.run("sweep config.toml --run a --json").expect(0).json();
    assert_eq!((&told["finished"], &told["state"]), (&json!(14), &json!("over")));
    assert_eq!(told["complete"].as_u64().unwrap() + told["pruned"].as_u64().unwrap(), 14);
    assert!(told["pruned"].as_u64().unwrap() >= 5, "{told}");
    is_consistent(&sandbox, "a", 14);
    sandbox.run("sweep config.toml --run b").expect(0);
    assert_eq!(trials(&study(&sandbox, "a")), trials(&study(&sandbox, "b")));
    sandbox.run("sweep config.toml --run c --set seed=7").expect(0);
    assert_ne!(trials(&study(&sandbox, "a")), trials(&study(&sandbox, "c")));

    // The run of the best trial is that of a training with its settings.
    let best = told["best"][0]["run"].as_str().unwrap().to_owned();
    sandbox.run("train --from a --run again").succeeded();
    for file in ["bundle/weights.safetensors", "bundle/golden.json"] {
        let read = |run: &str| std::fs::read(sandbox.path(run).join(file)).unwrap();
        assert!(read(&best) == read("again"), "{file} differs");
    }
    sandbox.run("sweep best a --out best.toml").expect(0);
    sandbox.run("train best.toml --run third").succeeded();
    sandbox.run(&format!("evaluate {best}")).expect(0);
    sandbox.run(&format!("predict {best} tiny/tiny.csv")).expect(0);
    let page = std::fs::read_to_string(sandbox.path("a/study.html")).unwrap();
    for words in ["What matters", "train --from a", "learning_rate"] {
        assert!(page.contains(words), "{words}");
    }
    sandbox.run("sweep report a --out page.html").expect(0);
    // A trial that is named by its number.
    let number = told["best"][0]["trial"].as_u64().unwrap();
    sandbox.run(&format!("train --from a:{number} --run fourth --set train.steps=2")).succeeded();
}

#[test]
fn a_budget_counts_what_is_finished_and_can_be_raised() {
    let sandbox = sandbox(2, "trials = 3");
    sandbox.run("sweep config.toml --run s").expect(0);
    is_consistent(&sandbox, "s", 3);
    let before = trials(&study(&sandbox, "s"));
    // Again: nothing is left to be done.
    sandbox.run("sweep config.toml --run s").expect(0);
    assert_eq!(trials(&study(&sandbox, "s")), before);
    let told = sandbox.run("sweep enqueue s --set optimizer.adamw.learning_rate=0.02 --json").expect(0).json();
    assert_eq!(told["trial"], json!(3));
    sandbox.run("sweep resume s").expect(0);
    is_consistent(&sandbox, "s", 4);
    let own = study(&sandbox, "s").trials[3].clone();
    assert_eq!((own.origin.as_str(), &own.settings.unwrap()["optimizer.adamw.learning_rate"]), ("hand", &json!(0.02)));
    sandbox.run("sweep resume s --trials 6 --space train.batch_size={choices=[5,9,27]}").expect(0);
    is_consistent(&sandbox, "s", 6);
    // The study is of this config, and of no other.
    sandbox.run("sweep config.toml --run s --set optimizer.adamw.beta1=0.8").refused(2, &["another config", "beta1"]);
    sandbox.run("sweep config.toml --run s --trials 7").refused(2, &["another config", "choices"]);
    sandbox.run("sweep config.toml --run t --set sweep.target=100.0 --trials 9").expect(0);
    is_consistent(&sandbox, "t", 1);
}

/// The processes of the workers of a study, by the names of their locks.
fn workers(sandbox: &Sandbox, name: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(sandbox.path(name).join("workers")).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let held = std::fs::File::open(entry.path()).ok()?.try_lock_shared();
            let name = entry.file_name().to_string_lossy().into_owned();
            let id = name.rsplit('-').nth(1)?.parse().ok()?;
            matches!(held, Err(std::fs::TryLockError::WouldBlock)).then_some(id)
        })
        .collect()
}

fn kill(id: u32) {
    // It may have ended in the meantime.
    let _ = Command::new("sh").arg("-c").arg(format!("kill -KILL {id} 2>/dev/null")).status().unwrap();
}

#[test]
#[cfg(unix)]
fn forty_trials_of_three_workers_of_which_thirty_are_killed_are_each_finished_once() {
    let sandbox = sandbox(300, "trials = 40\nkeep = 2\nmax_crashes = 30\n[sweep.pruner.none]");
    let mut sweep = sandbox.start("sweep config.toml --run s --workers 3");
    let mut random = Random::derive(&[2]);
    let mut kills = 0;
    let begun = Instant::now();
    while kills < KILLS && sweep.is_alive() {
        std::thread::sleep(Duration::from_millis(60 + random.below(240)));
        let alive = workers(&sandbox, "s");
        if let Some(&id) = alive.get(random.below(alive.len() as u64) as usize) {
            kill(id);
            kills += 1;
        }
        assert!(begun.elapsed() < Duration::from_mins(5));
    }
    sweep.end().expect(0);
    assert_eq!(kills, KILLS, "the sweep was over too soon");
    is_consistent(&sandbox, "s", 40);
    let study = study(&sandbox, "s");
    assert_eq!(study.count(State::Complete), 40);
    let crashes: u64 = study.trials.iter().map(|trial| trial.crashes).sum();
    assert!(crashes >= 10, "{crashes} trials were met");
}

#[test]
#[cfg(unix)]
fn one_worker_that_is_killed_again_and_again_finds_what_an_undisturbed_one_finds() {
    // With a checkpoint every few steps, most kills meet one.
    let saving = "trials = 12\nkeep = 2\nmax_crashes = 100\n[checkpoints]\nevery_steps = 40\n";
    let sandbox = sandbox(400, saving);
    sandbox.run("sweep config.toml --run straight").expect(0);
    let mut random = Random::derive(&[3]);
    let (mut kills, mut gone_on) = (0, 0);
    loop {
        let mut sweep = sandbox.start("sweep config.toml --run killed");
        let pause = Duration::from_millis(20 + random.below(180));
        let begun = Instant::now();
        sweep.wait_until(|| begun.elapsed() >= pause);
        if !sweep.is_alive() {
            sweep.end().expect(0);
            break;
        }
        kill(sweep.id());
        sweep.wait_until(|| false);
        kills += 1;
        gone_on +=
            usize::from(std::fs::read_dir(sandbox.path("killed/trials")).is_ok_and(|mut all| all.next().is_some()));
        assert!(kills < 500, "it does not come on");
    }
    assert!(kills >= 5 && gone_on >= 1, "{kills} kills, {gone_on} of them met a checkpoint");
    is_consistent(&sandbox, "killed", 12);
    assert_eq!(trials(&study(&sandbox, "straight")), trials(&study(&sandbox, "killed")));
    let best = study(&sandbox, "straight").ranked()[0].number;
    let bundle =
        |name: &str| std::fs::read(study(&sandbox, name).run_of(best).join("bundle/weights.safetensors")).unwrap();
    assert!(bundle("straight") == bundle("killed"));
}

#[test]
#[cfg(unix)]
fn what_is_stopped_or_interrupted_is_saved_and_goes_on() {
    let sandbox = sandbox(100_000, "trials = 2\n[sweep.pruner.none]");
    let begun = |sandbox: &Sandbox| {
        let opened = Study::open(&Place::Folder(sandbox.path("s")), None);
        opened.is_ok_and(|study| study.trials.first().is_some_and(|trial| trial.step > 0))
    };
    let mut sweep = sandbox.start("sweep config.toml --run s");
    sweep.wait_until(|| begun(&sandbox));
    sweep.signal("INT");
    let ended = sweep.end().expect(130);
    assert!(ended.stdout.contains("firebox sweep resume s"), "{}", ended.stdout);
    let left = study(&sandbox, "s").trials[0].clone();
    assert_eq!((left.state, left.crashes), (State::Waiting, 0));
    let mut sweep = sandbox.start("sweep resume s");
    sweep.wait_until(|| study(&sandbox, "s").trials[0].step > left.step);
    sandbox.run("sweep stop s").expect(0);
    sweep.end().expect(130);
    let stopped = study(&sandbox, "s");
    assert!(stopped.is_stopped() && stopped.trials[0].state == State::Waiting && stopped.trials[0].step > left.step);
    let worker = sandbox.run("sweep worker s --json").expect(130).json();
    assert_eq!(worker["trained"], json!(0));
}

#[test]
fn a_trial_that_diverges_is_kept_with_its_error_and_the_others_go_on() {
    let sandbox = sandbox(2, "trials = 5\nretries = 1");
    sandbox.run("sweep config.toml --run s --trials 2").expect(0);
    sandbox.run("sweep enqueue s --set optimizer.adamw.learning_rate=1e30").expect(0);
    let ended = sandbox.run("sweep resume s --trials 4").expect(0);
    assert!(ended.stderr.contains("trial 2 failed") && ended.stderr.contains("loss"), "{}", ended.stderr);
    let study = study(&sandbox, "s");
    let failed = &study.trials[2];
    assert_eq!((failed.state, failed.errors, failed.attempt), (State::Failed, 2, 2));
    assert_eq!((study.count(State::Failed), study.finished()), (1, 4));
}

#[test]
#[cfg(unix)]
fn a_population_comes_to_the_same_with_one_worker_with_three_and_when_it_is_killed() {
    let sandbox = sandbox(12, "trials = 6\nkeep = 2\nmax_crashes = 100\n[sweep.population]\nevery = 3\nshare = 0.34");
    let config = std::fs::read_to_string(sandbox.path("config.toml")).unwrap();
    let space = "\n[sweep.space]\n\"optimizer.adamw.learning_rate\" = { low = 1e-5, high = 1.0, log = true }\n\
                 \"optimizer.adamw.weight_decay\" = { low = 1e-6, high = 1e-1, log = true }\n";
    let refused = sandbox.run("sweep config.toml --run refused").refused(2, &["model.mlp.dropout", "cannot change"]);
    assert!(refused.stdout.is_empty());
    sandbox.write("config.toml", config.replace(SPACE, space));
    sandbox.run("sweep config.toml --run one").expect(0);
    is_consistent(&sandbox, "one", 6);
    let one = study(&sandbox, "one");
    let gone_on = one.trials.iter().flat_map(|trial| &trial.course).filter(|change| change.from.is_some()).count();
    assert!(gone_on >= 2, "{gone_on} went on from others");
    assert!(one.trials.iter().all(|trial| trial.course.len() == (trial.history.len() - 1) / 3));
    sandbox.run("sweep config.toml --run three --workers 3").expect(0);
    is_consistent(&sandbox, "three", 6);
    assert_eq!(trials(&one), trials(&study(&sandbox, "three")));
    let mut random = Random::derive(&[4]);
    for kills in 0.. {
        let mut sweep = sandbox.start("sweep config.toml --run killed");
        let (begun, pause) = (Instant::now(), Duration::from_millis(60 + random.below(200)));
        sweep.wait_until(|| begun.elapsed() >= pause);
        if !sweep.is_alive() {
            sweep.end().expect(0);
            assert!(kills >= 2, "it was over too soon");
            break;
        }
        kill(sweep.id());
        sweep.wait_until(|| false);
        assert!(kills < 300, "it does not come on");
    }
    is_consistent(&sandbox, "killed", 6);
    assert_eq!(trials(&one), trials(&study(&sandbox, "killed")));
}

#[test]
fn two_objectives_give_a_front() {
    let sandbox =
        sandbox(3, "trials = 12\nobjectives = [\"loss\", \"parameters\"]\n[sweep.searcher.nsga2]\npopulation = 4");
    let told = sandbox.run("sweep config.toml --run s --json").expect(0).json();
    let front = told["best"].as_array().unwrap();
    let values: Vec<(f64, f64)> =
        front.iter().map(|best| (best["values"][0].as_f64().unwrap(), best["values"][1].as_f64().unwrap())).collect();
    assert!(values.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 >= pair[1].1), "{values:?}");
    assert_eq!((told["complete"].as_u64(), told["pruned"].as_u64()), (Some(12), Some(0)));
}

#[test]
fn where_the_disk_is_small_the_best_run_stays() {
    let sandbox = sandbox(4, "trials = 10\nkeep = 5\ncheckpoints_gib = 1e-6\n[sweep.pruner.none]");
    sandbox.run("sweep config.toml --run s").expect(0);
    let study = study(&sandbox, "s");
    assert_eq!((study.finished(), study.count(State::Complete)), (10, 10));
    let kept: Vec<u64> = (0..10).filter(|&number| study.kept_run(number).is_some()).collect();
    assert_eq!(kept, [study.ranked()[0].number]);
}

#[test]
fn a_config_without_a_sweep_gets_a_space_that_suits_it() {
    let sandbox = Sandbox::new();
    let ended = sandbox.run("sweep config.toml --trials 3").expect(0);
    assert!(ended.stderr.contains("4 parameters by tpe and asha"), "{}", ended.stderr);
    let study = study(&sandbox, "runs/sweep-config");
    assert_eq!(study.finished(), 3);
    let varied: Vec<&String> = study.sweep.space.keys().collect();
    let wanted =
        ["model.mlp.dropout", "model.mlp.hidden", "optimizer.adamw.learning_rate", "optimizer.adamw.weight_decay"];
    assert!(wanted.iter().all(|wanted| varied.iter().any(|address| address == wanted)), "{varied:?}");
    sandbox.run("select config.toml --steps 80 --set sweep.trials=3").expect(0);
}

#[test]
fn what_cannot_be_meant_is_refused_in_a_sentence() {
    let sandbox = sandbox(2, "trials = 3");
    for (setting, words) in [
        ("sweep.space.\"train.epoch\"={low=1,high=3}", vec!["sweep.space.\"train.epoch\"", "epochs"]),
        ("sweep.space.\"model.mlp.dropout\"={low=0.5,high=0.5}", vec!["nothing lies between"]),
        ("sweep.space.\"model.mlp.dropout\"={low=0.0,high=0.5,log=true}", vec!["factors"]),
        ("sweep.objectives=[\"auroc_of_nothing\"]", vec!["never recorded", "accuracy"]),
        ("sweep.searcher.nobody={}", vec!["nobody"]),
        ("sweep.pruner.asha.reduction=1", vec!["reduction is 1"]),
        ("sweep.trails=3", vec!["trails", "trials"]),
        ("sweep.hours=-1.0", vec!["hours"]),
    ] {
        let ended: crate::sandbox::Ended =
            sandbox.command("sweep config.toml --run s").args(["--set", setting]).output().unwrap().into();
        ended.refused(2, &words);
        assert!(!sandbox.path("s").exists(), "{setting}");
    }
    for line in ["sweep status nowhere", "sweep best nowhere", "sweep resume nowhere", "sweep worker nowhere"] {
        sandbox.run(line).refused(2, &["no study"]);
    }
    sandbox.write("broken/study.db", "this is no database, and long enough to be taken for one");
    sandbox.run("sweep status broken").refused(2, &["no database of SQLite"]);
    sandbox.run("sweep config.toml --run s").expect(0);
    let file = sandbox.path("s/study.db");
    let mut bytes = std::fs::read(&file).unwrap();
    for byte in &mut bytes[4096..8192] {
        *byte = 0x5a;
    }
    std::fs::write(&file, bytes).unwrap();
    sandbox.run("sweep config.toml --run s").refused(2, &["study.db"]);
}

/// As somebody who may not write: root may always, so it becomes nobody.
#[cfg(unix)]
#[test]
fn a_study_that_may_not_be_written_to_can_be_read() {
    use std::fs::{Permissions, copy, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let sandbox = sandbox(2, "trials = 3");
    sandbox.run("sweep config.toml --run s").expect(0);
    let program = sandbox.path("firebox");
    copy(env!("CARGO_BIN_EXE_firebox"), &program).unwrap();
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mode = |place: &str, mode: u32| set_permissions(sandbox.path(place), Permissions::from_mode(mode)).unwrap();
    let run = |line: &str| -> crate::sandbox::Ended {
        let mut command = Command::new(&program);
        command.args(line.split(' ')).current_dir(sandbox.path("."));
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        command.output().unwrap().into()
    };
    for (place, bits) in
        [(".", 0o755), ("firebox", 0o755), ("s/study.db", 0o444), ("s/study.html", 0o444), ("s", 0o555)]
    {
        mode(place, bits);
    }
    let status: Value = serde_json::from_str(&run("sweep status s --json").expect(0).stdout).unwrap();
    assert_eq!((&status["finished"], &status["state"]), (&json!(3), &json!("over")));
    run("sweep best s").expect(0);
    for line in ["sweep resume s --trials 5", "sweep stop s", "sweep config.toml --run s --trials 5"] {
        run(line).refused(2, &["s/study.db", "may not be written to"]);
    }
    run("sweep report s").refused(1, &["study.html"]);
    for place in ["s", "s/study.db", "s/study.html"] {
        mode(place, 0o755);
    }
}

//! What becomes of a study that is moved, raised, mistyped or interrupted?

use std::time::{Duration, Instant};

use serde_json::json;
use trainer::sweep::trial::State;

use crate::sandbox::Ended;
use crate::sweep::{sandbox, study};

#[test]
fn a_folder_holds_one_study_whatever_it_is_called() {
    let sandbox = sandbox(2, "trials = 2");
    sandbox.run("sweep config.toml --run s").expect(0);
    std::fs::rename(sandbox.path("s"), sandbox.path("moved.db")).unwrap();
    sandbox.run("sweep config.toml --run moved.db --trials 3 --workers 2").expect(0);
    let moved = sandbox.run("sweep status moved.db --json").expect(0).json();
    assert_eq!((&moved["finished"], &moved["study"]), (&json!(3), &json!("s")));
    assert_eq!(sandbox.run("sweep status moved.db/study.db --json").expect(0).json()["finished"], json!(3));
    sandbox.run("sweep resume moved.db --run elsewhere").refused(2, &["elsewhere", "moved.db"]);
}

#[test]
fn a_budget_is_raised_and_never_lowered_by_the_way() {
    let sandbox = sandbox(2, "trials = 2");
    sandbox.run("sweep config.toml --run s").expect(0);
    sandbox.run("sweep enqueue s --set train.batch_size=9").expect(0);
    sandbox.run("sweep config.toml --run s").expect(0);
    let standing = |name: &str| sandbox.run(&format!("sweep status {name} --json")).expect(0).json();
    let (now, own) = (standing("s"), study(&sandbox, "s").trials[2].clone());
    assert_eq!((&now["trials"], &now["finished"], &now["state"]), (&json!(3), &json!(3), &json!("over")));
    // What was left out stands there as the config has it.
    let dropout = study(&sandbox, "s").experiment.to_toml().contains("dropout");
    assert_eq!(own.settings.unwrap().contains_key("model.mlp.dropout"), dropout);
    sandbox.run("sweep resume s --trials 5").expect(0);
    sandbox.run("sweep config.toml --run s --trials 2").expect(0);
    assert_eq!(standing("s")["trials"], json!(5));
    sandbox.run("sweep resume s --trials 4").refused(2, &["5 trials are finished", "4 are asked for"]);
    // A parameter that came later had what the config says before: nothing that was learnt is lost.
    sandbox
        .run("sweep resume s --trials 6 --space optimizer.adamw.weight_decay={low=1e-6,high=0.1,log=true}")
        .expect(0);
    let mut later = study(&sandbox, "s");
    assert_eq!(later.known().len(), 6);
    assert!(later.trials[5].settings.as_ref().unwrap().contains_key("optimizer.adamw.weight_decay"));
}

#[test]
fn what_fails_for_ever_comes_to_an_end() {
    let sandbox = sandbox(2, "hours = 0.01");
    let rate = "sweep.space.\"optimizer.adamw.learning_rate\"={low=1e29,high=1e30,log=true}";
    let ended: Ended = sandbox.command("sweep config.toml --run s").args(["--set", rate]).output().unwrap().into();
    ended.refused(1, &["no trial was completed"]);
    let failed = study(&sandbox, "s");
    assert_eq!((failed.trials.len(), failed.count(State::Failed)), (50, 50));
}

#[test]
fn what_would_not_be_tried_is_refused() {
    let sandbox = sandbox(2, "trials = 2");
    for (setting, words) in [
        (
            "sweep.space.model={choices=[\"mlp\",\"tabular_resnet\"]}",
            vec!["model.mlp.dropout", "when = { model = \"mlp\" }"],
        ),
        (
            "sweep.space.\"model.tabular_resnet.width\"={low=4,high=9}",
            vec!["model.tabular_resnet", "the config has `model.mlp`"],
        ),
        ("sweep.space.\"sweep.trials\"={low=4,high=9}", vec!["sweep.trials", "cannot be varied"]),
        ("sweep.space.device={choices=[\"cpu\",\"auto\"]}", vec!["--device"]),
        ("sweep.space.\"train.watch\"={choices=[\"loss\",\"accuracy\"]}", vec!["sweep.objectives"]),
        ("sweep.space.\"model.mlp.hidden\"={each={low=1,high=9},count={low=1,high=10000000000}}", vec!["at most 1000"]),
        ("sweep.space.\"model.mlp.dropout\"={low=0.0,high=0.5,step=1e-15}", vec!["million million"]),
        ("sweep.trials=2000000", vec!["from 1 to 1000000"]),
        ("sweep.decoded_gib=-1.0", vec!["`sweep.decoded_gib` is -1"]),
    ] {
        let ended: Ended =
            sandbox.command("sweep config.toml --run s").args(["--set", setting]).output().unwrap().into();
        ended.refused(2, &words);
    }
    // A device that is none leaves no study behind, and another one is no other study.
    sandbox.run("sweep config.toml --run s --device nope").refused(2, &["nope"]);
    assert!(!sandbox.path("s").exists());
    sandbox.run("sweep config.toml --run s --device cpu").expect(0);
    sandbox.run("sweep config.toml --run s --device auto --trials 3").expect(0);
    sandbox.run("sweep enqueue s --set sweep.trials=5").refused(2, &["sweep.trials"]);
}

#[test]
fn a_grid_is_over_when_everything_was_tried() {
    let sandbox = sandbox(2, "trials = 10\n[sweep.searcher.grid]");
    let space = "sweep.space={\"train.batch_size\"={choices=[5,9]}}";
    let ended: Ended = sandbox.command("sweep config.toml --run s").args(["--set", space]).output().unwrap().into();
    let told = ended.expect(0).stdout;
    assert!(told.contains("Every combination was tried.") && !told.contains("--trials"), "{told}");
    assert_eq!(study(&sandbox, "s").trials.len(), 2);
}

#[test]
fn who_belongs_to_a_population_is_settled_once_some_have_finished() {
    let sandbox = sandbox(4, "trials = 4\n[sweep.population]\nevery = 2\nshare = 0.5");
    let config = std::fs::read_to_string(sandbox.path("config.toml")).unwrap();
    // Without a space it has one of what can change.
    let (before, _) = config.split_once("[sweep.space]").unwrap();
    sandbox.write("config.toml", before);
    sandbox.run("sweep config.toml --run s").expect(0);
    sandbox.run("sweep resume s --trials 8").refused(2, &["population", "stays as large"]);
    sandbox.run("sweep enqueue s --set optimizer.adamw.learning_rate=0.01").refused(2, &["takes in nobody"]);
    sandbox.run("sweep config.toml --run s").expect(0);
}

/// As a terminal does it: all processes of the group are told.
#[test]
#[cfg(unix)]
fn an_interrupt_of_all_processes_costs_no_worker_its_trial() {
    use std::os::unix::process::CommandExt;

    let sandbox = sandbox(100_000, "trials = 2\n[sweep.pruner.none]");
    for round in 0..3 {
        let mut command = sandbox.command("sweep config.toml --run s --workers 2");
        command.process_group(0).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut sweep = command.spawn().unwrap();
        let begun = Instant::now();
        let both_train = || {
            let now = sandbox.path("s/study.db").exists().then(|| study(&sandbox, "s"));
            now.is_some_and(|study| study.count(State::Running) == 2)
        };
        while !both_train() {
            assert!(begun.elapsed() < Duration::from_mins(1), "round {round}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let group = format!("-{}", sweep.id());
        std::process::Command::new("kill").args(["-INT", "--", &group]).status().unwrap();
        assert_eq!(sweep.wait().unwrap().code(), Some(130));
        let left = study(&sandbox, "s");
        assert!(left.trials.iter().all(|trial| trial.state == State::Waiting && trial.crashes == 0), "round {round}");
    }
}

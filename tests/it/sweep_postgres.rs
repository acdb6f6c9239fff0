//! Do workers of several machines share a study in PostgreSQL, also when the server goes away? `tests/peers/postgres_sweep.sh` starts a server,
//! says where it is in `DATABASE_URL`, and how it is stopped and started in `STOP_SERVER` and `START_SERVER`.
#![cfg(feature = "postgres")]

use std::process::Command;
use std::time::{Duration, Instant};

use trainer::sweep::place::Place;
use trainer::sweep::study::Study;
use trainer::sweep::trial::State;

use crate::sandbox::{CARD, CONFIG, Sandbox, tiny_rows};

const SWEEP: &str = r#"
[sweep]
trials = 24
keep = 2
[sweep.pruner.none]
[sweep.space]
"model.mlp.dropout" = { low = 0.0, high = 0.5 }
"optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
"#;

fn sandbox(epochs: usize) -> Sandbox {
    let config = CONFIG.replace("epochs = 8", &format!("epochs = {epochs}"));
    Sandbox::with(CARD, &tiny_rows(), &format!("{config}\n{SWEEP}"))
}

fn url() -> String {
    std::env::var("DATABASE_URL").expect("tests/peers/postgres_sweep.sh sets it")
}

fn study(name: &str) -> Study {
    Study::open(&Place::parse(&format!("{}#{name}", url())), None).unwrap()
}

fn shell(variable: &str) {
    let line = std::env::var(variable).expect("tests/peers/postgres_sweep.sh sets it");
    assert!(Command::new("sh").arg("-c").arg(line).status().unwrap().success());
}

fn is_complete(name: &str) {
    let study = study(name);
    let numbers: Vec<u64> = study.trials.iter().map(|trial| trial.number).collect();
    assert_eq!(numbers, (0..24).collect::<Vec<_>>());
    assert_eq!(study.count(State::Complete), 24, "{:?}", study.trials.iter().map(|t| &t.error).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs a PostgreSQL server: tests/peers/postgres_sweep.sh"]
fn workers_of_two_machines_share_a_study_and_one_takes_up_what_the_other_left() {
    let (here, there) = (sandbox(200), sandbox(200));
    let url = url();
    let mut first = here.start(&format!("sweep config.toml --run a --storage {url}#shared"));
    first.wait_until(|| here.path("a/workers").exists());
    // Its folder is another one: what this one has of checkpoints and locks the other cannot see.
    let mut second = there.start(&format!("sweep worker {url}#shared --run b"));
    second.wait_until(|| study("shared").trials.iter().filter(|trial| trial.state == State::Running).count() == 2);
    second.signal("KILL");
    second.wait_until(|| false);
    first.end().expect(0);
    is_complete("shared");
    let crashes: u64 = study("shared").trials.iter().map(|trial| trial.crashes).sum();
    assert_eq!(crashes, 1, "the trial of the dead one was taken up");
    let told = here.run(&format!("sweep status {url}#shared --json")).expect(0).json();
    assert_eq!(told["finished"], 24);
    here.run(&format!("sweep status {url}#nobody")).refused(2, &["no study"]);
}

#[test]
#[ignore = "needs a PostgreSQL server: tests/peers/postgres_sweep.sh"]
fn a_server_that_is_gone_is_waited_for() {
    let sandbox = sandbox(300);
    let url = url();
    let mut sweep = sandbox.start(&format!("sweep config.toml --run a --storage {url}#patient --workers 2"));
    sweep.wait_until(|| {
        let opened = Study::open(&Place::parse(&format!("{url}#patient")), None);
        opened.is_ok_and(|study| study.finished() >= 2)
    });
    shell("STOP_SERVER");
    let begun = Instant::now();
    sweep.wait_until(|| begun.elapsed() >= Duration::from_secs(40));
    if !sweep.is_alive() {
        panic!("it did not wait: {:?}", sweep.end());
    }
    shell("START_SERVER");
    sweep.end().expect(0);
    is_complete("patient");
    let crashes: u64 = study("patient").trials.iter().map(|trial| trial.crashes).sum();
    assert_eq!(crashes, 0, "nobody died while the server was gone");
}

#[test]
#[ignore = "needs a PostgreSQL server: tests/peers/postgres_sweep.sh"]
fn a_server_that_is_not_there_is_a_sentence() {
    let sandbox = sandbox(2);
    let ended = sandbox.run("sweep config.toml --run a --storage postgres://nobody:secret@127.0.0.1:1/none").expect(2);
    assert!(ended.stderr.contains("postgres://nobody@127.0.0.1:1/none") && !ended.stderr.contains("secret"));
}

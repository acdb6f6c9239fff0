//! Are data that would fool a model found before it is trained, by `data check` and by `train`?

use data_loader::checks::{Report, Severity};

use crate::sandbox::{CARD, CONFIG, Sandbox, all_shipped, repository, run, shipped, tiny_rows};

/// The card with the parts in files of their own.
fn card() -> String {
    let files = "[[files]]\npath = \"tiny.csv\"\npart = \"train\"\n\n[[files]]\npath = \"test.csv\"\npart = \"test\"\n";
    let card = CARD.replace("[[files]]\npath = \"tiny.csv\"\n", files);
    card.split("[split.stratified]").next().unwrap().to_owned() + "[split.file]\nvalidation = 0.2\n"
}

/// The tiny data set, ten of whose rows are for test; `planted` is added to them.
fn sandbox(planted: &[String]) -> Sandbox {
    let rows = tiny_rows();
    let sandbox = Sandbox::with(&card(), &rows[10..], CONFIG);
    let test: Vec<String> = rows[..10].iter().chain(planted).cloned().collect();
    sandbox.write("tiny/test.csv", format!("a,b,c,y\n{}\n", test.join("\n")));
    sandbox
}

fn report(sandbox: &Sandbox, path: &str) -> Report {
    serde_json::from_slice(&std::fs::read(sandbox.path(path)).unwrap()).unwrap()
}

#[test]
fn a_duplicate_across_splits_is_3_for_check_and_for_train() {
    let sandbox = sandbox(&tiny_rows()[40..41]);
    let ended = sandbox.run("data check config.toml --out found").expect(3);
    assert!(ended.stdout.contains("error: 1 example has the contents of one of another part"), "{}", ended.stdout);
    assert!(ended.stdout.contains("data.gates.exact_duplicates_across_splits = \"warn\""), "{}", ended.stdout);
    let found = report(&sandbox, "found/data-report.json");
    assert!(found.thorough && found.failed().count() == 1);
    let page = std::fs::read_to_string(sandbox.path("found/data-report.html")).unwrap();
    assert!(page.contains("A gate fails") && page.contains("tiny/test.csv#10"));
    let json = sandbox.run("data check config.toml --json").expect(3).json();
    assert_eq!(json["findings"][0]["check"], "exact_duplicates");

    let words = ["tiny/tiny.csv#30", "tiny/test.csv#10", "exact_duplicates_across_splits", "firebox data check"];
    sandbox.run("train config.toml --run r").refused(3, &words);
    assert!(!sandbox.path("r").exists(), "a run that never began leaves no trace");
    // A selection would be refused for each of its candidates: it is refused once, before anything is tried.
    sandbox.run("select config.toml --steps 80").refused(3, &words);
    assert!(!sandbox.path("runs").exists());
    let json = sandbox.run("train config.toml --run r --json").expect(3).json();
    assert!(json["error"].as_str().unwrap().contains("fail a gate"), "{json}");
}

#[test]
fn a_gate_that_warns_lets_training_go_on_and_tells_it() {
    let sandbox = sandbox(&tiny_rows()[40..41]);
    let setting = "--set data.gates.exact_duplicates_across_splits=\"warn\"";
    let ended = sandbox.run(&format!("train config.toml --run r {setting}")).succeeded();
    assert!(ended.stderr.contains("has the contents of one of another part"), "{}", ended.stderr);
    let found = report(&sandbox, "r/data-report.json");
    assert!(!found.thorough && found.failed().count() == 0);
    assert!(found.count(Severity::Warning) >= 1);
    let notices = sandbox.history("r").notices;
    assert!(notices.iter().any(|(_, text)| text.contains("tiny/test.csv#10")), "{notices:?}");
    // What was decided once holds for the run: going on does not ask again, nor tell again.
    let before = notices.len();
    sandbox.run("resume r --set train.epochs=9").succeeded();
    assert_eq!(sandbox.history("r").notices.len(), before);
    sandbox.run("data check config.toml --set data.gates.exact_duplicates_across_splits=\"allow\"").expect(0);
}

#[test]
fn a_gate_that_was_not_asked_is_named() {
    let sandbox = sandbox(&[]);
    let asked = "--set data.gates.near_duplicates_across_splits=error --set data.gates.label_errors=0.5";
    let ended = sandbox.run(&format!("train config.toml --run r {asked}")).succeeded();
    for word in
        ["Not asked before a training", "`data.gates.near_duplicates_across_splits`", "`data.gates.label_errors`"]
    {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    let usual = sandbox.run("train config.toml --run s --set data.gates.leakage=error").succeeded();
    assert!(!usual.stderr.contains("Not asked"), "{}", usual.stderr);
    // What is wrong with the config of a check must not switch its gate off.
    sandbox.run("data check config.toml --set label_errors.folds=1").refused(2, &["label_errors.folds"]);
}

#[test]
fn the_way_out_of_a_gate_leads_out() {
    let mut rows = tiny_rows();
    rows[3] = "x,1,red,x".into();
    let sandbox = Sandbox::with(CARD, &rows, CONFIG);
    let ended = sandbox.run("data check config.toml").expect(3);
    assert!(ended.stdout.contains("data.loader.bad_examples = \"skip\""), "{}", ended.stdout);
    // As the card names it, wherever that lies.
    assert!(!ended.stdout.contains(sandbox.path("tiny").to_str().unwrap()), "{}", ended.stdout);
    sandbox.run("train config.toml --set data.loader.bad_examples=skip").succeeded();
}

#[test]
fn large_data_are_not_checked_and_it_is_said() {
    let sandbox = sandbox(&tiny_rows()[40..41]);
    // Nothing is checked at 0, which is the user's wish and needs no notice.
    sandbox.run("train config.toml --run r --set data.gates.before_training_mib=0").succeeded();
    assert!(!sandbox.path("r/data-report.json").exists());
    let long = format!(
        "{}\n",
        tiny_rows()[11].replace("red", &"red".repeat(700_000)).replace("green", &"green".repeat(400_000))
    );
    let text = std::fs::read_to_string(sandbox.path("tiny/tiny.csv")).unwrap();
    sandbox.write("tiny/tiny.csv", text + &long);
    let ended = sandbox.run("train config.toml --run s --set data.gates.before_training_mib=1").succeeded();
    assert!(ended.stderr.contains("were not checked before training"), "{}", ended.stderr);
    assert!(ended.stderr.contains("firebox data check"), "{}", ended.stderr);
}

#[test]
fn broken_rows_are_all_named_where_training_stops_at_the_first() {
    let mut rows = tiny_rows();
    rows[3] = "x,1,red,x".into();
    rows[7] = "1,y,red,x".into();
    let sandbox = Sandbox::with(CARD, &rows, CONFIG);
    let ended = sandbox.run("data check config.toml").expect(3);
    assert!(ended.stdout.contains("error: 2 examples cannot be used"), "{}", ended.stdout);
    sandbox.run("train config.toml").refused(2, &["tiny/tiny.csv#3"]);
    sandbox.run("data check config.toml --set data.loader.bad_examples=skip").expect(0);
    sandbox.run("data check nowhere.toml").refused(2, &["nowhere.toml"]);
    sandbox.run("data check config.toml --set data.gates.leakege=error").refused(2, &["leakege", "`leakage`"]);
    sandbox.run("data check config.toml --set data.gates.missing=7").refused(2, &["data.gates.missing"]);
}

#[test]
fn shipped_data_pass_their_gates() {
    // MNIST is compared each with each by hand and in LOG.md; here the fast checks of its trainings are enough.
    for name in all_shipped().into_iter().filter(|name| !name.starts_with("mnist")) {
        let sandbox = Sandbox::empty();
        let out = sandbox.path("out");
        let config = shipped(&name);
        let arguments = ["data", "check", config.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let ended = run(arguments).expect(0);
        let clean = ["0 errors", "Nothing was found."].iter().any(|words| ended.stdout.contains(words));
        assert!(clean, "{name} in {}: {}", repository().display(), ended.stdout);
    }
}

//! What does the program print? Snapshots of everything that people and scripts read; `INSTA_UPDATE=always` writes them anew.

use std::collections::BTreeSet;

use crate::sandbox::{CARD, CONFIG, Ended, Sandbox, firebox, repository, run, tiny_rows};

/// Every command, as it is typed.
pub const COMMANDS: [&str; 40] = [
    "",
    "train",
    "select",
    "sweep",
    "sweep best",
    "sweep enqueue",
    "sweep export",
    "sweep import",
    "sweep report",
    "sweep resume",
    "sweep status",
    "sweep stop",
    "sweep worker",
    "resume",
    "evaluate",
    "predict",
    "generate",
    "export",
    "serve",
    "package",
    "keygen",
    "data check",
    "data clean",
    "data fetch",
    "inspect",
    "list",
    "config",
    "config show",
    "config schema",
    "devices",
    "runs",
    "verify bundle",
    "verify export",
    "verify resume",
    "bench",
    "bench batch",
    "bench bundle",
    "bench data",
    "bench train",
    "completions",
];

/// What `--help` of a command says.
pub fn help(command: &str) -> String {
    run(command.split_whitespace().chain(["--help"])).expect(0).stdout
}

#[test]
fn help_of_every_command() {
    for command in COMMANDS {
        let name = if command.is_empty() { "firebox".to_owned() } else { command.replace(' ', "_") };
        insta::assert_snapshot!(format!("help_{name}"), help(command));
    }
}

#[test]
fn the_help_knows_every_command() {
    let commands = |command: &str| -> Vec<String> {
        let text = help(command);
        let listed = text.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap();
        let names = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned));
        names.filter(|name| !name.is_empty() && name != "help").collect()
    };
    let mut found = vec![String::new()];
    for command in commands("") {
        let inner = commands(&command);
        if ["bench", "config", "sweep"].contains(&command.as_str()) || inner.is_empty() {
            found.push(command.clone());
        }
        found.extend(inner.iter().map(|name| format!("{command} {name}")));
    }
    assert_eq!(found, COMMANDS);
}

#[test]
fn what_a_config_can_name() {
    insta::assert_snapshot!("list", run(["list"]).expect(0).stdout);
    insta::assert_snapshot!("list_losses", run(["list", "losses"]).expect(0).stdout);
    let json = run(["list", "--json"]).expect(0).json();
    for (kind, members) in json.as_object().unwrap() {
        let members = members.as_array().unwrap();
        assert!(!members.is_empty() && members.iter().all(|m| !m["summary"].as_str().unwrap().is_empty()), "{kind}");
        assert_eq!(run(["list", kind, "--json"]).expect(0).json()[kind].as_array(), Some(members));
    }
    run(["list", "loses"]).refused(2, &["`loses`", "losses"]);
}

#[test]
fn a_config_with_every_default() {
    insta::assert_snapshot!("config_show", run(["config", "show", "configs/penguins_mlp.toml"]).expect(0).stdout);
    let json =
        run(["config", "show", "configs/penguins_mlp.toml", "--set", "train.epochs=7", "--json"]).expect(0).json();
    assert_eq!(json["train"]["epochs"], 7);
}

#[test]
fn the_schema_describes_every_key() {
    let schema = run(["config", "schema"]).expect(0).json();
    let properties = schema["properties"].as_object().unwrap();
    let keys: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    let expected = [
        "checkpoints",
        "data",
        "device",
        "fine_tune",
        "goal",
        "label_errors",
        "loss",
        "model",
        "optimizer",
        "pretrained",
        "recorders",
        "schedule",
        "seed",
        "stopping",
        "sweep",
        "task",
        "train",
    ];
    assert_eq!(keys, expected.into());
    for (name, property) in properties {
        assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "`{name}` is not described");
    }
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, definition) in definitions {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            let described = property["description"].is_string() || property["$ref"].is_string();
            assert!(described, "`{key}` of {name} is not described");
        }
    }
    // An editor that follows the schema accepts what is shipped, and nothing else: unknown keys are refused there too.
    assert_eq!(schema["additionalProperties"], false);
    for name in ["mlp", "lenet", "gru"] {
        assert!(schema.to_string().contains(&format!("\"{name}\"")), "{name}");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(["completions", shell]).expect(0).stdout;
        assert!(script.contains("firebox") && script.contains("evaluate"), "{shell}");
    }
    run(["completions", "cobol"]).expect(2);
}

#[test]
fn devices_begin_with_the_processor() {
    let ended: Ended = firebox(["devices"]).env_remove("XDG_RUNTIME_DIR").output().unwrap().into();
    assert!(ended.stdout.starts_with("device ") && ended.stdout.contains("\ncpu "), "{}", ended.stdout);
    assert_eq!(ended.stderr, "", "drivers must not talk to the user");
    let json = run(["devices", "--json"]).expect(0).json();
    let devices = json.as_array().unwrap();
    assert_eq!((devices[0]["name"].as_str(), devices[0]["software"].as_bool()), (Some("cpu"), Some(false)));
    assert_eq!(devices.iter().filter(|device| device["auto"] == true).count(), 1, "{json}");
    let picked = devices.iter().find(|device| device["auto"] == true).unwrap();
    assert_eq!(picked["software"], false, "a software adapter is never picked");
}

#[test]
fn runs_and_how_they_did() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!("runs_none", sandbox.run("runs").expect(0).stdout);
    assert_eq!(sandbox.run("runs nowhere --json").expect(0).json(), serde_json::json!([]));
    sandbox.run("train config.toml --run runs/done --set train.steps=4").succeeded();
    let config = std::fs::read(sandbox.path("runs/done/config.toml")).unwrap();
    sandbox.write("runs/half/config.toml", config);
    sandbox.write("runs/no-run/readme", "nothing");
    let text = sandbox.run("runs").expect(0).stdout;
    let score = text.split("accuracy ").nth(1).unwrap()[..6].to_owned();
    insta::assert_snapshot!("runs", text.replace(&score, "[....]"));
    let json = sandbox.run("runs --json").expect(0).json();
    assert_eq!((json[0]["status"].as_str(), json[1]["status"].as_str()), (Some("completed"), Some("unfinished")));
    assert_eq!(json[0]["step"], 4);
}

/// Paths, times and numbers that differ from machine to machine are taken out.
fn redacted(text: &str, sandbox: &Sandbox) -> String {
    let text = text.replace(sandbox.path("").to_str().unwrap(), "[folder]/");
    let mut words: Vec<String> = Vec::new();
    for line in text.lines() {
        let line: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.trim_matches([',', '.', '(', ')']).parse::<f64>().is_ok() && word.contains('.');
        words.push(line.iter().map(|word| if number(word) { "[number]" } else { word }).collect::<Vec<_>>().join(" "));
    }
    words.join("\n")
}

#[test]
fn what_training_says() {
    let sandbox =
        Sandbox::with(CARD, &tiny_rows(), &format!("{CONFIG}\n[goal]\nmetric = \"accuracy\"\nminimum = 0.0\n"));
    let ended = sandbox.run("train config.toml --run r --set train.steps=4 --set train.evaluate_every=2").expect(0);
    insta::assert_snapshot!("train", redacted(&ended.stdout, &sandbox));
    for words in
        ["parameters on cpu, step 0 of 4, run r", "step 2/4, validation loss", "Training ended: every step is done"]
    {
        assert!(ended.stderr.contains(words), "{words} is not in:\n{}", ended.stderr);
    }
    let report = std::fs::read_to_string(sandbox.path("r/report.html")).unwrap();
    for reference in ["src=\"http", "href=\"http", "src=\"//", "@import", "url(http"] {
        assert!(!report.contains(reference), "the report loads something from elsewhere: {reference}");
    }
    let ended = sandbox.run("evaluate r").expect(0);
    assert!(
        ended.stdout.contains("18 examples of the test split") && ended.stdout.contains("accuracy"),
        "{}",
        ended.stdout
    );
    let ended = sandbox.run("predict r tiny/tiny.csv").expect(0);
    assert_eq!(ended.stdout.lines().count(), 90);
    assert!(ended.stdout.starts_with("tiny.csv#0: "), "{}", ended.stdout);
}

#[test]
fn json_is_all_that_is_printed() {
    let sandbox = Sandbox::new();
    let ended = sandbox.run("train config.toml --run r --json").expect(0);
    assert_eq!(ended.stderr, "", "with --json nothing is said besides");
    let json = ended.json();
    assert!((0.0..=1.0).contains(&json["test_accuracy"].as_f64().unwrap()));
    for key in ["run", "status", "step", "chosen_step", "seconds", "parameters", "test_loss", "test_f1", "test_auroc"] {
        assert!(!json[key].is_null(), "{key} is not in {json}");
    }
    let judged = sandbox.run("evaluate r --json").expect(0).json();
    assert_eq!(judged["test_accuracy"], json["test_accuracy"]);
    let judged = sandbox.run("evaluate r@last --part validation --json").expect(0).json();
    assert!(judged["validation_accuracy"].is_number() && judged["test_accuracy"].is_null());
    let answers = sandbox.run("predict r tiny/tiny.csv --json").expect(0).json();
    assert_eq!((answers[0]["id"].as_str(), answers.as_array().unwrap().len()), (Some("tiny.csv#0"), 90));
    assert_eq!(sandbox.run("resume r --json").expect(0).json()["test_accuracy"], json["test_accuracy"]);
    let error = sandbox.run("evaluate gone --json").expect(2).json();
    assert!(error["error"].as_str().unwrap().contains("gone") && error["hint"].is_string(), "{error}");
}

#[test]
fn a_run_gets_a_folder_of_its_own() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        sandbox.run("train config.toml --set train.steps=2").succeeded();
    }
    let names: Vec<String> = std::fs::read_dir(sandbox.path("runs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2);
    // <config>-<UTC time>-<4 hex>
    for name in names {
        let parts: Vec<&str> = name.split('-').collect();
        assert_eq!((parts.len(), parts[0], parts[1].len(), parts[2].len()), (3, "config", 16, 4), "{name}");
    }
    for file in [
        "config.toml",
        "environment.json",
        "lineage.json",
        "metrics.jsonl",
        "pipeline.json",
        "report.html",
        "result.json",
    ] {
        assert!(sandbox.contents("runs").keys().any(|path| path.ends_with(file)), "{file}");
    }
}

#[test]
fn help_is_instant() {
    let fastest = (0..10).map(|_| {
        let begun = std::time::Instant::now();
        help("");
        begun.elapsed().as_millis()
    });
    // Loading the program is all that it may cost; the limit leaves room for a machine that is busy with other tests.
    assert!(fastest.min().unwrap() < 100);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let program = env!("CARGO_BIN_EXE_firebox");
    let script = format!("{program} list | head -1");
    let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(repository()).output().unwrap();
    let ended = Ended::from(output).expect(0);
    assert_eq!(ended.stdout.lines().count(), 1);
    assert_eq!(ended.stderr, "");
}

#[test]
fn inspect_says_what_it_cannot_mean() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.steps=2").succeeded();
    for (line, words) in [
        ("inspect config.toml --classes 7", &["`--classes`"][..]),
        ("inspect r --classes 7", &["`--classes`"]),
        ("inspect r@step-99", &["step-99"]),
        ("inspect unet --input 1x28x28 --set model.unet.depth=9", &["`depth` of 9", "at most 5"]),
        ("inspect gru --input tokens:2000000x10", &["steps", "too many"]),
        ("inspect mlp --input numbers:16777216", &["parameters", "too many"]),
    ] {
        sandbox.run(line).refused(2, words);
    }
    // How many examples make a batch has nothing to do with it.
    sandbox.run("inspect config.toml --set train.batch_size=auto").expect(0);
    sandbox.run("inspect config.toml --set train.batch_size=100000").expect(0);
    sandbox.run("inspect r@last").expect(0);
}

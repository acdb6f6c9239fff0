//! Answers to many records: into every form of file, from a query, and on where they were after any interruption.

use std::path::Path;

use serde_json::Value;

use crate::sandbox::{Sandbox, tiny_rows};

/// A run of a few steps.
fn trained() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.epochs=2").succeeded();
    sandbox
}

/// New rows, `times` as many as the data set has.
fn many(sandbox: &Sandbox, name: &str, times: usize) {
    let rows = vec![tiny_rows().join("\n"); times].join("\n");
    sandbox.write(name, format!("a,b,c,y\n{rows}\n"));
}

/// The answers as they are printed: id, label, and the probability of each class.
fn printed(sandbox: &Sandbox, input: &str) -> Vec<(String, String, Vec<f64>)> {
    let told = sandbox.run(&format!("predict r {input} --json")).expect(0).json();
    let one = |answer: &Value| {
        let scores = answer["scores"].as_array().unwrap().iter().map(|score| score[1].as_f64().unwrap()).collect();
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        (text("id"), text("label"), scores)
    };
    told.as_array().unwrap().iter().map(one).collect()
}

/// The same as they stand in a CSV file.
fn written(path: &Path) -> Vec<(String, String, Vec<f64>)> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id,label,p_x,p_y,p_z"));
    let one = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let scores = fields[2..].iter().map(|field| field.parse().unwrap()).collect();
        (fields[0].to_owned(), fields[1].to_owned(), scores)
    };
    lines.map(one).collect()
}

#[test]
fn answers_are_written_as_they_are_printed() {
    let sandbox = trained();
    many(&sandbox, "new.csv", 3);
    let wanted = printed(&sandbox, "new.csv");
    let ended = sandbox.run("predict r new.csv --out out.csv --batch-size 32").expect(0);
    assert!(ended.stdout.contains("270 records are answered in out.csv"), "{}", ended.stdout);
    assert_eq!(written(&sandbox.path("out.csv")), wanted);
    for name in ["out.jsonl", "out.parquet", "out.db"] {
        let told = sandbox.run(&format!("predict r new.csv --out {name} --json")).expect(0).json();
        assert_eq!((&told["status"], &told["records"]), (&"complete".into(), &270.into()));
        assert!(!sandbox.path(&format!("{name}.unfinished")).exists());
    }
    let first = std::fs::read_to_string(sandbox.path("out.jsonl")).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!((&first["id"], &first["p_y"]), (&wanted[0].0.as_str().into(), &wanted[0].2[1].into()));
    sandbox.run("predict r new.csv --out out.csv").refused(2, &["out.csv", "already"]);
    sandbox.run("predict r new.csv --out out.db").refused(2, &["predictions", "already"]);
    sandbox.run("predict r new.csv --out out.xml").refused(2, &["out.xml", ".parquet"]);
    sandbox.run("predict r new.csv --out no/out.csv").refused(1, &["no/out.csv"]);
}

#[test]
fn the_rows_of_a_query_are_answered() {
    let sandbox = trained();
    let database = rusqlite::Connection::open(sandbox.path("data.db")).unwrap();
    database.execute("CREATE TABLE rows (number, a, b, c)", []).unwrap();
    for (number, row) in tiny_rows().iter().enumerate() {
        let fields: Vec<&str> = row.split(',').collect();
        let a: Option<f64> = fields[0].parse().ok();
        let b: f64 = fields[1].parse().unwrap();
        database.execute("INSERT INTO rows VALUES (?, ?, ?, ?)", (number as i64, a, b, fields[2])).unwrap();
    }
    many(&sandbox, "new.csv", 1);
    let ask = |query: &str, out: &str| {
        let mut command = sandbox.command(&format!("predict r data.db --out {out} --query"));
        crate::sandbox::Ended::from(command.arg(query).output().unwrap())
    };
    ask("SELECT a, b, c FROM rows ORDER BY number", "out.csv").expect(0);
    let bare = |answers: Vec<(String, String, Vec<f64>)>| {
        answers.into_iter().map(|(_, label, scores)| (label, scores)).collect::<Vec<_>>()
    };
    assert_eq!(bare(written(&sandbox.path("out.csv"))), bare(printed(&sandbox, "new.csv")));
    ask("SELECT a, b FROM rows", "two.csv").refused(2, &["`c`"]);
    ask("DROP TABLE rows", "three.csv").refused(2, &["query"]);
    ask("SELECT nothing FROM rows", "four.csv").refused(2, &["nothing"]);
    sandbox.run("predict r nowhere.db --query SELECT").refused(2, &["nowhere.db"]);
}

/// What was answered when the work was killed or interrupted is not asked again, and the file is what it would have been.
#[test]
#[cfg(unix)]
fn interrupted_answers_go_on_where_they_were() {
    let sandbox = trained();
    many(&sandbox, "new.csv", 4000);
    let line = "predict r new.csv --out out.csv --batch-size 64";
    let unfinished = sandbox.path("out.csv.unfinished");
    let (mut kills, mut length) = (0, 0);
    for signal in ["KILL", "INT", "KILL"] {
        let mut running = sandbox.start(line);
        running.wait_until(|| unfinished.metadata().is_ok_and(|file| file.len() > length + 100_000));
        if !running.is_alive() {
            break;
        }
        running.signal(signal);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.end()));
        if signal == "INT" {
            let ended = ended.unwrap().expect(130);
            assert!(ended.stdout.contains("The same command goes on"), "{}", ended.stdout);
        }
        assert!(!sandbox.path("out.csv").exists());
        let now = unfinished.metadata().unwrap().len();
        assert!(now > length, "nothing was kept");
        (kills, length) = (kills + 1, now);
    }
    assert!(kills >= 2, "it was through before it could be interrupted");
    // As a cut-off line is left by a machine that loses power.
    let text = std::fs::read(&unfinished).unwrap();
    std::fs::write(&unfinished, &text[..text.len() - 7]).unwrap();
    let ended = sandbox.run(line).expect(0);
    assert!(ended.stderr.contains("Going on behind"), "{}", ended.stderr);
    assert_eq!(written(&sandbox.path("out.csv")), printed(&sandbox, "new.csv"));
    // Of other data nothing is taken over.
    many(&sandbox, "other.csv", 2);
    std::fs::write(sandbox.path("two.csv.unfinished"), &text).unwrap();
    let ended = sandbox.run("predict r other.csv --out two.csv").expect(0);
    assert!(!ended.stderr.contains("Going on"), "{}", ended.stderr);
    assert_eq!(written(&sandbox.path("two.csv")), printed(&sandbox, "other.csv"));
}

#[test]
fn files_of_others_and_of_other_models_are_not_gone_on_with() {
    let sandbox = trained();
    many(&sandbox, "new.csv", 4);
    let line = "predict r@last new.csv --out out.csv";
    sandbox.write("out.csv.unfinished", "my notes\n");
    sandbox.run(line).refused(2, &["out.csv.unfinished", "no file of unfinished answers"]);
    assert_eq!(std::fs::read(sandbox.path("out.csv.unfinished")).unwrap(), b"my notes\n");
    std::fs::remove_file(sandbox.path("out.csv.unfinished")).unwrap();
    // Another process is at it.
    let held = std::fs::File::create(sandbox.path("out.csv.unfinished")).unwrap();
    held.lock().unwrap();
    sandbox.run(line).refused(2, &["another process"]);
    drop(held);
    // What an interrupted command of this model left is gone on with, and once the model was trained anew it is not.
    let begin = |out: &str| {
        let full = sandbox.run(&format!("predict r@last new.csv --out {out}.jsonl")).expect(0);
        assert!(!full.stderr.contains("Going on"), "{}", full.stderr);
    };
    begin("first");
    let mut running = sandbox.start("predict r@last new.csv --out out.csv --batch-size 1");
    running.wait_until(|| sandbox.path("out.csv.unfinished").metadata().is_ok_and(|file| file.len() > 3000));
    running.signal("KILL");
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.end()));
    if sandbox.path("out.csv").exists() {
        // It was through before it could be killed.
        return;
    }
    let kept = std::fs::read(sandbox.path("out.csv.unfinished")).unwrap();
    std::fs::remove_dir_all(sandbox.path("r")).unwrap();
    sandbox.run("train config.toml --run r --set train.epochs=2 --set seed=7").succeeded();
    let ended = sandbox.run(line).expect(0);
    assert!(!ended.stderr.contains("Going on"), "{}", ended.stderr);
    assert!(kept.starts_with(b"{\"answers_to\""));
}

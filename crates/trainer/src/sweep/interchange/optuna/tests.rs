//! Is what Optuna is told what it reads, and what it tells what we learn from?

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;

use super::distribution::Distribution;
use super::{export, import, matching, tables};
use crate::sweep::interchange::tests::{Sample, settings};
use crate::sweep::trial::{State, Trial};

fn exported(sample: &Sample) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("optuna.db");
    export(sample.view(), &file, false).unwrap();
    (folder, file)
}

fn column(file: &Path, asked: &str) -> Vec<String> {
    let connection = Connection::open(file).unwrap();
    let mut prepared = connection.prepare(asked).unwrap();
    let cell = |row: &rusqlite::Row<'_>| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            rusqlite::types::ValueRef::Null => "null".into(),
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            rusqlite::types::ValueRef::Real(number) => number.to_string(),
            rusqlite::types::ValueRef::Blob(_) => "bytes".into(),
        })
    };
    prepared.query_map([], cell).unwrap().map(Result::unwrap).collect()
}

/// The file without its trials that are to be brought in anew.
fn emptied(sample: &Sample) -> Sample {
    Sample { trials: Vec::new(), sweep: sample.sweep.clone(), dimensions: sample.dimensions.clone() }
}

#[test]
fn a_trial_of_every_kind_is_told() {
    let sample = Sample::new();
    let (_folder, file) = exported(&sample);
    let states = ["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING", "WAITING", "FAIL"];
    assert_eq!(column(&file, "SELECT state FROM trials ORDER BY number"), states);
    assert_eq!(column(&file, "SELECT direction FROM study_directions"), ["MAXIMIZE"]);
    assert_eq!(column(&file, "SELECT value FROM trial_values ORDER BY trial_id"), ["0.9", "0.25"]);
    let of_first = "SELECT param_name FROM trial_params WHERE trial_id = 1 ORDER BY param_name";
    let named = ["model", "model.mlp.hidden.count", "model.mlp.hidden.each", "optimizer.adamw.learning_rate"];
    assert_eq!(column(&file, of_first), [&named[..], &["train.batch_size"]].concat());
    let of_second = of_first.replace('1', "2");
    assert_eq!(column(&file, &of_second)[..3], ["model", "model.gru.dropout", "model.gru.hidden"]);
    let words = "SELECT intermediate_value_type FROM trial_intermediate_values WHERE trial_id = 1 ORDER BY step";
    assert_eq!(column(&file, words), ["FINITE", "NAN", "FINITE"]);
    assert_eq!(column(&file, "SELECT version_num FROM alembic_version"), [tables::REVISION]);
    // Of no numbers nobody knows what each would have been; a rate outside the space is an attribute alone.
    assert_eq!(
        column(&file, "SELECT count(*) FROM trial_params WHERE trial_id = 3 AND param_name LIKE '%each'"),
        ["0"]
    );
    assert_eq!(
        column(&file, "SELECT count(*) FROM trial_params WHERE trial_id = 7 AND param_name LIKE '%rate'"),
        ["0"]
    );
    let fixed = column(&file, "SELECT value_json FROM trial_system_attributes WHERE trial_id = 5");
    assert!(fixed[0].contains("\"model.mlp.hidden.count\":1"), "{fixed:?}");
    let began = "SELECT unixepoch(datetime_start, 'utc', 'subsec') FROM trials WHERE number = 0";
    assert_eq!(column(&file, began), ["1700000000.25"]);
    let errors = "SELECT value_json FROM trial_user_attributes WHERE \"key\" = 'error'";
    assert_eq!(column(&file, errors), ["\"the loss is no longer a number\""]);
}

#[test]
fn what_cannot_be_said_there_is_said_here() {
    let sample = Sample::new();
    let folder = tempfile::tempdir().unwrap();
    let told = export(sample.view(), &folder.path().join("a.db"), false).unwrap();
    assert_eq!(told.trials, 7);
    let all = told.remarks.join("\n");
    assert!(
        all.contains("when one trial ended") && all.contains("one complete trial") && all.contains("one setting"),
        "{all}"
    );
}

#[test]
fn a_file_that_is_there_stays_unless_it_may_be_replaced() {
    let sample = Sample::new();
    let (folder, file) = exported(&sample);
    let before = std::fs::read(&file).unwrap();
    assert!(export(sample.view(), &file, false).unwrap_err().to_string().contains("there already"));
    export(sample.view(), &file, true).unwrap();
    let wal = folder.path().join("optuna.db-wal");
    std::fs::write(&wal, "").unwrap();
    assert!(export(sample.view(), &file, true).unwrap_err().to_string().contains("has the file open"));
    assert_eq!(std::fs::read(&file).unwrap().len(), before.len());
    std::fs::remove_file(&wal).unwrap();
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["optuna.db"], "nothing is left behind");
    assert!(export(sample.view(), &folder.path().join("no/such/folder.db"), false).is_err());
}

#[test]
fn what_was_told_comes_back() {
    let sample = Sample::new();
    let (_folder, file) = exported(&sample);
    let mut empty = emptied(&sample);
    let brought = import(&file, None, empty.view()).unwrap();
    let numbers: Vec<(u64, State)> = brought.trials.iter().map(|trial| (trial.number, trial.state)).collect();
    assert_eq!(numbers, [(0, State::Complete), (1, State::Pruned), (2, State::Failed)]);
    for (theirs, ours) in brought.trials.iter().zip(&sample.trials) {
        let expected: Vec<_> =
            ours.settings.iter().flatten().filter(|(address, _)| *address != "train.epochs").collect();
        assert_eq!(theirs.settings.iter().flatten().collect::<Vec<_>>(), expected);
        assert_eq!((&theirs.scores, &theirs.history), (&ours.scores, &ours.history));
        assert_eq!((theirs.began, theirs.seconds, theirs.step), (ours.began, ours.seconds, ours.step));
        assert_eq!(theirs.origin, format!("optuna:sample#{}", ours.number));
        assert_eq!(theirs.error, ours.error);
        let known = theirs.known(&empty.dimensions, &empty.sweep.objectives).unwrap();
        assert_eq!(Some(known.outcome), ours.known(&sample.dimensions, &sample.sweep.objectives).map(|k| k.outcome));
    }
    let all = brought.remarks.join("\n");
    assert!(all.contains("3 trials waited or ran") && all.contains("One trial did not come along"), "{all}");
    // A second time nothing is new.
    empty.trials = brought.trials;
    let again = import(&file, Some("sample"), empty.view()).unwrap();
    assert!(again.trials.is_empty() && again.remarks.join("\n").contains("3 trials came along before"));
}

#[test]
fn two_objectives_keep_their_directions() {
    let sample = Sample::of_two();
    let (_folder, file) = exported(&sample);
    assert_eq!(column(&file, "SELECT direction FROM study_directions ORDER BY objective"), ["MAXIMIZE", "MINIMIZE"]);
    let asked = "SELECT value FROM trial_values WHERE trial_id = 1 ORDER BY objective";
    assert_eq!(column(&file, asked), ["0.9", "60"]);
    let brought = import(&file, None, emptied(&sample).view()).unwrap();
    assert_eq!(brought.trials[0].scores["seconds"], 60.0);
    // Named objectives may stand there in another order.
    let mut turned = emptied(&sample);
    turned.sweep.objectives.reverse();
    let brought = import(&file, None, turned.view()).unwrap();
    assert_eq!((brought.trials[0].scores["accuracy"], brought.trials[0].scores["seconds"]), (0.9, 60.0));
    let mut other = emptied(&sample);
    other.sweep.objectives.pop();
    let refused = import(&file, None, other.view()).unwrap_err().to_string();
    assert!(refused.contains("2 objectives") && refused.contains("one objective"), "{refused}");
}

#[test]
fn names_are_matched_by_their_last_words() {
    let sample = Sample::new();
    let names = ["model", "learning_rate", "hidden", "mlp.hidden/count", "dropout", "gru/dropout", "momentum", ""];
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let found = matching::find(&names, &sample.dimensions.all);
    let of = |name: &str| found.dimensions.get(name).map(|index| super::super::name_of(&sample.dimensions.all[*index]));
    assert_eq!(of("learning_rate").as_deref(), Some("optimizer.adamw.learning_rate"));
    assert_eq!(of("mlp.hidden/count").as_deref(), Some("model.mlp.hidden.count"));
    assert_eq!(of("dropout").as_deref(), Some("model.gru.dropout"));
    assert_eq!((of("gru/dropout"), of("momentum"), of("")), (None, None, None));
    let all = found.remarks.join("\n");
    for word in
        ["`momentum` has no counterpart", "`gru/dropout` is left out: `dropout` stands", "`` has no counterpart"]
    {
        assert!(all.contains(word), "{word}: {all}");
    }
    assert_eq!(of("hidden").as_deref(), Some("model.gru.hidden"), "the list is two names, and neither ends so");
    let several = Sample::of(
        "objectives = [\"loss\"]\n[space]\n\"a.rate\" = { low = 0, high = 1 }\n\"b.rate\" = { low = 0, high = 1 }",
    );
    let found = matching::find(&["rate".to_owned()].into(), &several.dimensions.all);
    assert!(found.dimensions.is_empty() && found.remarks[0].contains("may be `a.rate` or `b.rate`"), "{found:?}");
}

#[test]
fn numbers_and_choices_are_ours_whatever_their_form() {
    let sample = Sample::new();
    let matched = matching::find(
        &["model", "learning_rate", "batch_size", "mlp.hidden.each", "mlp.hidden.count"].map(str::to_owned).into(),
        &sample.dimensions.all,
    );
    let with = |changed: serde_json::Value| {
        let mut values = settings(json!({
            "model": "mlp", "learning_rate": 0.01, "batch_size": 16.0, "mlp.hidden.each": 32, "mlp.hidden.count": 2.0
        }));
        values.extend(settings(changed));
        values.retain(|_, value| !value.is_null());
        matching::settings(&values, &matched.dimensions, sample.view())
    };
    let found = with(json!({})).unwrap();
    assert_eq!((&found["train.batch_size"], &found["model.mlp.hidden"]), (&json!(16), &json!([32, 32])));
    for (changed, word) in [
        (json!({ "learning_rate": 5.0 }), "`learning_rate` lies outside"),
        (json!({ "learning_rate": null }), "nothing says what `optimizer.adamw.learning_rate` is"),
        (json!({ "mlp.hidden.each": null }), "nothing says what each number"),
        (json!({ "mlp.hidden.count": 1.5 }), "`mlp.hidden.count` lies outside"),
        (json!({ "batch_size": "16" }), "`batch_size` lies outside"),
        (json!({ "model": "gru" }), "nothing says what `model.gru"),
    ] {
        let refused = with(changed.clone()).unwrap_err();
        assert!(refused.contains(word), "{changed}: {refused}");
    }
}

#[test]
fn distributions_are_read_as_they_are_written() {
    let sample = Sample::new();
    for parameter in sample.sweep.space.values() {
        let crate::sweep::space::Values::Range(range) = &parameter.values else { continue };
        let of = Distribution::of(range);
        assert_eq!(Distribution::parse(&of.to_json().to_string()).unwrap(), of);
    }
    let stepped = Distribution::of(match &sample.sweep.space["model.gru.dropout"].values {
        crate::sweep::space::Values::Range(range) => range,
        other => panic!("{other:?}"),
    });
    let Distribution::Numbers { high, .. } = stepped else { panic!("{stepped:?}") };
    assert_eq!(high, 0.4, "the last step falls short of 0.5");
    for (text, word) in [
        ("", "is no JSON"),
        ("[]", "has no name"),
        ("{\"name\": \"UniformDistribution\", \"attributes\": {}}", "before version 3"),
        ("{\"name\": \"FloatDistribution\", \"attributes\": {\"low\": \"a\"}}", "no number as `low`"),
        ("{\"name\": \"CategoricalDistribution\"}", "no list of choices"),
    ] {
        assert!(Distribution::parse(text).unwrap_err().contains(word), "{text}");
    }
    let choices = Distribution::Choices(vec![json!("a")]);
    assert_eq!((choices.value(0.0), choices.value(1.0), choices.value(-1.0)), (Some(json!("a")), None, None));
    assert_eq!((choices.value(0.5), choices.value(f64::NAN), choices.value(1e300)), (None, None, None));
}

#[test]
fn damaged_and_foreign_files_are_refused_in_a_sentence() {
    let sample = Sample::new();
    let (folder, file) = exported(&sample);
    let at = |name: &str| folder.path().join(name);
    let refused = |file: &Path| import(file, None, sample.view()).unwrap_err().to_string();
    assert!(refused(&at("none.db")).contains("no such file"));
    std::fs::write(
        at("text.db"),
        "a text that is long enough to be taken for the head of some database or other, or not",
    )
    .unwrap();
    assert!(refused(&at("text.db")).contains("no database of SQLite"));
    Connection::open(at("other.db")).unwrap().execute("CREATE TABLE studies (a)", []).unwrap();
    assert!(refused(&at("other.db")).contains("no table `study_directions`"));
    let changed = |name: &str, statements: &str| {
        std::fs::copy(&file, at(name)).unwrap();
        let connection = Connection::open(at(name)).unwrap();
        connection.execute_batch(&format!("PRAGMA foreign_keys = off; {statements}")).unwrap();
        drop(connection);
        import(&at(name), None, emptied(&sample).view())
    };
    let endless = "DROP TABLE trials; CREATE VIEW trials AS WITH RECURSIVE n(trial_id) AS (SELECT 1 UNION ALL SELECT trial_id FROM n)
        SELECT trial_id, 1 AS number, 1 AS study_id, 'COMPLETE' AS state, NULL AS datetime_start, NULL AS datetime_complete FROM n";
    assert!(changed("view.db", endless).unwrap_err().to_string().contains("no table `trials`"));
    let odd = changed("bytes.db", "UPDATE trial_params SET distribution_json = x'00ff'").unwrap_err().to_string();
    assert!(odd.contains("a text is missing"), "{odd}");
    let odd = changed("huge.db", "UPDATE trials SET number = -1 WHERE number = 0; UPDATE trial_values SET value = 'x'");
    assert!(odd.unwrap_err().to_string().contains("a number is missing"));
    let odd = changed("state.db", "UPDATE trials SET state = 'LOST', datetime_start = 'yesterday'").unwrap();
    assert!(odd.trials.is_empty());
    let odd = changed("columns.db", "ALTER TABLE trial_values DROP COLUMN value_type").unwrap_err().to_string();
    assert!(odd.contains("value_type"), "{odd}");
    let two = "INSERT INTO studies VALUES (2, 'second')";
    assert!(changed("two.db", two).unwrap_err().to_string().contains("several studies: sample, second"));
    assert!(import(&file, Some("x"), sample.view()).unwrap_err().to_string().contains("no study `x`, but sample"));
}

#[test]
fn no_damage_brings_more_than_a_sentence() {
    let sample = Sample::new();
    let (folder, file) = exported(&sample);
    let whole = std::fs::read(&file).unwrap();
    let mut random = data_loader::random::Random::derive(&[7]);
    let target = folder.path().join("damaged.db");
    let mut refused = 0;
    for _ in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(20) {
            let place = random.below(bytes.len() as u64) as usize;
            bytes[place] = random.below(256) as u8;
        }
        bytes.truncate(bytes.len() - random.below(3) as usize * random.below(4096) as usize);
        std::fs::write(&target, &bytes).unwrap();
        refused += usize::from(import(&target, None, emptied(&sample).view()).is_err());
    }
    assert!(refused > 30, "{refused}");
}

#[test]
fn a_study_without_trials_is_a_study() {
    let mut sample = Sample::new();
    sample.trials = vec![Trial::new(0, "searcher")];
    let (_folder, file) = exported(&sample);
    let brought = import(&file, None, sample.view()).unwrap();
    assert_eq!((brought.trials.len(), brought.remarks.len()), (0, 1));
}

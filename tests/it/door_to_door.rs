//! Does a model answer new data as it answered in training? From a data file through training, bundle and checkpoint to
//! answers: they must agree to the last digit.

use std::collections::BTreeSet;

use data_loader::{Dataset, Part, Pipeline, Value as Field};
use serde_json::Value;
use trainer::Experiment;

use crate::sandbox::{CARD, CONFIG, Sandbox, repository, run, shipped, tiny_rows};

/// A trained run, its data as the trainer saw it.
struct Trained {
    sandbox: Sandbox,
    dataset: Dataset,
}

/// Trains a shipped config with a few settings.
fn train(name: &str, settings: &[&str]) -> Trained {
    let sandbox = Sandbox::empty();
    let (config, place) = (shipped(name), sandbox.path("r"));
    let mut words = vec!["train", config.to_str().unwrap(), "--run", place.to_str().unwrap(), "--device", "cpu"];
    words.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    run(words).succeeded();
    let experiment = Experiment::read(&place.join("config.toml"), &[]).unwrap();
    let pipeline: Pipeline = serde_json::from_slice(&std::fs::read(place.join("pipeline.json")).unwrap()).unwrap();
    let dataset = Dataset::open_with(&experiment.data, repository(), pipeline, experiment.seed).unwrap();
    Trained { sandbox, dataset }
}

impl Trained {
    /// The answers to the examples of the test split, which lie in `file` without their targets, in the order of the rows.
    fn agrees_with_itself(&self, file: &str) {
        let place = self.sandbox.path("r");
        let run_path = place.to_str().unwrap();
        let input = self.sandbox.path(file);
        let input = input.to_str().unwrap();
        let predict = |model: &str, more: &[&str]| -> Value {
            let words = ["predict", model, input, "--json", "--device", "cpu"];
            run(words.iter().chain(more)).expect(0).json()
        };
        let rows = self.dataset.part(Part::Test);
        let answers = predict(run_path, &[]);
        let answers = answers.as_array().unwrap();
        assert_eq!(answers.len(), rows.len());
        let target = &self.dataset.card().schema().target.as_ref().unwrap().name;
        let mut right = 0;
        for (&row, answer) in rows.iter().zip(answers) {
            let Some(Field::Text(class)) = self.dataset.record(row).unwrap().field(target).cloned() else {
                panic!("row {row} has no class")
            };
            right += usize::from(answer["label"] == class);
            let scores: Vec<f64> =
                answer["scores"].as_array().unwrap().iter().map(|s| s[1].as_f64().unwrap()).collect();
            assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-5, "probabilities add up to 1: {scores:?}");
        }
        let accuracy = right as f64 / rows.len() as f64;

        // The trainer at its end, the trainer asked again, and whoever counts right answers agree.
        let result: Value = serde_json::from_slice(&std::fs::read(place.join("result.json")).unwrap()).unwrap();
        let judged = run(["evaluate", run_path, "--json"]).expect(0).json();
        assert_eq!(result["scores"]["accuracy"].as_f64().unwrap(), accuracy);
        assert_eq!(judged["test_accuracy"].as_f64().unwrap(), accuracy);
        assert_eq!(judged["examples"].as_u64().unwrap() as usize, rows.len());
        for (name, value) in result["scores"].as_object().unwrap() {
            assert_eq!(judged[format!("test_{name}")], *value, "{name}");
        }

        // The bundle, named as such or by its run, and the checkpoint from which it was made give the same answers.
        let bundle = format!("{run_path}/bundle");
        let chosen = format!("{run_path}@step-{}", result["chosen_step"]);
        for model in [bundle.as_str(), &format!("{run_path}@best"), &chosen] {
            assert_eq!(predict(model, &[]).as_array().unwrap(), answers, "{model}");
        }
        // So do answers given one by one, but for the last bits of the sums.
        let single = predict(run_path, &["--batch-size", "1"]);
        for (one, together) in single.as_array().unwrap().iter().zip(answers) {
            assert_eq!(one["id"], together["id"]);
            for (a, b) in one["scores"].as_array().unwrap().iter().zip(together["scores"].as_array().unwrap()) {
                let (a, b) = (a[1].as_f64().unwrap(), b[1].as_f64().unwrap());
                assert!((a - b).abs() < 1e-4, "{one} {together}");
            }
        }
    }

    /// A CSV of the test split with these columns of the file that it was split from.
    fn write_test_rows(&self, source: &str, columns: &[&str]) -> String {
        let text = std::fs::read_to_string(repository().join(source)).unwrap();
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split(',').collect();
        let places: Vec<usize> = columns.iter().map(|name| header.iter().position(|h| h == name).unwrap()).collect();
        let lines: Vec<&str> = lines.collect();
        let pick = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            places.iter().map(|&place| fields[place]).collect::<Vec<_>>().join(",")
        };
        let mut rows = vec![columns.join(",")];
        rows.extend(self.dataset.part(Part::Test).iter().map(|&row| pick(lines[row as usize])));
        self.sandbox.write("new.csv", rows.join("\n"));
        "new.csv".to_owned()
    }
}

#[test]
fn penguins() {
    let trained = train("penguins_mlp", &["train.epochs=5"]);
    // The columns in another order, the target left out.
    let columns = ["sex", "year", "body_mass_g", "flipper_length_mm", "bill_depth_mm", "bill_length_mm", "island"];
    let file = trained.write_test_rows("datasets/penguins/penguins.csv", &columns);
    trained.agrees_with_itself(&file);

    // The same rows as JSON lines.
    let text = std::fs::read_to_string(trained.sandbox.path(&file)).unwrap();
    let lines: Vec<String> = text.lines().skip(1).map(|line| as_json(&columns, line)).collect();
    trained.sandbox.write("new.jsonl", lines.join("\n"));
    trained.agrees_with_itself("new.jsonl");
}

fn as_json(columns: &[&str], line: &str) -> String {
    let fields = columns.iter().zip(line.split(',')).map(|(name, text)| {
        let value = match text.parse::<f64>() {
            Ok(number) => Value::from(number),
            Err(_) if text == "NA" => Value::Null,
            Err(_) => Value::from(text),
        };
        ((*name).to_owned(), value)
    });
    Value::Object(fields.collect()).to_string()
}

#[test]
fn names() {
    let trained = train("names_gru", &["train.steps=40", "data.limit=1500"]);
    let file = trained.write_test_rows("datasets/names/names.csv", &["name"]);
    trained.agrees_with_itself(&file);
    // No name of the test split was learnt from.
    let key = |row: &u32| trained.dataset.record(*row).unwrap().id.key;
    let learnt: BTreeSet<String> = trained.dataset.part(Part::Train).iter().map(key).collect();
    assert!(trained.dataset.part(Part::Test).iter().map(key).all(|name| !learnt.contains(&name)));
}

#[test]
fn mnist() {
    let trained = train("mnist_lenet", &["train.steps=40", "train.evaluate_every=20", "data.limit=2000"]);
    // The pixels of the test split as an IDX file of their own.
    let mut bytes = vec![0, 0, 8, 3];
    let rows = trained.dataset.part(Part::Test);
    bytes.extend([rows.len() as u32, 28, 28].iter().flat_map(|axis| axis.to_be_bytes()));
    for &row in rows {
        let Some(Field::Image(image)) = trained.dataset.record(row).unwrap().field("image").cloned() else {
            panic!("row {row} has no image")
        };
        bytes.extend(&image.pixels);
    }
    trained.sandbox.write("new-images-idx3-ubyte", bytes);
    trained.agrees_with_itself("new-images-idx3-ubyte");
}

#[test]
fn numbers_are_answered_in_the_users_units() {
    let card =
        CARD.replace("target = { name = \"y\", kind = \"class\" }", "target = { name = \"b\", kind = \"number\" }");
    let card = card.replace("b = \"number\"\n", "y = \"category\"\n").replace("stratified", "random");
    let rows: Vec<String> = tiny_rows()
        .iter()
        .map(|row| {
            let fields: Vec<&str> = row.split(',').collect();
            format!("{},{},{},{}", fields[0], 5000.0 + 100.0 * fields[1].parse::<f64>().unwrap(), fields[2], fields[3])
        })
        .collect();
    let sandbox = Sandbox::with(&card, &rows, CONFIG);
    let json = sandbox.run("train config.toml --run r --json").succeeded().json();
    let (rmse, mae) = (json["test_rmse"].as_f64().unwrap(), json["test_mae"].as_f64().unwrap());
    assert!(mae > 1.0 && mae <= rmse && rmse < 2000.0, "{json}");
    let answers = sandbox.run("predict r tiny/tiny.csv --json").expect(0).json();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 90);
    let value = |answer: &Value| answer["scores"][0][1].as_f64().unwrap();
    assert!(answers.iter().all(|answer| answer.get("label").is_none() && (3000.0..7000.0).contains(&value(answer))));
    // Root mean square over every row, by hand and by the trainer.
    let errors = rows.iter().zip(answers).map(|(row, answer)| {
        let wanted: f64 = row.split(',').nth(1).unwrap().parse().unwrap();
        (value(answer) - wanted).powi(2)
    });
    let by_hand = errors.sum::<f64>() / 90.0;
    let squares = |part: &str| {
        let judged = sandbox.run(&format!("evaluate r --part {part} --json")).expect(0).json();
        judged["examples"].as_f64().unwrap() * judged[format!("{part}_rmse")].as_f64().unwrap().powi(2)
    };
    let by_trainer = (squares("train") + squares("validation") + squares("test")) / 90.0;
    assert!((by_hand - by_trainer).abs() < 1e-3 * by_trainer, "{by_hand} {by_trainer}");
}

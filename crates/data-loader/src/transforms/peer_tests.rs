//! Do transforms make of the same data what scikit-learn, pandas and tokenizers make of it?
//!
//! `tests/peers/transforms_sklearn.py` says what is in the fixture, and writes it anew with other random data.

use serde::Deserialize;
use serde_json::Value as Json;

use super::tests::Memory;
use super::*;
use crate::example::Value;
use crate::task::Task;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    tokenizers: Vec<Given>,
    learnt: Vec<Learnt>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    transforms: Transforms,
    features: OrderedMap<FeatureKind>,
    target: Option<crate::schema::TargetSpec>,
    train: Vec<Vec<Json>>,
    new: Vec<Vec<Json>>,
    expected: Vec<Vec<Json>>,
    columns: Vec<String>,
    /// The folds of the training rows, where the new rows are these and are met in training.
    folds: Option<Vec<usize>>,
}

#[derive(Deserialize)]
struct Given {
    name: String,
    json: Json,
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
    padding: Option<u32>,
    unknown: Option<u32>,
}

#[derive(Deserialize)]
struct Learnt {
    lowercase: bool,
    vocabulary: usize,
    train: Vec<String>,
    texts: Vec<String>,
    ids: Vec<Vec<i64>>,
}

fn fixture() -> Fixture {
    let path = std::env::var_os("FIREBOX_TRANSFORMS")
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/transforms.json").into());
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Missing,
        Json::Number(number) => Value::Number(number.as_f64().unwrap()),
        Json::String(text) => Value::Text(text.clone()),
        other => panic!("{other}"),
    }
}

#[test]
fn values_are_those_of_scikit_learn_and_pandas() {
    let cases = fixture().cases;
    assert!(cases.len() >= 30);
    for case in cases {
        let schema = serde_json::json!({"features": case.features, "target": case.target});
        let schema: Schema = serde_json::from_value(schema).unwrap();
        let names: Vec<&String> =
            schema.features.0.iter().map(|(name, _)| name).chain(schema.target.iter().map(|t| &t.name)).collect();
        let records = |rows: &[Vec<Json>]| {
            let record = |(i, row): (usize, &Vec<Json>)| {
                let fields = names.iter().zip(row).map(|(name, json)| ((*name).clone(), value(json))).collect();
                Record::new(format!("row {i}"), fields, None)
            };
            rows.iter().enumerate().map(record).collect::<Vec<_>>()
        };
        let memory = Memory(records(&case.train));
        let rows: Vec<u32> = (0..case.train.len() as u32).collect();
        let training = Training {
            task: Task::Classify,
            schema: &schema,
            records: &memory,
            rows: &rows,
            before: &[],
            skip_bad: false,
        };
        let fitted = case.transforms.fit(&training).unwrap();
        let mut features = schema.features.clone();
        for transform in &fitted {
            transform.reshape(&mut features);
        }
        assert_eq!(
            features.0.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            case.columns.iter().collect::<Vec<_>>(),
            "{}",
            case.name
        );
        assert_eq!(case.new.len(), case.expected.len());
        for (mut record, expected) in records(&case.new).into_iter().zip(&case.expected) {
            let mut random = Random::derive(&[7]);
            let training = case.folds.is_some();
            for transform in &fitted {
                transform.apply(&mut record, training.then_some(&mut random)).unwrap();
            }
            for (column, wanted) in case.columns.iter().zip(expected) {
                let found = record.field(column).unwrap();
                let same = match (found, value(wanted)) {
                    (Value::Number(found), Value::Number(wanted)) => {
                        (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0)
                    }
                    (found, wanted) => *found == wanted,
                };
                assert!(same, "{}, {}, {column}: {found:?} and not {wanted}", case.name, record.id);
            }
        }
    }
}

#[test]
fn ids_of_given_tokenizers_are_those_of_the_python_package() {
    let schema: Schema = toml::from_str("[features]\nt = \"text\"").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for given in fixture().tokenizers {
        let path = folder.path().join(format!("{}.json", given.name));
        std::fs::write(&path, given.json.to_string()).unwrap();
        let config = format!("[tokenize]\nmethod = {{ file = \"{}.json\" }}\nmax_length = 20", given.name);
        let mut transforms: Transforms = toml::from_str(&config).unwrap();
        transforms.look_in(folder.path());
        let memory = Memory(Vec::new());
        let training = Training {
            task: Task::Classify,
            schema: &schema,
            records: &memory,
            rows: &[],
            before: &[],
            skip_bad: false,
        };
        let fitted = transforms.fit(&training).unwrap();
        std::fs::remove_file(path).unwrap();
        let fitted: Vec<FittedTransform> = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
        let [FittedTransform::Tokenize(tokenize)] = &fitted[..] else { panic!("no tokenize") };
        for (text, ids) in given.texts.iter().zip(&given.ids) {
            assert_eq!(
                tokenize.ids(text).unwrap(),
                ids.iter().map(|id| i64::from(*id)).collect::<Vec<_>>(),
                "{}: {text:?}",
                given.name
            );
        }
        assert_eq!(
            [tokenize.padding(), tokenize.unknown()],
            [given.padding, given.unknown].map(|id| id.map(i64::from))
        );
        assert!(given.ids.iter().any(|ids| ids.len() == 20), "no text is cut");
    }
}

#[test]
fn ids_that_are_learnt_are_those_that_the_python_package_learns() {
    let schema: Schema = toml::from_str("[features]\nt = \"text\"").unwrap();
    for learnt in fixture().learnt {
        let (lowercase, vocabulary) = (learnt.lowercase, learnt.vocabulary);
        let config = format!("[tokenize]\nmethod = \"bpe\"\nvocabulary = {vocabulary}\nlowercase = {lowercase}");
        let transforms: Transforms = toml::from_str(&config).unwrap();
        let rows: Vec<[Value; 1]> = learnt.train.iter().map(|text| [Value::Text(text.clone())]).collect();
        let memory = Memory::new(&schema, &rows.iter().map(|row| &row[..]).collect::<Vec<_>>());
        let rows: Vec<u32> = (0..rows.len() as u32).collect();
        let training = Training {
            task: Task::Classify,
            schema: &schema,
            records: &memory,
            rows: &rows,
            before: &[],
            skip_bad: false,
        };
        let [FittedTransform::Tokenize(tokenize)] = &transforms.fit(&training).unwrap()[..] else {
            panic!("no tokenize")
        };
        assert_eq!(tokenize.vocabulary(), vocabulary);
        for (text, ids) in learnt.texts.iter().zip(learnt.ids) {
            assert_eq!(tokenize.ids(text).unwrap(), ids, "{text:?}");
        }
    }
}

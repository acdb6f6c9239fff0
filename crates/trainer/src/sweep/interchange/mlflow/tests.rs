//! Is MLflow told everything once? It is a thread of this process here; `tests/peers/sweep_mlflow.sh` asks MLflow itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::runs::{batches, digest, identity, key, of_study, of_trial};
use super::{export, server};
use crate::sweep::interchange::tests::Sample;
use crate::sweep::trial::State;
use crate::sweep::web::tests::{Asked, serve};

#[derive(Default)]
struct Tracking {
    /// Tags by runs.
    runs: BTreeMap<String, BTreeMap<String, String>>,
    asked: Vec<(String, Value)>,
}

type Shared = Arc<Mutex<Tracking>>;

/// MLflow, as far as it is needed; pages are of two runs.
fn tracking() -> (String, Shared) {
    let tracking = Shared::default();
    let shared = Arc::clone(&tracking);
    let answer = move |asked: &Asked| {
        let mut tracking = shared.lock().unwrap();
        let path = asked.path.strip_prefix("/api/2.0/mlflow/").unwrap().to_owned();
        tracking.asked.push((path.clone(), asked.body.clone()));
        let id = asked.body["run_id"].as_str().unwrap_or_default().to_owned();
        let mut tag = |id: &str, tag: &Value| {
            let text = |key: &str| tag[key].as_str().unwrap().to_owned();
            tracking.runs.entry(id.to_owned()).or_default().insert(text("key"), text("value"));
        };
        match path.as_str() {
            path if path.starts_with("experiments/get-by-name") => match path.ends_with("=new%20one") {
                true => (404, json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none" })),
                false => (200, json!({ "experiment": { "experiment_id": "7", "lifecycle_stage": "active" } })),
            },
            "experiments/create" => (200, json!({ "experiment_id": "8" })),
            "runs/search" => {
                let from: usize = asked.body["page_token"].as_str().map_or(0, |token| token.parse().unwrap());
                let page: Vec<Value> = tracking
                    .runs
                    .iter()
                    .skip(from)
                    .take(2)
                    .map(|(id, tags)| {
                        let tags: Vec<Value> = tags.iter().map(|(k, v)| json!({ "key": k, "value": v })).collect();
                        json!({ "info": { "run_id": id }, "data": { "tags": tags } })
                    })
                    .collect();
                let next = (from + 2 < tracking.runs.len()).then(|| (from + 2).to_string());
                (200, json!({ "runs": page, "next_page_token": next }))
            }
            "runs/create" => {
                let id = format!("run-{}", asked.body["tags"][1]["value"].as_str().unwrap());
                asked.body["tags"].as_array().unwrap().iter().for_each(|each| tag(&id, each));
                (200, json!({ "run": { "info": { "run_id": id } } }))
            }
            "runs/log-batch" => {
                asked.body["tags"].as_array().unwrap().iter().for_each(|each| tag(&id, each));
                (200, json!({}))
            }
            "runs/set-tag" => {
                tag(&id, &asked.body);
                (200, json!({}))
            }
            "runs/update" => (200, json!({})),
            other => panic!("{other}"),
        }
    };
    (serve(answer).0, tracking)
}

#[test]
fn a_second_telling_doubles_nothing() {
    let (address, tracking) = tracking();
    let mlflow = server(Some(&address), |_| None).unwrap();
    let mut sample = Sample::new();
    let told = export(&mlflow, "sweeps", "runs/a", sample.view(), false).unwrap();
    assert_eq!(told.trials, 5);
    assert!(told.remarks[0].starts_with("5 of 5 trials were new") && told.remarks[1].contains("2 trials"), "{told:?}");
    let sent = std::mem::take(&mut tracking.lock().unwrap().asked);
    let count = |sent: &[(String, Value)], what: &str| sent.iter().filter(|(path, _)| path == what).count();
    assert_eq!((count(&sent, "runs/create"), count(&sent, "runs/log-batch"), count(&sent, "runs/update")), (6, 6, 6));
    let parents = sent
        .iter()
        .filter(|(path, body)| path == "runs/create" && body.to_string().contains("mlflow.parentRunId"))
        .count();
    assert_eq!(parents, 5);

    let again = export(&mlflow, "sweeps", "runs/a", sample.view(), false).unwrap();
    assert_eq!(again.remarks[0], "Nothing was new to MLflow.");
    let sent = std::mem::take(&mut tracking.lock().unwrap().asked);
    assert!(sent.iter().all(|(path, _)| path.starts_with("experiments/get") || path == "runs/search"), "{sent:?}");

    // One trial came to its end, and the study.
    sample.trials[3].state = State::Complete;
    sample.trials[3].ended = Some(1_700_000_100.0);
    sample.trials[3].scores = sample.trials[0].scores.clone();
    let more = export(&mlflow, "sweeps", "runs/a", sample.view(), true).unwrap();
    assert!(more.remarks[0].starts_with("1 of 5 trials were new"), "{more:?}");
    let sent = std::mem::take(&mut tracking.lock().unwrap().asked);
    let updates: Vec<&Value> = sent.iter().filter(|(path, _)| path == "runs/update").map(|(_, body)| body).collect();
    assert_eq!(count(&sent, "runs/create"), 0);
    assert_eq!(*updates[1], json!({ "run_id": "run-3", "status": "FINISHED", "end_time": 1_700_000_100_000_i64 }));
}

#[test]
fn an_experiment_is_made_where_there_is_none() {
    let (address, tracking) = tracking();
    let mlflow = server(Some(&address), |_| None).unwrap();
    export(&mlflow, "new one", "runs/a", Sample::new().view(), false).unwrap();
    let asked = &tracking.lock().unwrap().asked;
    assert_eq!(asked[1], ("experiments/create".to_owned(), json!({ "name": "new one" })));
    let create = asked.iter().find(|(path, _)| path == "runs/create").unwrap();
    assert_eq!(create.1["experiment_id"], "8");
}

#[test]
fn trials_are_told_with_all_that_is_known() {
    let sample = Sample::new();
    let run = of_trial(&sample.trials[0], sample.view()).unwrap();
    assert_eq!((run.status, run.began, run.ended), ("FINISHED", 1_700_000_000_250, Some(1_700_000_060_500)));
    assert!(run.parameters.contains(&("model.mlp.hidden".into(), "[20,20]".into())), "{:?}", run.parameters);
    let history: Vec<(f64, i64)> = run.metrics.iter().filter(|m| m.0 == "accuracy").map(|m| (m.1, m.3)).collect();
    assert_eq!(history, [(0.5, 100), (0.9, 300)]);
    assert!(run.metrics.contains(&("best/loss".into(), 0.25, 1_700_000_000_250, 300)));
    let status = |number: usize| of_trial(&sample.trials[number], sample.view()).map(|run| run.status);
    assert_eq!([1, 2, 3, 4, 5].map(status), [Some("KILLED"), Some("FAILED"), Some("RUNNING"), None, None]);
    let failed = of_trial(&sample.trials[2], sample.view()).unwrap();
    assert!(failed.tags.iter().any(|(name, value)| name == "firebox.error" && value.contains("no longer")));
    let study = of_study(sample.view(), true);
    assert!(study.tags.contains(&("firebox.best".into(), "0".into())), "{:?}", study.tags);
    assert!(study.tags.iter().any(|(name, _)| name == "space.optimizer.adamw.learning_rate"));
    let other = of_trial(&sample.trials[0], Sample::of_two().view()).unwrap();
    assert_eq!(digest(&run), digest(&other));
    assert_ne!(digest(&run), digest(&failed));
}

#[test]
fn settings_that_may_change_are_no_parameters_yet() {
    let mut sample = Sample::new();
    sample.sweep.population = Some(crate::sweep::population::Population::default());
    let changed = sample.trials[3].settings.clone().unwrap();
    sample.trials[3].course.push(crate::sweep::population::Change { generation: 1, from: Some(0), settings: changed });
    let of = |number: usize| of_trial(&sample.trials[number], sample.view()).unwrap();
    assert!(of(3).parameters.is_empty() && !of(0).parameters.is_empty());
    assert!(of(3).tags.iter().any(|(name, value)| name == "firebox.course" && value.contains("\"from\":0")));
}

#[test]
fn batches_keep_the_limits_of_mlflow() {
    let sample = Sample::new();
    let mut run = of_trial(&sample.trials[0], sample.view()).unwrap();
    run.parameters = (0..250).map(|k| (format!("p{k}"), "1".into())).collect();
    run.metrics = (0..2500).map(|k| ("m".into(), 1.0, 0, k)).collect();
    let all = batches("id", &run);
    let length = |batch: &Value, key: &str| batch[key].as_array().unwrap().len();
    for batch in &all {
        assert!(length(batch, "params") <= 100 && length(batch, "tags") <= 100 && length(batch, "metrics") <= 1000);
        assert!(["params", "tags", "metrics"].iter().map(|key| length(batch, key)).sum::<usize>() <= 1000);
    }
    let sum = |key: &str| all.iter().map(|batch| length(batch, key)).sum::<usize>();
    assert_eq!((sum("params"), sum("metrics"), sum("tags")), (250, 2500, run.tags.len()));
}

#[test]
fn names_are_those_that_mlflow_knows() {
    for (name, expected) in [
        ("f1/a b", "f1/a b"),
        ("f1/a+b'", "f1/a_b_"),
        ("../x", "x"),
        ("/", "_"),
        ("", "_"),
        ("a//b", "a/b"),
        ("größe", "größe"),
    ] {
        assert_eq!(key(name), expected);
    }
    assert_eq!(key(&"x".repeat(999)).len(), 250);
    assert_eq!(identity("postgres://h/d", "it's"), "postgres://h/d#it=27s");
    assert_ne!(identity("a b", ""), identity("a=20b", ""));
}

#[test]
fn secrets_are_those_of_mlflows_own_client() {
    let (address, asks) = serve(|_| (401, json!({ "message": "no" })));
    let with = |pairs: &'static [(&'static str, &'static str)]| {
        let variable =
            |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        server(Some(&address), variable).unwrap().demand("GET", "/", None).unwrap_err()
    };
    let user = [
        ("MLFLOW_TRACKING_USERNAME", "me"),
        ("MLFLOW_TRACKING_PASSWORD", "s3cret"),
        ("MLFLOW_TRACKING_TOKEN", "t0ken"),
    ];
    let error = with(Box::leak(Box::new(user)));
    assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("s3cret"), "{error}");
    with(&[("MLFLOW_TRACKING_TOKEN", "t0ken")]);
    let asks = asks.lock().unwrap();
    assert!(asks[0].headers.contains(&"authorization: Basic bWU6czNjcmV0".to_owned()), "{asks:?}");
    assert!(asks[1].headers.contains(&"authorization: Bearer t0ken".to_owned()), "{asks:?}");
    let none = server(None, |_| None).err().unwrap();
    assert!(none.to_string().contains("no server is named"));
    let named = server(None, |name| (name == "MLFLOW_TRACKING_URI").then(|| "http://h".to_owned())).unwrap();
    assert_eq!(named.address(), "http://h");
}

//! Canaries, shadows, statistics, and models that make room for each other.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serving::registry::{Role, Share};
use serving::{Settings, Source};

use crate::bundles::tiny;
use crate::client::{Running, posted, start};

/// A copy of the bundle that answers `high` from another probability on.
fn changed(root: &Path, name: &str, threshold: f64) -> PathBuf {
    let folder = root.join(name);
    model_zoo::bundle::copy(&tiny(), &folder).unwrap();
    let threshold = |manifest: &mut model_zoo::bundle::Manifest| {
        manifest.thresholds.insert("high".into(), threshold);
    };
    model_zoo::bundle::amend(&folder, threshold).unwrap();
    folder
}

fn source(name: &str, bundle: PathBuf, role: Role) -> Source {
    Source { name: Some(name.into()), bundle, role }
}

fn share(percent: f64, sticky: Option<&str>) -> Share {
    Share { percent, sticky: sticky.map(str::to_owned) }
}

fn version(server: &Running, headers: &str) -> String {
    let body = json!({ "a": 1, "b": 2, "c": 3 }).to_string();
    let reply = server.send(&posted("/predict/m", headers, &body));
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["model_version"].as_str().unwrap().to_owned()
}

#[test]
fn a_canary_answers_its_share_and_whom_it_is_told() {
    let root = tempfile::tempdir().unwrap();
    let canary = changed(root.path(), "canary", 0.999);
    let models = vec![
        source("m", tiny(), Role::Answers),
        source("m", canary.clone(), Role::Canary(share(25.0, Some("X-User")))),
    ];
    let server = start(Settings::of(models));
    server.wait_until_ready();
    let new = model_zoo::bundle::manifest_sha256(&canary).unwrap()[..12].to_owned();
    let told: Vec<String> = (0..40).map(|_| version(&server, "")).collect();
    let count = told.iter().filter(|version| **version == new).count();
    assert!((8..=12).contains(&count), "{count}");
    for (choice, wanted) in [("always", true), ("never", false)] {
        let all = [(); 5].map(|()| version(&server, &format!("X-Canary: {choice}\r\n")));
        assert!(all.iter().all(|version| (*version == new) == wanted));
    }
    // Each user always meets the same.
    let of_users = || (0..40).map(|user| version(&server, &format!("X-User: {user}\r\n")) == new).collect::<Vec<_>>();
    let first = of_users();
    assert_eq!(first, of_users());
    assert!(first.contains(&true) && first.contains(&false));
    // By its name it is there for everyone.
    let question = json!({ "inputs": [{ "name": "numbers", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3] }] });
    assert_eq!(server.post(&format!("/v2/models/m/versions/{new}/infer"), &question).json()["model_version"], new);
    server.send(&posted("/predict/m", "X-Canary: perhaps\r\n", "{}")).refused(400, "`always` or `never`");
    let stats = server.get("/v2/models/stats").json();
    assert_eq!(stats["model_stats"].as_array().unwrap().len(), 2);

    let alone = vec![source("m", canary, Role::Canary(share(25.0, None)))];
    let error = start(Settings::of(alone)).ended().unwrap_err();
    assert!(error.to_string().contains("nothing beside which"), "{error}");
}

/// What a line of the metrics says that begins so.
fn metric(server: &Running, begins: &str) -> f64 {
    let text = server.get("/metrics").body;
    let line = text.lines().find(|line| line.starts_with(begins));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn a_shadow_is_asked_and_compared_and_never_heard() {
    let root = tempfile::tempdir().unwrap();
    // Everything is `high` for it, whatever the network says.
    let shadow = changed(root.path(), "shadow", 0.001);
    let models =
        vec![source("m", tiny(), Role::Answers), source("m", shadow.clone(), Role::Shadow(share(100.0, None)))];
    let server = start(Settings::of(models));
    server.wait_until_ready();
    let [own, other] =
        [&tiny(), &shadow].map(|path| model_zoo::bundle::manifest_sha256(path).unwrap()[..12].to_owned());
    let records: Vec<Value> = (0..20).map(|k| json!({ "a": k, "b": -k, "c": 3 * k - 20 })).collect();
    let mut low = 0;
    for record in &records {
        let told = server.post("/predict/m", record).json();
        assert_eq!(told["model_version"], own);
        low += usize::from(told["predictions"][0]["label"] == "low");
        let data = [&record["a"], &record["b"], &record["c"]];
        let tensor = json!({ "name": "numbers", "datatype": "FP32", "shape": [1, 3], "data": data });
        assert_eq!(server.post("/v2/models/m/infer", &json!({ "inputs": [tensor] })).json()["model_version"], own);
    }
    assert!(low > 0, "none of the records is `low`");
    let counted = |outcome: &str| {
        metric(
            &server,
            &format!("firebox_shadow_answers_total{{model=\"m\",version=\"{other}\",outcome=\"{outcome}\"}}"),
        )
    };
    let until = Instant::now() + Duration::from_secs(20);
    while counted("same") + counted("other") < 40.0 {
        assert!(Instant::now() < until, "{} and {}", counted("same"), counted("other"));
        std::thread::sleep(Duration::from_millis(20));
    }
    // The records that are `low`; tensors skip transforms, and so ask something else.
    assert!(counted("other") >= low as f64 && counted("none") == 0.0);
    assert_eq!(metric(&server, &format!("firebox_shadow_difference_count{{model=\"m\",version=\"{other}\"}}")), 40.0);
}

#[test]
fn statistics_tell_what_a_version_did() {
    let server = start(Settings::of(vec![source("m", tiny(), Role::Answers)]));
    server.wait_until_ready();
    for _ in 0..3 {
        server.post("/predict", &json!([{ "a": 1, "b": 2, "c": 3 }, { "a": 1, "b": 2, "c": 4 }]));
    }
    server.post("/predict", &json!([{ "a": "no number", "b": 2, "c": 3 }])).refused(400, "`a`");
    let told = server.get("/v2/models/m/stats").json()["model_stats"][0].clone();
    assert_eq!(
        (&told["name"], &told["inference_count"], &told["execution_count"]),
        (&json!("m"), &json!(6), &json!(3))
    );
    let of = |phase: &str| told["inference_stats"][phase].clone();
    assert_eq!((&of("success")["count"], &of("fail")["count"]), (&json!(3), &json!(1)));
    for phase in ["queue", "compute_input", "compute_infer", "compute_output"] {
        assert_eq!(of(phase)["count"], 3, "{phase}");
    }
    assert!(of("success")["ns"].as_u64() >= of("compute_infer")["ns"].as_u64());
    assert_eq!(
        (&told["batch_stats"][0]["batch_size"], &told["batch_stats"][0]["compute_infer"]["count"]),
        (&json!(2), &json!(3))
    );
    assert!(told["last_inference"].as_u64().unwrap() > 1_700_000_000_000);
}

#[test]
fn models_make_room_for_each_other_and_come_back() {
    let root = tempfile::tempdir().unwrap();
    let names = ["one", "two", "three"];
    let models = names
        .iter()
        .zip(0..)
        .map(|(name, k)| source(name, changed(root.path(), name, 0.1 * f64::from(k + 1)), Role::Answers));
    let parameters = model_zoo::bundle::Bundle::read(&tiny()).unwrap().manifest.parameters as u64;
    let server = start(Settings { memory: Some(2 * 4 * parameters), ..Settings::of(models.collect()) });
    server.wait_until_ready();
    let there = || {
        let index = server.post("/v2/repository/index", &json!({})).json();
        let ready = |name: &&str| {
            index.as_array().unwrap().iter().any(|entry| entry["name"] == **name && entry["state"] == "READY")
        };
        names.into_iter().filter(ready).collect::<Vec<_>>()
    };
    assert_eq!(there(), ["two", "three"]);
    let ask = |name: &str| server.post(&format!("/predict/{name}"), &json!({ "a": 1, "b": 2, "c": 3 }));
    assert_eq!(ask("two").status, 200);
    // It is read again, and the one that was not asked the longest goes.
    let begun = Instant::now();
    let first = ask("one");
    // So small a bundle may be there before it was said that it is not.
    assert!(first.status == 200 || first.header("retry-after").is_some(), "{}", first.body);
    while ask("one").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(there(), ["one", "two"]);
    assert_eq!(server.get("/v2/health/ready").status, 200);

    let alone = source("one", root.path().join("one"), Role::Answers);
    let server = start(Settings { memory: Some(4 * parameters - 1), ..Settings::of(vec![alone]) });
    let error = server.ended().unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("`one`") && error.hint().unwrap().contains("`memory`"),
        "{error}"
    );
}

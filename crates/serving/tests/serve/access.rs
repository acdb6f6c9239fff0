//! Keys, rates, an audit log, and feedback.

use serde_json::{Value, json};
use serving::access::{Rate, Scope, keys};
use serving::{Settings, Source, access};

use crate::bundles::tiny;
use crate::client::{Running, posted, start};

fn model() -> Vec<Source> {
    vec![Source { bundle: tiny(), ..Source::default() }]
}

fn record() -> Value {
    json!({ "a": 1, "b": 2, "c": 3 })
}

fn ask(server: &Running, path: &str, key: &str) -> crate::client::Reply {
    let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
    server.send(&posted(path, &headers, record().to_string()))
}

/// A file of keys: one that may predict, and one that may do everything for another model.
fn written(folder: &std::path::Path) -> (std::path::PathBuf, [String; 2]) {
    let path = folder.join("keys.toml");
    let (shop, mut entry) = keys::new("shop".into(), vec![Scope::Predict], None).unwrap();
    entry.rate = Some(Rate { per_minute: 60, burst: Some(3) });
    keys::add(&path, entry).unwrap();
    let all = vec![Scope::Predict, Scope::Metrics, Scope::Control];
    let (desk, entry) = keys::new("desk".into(), all, Some(vec!["other".into()])).unwrap();
    keys::add(&path, entry).unwrap();
    (path, [shop, desk])
}

#[test]
fn with_keys_nobody_asks_who_shows_none() {
    let folder = tempfile::tempdir().unwrap();
    let (path, [shop, desk]) = written(folder.path());
    let settings = access::Settings { keys: Some(path), ..access::Settings::default() };
    let audit = folder.path().join("audit.jsonl");
    let server =
        start(Settings { access: settings, control: true, audit: Some(audit.clone()), ..Settings::of(model()) });
    server.wait_until_ready();
    for path in ["/", "/openapi.json", "/playground/style.css", "/v2", "/v2/health/live", "/v2/models/bundle_v1/ready"]
    {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    for path in ["/metrics", "/v2/models", "/v2/models/bundle_v1", "/v2/models/stats", "/describe"] {
        let reply = server.get(path);
        reply.refused(401, "a key is needed");
        assert_eq!(reply.header("www-authenticate"), Some("bearer"));
    }
    server.post("/predict", &record()).refused(401, "a key is needed");
    ask(&server, "/predict", "fbx_other").refused(401, "not known");
    assert_eq!(ask(&server, "/predict", &shop).status, 200);
    ask(&server, "/v2/repository/models/bundle_v1/unload", &shop).refused(403, "control");
    ask(&server, "/predict", &desk).refused(403, "not for the model `bundle_v1`");
    ask(&server, "/v2/repository/models/bundle_v1/unload", &desk).refused(403, "not for the model");
    // Three at once, of which one is spent.
    assert_eq!([(); 2].map(|()| ask(&server, "/predict", &shop).status), [200; 2]);
    let late = ask(&server, "/predict", &shop);
    late.refused(429, "60 requests a minute");
    assert_eq!(late.header("retry-after"), Some("1"));
    server.ask_to_end();
    server.ended().unwrap();

    let text = std::fs::read_to_string(&audit).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |status: u64| lines.iter().filter(|line| line["status"] == status).collect::<Vec<_>>();
    assert_eq!(of(200).iter().filter(|line| line["caller"] == "shop" && line["model"] == "bundle_v1").count(), 3);
    assert!(of(403).iter().any(|line| line["caller"] == "desk" && line["address"] == "127.0.0.1"), "{text}");
    assert_eq!((of(429).len(), of(401).len()), (1, 7));
    assert!(!text.contains(&shop) && !text.contains("/v2/health"));
}

#[test]
fn what_was_right_is_kept_beside_what_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feedback.jsonl");
    let server = start(Settings { feedback: Some(path.clone()), ..Settings::of(model()) });
    server.wait_until_ready();
    assert_eq!(server.get("/describe").json()["feedback"], true);
    let named = server.send(&posted("/predict", "X-Request-Id: own-1\r\n", json!([record(), record()]).to_string()));
    assert_eq!(named.header("x-request-id"), Some("own-1"));
    let other = server.post("/predict", &record());
    let id = other.header("x-request-id").unwrap().to_owned();
    assert_eq!(id.len(), 16);
    for body in [
        json!({ "request_id": "own-1", "example": 1, "label": "high", "comment": "seen" }),
        json!({ "request_id": id, "value": 2.5 }),
        json!({ "request_id": "of another server", "label": "low" }),
    ] {
        assert_eq!(server.post("/feedback", &body).status, 202);
    }
    for (body, words) in [
        (json!({ "request_id": "own-1", "example": 2, "label": "low" }), "2 examples"),
        (json!({ "request_id": "own-1" }), "either"),
        (json!({ "request_id": "own-1", "label": "low", "value": 1 }), "either"),
        (json!({ "label": "low" }), "request_id"),
        (json!([]), "no feedback"),
    ] {
        server.post("/feedback", &body).refused(400, words);
    }
    server.ask_to_end();
    server.ended().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let predicted = &named.json()["predictions"][1];
    assert_eq!(
        (&lines[0]["prediction"], &lines[0]["label"], &lines[0]["comment"]),
        (predicted, &json!("high"), &json!("seen"))
    );
    assert_eq!((&lines[1]["model"], &lines[1]["value"]), (&json!("bundle_v1"), &json!(2.5)));
    assert!(lines[2]["prediction"].is_null() && lines[2]["model"].is_null());

    let server = start(Settings::of(model()));
    server.post("/feedback", &json!({})).refused(404, "nobody keeps feedback");
}

#[test]
fn keys_that_are_made_at_once_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let (_, key) = keys::new(format!("key {number}"), vec![Scope::Predict], None).unwrap();
                keys::add(path, key).unwrap();
            });
        }
    });
    assert_eq!(std::fs::read_to_string(&path).unwrap().matches("[[keys]]").count(), 8);
    let (_, nameless) = keys::new("  ".into(), Vec::new(), None).unwrap();
    assert!(keys::add(&path, nameless).unwrap_err().to_string().contains("name"));
}

#[test]
fn a_key_for_one_model_learns_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (path, [_, desk]) = written(folder.path());
    let models = vec![
        Source { name: Some("other".into()), bundle: tiny(), ..Source::default() },
        Source { name: Some("secret".into()), bundle: tiny(), ..Source::default() },
    ];
    let settings = access::Settings { keys: Some(path), ..access::Settings::default() };
    let server = start(Settings { access: settings, ..Settings::of(models) });
    server.wait_until_ready();
    let get = |path: &str| {
        let text = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-API-Key: {desk}\r\n\r\n");
        server.send(text.as_bytes())
    };
    for reply in [
        get("/v2/models"),
        get("/v2/models/stats"),
        get("/v2/models/nothing"),
        get("/describe"),
        ask(&server, "/v2/repository/index", &desk),
        ask(&server, "/predict", &desk),
        server.get("/openapi.json"),
        server.get("/v2/models/nothing/ready"),
    ] {
        assert!(!reply.body.contains("secret"), "{}", reply.body);
    }
    get("/v2/models/secret").refused(403, "not for the model");
    assert_eq!(get("/v2/models/other").status, 200);
}

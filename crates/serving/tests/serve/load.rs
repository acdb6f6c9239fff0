//! A server is pressed, and what was found is what it counted itself.

use std::time::Duration;

use data_loader::{Array, ArrayData, Batch, ExampleId, InputArray, Target};
use serving::load::{self, Load};

use model_zoo::bundle::Bundle;
use serde_json::json;

use crate::bundles::{classes, tiny, tokens, untrained};
use crate::client::{posted, serve};

#[test]
fn what_was_found_is_what_the_server_counted() {
    let server = serve(&tiny());
    let body = br#"{"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [1, 3], "data": [0.1, 0.2, 0.3]}]}"#;
    let path = "/v2/models/bundle_v1/infer";
    let found = load::press(server.address, path, body, 3, Duration::from_millis(300)).unwrap();
    let Load { connections, requests_per_second, p50_ms, p99_ms } = found;
    assert!(connections == 3 && p50_ms > 0.0 && p50_ms <= p99_ms && p99_ms < 1e4, "{found:?}");
    let metrics = server.get("/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with("firebox_requests_total{") && line.contains("infer"));
    let counted: f64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    // Three at least, and none that took no time: within the span, and what was under way when it ended.
    assert!(counted >= 3.0 && (counted / 0.3 / requests_per_second - 1.0).abs() < 0.5, "{counted} {found:?}");
    let error = load::press(server.address, path, b"{}", 1, Duration::from_millis(10)).unwrap_err().to_string();
    assert!(error.contains("it answers 400"), "{error}");
    let nobody = "127.0.0.1:1".parse().unwrap();
    assert!(load::press(nobody, path, b"{}", 1, Duration::from_millis(10)).is_err());
}

#[test]
fn a_batch_is_asked_for_with_its_mask() {
    let (_root, bundle) = untrained(&json!({ "bag": { "embedding": 4 } }), "classify", json!([tokens()]), classes());
    let signature = Bundle::read(&bundle).unwrap().manifest.signature;
    let input = InputArray {
        name: "tokens".into(),
        array: Array { shape: vec![2, 3], data: ArrayData::I64(vec![1, 2, 3, 1, 2, 0]) },
        mask: Some(vec![1, 1, 1, 1, 1, 0]),
        lengths: None,
    };
    let ids = (0..2).map(|place| ExampleId { key: place.to_string() }).collect();
    let body = load::body(&Batch::of(vec![input], Target::None, ids), &signature);
    let body = String::from_utf8(body).unwrap();
    let reply = serve(&bundle).send(&posted("/v2/models/made-up/infer", "", &body));
    assert_eq!(reply.status, 200, "{}", reply.body);
}

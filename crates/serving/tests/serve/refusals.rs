//! What is turned down, with which status and words?

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serving::Limits;

use crate::bundles::{categories, classes, image, numbers, series, tiny, tokens, untrained, untrained_of};
use crate::client::{Running, posted, read, read_one, serve, serve_with, start};

const INFER: &str = "/v2/models/bundle_v1/infer";

fn tensor(name: &str, datatype: &str, shape: Value, data: Value) -> Value {
    json!({ "name": name, "datatype": datatype, "shape": shape, "data": data })
}

fn numbers_of(shape: Value, data: Value) -> Value {
    json!({ "inputs": [tensor("numbers", "FP32", shape, data)] })
}

#[test]
fn addresses_that_lead_nowhere_and_wrong_methods() {
    let server = serve(&tiny());
    for path in ["//", "/v1/models/a:predict", "/v2/", "/v2/models/bundle_v1/nothing", "/predict/a/b", "/../v2"] {
        server.get(path).refused(404, "nothing at this address");
    }
    for path in ["/v2/models/other", "/v2/models/other/ready", "/v2/models/bundle%5Fv1", "/v2/models//infer"] {
        let reply = if path.ends_with("infer") { server.post(path, &json!({})) } else { server.get(path) };
        reply.refused(404, "GET /v2/models lists");
    }
    server.get("/v2/models/bundle_v1/versions/1").refused(404, "there is no version `1`");
    server.post("/v2/models/bundle_v1/versions/1/infer", &json!({})).refused(404, "lists its versions");
    for path in [INFER, "/predict"] {
        let reply = server.get(path);
        reply.refused(405, "asked with POST");
        assert_eq!(reply.header("allow"), Some("post"));
    }
    for path in ["/v2", "/metrics", "/v2/health/ready", "/v2/models/bundle_v1"] {
        let reply = server.post(path, &json!({}));
        reply.refused(405, "asked with GET");
        assert_eq!(reply.header("allow"), Some("get, head"));
    }
}

#[test]
fn bodies_of_other_kinds() {
    let server = serve(&tiny());
    for (header, words) in [
        ("Content-Type: application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("Content-Type: text/html; charset=utf-8", "text/html"),
        ("Content-Encoding: br", "compressed by br"),
        ("Content-Encoding: gzip, gzip", "compressed by gzip"),
    ] {
        for path in [INFER, "/predict"] {
            server.send(&posted(path, &format!("{header}\r\n"), "{}")).refused(415, words);
        }
    }
    for coding in ["gzip", "deflate"] {
        for path in [INFER, "/predict"] {
            server.send(&posted(path, &format!("Content-Encoding: {coding}\r\n"), "{}")).refused(400, "decompressed");
        }
    }
    let good = r#"{"a": 1, "b": 2, "c": 3}"#;
    for header in ["", "Content-Type: application/json\r\n", "Content-Type: Application/JSON; charset=utf-8\r\n"] {
        assert_eq!(server.send(&posted("/predict", header, good)).status, 200, "{header}");
    }
}

#[test]
fn tensors_that_do_not_suit() {
    let server = serve(&tiny());
    let good = numbers_of(json!([1, 3]), json!([1, 2, 3]));
    assert_eq!(server.post(INFER, &good).status, 200);
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body["inputs"][0][key] = value;
        body
    };
    let twice = json!({ "inputs": [good["inputs"][0], good["inputs"][0]] });
    for (body, words) in [
        (json!([]), "no request of the Open Inference Protocol"),
        (json!({ "inputs": 1 }), "no request of the Open Inference Protocol"),
        (json!({ "inputs": [] }), "lacks the input `numbers`"),
        (with("name", json!("pixels")), "there is no input `pixels` the model takes `numbers` (FP32 [-1, 3])"),
        (with("name", json!("mask")), "there is no input `mask`"),
        (with("name", json!("x".repeat(100_000))), "x ...` the model takes"),
        (twice, "stands twice"),
        (with("datatype", json!("FP64")), "is FP64, and must be FP32"),
        (with("datatype", json!("")), "must be FP32"),
        (with("shape", json!([3])), "must have [examples, 3]"),
        (with("shape", json!([1, 4])), "must have [examples, 3]"),
        (with("shape", json!([1, 1, 3])), "must have [examples, 3]"),
        (with("shape", json!(vec![1; 9])), "9 axes"),
        (with("shape", json!([0, 3])), "above 0"),
        (with("shape", json!([-1, 3])), "above 0"),
        (with("shape", json!([2, 3])), "room for 6"),
        (with("shape", json!([i64::MAX, 3])), "1024 are the most"),
        (with("shape", json!([1025, 3])), "1024 are the most"),
        (with("data", json!([1, 2])), "room for 3"),
        (with("data", json!([1, 2, 3, 4])), "more numbers"),
        (with("data", json!([[1, 2], [3]])), "neither flat nor nested"),
        (with("data", json!([1, 2, "NaN"])), "a finite number of 32 bits"),
        (with("data", json!([1, 2, null])), "a finite number of 32 bits"),
        (with("data", json!([1, 2, 1e39])), "a finite number of 32 bits"),
        (with("data", Value::Null), "has no `data`"),
        (with("data", json!({ "a": 1 })), "an array"),
    ] {
        server.post(INFER, &body).refused(400, words);
    }
    let mut asking = good;
    asking["outputs"] = json!([{ "name": "logits" }]);
    server.post(INFER, &asking).refused(400, "there is no output `logits` the model gives `scores` (FP32 [-1, 2])");
    for text in ["", "{", "{\"inputs\": [NaN]}", "\u{feff}{}", &"[".repeat(100_000)] {
        server.send(&posted(INFER, "", text)).refused(400, "in JSON");
    }
    let nan = r#"{"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, NaN]}]}"#;
    server.send(&posted(INFER, "", nan)).refused(400, "in JSON");
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let deep = format!(r#"{{"inputs": [{{"name": "numbers", "datatype": "FP32", "shape": [1, 3], "data": {deep}}}]}}"#);
    server.send(&posted(INFER, "", &deep)).refused(400, "neither flat nor nested");
    // None of it has done any harm.
    assert_eq!(server.get("/v2/health/ready").status, 200);
}

#[test]
fn codes_tokens_and_masks_that_do_not_suit() {
    let mlp = json!({ "mlp": { "hidden": [4] } });
    let (_root, bundle) = untrained(&mlp, "classify", json!([numbers(), categories()]), classes());
    let server = serve(&bundle);
    let ask = |server: &Running, inputs: Value| server.post("/v2/models/made-up/infer", &json!({ "inputs": inputs }));
    let numbers = json!({ "name": "numbers", "datatype": "FP32", "shape": [1, 2], "data": [1, 2] });
    let codes = |rows: usize, data: Value| tensor("categories", "INT64", json!([rows, 2]), data);
    assert_eq!(ask(&server, json!([numbers, codes(1, json!([1, 4]))])).status, 200);
    ask(&server, json!([numbers, codes(1, json!([1, 5]))])).refused(400, "a code of `categories` is 5; there are 5");
    ask(&server, json!([numbers, codes(1, json!([-1, 0]))])).refused(400, "a code of `categories` is -1");
    ask(&server, json!([numbers, codes(1, json!([0.5, 0]))])).refused(400, "a whole number of 64 bits");
    ask(&server, json!([numbers, codes(2, json!([0, 0, 0, 0]))]))
        .refused(400, "`numbers` has 1 examples, and `categories` has 2");

    let bag = json!({ "bag": { "embedding": 4 } });
    let (_root, bundle) = untrained(&bag, "classify", json!([tokens()]), classes());
    let server = serve(&bundle);
    let text = |shape: Value, data: Value| tensor("tokens", "INT64", shape, data);
    let mask = |datatype: &str, shape: Value, data: Value| tensor("mask", datatype, shape, data);
    let two = text(json!([1, 2]), json!([1, 2]));
    ask(&server, json!([text(json!([1, 2]), json!([1, 11]))])).refused(400, "a token of `tokens` is 11; there are 11");
    ask(&server, json!([text(json!([1, 10]), json!(vec![1; 10]))])).refused(400, "10 tokens, and 9 are the most");
    ask(&server, json!([text(json!([1, 0]), json!([]))])).refused(400, "above 0");
    ask(&server, json!([two, mask("INT64", json!([1, 2]), json!([1, 1]))])).refused(400, "must be FP32 or BOOL");
    ask(&server, json!([two, mask("FP32", json!([2, 1]), json!([1, 1]))])).refused(400, "the tokens have [1, 2]");
    ask(&server, json!([two, mask("FP32", json!([1, 2]), json!([1, 0.5]))])).refused(400, "0, 1, false or true");
    ask(&server, json!([two, mask("BOOL", json!([1, 2]), json!([false, false]))]))
        .refused(400, "nothing but padding in example 0");
}

#[test]
fn records_that_do_not_suit() {
    let server = serve(&tiny());
    for (body, words) in [
        (json!(1), "an object or a list of objects"),
        (json!([1]), "an object as record #0"),
        (json!({ "records": {} }), "a list of records"),
        (json!({ "a": 1, "b": 2 }), "no column `c`"),
        (json!({ "a": 1, "b": 2, "d": 3 }), "no column `c`"),
        (
            json!([{ "a": 1, "b": 2, "c": 3 }, { "a": 1, "b": 2, "c": "much" }]),
            "Example #1: the number `c` is the text \"much\"",
        ),
        (json!({ "a": 1, "b": 2, "c": "NaN" }), "c"),
        (json!({ "a": 1, "b": 2, "c": [3] }), "c"),
        (json!({ "a": 1, "b": 2, "c": 1e300 }), "networks take numbers up to"),
        (json!(vec![json!({}); 1025]), "more than 1024 records"),
    ] {
        server.post("/predict", &body).refused(400, words);
    }
    for text in ["", "{\"a\": NaN}", "{"] {
        server.send(&posted("/predict", "", text)).refused(400, "not JSON");
    }
}

#[test]
fn a_model_that_reads_windows_takes_no_records_and_no_numbers_that_are_too_large() {
    let lstm = json!({ "lstm_forecast": { "layers": 1, "hidden": 4, "level": "standard" } });
    let horizon = json!({ "horizon": {
        "names": ["a"], "mean": [0.0], "std": [1.0], "quantiles": [], "season": 1, "history": true,
    } });
    let schema = json!({
        "target": { "name": "a", "kind": "number" },
        "features": {},
        "windows": { "length": 6, "horizon": 1 },
    });
    let (_root, bundle) = untrained_of(schema, &lstm, "forecast", json!([series()]), horizon);
    let server = serve(&bundle);
    server.post("/predict", &json!([{ "a": 1 }])).refused(400, "the tensor `series`");
    // Their variance is no number of 32 bits any more.
    let large = tensor("series", "FP32", json!([1, 6, 1]), json!([1e30, -1e30, 1e30, -1e30, 1e30, 3]));
    server.post("/v2/models/made-up/infer", &json!({ "inputs": [large] })).refused(400, "too large for the network");
}

#[test]
fn bodies_that_are_too_large() {
    let server =
        serve_with(&tiny(), None, Limits { body: 1000, head_time: Duration::from_secs(1), ..Limits::default() });
    server.wait_until_ready();
    let large = " ".repeat(1001);
    server.send(&posted("/predict", "", &large)).refused(413, "more than 1000 bytes");
    // Said beforehand, it need not come.
    server
        .send(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n")
        .refused(413, "--max-body");
    let chunk = format!("{:x}\r\n{}\r\n", 600, " ".repeat(600));
    let chunked =
        format!("POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    server.send(chunked.as_bytes()).refused(413, "more than 1000 bytes");
    let fits = r#"{"a": 1, "b": 2, "c": 3}"#;
    let small = format!(
        "POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{fits}\r\n0\r\n\r\n",
        fits.len()
    );
    assert_eq!(server.send(small.as_bytes()).status, 200);
}

#[test]
fn clients_that_are_slow_or_break_off() {
    let short = Duration::from_millis(200);
    let server = serve_with(&tiny(), None, Limits { head_time: short, body_time: short, ..Limits::default() });
    server.wait_until_ready();
    let begun = Instant::now();
    // The head never ends; a connection over which nothing is said is closed as well.
    for silent in ["GET /v2 HTTP/1.1\r\nHost: a\r\nX-Slow:", ""] {
        let mut stream = server.connect();
        stream.write_all(silent.as_bytes()).unwrap();
        assert_ne!(read(&mut stream).status, 200);
    }
    // The body stops half way.
    let half = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{\"a\": 1,";
    server.send(half).refused(408, "did not come within 0.2 seconds");
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Or the client is gone.
    for _ in 0..20 {
        let mut stream = server.connect();
        stream.write_all(half).unwrap();
        drop(stream);
    }
    for noise in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"GET /v2 HTTP/9.9\r\n\r\n", &[0; 4096]]
    {
        assert_ne!(server.send(noise).status, 200);
    }
    let head = format!("GET /v2 HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1_000_000));
    assert_eq!(server.send(head.as_bytes()).status, 431);
    thread::sleep(short);
    assert_eq!(server.get("/v2/health/ready").status, 200);
}

#[test]
fn a_connection_goes_on_behind_a_body_that_nobody_wanted() {
    let server = serve(&tiny());
    let mut stream = server.connect();
    for _ in 0..3 {
        stream.write_all(b"POST /predict/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        stream.write_all(b"0123456789").unwrap();
        let head = read_one(&mut stream);
        assert!(head.starts_with("HTTP/1.1 404") && !head.to_lowercase().contains("connection: close"), "{head}");
    }
    // One that is large, or does not come, ends it, and that is said.
    stream.write_all(b"POST /predict/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").unwrap();
    let head = read_one(&mut stream);
    assert!(head.starts_with("HTTP/1.1 404") && head.to_lowercase().contains("connection: close"), "{head}");
}

#[test]
fn pages_of_other_sites_may_not_ask() {
    let server = serve(&tiny());
    let body = r#"{"a": 1, "b": 2, "c": 3}"#;
    for (header, status) in [
        ("Origin: http://a", 200),
        ("Origin: http://evil.example", 403),
        ("Origin: null", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Sec-Fetch-Site: same-site", 403),
        ("Sec-Fetch-Site: same-origin", 200),
        // As behind whoever answers to another name for us.
        ("Sec-Fetch-Site: same-origin\r\nOrigin: https://models.example", 200),
    ] {
        assert_eq!(server.send(&posted("/predict", &format!("{header}\r\n"), body)).status, status, "{header}");
    }
}

#[test]
fn images_with_a_side_without_end_are_refused() {
    let (_root, bundle) = untrained_of(
        json!({ "features": { "p": "image" } }),
        &json!({ "cnn": {} }),
        "classify",
        json!([image()]),
        classes(),
    );
    let server = serve(&bundle);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(16_000_000_u32.to_be_bytes());
    png.extend(1_u32.to_be_bytes());
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n",
        png.len()
    );
    server.send(&[head.as_bytes(), &png].concat()).refused(400, "a side of 16000000 pixels");
}

#[test]
fn prompts_and_feedback_are_short() {
    let folder = tempfile::tempdir().unwrap();
    let model = serving::Source { bundle: tiny(), ..serving::Source::default() };
    let feedback = Some(folder.path().join("feedback.jsonl"));
    let server = start(serving::Settings { feedback, ..serving::Settings::of(vec![model]) });
    server.wait_until_ready();
    let long = "x".repeat(65 << 10);
    server.post("/generate", &json!({ "prompt": long })).refused(413, "65536 bytes");
    server
        .post("/feedback", &json!({ "request_id": "a", "label": "low", "comment": long }))
        .refused(413, "65536 bytes");
}

/// Connections that begin as HTTP/2 does and say no more, in whole or in part, are not kept.
#[test]
fn who_begins_http2_and_says_no_more_is_not_kept() {
    let limits = Limits { head_time: Duration::from_millis(300), ..Limits::default() };
    let server = serve_with(&tiny(), None, limits);
    for beginning in ["PRI", "PRI * HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let begun = Instant::now();
        let mut stream = server.connect();
        stream.write_all(beginning.as_bytes()).unwrap();
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
        assert!(begun.elapsed() < Duration::from_secs(10), "{beginning:?} was kept for {:?}", begun.elapsed());
    }
}

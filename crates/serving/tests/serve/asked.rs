//! Other ways to ask: CSV, plain text, explanations, descriptions, and the page.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;
use serving::Limits;

use crate::bundles::{classes, tiny, tokens, untrained_of};
use crate::client::{posted, serve, serve_with};

#[test]
fn csv_is_answered_as_the_same_records_in_json_are() {
    let server = serve(&tiny());
    let records = json!([{ "a": 1.5, "b": -2, "c": 0.25 }, { "a": null, "b": 3.5, "c": 1000 }]);
    let csv = "c,b,a,other\n0.25,-2,1.5,x\n1e3,\" 3.5 \",NA,\"y, z\"\n";
    let wanted = server.post("/predict", &records).json();
    for kind in ["text/csv", "text/CSV; charset=utf-8"] {
        let told = server.send(&posted("/predict", &format!("Content-Type: {kind}\r\n"), csv)).json();
        assert_eq!(told["predictions"], wanted["predictions"], "{told}");
        assert!(told["milliseconds"].as_f64().unwrap() > 0.0);
    }
    let send = |kind: &str, body: &str| server.send(&posted("/predict", &format!("Content-Type: {kind}\r\n"), body));
    send("text/csv", "a,b\n1,2\n").refused(400, "`c`");
    send("text/csv", "a,b,c\n1,2\n").refused(400, "2 values");
    send("text/csv", "a,b,c\nx,2,3\n").refused(400, "`a`");
    send("text/csv", &format!("a,b,c\n{}", "1,2,3\n".repeat(1025))).refused(400, "1025 rows");
    send("text/csv; charset=latin-1", csv).refused(415, "UTF-8");
    send("text/plain", "hello").refused(400, "no texts alone");
    send("application/xml", "<a/>").refused(415, "text/csv");
}

#[test]
fn a_text_is_sent_as_it_is() {
    let schema = json!({ "features": { "t": "text" } });
    let architecture = json!({ "gru": { "embedding": 4, "hidden": 4 } });
    let (_root, bundle) = untrained_of(schema, &architecture, "classify", json!([tokens()]), classes());
    let server = serve(&bundle);
    // Without a tokenizer nothing can be read, and that is said by the transforms and not by the address.
    let reply = server.send(&posted("/predict", "Content-Type: text/plain\r\n", "some text"));
    assert!(reply.status == 400 && !reply.body.contains("no texts alone"), "{}", reply.body);
}

#[test]
fn an_answer_is_explained_by_what_it_loses() {
    let server = serve(&tiny());
    let record = json!({ "a": 30, "b": -2, "c": 0.25 });
    let told = server.post("/explain", &record).json();
    let whole = server.post("/predict", &record).json()["predictions"][0].clone();
    let score = |prediction: &serde_json::Value, name: &serde_json::Value| {
        let scores = prediction["scores"].as_array().unwrap();
        scores.iter().find(|score| score[0] == *name).unwrap()[1].as_f64().unwrap()
    };
    assert_eq!(told["explains"], whole["label"]);
    assert!((told["score"].as_f64().unwrap() - score(&whole, &told["explains"])).abs() < 1e-5);
    for (column, name) in told["columns"].as_array().unwrap().iter().zip(["a", "b", "c"]) {
        let mut without = record.clone();
        without[name] = json!(null);
        let without = server.post("/predict", &without).json()["predictions"][0].clone();
        let wanted = score(&whole, &told["explains"]) - score(&without, &told["explains"]);
        assert_eq!(column["name"], name);
        assert!((column["change"].as_f64().unwrap() - wanted).abs() < 1e-5, "{told}");
    }
    server.post("/explain", &json!([record, record])).refused(400, "one record");
}

#[test]
fn a_model_is_described_and_so_is_every_address() {
    let server = serve(&tiny());
    let told = server.get("/describe/bundle_v1").json();
    assert_eq!(
        (&told["takes"], &told["task"], &told["labels"]),
        (&json!("records"), &json!("classify"), &json!(["high", "low"]))
    );
    assert_eq!(told["columns"][0]["name"], "a");
    assert!(told["columns"].as_array().unwrap().iter().all(|column| column["kind"] == "number"), "{told}");
    assert_eq!((&told["explain"], &told["feedback"]), (&json!(true), &json!(false)));
    assert!(told["card"]["parameters"].as_u64().unwrap() > 0);
    let all = server.get("/openapi.json").json();
    assert_eq!((&all["openapi"], &all["info"]["title"]), (&json!("3.1.0"), &json!("Firebox")));
    assert_eq!(
        all["paths"]["/predict/bundle_v1"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0]
            ["required"],
        json!(["a", "b", "c"])
    );
    // Every address that is described answers something else than that there is nothing.
    for (path, methods) in all["paths"].as_object().unwrap() {
        let version = told["model_version"].as_str().unwrap();
        let path = path.replace("{model}", "bundle_v1").replace("{version}", version);
        let reply = if methods.get("get").is_some() { server.get(&path) } else { server.post(&path, &json!({})) };
        assert!(!reply.body.contains("there is nothing at this address"), "{path}");
    }
}

#[test]
fn the_page_is_there_as_a_whole_and_loads_nothing_from_elsewhere() {
    let server = serve(&tiny());
    let page = server.get("/");
    assert!(page.header("content-type").unwrap().starts_with("text/html") && page.body.contains("</html>"));
    let policy = page.header("content-security-policy").unwrap().to_owned();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self'") && !policy.contains("unsafe")
    );
    let linked = |text: &str| {
        let parts: Vec<String> = text
            .split(['"', '\''])
            .filter(|part| part.starts_with("/playground/") || part.starts_with("./"))
            .map(|part| part.replace("./", "/playground/"))
            .collect();
        parts
    };
    let mut todo = linked(&page.body);
    let mut seen: Vec<String> = Vec::new();
    while let Some(path) = todo.pop() {
        if seen.contains(&path) {
            continue;
        }
        let file = server.get(&path);
        assert_eq!(file.status, 200, "{path}");
        if path.rsplit_once('.').is_some_and(|(_, ending)| ending == "js") {
            assert!(file.header("content-type").unwrap().starts_with("text/javascript"));
            todo.extend(linked(&file.body));
        }
        seen.push(path);
    }
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/playground")).unwrap().count();
    assert_eq!(seen.len() + 1, files, "{seen:?}");
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bodies_are_compressed_both_ways() {
    let server = serve(&tiny());
    let records: Vec<_> = (0..200).map(|k| json!({ "a": k, "b": -2, "c": 0.25 })).collect();
    let text = json!(records).to_string();
    let wanted = server.post("/predict", &json!(records)).json();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(text.as_bytes()).unwrap();
    for (coding, body) in [("gzip", gzipped(&text)), ("deflate", zlib.finish().unwrap())] {
        let headers = format!("Content-Encoding: {coding}\r\nAccept-Encoding: br, gzip\r\n");
        let (head, body) = server.send_for_bytes(&posted("/predict", &headers, &body));
        assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
        let mut told = String::new();
        GzDecoder::new(&body[..]).read_to_string(&mut told).unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["predictions"], wanted["predictions"]);
    }
    // What is small, or not asked for, comes as it is.
    let (head, _) = server.send_for_bytes(&posted("/predict", "", &text));
    assert!(!head.contains("content-encoding") && head.contains("vary: accept-encoding"), "{head}");
    let one = json!(records[0]).to_string();
    let (head, _) = server.send_for_bytes(&posted("/predict", "Accept-Encoding: gzip\r\n", &one));
    assert!(!head.contains("content-encoding"), "{head}");
}

#[test]
fn what_becomes_too_large_is_refused() {
    let limits = Limits { body: 100_000, bodies: 400_000, ..Limits::default() };
    let server = serve_with(&tiny(), None, limits);
    server.wait_until_ready();
    let bomb = gzipped(&" ".repeat(50_000_000));
    assert!(bomb.len() < limits.body);
    server.send(&posted("/predict", "Content-Encoding: gzip\r\n", &bomb)).refused(413, "100000 bytes");
    let half = &gzipped(&json!({ "a": 1, "b": 2, "c": 3 }).to_string())[..20];
    server.send(&posted("/predict", "Content-Encoding: gzip\r\n", half)).refused(400, "decompressed");
    // Nothing of the room that they had is lost.
    for _ in 0..2 * limits.bodies / limits.body {
        let whole = gzipped(&json!({ "a": 1, "b": 2, "c": 3 }).to_string());
        assert_eq!(server.send(&posted("/predict", "Content-Encoding: gzip\r\n", &whole)).status, 200);
    }
}

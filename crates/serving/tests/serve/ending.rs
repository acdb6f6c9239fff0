//! Beginning, and ending with requests under way.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use model_zoo::bundle;
use serde_json::json;
use serving::Limits;

use crate::bundles::{tiny, tiny_in};
use crate::client::{read, read_one, serve, serve_with};

#[test]
fn a_bundle_that_is_damaged_or_answers_differently_is_not_served() {
    let (_root, folder) = tiny_in("bundle");
    let weights = folder.join("weights.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, &bytes).unwrap();
    let error = serve_with(&folder, None, Limits::default()).ended().unwrap_err();
    assert!(error.to_string().contains("SHA-256") && error.hint().is_some(), "{error}");

    let (_root, folder) = tiny_in("bundle");
    let golden = folder.join("golden.json");
    let text = std::fs::read_to_string(&golden).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["samples"][0]["output"][0] = json!(1234.5);
    std::fs::write(&golden, json.to_string()).unwrap();
    let hash = sha256(json.to_string().as_bytes());
    bundle::amend(&folder, |manifest| drop(manifest.files.insert("golden.json".into(), hash))).unwrap();
    let error = serve_with(&folder, None, Limits::default()).ended().unwrap_err();
    assert!(error.to_string().contains("golden sample"), "{error}");

    let nowhere = folder.join("nowhere");
    assert!(serve_with(&nowhere, None, Limits::default()).ended().unwrap_err().is_usage());
    let error = serve_with(&tiny(), Some("a/b"), Limits::default()).ended().unwrap_err();
    assert!(error.to_string().contains("`a/b`") && error.hint().unwrap().contains("--name"), "{error}");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(bytes))
}

#[test]
fn who_is_asked_to_end_says_so_goes_on_for_a_moment_and_answers_what_was_begun() {
    let notice = Duration::from_millis(600);
    let server = serve_with(&tiny(), None, Limits { notice, ..Limits::default() });
    server.wait_until_ready();
    // A request is under way: its head was read, its body is half there.
    let body = r#"{"a": 1, "b": 2, "c": 3}"#;
    let head = format!("POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut under_way = server.connect();
    under_way.write_all(format!("{head}{}", &body[..5]).as_bytes()).unwrap();
    let mut idle = server.connect();
    idle.write_all(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    thread::sleep(Duration::from_millis(100));

    let begun = Instant::now();
    server.ask_to_end();
    thread::sleep(Duration::from_millis(100));
    let ready = server.get("/v2/health/ready");
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (503, Some(false)));
    assert_eq!(server.get("/v2/models/bundle_v1/ready").status, 503);
    assert_eq!(server.get("/v2/health/live").status, 200);
    assert_eq!(server.post("/predict", &json!({ "a": 1, "b": 2, "c": 3 })).status, 200);
    // A connection over which nothing is said holds nobody up.
    assert!(read(&mut idle).body.contains("true"));
    while std::net::TcpStream::connect(server.address).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it still accepts");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(begun.elapsed() >= notice && !server.is_over());
    under_way.write_all(&body.as_bytes()[5..]).unwrap();
    let reply = read(&mut under_way);
    assert_eq!(reply.status, 200, "{}", reply.body);
    server.ended().unwrap();
}

/// Clients that keep their connections and ask without a pause lose nothing: each is told to go elsewhere with an answer.
#[test]
fn connections_that_are_kept_are_ended_behind_an_answer() {
    let server = serve_with(&tiny(), None, Limits { notice: Duration::from_millis(600), ..Limits::default() });
    server.wait_until_ready();
    let body = r#"{"a": 1, "b": 2, "c": 3}"#;
    let request = format!("POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (mut stream, request) = (server.connect(), request.clone());
            thread::spawn(move || {
                let mut answered = 0;
                loop {
                    stream.write_all(request.as_bytes()).unwrap();
                    let head = read_one(&mut stream);
                    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                    answered += 1;
                    if head.to_lowercase().contains("connection: close") {
                        return answered;
                    }
                }
            })
        })
        .collect();
    thread::sleep(Duration::from_millis(100));
    server.ask_to_end();
    for client in clients {
        assert!(client.join().unwrap() > 1);
    }
    server.ended().unwrap();
}

#[test]
fn it_ends_in_time_whoever_keeps_it_waiting_and_at_once_when_asked_again() {
    let limits = Limits { notice: Duration::from_millis(50), ending: Duration::from_millis(500), ..Limits::default() };
    for again in [false, true] {
        let ending = if again { Duration::from_mins(1) } else { limits.ending };
        let server = serve_with(&tiny(), None, Limits { ending, ..limits });
        server.wait_until_ready();
        let mut slow = server.connect();
        slow.write_all(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").unwrap();
        thread::sleep(Duration::from_millis(50));
        let begun = Instant::now();
        server.ask_to_end();
        if again {
            thread::sleep(Duration::from_millis(200));
            server.ask_to_end();
        }
        server.ended().unwrap();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5) && (again || took >= limits.ending), "{took:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let first = serve(&tiny());
    let model = serving::Source { bundle: tiny(), ..serving::Source::default() };
    let settings = serving::Settings { address: first.address, ..serving::Settings::of(vec![model]) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(serving::Server::bind(settings)).err().unwrap();
    assert!(error.to_string().contains(&first.address.to_string()) && error.hint().is_some(), "{error}");
}

//! Does `firebox data fetch` go on where it was stopped, and say what came of it? From a server on this machine.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::sandbox::Sandbox;

#[path = "../../crates/data-loader/tests/fetch/server.rs"]
#[allow(dead_code, reason = "the tests of the library use the rest of it")]
mod server;

use server::{Reply, Request, Server};

/// A table that no other test and no other run has.
fn fresh(rows: usize) -> Vec<u8> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let rows =
        (0..rows as u128).map(|row| format!("{},{}", (now + row * 7919) % 1_000_003, ["a", "b"][row as usize % 2]));
    format!("x,y\n{}\n", rows.collect::<Vec<_>>().join("\n")).into_bytes()
}

fn sum(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A sandbox with a card in `net` whose file lies at `url`.
fn sandbox(url: &str, sha256: Option<&str>) -> Sandbox {
    let sandbox = Sandbox::new();
    let sha256 = sha256.map_or(String::new(), |sum| format!("sha256 = \"{sum}\"\n"));
    sandbox.write(
        "net/card.toml",
        format!(
            "name = \"net\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.csv]\n\
             [[files]]\npath = \"a.csv\"\n{sha256}[files.from.http]\nurl = \"{url}\"\n\
             [schema]\ntarget = {{ name = \"y\", kind = \"class\" }}\n[schema.features]\nx = \"number\"\n"
        ),
    );
    sandbox
}

const FETCH: &str = "data fetch net";

/// A server that needs about a second for its file.
fn slow(bytes: &[u8]) -> Server {
    let served = bytes.to_vec();
    Server::new(move |_, request| {
        Reply::of(request, &served, "\"1\"").pace(served.len() / 100, Duration::from_millis(10))
    })
}

/// How much of a download lies in the cache.
fn part(sandbox: &Sandbox) -> u64 {
    let files = std::fs::read_dir(sandbox.path("cache/downloads")).into_iter().flatten();
    let parts = files.map(|file| file.unwrap()).filter(|file| file.path().extension().is_some_and(|e| e == "part"));
    parts.map(|file| file.metadata().map_or(0, |about| about.len())).max().unwrap_or(0)
}

fn ranges(server: &Server) -> Vec<Option<usize>> {
    server.requests().iter().map(Request::from).collect()
}

#[test]
#[cfg(unix)]
fn a_fetch_that_was_killed_or_interrupted_goes_on() {
    for signal in ["KILL", "INT", "TERM"] {
        let bytes = fresh(200_000);
        let server = slow(&bytes);
        let sandbox = sandbox(&server.url("/a.csv"), Some(&sum(&bytes)));
        let mut fetching = sandbox.start(FETCH);
        fetching.wait_until(|| part(&sandbox) > bytes.len() as u64 / 4);
        assert!(fetching.is_alive(), "it was done before it could be stopped");
        fetching.signal(signal);
        let ended = fetching.end();
        if signal != "KILL" {
            assert_eq!(ended.code, 130, "{}", ended.stderr);
            assert!(
                ended.stdout.contains("is kept") && ended.stdout.contains("firebox data fetch net"),
                "{}",
                ended.stdout
            );
        }
        assert!(!sandbox.path("net/a.csv").exists());
        let have = part(&sandbox) as usize;
        sandbox.run(FETCH).expect(0);
        assert_eq!(std::fs::read(sandbox.path("net/a.csv")).unwrap(), bytes, "after {signal}");
        assert_eq!(ranges(&server), [None, Some(have)], "after {signal}");
        assert_eq!(sandbox.contents("net").len(), 2, "nothing lies beside the data");
    }
}

#[test]
fn what_fetching_says() {
    let bytes = fresh(100);
    let served = bytes.clone();
    let server = Server::new(move |_, request| Reply::of(request, &served, "\"1\""));
    let unstated = sandbox(&server.url("/a.csv"), None);
    let ended = unstated.run(FETCH).expect(0);
    assert!(ended.stdout.contains("not stated") && ended.stdout.contains("fetched"), "{}", ended.stdout);
    assert!(ended.stdout.contains(&format!("sha256 = \"{}\"", sum(&bytes))), "{}", ended.stdout);
    assert!(ended.stderr.contains("a.csv from http://127.0.0.1"), "{}", ended.stderr);

    let stated = sandbox(&server.url("/a.csv"), Some(&sum(&bytes)));
    let ended = stated.run(FETCH).expect(0);
    assert!(ended.stdout.contains("as stated  fetched") && !ended.stdout.contains("sha256 ="), "{}", ended.stdout);
    let ended = stated.run("data fetch net/card.toml").expect(0);
    assert!(ended.stdout.contains("as stated  was there"), "{}", ended.stdout);
    assert_eq!(ended.stderr, "", "there was nothing to wait for");
    let ended = stated.run("data fetch net --json").expect(0);
    let json = ended.json();
    assert_eq!((json["status"].as_str(), ended.stderr.as_str()), (Some("complete"), ""));
    let file = &json["files"][0];
    assert_eq!((file["path"].as_str(), file["sha256"].as_str()), (Some("a.csv"), Some(&*sum(&bytes))));
    assert_eq!((file["verified"].as_bool(), file["fetched"].as_bool()), (Some(true), Some(false)));
    // The data that was fetched is trained on like any other.
    stated.run("train config.toml --set data.card=\"net\" --run r --set train.steps=2").succeeded();
}

#[test]
fn what_cannot_be_fetched_ends_as_it_should() {
    let server = Server::new(|_, request| match request.path.as_str() {
        "/gone" => Reply::new(404, b""),
        "/other" => Reply::of(request, b"another file", "\"1\""),
        _ => Reply::new(429, b"").with("retry-after", 86_400),
    });
    let stated = "0".repeat(64);
    sandbox(&server.url("/gone"), None).run(FETCH).refused(2, &["/gone could not be fetched", "404", "card"]);
    sandbox(&server.url("/other"), Some(&stated)).run(FETCH).refused(2, &["SHA-256", &stated, &sum(b"another file")]);
    sandbox(&server.url("/busy"), None).run(FETCH).refused(1, &["429", "same command"]);
    Sandbox::new().run("data fetch nowhere").refused(2, &["nowhere", "card.toml"]);
    // Training does not fetch behind the user's back: it says how.
    let sandbox = sandbox(&server.url("/gone"), None);
    let line = "train config.toml --set data.card=\"net\" --run r";
    sandbox.run(line).refused(2, &["a.csv is not there yet", "`firebox data fetch"]);
    assert_eq!(server.requests().iter().filter(|request| request.path == "/gone").count(), 1);
}

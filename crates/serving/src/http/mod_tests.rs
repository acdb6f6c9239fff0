//! What is told of a model that is not ready yet, or not any more?

use std::io::{Read, Write};
use std::sync::Mutex;

use super::*;
use crate::batching::Sender;
use crate::registry::tests::{registry, tiny, within};

/// What was logged by the server of the only test that logs.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

async fn bind(bundle: std::path::PathBuf) -> Server {
    let settings = Settings {
        address: "127.0.0.1:0".parse().unwrap(),
        log: true,
        note: |line| LOGGED.lock().unwrap().push(line.to_owned()),
        ..Settings::of(vec![Source { bundle, ..Source::default() }])
    };
    Server::bind(settings).await.unwrap()
}

/// The status and the rest of the answer to a request.
async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let text = format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let work = move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[test]
fn until_the_bundle_is_open_the_server_lives_and_is_not_ready() {
    within(async {
        let mut server = bind(tiny()).await;
        // A model that is announced, and whose bundle is never read.
        while Arc::get_mut(&mut server.listening.shared).is_none() {
            tokio::task::yield_now().await;
        }
        let shared = Arc::get_mut(&mut server.listening.shared).unwrap();
        shared.registry = registry();
        shared.registry.announce(&Source { name: Some("x".into()), bundle: tiny(), ..Source::default() }).unwrap();
        let address = server.address();
        let running = tokio::spawn(server.run(std::future::pending));
        assert_eq!(ask(address, "GET /v2/health/live").await.0, 200);
        let (status, answer) = ask(address, "GET /v2/health/ready").await;
        assert!(status == 503 && answer.contains(r#"{"live":true,"ready":false,"error":"#), "{answer}");
        for request in ["GET /v2/models/x", "GET /v2/models/x/ready", "POST /v2/models/x/infer", "POST /predict"] {
            let (status, answer) = ask(address, request).await;
            assert!(status == 503 && answer.to_lowercase().contains("retry-after: 1"), "{answer}");
        }
        assert_eq!(ask(address, "GET /v2").await.0, 200);
        assert!(!ask(address, "GET /metrics").await.1.contains("firebox_model_info{"));
        running.abort();
    });
}

#[test]
fn a_model_that_broke_down_is_neither_ready_nor_live() {
    within(async {
        let server = bind(tiny()).await;
        let (address, shared) = (server.address(), Arc::clone(&server.listening.shared));
        let running = tokio::spawn(server.run(std::future::pending));
        while ask(address, "GET /v2/health/ready").await.0 != 200 {}
        let (network, anyone) = (
            &shared.registry.find("bundle_v1", None).unwrap().network,
            Sender { client: 0, priority: 0, deadline: None },
        );
        assert!(shared.engine.alone::<()>(network, anyone, |_| panic!("a panic that a test wants")).await.is_err());
        for path in ["/v2/health/ready", "/v2/health/live", "/v2/models/bundle_v1"] {
            assert_eq!(ask(address, &format!("GET {path}")).await.0, 503, "{path}");
        }
        let (status, answer) = ask(address, "POST /predict").await;
        assert!(status == 503 && answer.contains("broke down"), "{answer}");

        ask(address, "GET /\"}?secret=1").await;
        let lines = LOGGED.lock().unwrap();
        let line: serde_json::Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert!(line["milliseconds"].as_f64().is_some() && line["time"].as_str().is_some(), "{line}");
        assert!(!lines.iter().any(|line| line.contains("secret")));
        running.abort();
    });
}

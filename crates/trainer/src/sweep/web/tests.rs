//! Is a server asked as it should be, and does no secret come to light? The servers are threads of this process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Server, address_without_secret, basic};

/// What a server was asked.
#[derive(Clone, Debug)]
pub(in crate::sweep) struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<String>,
    pub body: Value,
}

type Asks = Arc<Mutex<Vec<Asked>>>;

/// A server that answers as `answer` says, as long as the test lives; its address and all that it was asked.
pub(in crate::sweep) fn serve(mut answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> (String, Asks) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asks = Asks::default();
    let kept = Arc::clone(&asks);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut lines = Vec::new();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                lines.push(line.trim().to_owned());
                line.clear();
            }
            let length =
                lines.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let _ = reader.read_exact(&mut body);
            let mut words = lines.first().map_or("", String::as_str).split(' ');
            let mut word = || words.next().unwrap_or_default().to_owned();
            let (method, path) = (word(), word());
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let asked = Asked { method, path, headers: lines.split_off(1.min(lines.len())), body };
            let (status, body) = answer(&asked);
            kept.lock().unwrap().push(asked);
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\nlocation: /other\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    (address, asks)
}

#[test]
fn a_secret_goes_in_a_header_and_nowhere_else() {
    let (address, asks) = serve(|_| (403, json!({ "message": "who are\nyou?" })));
    let secret = ("authorization".to_owned(), "Bearer s3cret".to_owned());
    let server = Server::new("MLflow", &format!("{address}/"), &[secret]).unwrap();
    let error = server.demand("POST", "/a/b", Some(&json!({ "x": 1 }))).unwrap_err();
    let said = format!("{error} {:?} {error:?}", error.hint());
    assert!(
        said.contains("MLflow answers with status 403: who are you?") && said.contains("environment variables"),
        "{said}"
    );
    assert!(!said.contains("s3cret"));
    let asked = asks.lock().unwrap()[0].clone();
    assert_eq!((asked.method.as_str(), asked.path.as_str(), asked.body), ("POST", "/a/b", json!({ "x": 1 })));
    assert!(asked.headers.iter().any(|header| header == "authorization: Bearer s3cret"), "{:?}", asked.headers);
}

#[test]
fn a_redirect_is_not_followed() {
    let (address, asks) = serve(|_| (302, Value::Null));
    let server = Server::new("Ray", &address, &[]).unwrap();
    let error = server.demand("GET", "/", None).unwrap_err();
    assert!(error.hint().unwrap().contains("redirects"), "{error}");
    assert_eq!(asks.lock().unwrap().len(), 1);
}

#[test]
fn what_is_no_address_is_refused_in_a_sentence() {
    for (address, word) in [
        ("", "no address"),
        ("ftp://host/", "no address of a web server"),
        ("127.0.0.1:8265", "no address"),
        ("http://", "no address"),
        ("http://user:s3cret@host/", "holds a secret"),
        ("http://host/?token=s3cret", "holds a secret"),
        ("http://ho st/", "no address"),
    ] {
        let error = Server::new("Ray", address, &[]).err().unwrap();
        assert!(error.to_string().contains(word), "{address}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    let header = ("authorization".to_owned(), "s3cret\n".to_owned());
    let error = Server::new("Ray", "http://host", &[header]).err().unwrap().to_string();
    assert!(error.contains("HTTP does not know") && !error.contains("s3cret"), "{error}");
    assert_eq!(basic("user", "word"), "Basic dXNlcjp3b3Jk");
    assert_eq!(address_without_secret("x:s3cret@host?y=s3cret"), "host");
}

#[test]
fn a_server_that_is_not_there_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Server::new("Ray", &address, &[]).unwrap().demand("GET", "/", None).unwrap_err();
    assert!(error.to_string().contains("Ray does not answer: nobody listens there"), "{error}");
}

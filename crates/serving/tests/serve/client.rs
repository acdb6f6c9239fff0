//! A client written by hand, which can also be rude, and a server for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use serving::{Error, Limits, Server, Settings, Source};
use tokio::sync::Notify;

/// A server in a thread of its own.
pub struct Running {
    pub address: SocketAddr,
    end: Arc<Notify>,
    thread: JoinHandle<Result<(), Error>>,
}

/// Serves a bundle with limits of its own on any free port.
pub fn serve_with(bundle: &Path, name: Option<&str>, limits: Limits) -> Running {
    let model = Source { name: name.map(str::to_owned), bundle: bundle.to_owned(), ..Source::default() };
    start(Settings { limits, ..Settings::of(vec![model]) })
}

/// Serves with these settings on any free port.
pub fn start(settings: Settings) -> Running {
    let settings = Settings { address: "127.0.0.1:0".parse().unwrap(), ..settings };
    let end = Arc::new(Notify::new());
    let of_thread = Arc::clone(&end);
    let (tell, told) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ended = runtime.block_on(async {
            let server = Server::bind(settings).await?;
            tell.send(server.address()).unwrap();
            let asked = || {
                let end = Arc::clone(&of_thread);
                async move { end.notified().await }
            };
            server.run(asked).await
        });
        runtime.shutdown_background();
        ended
    });
    // Where it could not begin, nobody listens.
    Running { address: told.recv().unwrap_or(([127, 0, 0, 1], 1).into()), end, thread }
}

/// Serves a bundle, and waits until it is ready.
pub fn serve(bundle: &Path) -> Running {
    let running = serve_with(bundle, None, Limits { notice: Duration::from_millis(100), ..Limits::default() });
    running.wait_until_ready();
    running
}

impl Running {
    pub fn wait_until_ready(&self) {
        let until = Instant::now() + Duration::from_mins(1);
        while self.get("/v2/health/ready").status != 200 {
            assert!(Instant::now() < until, "it does not get ready");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(&posted(path, "Content-Type: application/json\r\n", body.to_string()))
    }

    /// Sends bytes as they are, and reads until the server ends the connection.
    pub fn send(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        // Who is turned down before all was sent may find the connection closed.
        let _ = stream.write_all(bytes);
        read(&mut stream)
    }

    /// The head in lower case and the body, which may be no text.
    pub fn send_for_bytes(&self, bytes: &[u8]) -> (String, Vec<u8>) {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let body = answer.split_off(end + 4);
        (String::from_utf8(answer).unwrap().to_lowercase(), body)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Asks it to end, as a signal does.
    pub fn ask_to_end(&self) {
        self.end.notify_one();
    }

    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until it ended.
    pub fn ended(self) -> Result<(), Error> {
        self.thread.join().unwrap()
    }
}

/// A request with a body, after which the connection is to be closed.
pub fn posted(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let (body, close) = (body.as_ref(), "Host: a\r\nConnection: close\r\n");
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\n{close}Content-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// What came back.
pub struct Reply {
    pub status: u16,
    head: String,
    pub body: String,
}

/// Reads until the connection is closed; of an answer that never came the status is 0.
pub fn read(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Reply { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// Reads one answer from a connection that is kept, and gives its head.
pub fn read_one(stream: &mut TcpStream) -> String {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    head
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }

    /// The value of a header, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(start.as_str()))
    }

    /// Asserts that it was turned down with a status and these words, as every refusal is.
    pub fn refused(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        let json = self.json();
        let text = format!("{} {}", json["error"].as_str().unwrap(), json["hint"].as_str().unwrap_or_default());
        assert!(text.contains(words), "not `{words}` in: {text}");
    }
}

//! What may a web server do? One on this machine that answers as it is told: truly, falsely, slowly, or half.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` or `HEAD`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// By their names in lower case.
    pub headers: HashMap<String, String>,
}

impl Request {
    /// The first byte that is asked for, if not all are.
    pub fn from(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The length that is claimed; without it the true one.
    pub claimed: Option<usize>,
    /// No length is claimed at all; the body ends with the connection.
    pub unsaid: bool,
    /// The connection breaks after so many bytes of the body.
    pub cut: Option<usize>,
    /// So many bytes at a time, with a pause after each.
    pub pace: Option<(usize, Duration)>,
}

impl Reply {
    pub fn new(status: u16, body: &[u8]) -> Self {
        Self { status, body: body.to_vec(), ..Self::default() }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// What a good server answers: the range that is asked for, if the version is still the one that is meant.
    pub fn of(request: &Request, bytes: &[u8], tag: &str) -> Self {
        let same = request.headers.get("if-range").is_none_or(|asked| asked == tag);
        let reply = match request.from().filter(|_| same) {
            Some(from) if from >= bytes.len() => {
                Self::new(416, b"").with("content-range", format!("bytes */{}", bytes.len()))
            }
            Some(from) => Self::new(206, &bytes[from..])
                .with("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
            None => Self::new(200, bytes),
        };
        if tag.is_empty() { reply } else { reply.with("etag", tag) }
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    pub fn pace(mut self, bytes: usize, pause: Duration) -> Self {
        self.pace = Some((bytes, pause));
        self
    }
}

/// A server; it ends with its owner.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    end: Arc<AtomicBool>,
}

impl Server {
    /// Answers each request, counted from 0, as `answer` says.
    pub fn new(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let end = Arc::new(AtomicBool::new(false));
        let (met, ended, answer) = (Arc::clone(&requests), Arc::clone(&end), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, met, answer) = (stream.unwrap(), Arc::clone(&met), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    let number = {
                        let mut met = met.lock().unwrap();
                        met.push(request.clone());
                        met.len() - 1
                    };
                    // Whoever asked may have gone away.
                    let _ = write(stream, &request, &answer(number, &request));
                });
            }
        });
        Self { address, requests, end }
    }

    /// The address of a path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let (method, path) = first.split_once(' ')?;
    let (method, path) = (method.to_owned(), path.split(' ').next()?.to_owned());
    let mut headers = HashMap::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { return Some(Request { method, path, headers }) };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    None
}

fn write(mut stream: TcpStream, request: &Request, reply: &Reply) -> std::io::Result<()> {
    let length = reply.claimed.unwrap_or(reply.body.len());
    let length = if reply.unsaid { String::new() } else { format!("content-length: {length}\r\n") };
    let mut head = format!("HTTP/1.1 {} X\r\n{length}connection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head = head + name + ": " + value + "\r\n";
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method == "HEAD" {
        return stream.flush();
    }
    let body = &reply.body[..reply.cut.unwrap_or(usize::MAX).min(reply.body.len())];
    match reply.pace {
        None => stream.write_all(body)?,
        Some((bytes, pause)) => {
            for piece in body.chunks(bytes) {
                stream.write_all(piece)?;
                std::thread::sleep(pause);
            }
        }
    }
    stream.flush()
}

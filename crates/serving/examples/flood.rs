//! How does a server do that is asked more often than it can answer? Requests are sent when their time has come, whether those before were
//! answered or not, as many users do who know nothing of each other.
//!
//! ```sh
//! cargo run --release -p serving --example flood -- 127.0.0.1:8080 /v2/models/NAME/infer body.json 5000 60 told.json
//! ```
//!
//! Address, path, a file with the body, requests a second, seconds, where to write. A rate of 0 asks over 32 connections without a pause, which is what the
//! server can do. Writes JSON: how many were answered by each status, and after which time, counted from when each was sent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Mutex as Shared;
use tokio::time::{sleep_until, timeout};

/// Connections without a pause, and the most of all.
const STEADY: usize = 32;
const MOST: u64 = 900;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

type Connection = BufReader<TcpStream>;

/// What came of the requests: seconds by status; 0 where no answer came.
#[derive(Default)]
struct Told(Mutex<BTreeMap<u16, Vec<f64>>>);

impl Told {
    fn add(&self, status: u16, took: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default().push(took.as_secs_f64());
    }
}

/// Sends a request and reads the answer to its end.
async fn ask(connection: &mut Connection, request: &[u8]) -> std::io::Result<u16> {
    connection.write_all(request).await?;
    let odd = || std::io::Error::new(std::io::ErrorKind::InvalidData, "no answer of HTTP");
    let (mut status, mut length, mut line) = (0, 0, String::new());
    loop {
        line.clear();
        if connection.read_line(&mut line).await? == 0 {
            return Err(odd());
        }
        let text = line.trim_end();
        if status == 0 {
            status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(odd)?;
        } else if text.is_empty() {
            break;
        } else if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| odd())?;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    Ok(status)
}

async fn connect(address: &str) -> std::io::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// One request; its connection is kept for others if it was answered.
async fn one(address: Arc<str>, request: Arc<[u8]>, idle: Arc<Shared<Vec<Connection>>>, told: Arc<Told>) {
    let begun = Instant::now();
    let asked = async {
        let kept = idle.lock().await.pop();
        if let Some(mut connection) = kept
            && let Ok(status) = ask(&mut connection, &request).await
        {
            return Ok((status, connection));
        }
        // One that was idle for long may have been closed meanwhile; then every client asks once more.
        let mut connection = connect(&address).await?;
        let status = ask(&mut connection, &request).await?;
        Ok::<_, std::io::Error>((status, connection))
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok((status, connection))) => {
            told.add(status, begun.elapsed());
            idle.lock().await.push(connection);
        }
        _ => told.add(0, begun.elapsed()),
    }
}

async fn flood(address: Arc<str>, request: Arc<[u8]>, rate: f64, span: Duration) -> Arc<Told> {
    let (told, idle) = (Arc::new(Told::default()), Arc::new(Shared::new(Vec::new())));
    let begun = tokio::time::Instant::now();
    if rate <= 0.0 {
        let tasks = (0..STEADY).map(|_| {
            let (address, request, idle, told) = (address.clone(), request.clone(), idle.clone(), told.clone());
            tokio::spawn(async move {
                while begun.elapsed() < span {
                    one(address.clone(), request.clone(), idle.clone(), told.clone()).await;
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            let _ = task.await;
        }
        return told;
    }
    let (mut sent, under_way) = (0_u64, Arc::new(AtomicU64::new(0)));
    while begun.elapsed() < span {
        sleep_until(begun + Duration::from_secs_f64(sent as f64 / rate)).await;
        // All whose time has come; a timer is not so fine that each could have its own.
        while sent as f64 / rate <= begun.elapsed().as_secs_f64() {
            sent += 1;
            if under_way.load(Ordering::Relaxed) >= MOST {
                told.add(1, Duration::ZERO);
                continue;
            }
            under_way.fetch_add(1, Ordering::Relaxed);
            let (under_way, asked) =
                (under_way.clone(), one(address.clone(), request.clone(), idle.clone(), told.clone()));
            tokio::spawn(async move {
                asked.await;
                under_way.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }
    while under_way.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    told
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, path, body, rate, seconds, out] = words.as_slice() else {
        return Err("flood ADDRESS PATH BODY RATE SECONDS OUT".into());
    };
    let body = std::fs::read(body)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request: Arc<[u8]> = [head.as_bytes(), &body].concat().into();
    let span = Duration::from_secs_f64(seconds.parse()?);
    let begun = Instant::now();
    let told = flood(Arc::from(address.as_str()), request, rate.parse()?, span).await;
    let took = begun.elapsed().as_secs_f64();
    let mut by_status = serde_json::Map::new();
    for (status, times) in told.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| 1e3 * times[((times.len() - 1) as f64 * share) as usize];
        // Neither is a status of HTTP.
        let name = match status {
            0 => "failed".to_owned(),
            1 => "not_sent".to_owned(),
            status => status.to_string(),
        };
        let figures = serde_json::json!({
            "count": times.len(),
            "per_second": times.len() as f64 / took,
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "most_ms": at(1.0),
        });
        by_status.insert(name, figures);
    }
    let told = serde_json::json!({ "seconds": took, "by_status": by_status });
    Ok(std::fs::write(out, told.to_string())?)
}

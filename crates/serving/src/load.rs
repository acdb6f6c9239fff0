//! How does a server do when it is asked without a pause? Each connection asks again as soon as it was answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use data_loader::{Batch, Signature};

use crate::{Error, wire};

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest line of a head, and the largest answer that is read.
const LINE: u64 = 16 << 10;
const ANSWER: usize = 256 << 20;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// How many connections asked at once.
    pub connections: usize,
    /// Answers a second, over all connections.
    pub requests_per_second: f64,
    /// The latency that half of the requests kept, in milliseconds.
    pub p50_ms: f64,
    /// The latency that 99 of 100 kept, in milliseconds.
    pub p99_ms: f64,
}

/// The body of a request for the answers to `batch`, which is of a model with this signature.
pub fn body(batch: &Batch, signature: &Signature) -> Vec<u8> {
    wire::asking(batch, signature)
}

/// Posts `body` to `path` over so many connections for `span`.
///
/// # Errors
/// [`Error::Unwell`] if one request is not answered by 200, or not in time.
pub fn press(address: SocketAddr, path: &str, body: &[u8], connections: usize, span: Duration) -> Result<Load, Error> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body].concat();
    let began = Instant::now();
    let ask = || one_after_the_other(address, &request, began + span);
    let told: Vec<std::io::Result<Vec<f64>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections.max(1)).map(|_| scope.spawn(ask)).collect();
        let lost = |_| Err(std::io::Error::other("a thread that asked broke down"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(lost)).collect()
    });
    let wall = began.elapsed().as_secs_f64();
    let unwell =
        |error: std::io::Error| Error::Unwell { url: format!("http://{address}{path}"), reason: error.to_string() };
    let mut times: Vec<f64> = told.into_iter().collect::<Result<Vec<_>, _>>().map_err(unwell)?.concat();
    times.sort_by(f64::total_cmp);
    let share = |share: f64| times.get(((times.len().max(1) - 1) as f64 * share).ceil() as usize).copied();
    let (p50_ms, p99_ms) = (share(0.5).unwrap_or(f64::NAN), share(0.99).unwrap_or(f64::NAN));
    Ok(Load { connections: connections.max(1), requests_per_second: times.len() as f64 / wall, p50_ms, p99_ms })
}

/// How long each request took, in milliseconds; there is one at least.
fn one_after_the_other(address: SocketAddr, request: &[u8], until: Instant) -> std::io::Result<Vec<f64>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut times = Vec::new();
    while times.is_empty() || Instant::now() < until {
        let asked = Instant::now();
        stream.write_all(request)?;
        answer(&mut answers)?;
        times.push(1e3 * asked.elapsed().as_secs_f64());
    }
    Ok(times)
}

/// Reads an answer to its end.
fn answer(from: &mut impl BufRead) -> std::io::Result<()> {
    let odd = |reason: String| std::io::Error::new(std::io::ErrorKind::InvalidData, reason);
    let mut line = || {
        let mut line = String::new();
        from.by_ref().take(LINE).read_line(&mut line)?;
        Ok::<_, std::io::Error>(line)
    };
    let first = line()?;
    let status = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0_usize;
    loop {
        let line = line()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            let said = value.trim().parse().ok().filter(|length| *length <= ANSWER);
            length = said.ok_or_else(|| odd(format!("its answer has a length of {}", value.trim().escape_debug())))?;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    match status.as_str() {
        "200" => Ok(()),
        "" => Err(odd("it ended the connection".into())),
        other => Err(odd(format!("it answers {}: {}", other.escape_debug(), shown(&body)))),
    }
}

/// What a body says, as far as a message has room.
fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(200).flat_map(char::escape_debug).collect()
}

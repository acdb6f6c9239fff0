//! How many examples at once, and how long to wait for others? Whoever serves a model may let that be measured: a server is started with
//! each choice, and pressed by more and more connections; the choice that answers most within a latency is the best.
//!
//! First the number of examples is chosen without waiting, then the wait with that number: latency grows with both, so that one after
//! the other finds what all pairs would, in a third of the time.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::load::{self, Load};
use crate::{Error, Settings, batching, health, http};

/// What is tried.
const ROWS: [usize; 6] = [1, 4, 8, 16, 32, 64];
const WINDOWS: [Duration; 4] =
    [Duration::ZERO, Duration::from_micros(500), Duration::from_millis(2), Duration::from_millis(5)];
const CONNECTIONS: [usize; 5] = [1, 4, 16, 32, 64];
/// How long a server may take until it is ready.
const BEGINNING: Duration = Duration::from_mins(1);

/// What was found with one choice and one number of connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The choice.
    pub batching: batching::Settings,
    /// How it did.
    pub load: Load,
}

/// What is asked, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where, such as `/v2/models/NAME/infer`.
    pub path: &'a str,
    /// The body of a request.
    pub body: &'a [u8],
    /// The latency that 99 of 100 requests are to keep, in milliseconds.
    pub p99_ms: f64,
    /// How long each point is measured.
    pub span: Duration,
}

/// The best of some points: most answers a second, of those that keep the latency.
pub fn best(points: &[Point], p99_ms: f64) -> Option<&Point> {
    let kept = points.iter().filter(|point| point.load.p99_ms <= p99_ms);
    kept.max_by(|one, other| one.load.requests_per_second.total_cmp(&other.load.requests_per_second))
}

/// Measures servers with these settings, all but how requests come together; `told` is called with each point. Gives all of them.
///
/// # Errors
/// If a server cannot begin, or does not answer.
pub fn tune(settings: &Settings, question: Question<'_>, told: &mut dyn FnMut(&Point)) -> Result<Vec<Point>, Error> {
    let mut points = Vec::new();
    let mut measure = |batching: batching::Settings, points: &mut Vec<Point>| -> Result<(), Error> {
        for load in pressed(settings, batching, question)? {
            let point = Point { batching, load };
            told(&point);
            points.push(point);
        }
        Ok(())
    };
    for rows in ROWS {
        measure(batching::Settings { rows, window: WINDOWS[0], ..settings.batching }, &mut points)?;
    }
    let best = best(&points, question.p99_ms).map_or_else(batching::Settings::default, |best| best.batching);
    // Who answers one at a time waits for nobody.
    if best.rows > 1 {
        for window in &WINDOWS[1..] {
            measure(batching::Settings { window: *window, ..best }, &mut points)?;
        }
    }
    Ok(points)
}

/// How a server does with a choice, by the number of connections; those that keep no latency any more are not followed by more.
fn pressed(settings: &Settings, batching: batching::Settings, question: Question<'_>) -> Result<Vec<Load>, Error> {
    let address = std::net::SocketAddr::new(Settings::USUAL_ADDRESS.ip(), 0);
    let mut settings = Settings { address, batching, ..settings.clone() };
    settings.limits.notice = Duration::ZERO;
    let end = Arc::new(Notify::new());
    let of_server = Arc::clone(&end);
    let (tell, heard) = channel();
    let server = thread::spawn(move || {
        let told = |address| {
            let _ = tell.send(address);
        };
        http::until(settings, told, || of_server.notified())
    });
    let measured = heard.recv().ok().map(|address| {
        let until = Instant::now() + BEGINNING;
        let url = format!("http://{address}/v2/health/ready");
        while let Err(error) = health::ask(&url, Duration::from_secs(3)) {
            if Instant::now() > until || server.is_finished() {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(5));
        }
        let press = |connections, span| load::press(address, question.path, question.body, connections, span);
        // What is done once is done before it is measured.
        press(CONNECTIONS[CONNECTIONS.len() - 1], question.span / 5)?;
        let mut loads = Vec::new();
        for connections in CONNECTIONS {
            let load = press(connections, question.span)?;
            loads.push(load);
            if load.p99_ms > question.p99_ms {
                break;
            }
        }
        Ok(loads)
    });
    end.notify_one();
    let ended = server.join().unwrap_or(Err(Error::Panicked { doing: "it was measured" }));
    match measured {
        Some(Ok(loads)) => ended.map(|()| loads),
        // Why a server does not answer it says itself.
        Some(Err(error)) => Err(ended.err().unwrap_or(error)),
        None => Err(ended.err().unwrap_or(Error::Panicked { doing: "it began" })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(rows: usize, requests_per_second: f64, p99_ms: f64) -> Point {
        let batching = batching::Settings { rows, ..batching::Settings::default() };
        Point { batching, load: Load { connections: 1, requests_per_second, p50_ms: 1.0, p99_ms } }
    }

    #[test]
    fn the_best_answers_most_of_those_that_keep_the_latency() {
        let points = [point(1, 100.0, 5.0), point(8, 300.0, 9.0), point(32, 400.0, 21.0)];
        assert_eq!(best(&points, 20.0), Some(&points[1]));
        assert_eq!(best(&points, 30.0), Some(&points[2]));
        assert_eq!(best(&points, 1.0), None);
    }
}

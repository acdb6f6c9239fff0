//! How much may one ask of a server, and for how long does it wait?

use std::time::Duration;

/// What a server takes from those who ask. All of it can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of a request, in bytes.
    pub body: usize,
    /// The most bytes of all bodies that are there at once, as far as they have come.
    pub bodies: usize,
    /// The most examples in one request.
    pub rows: usize,
    /// The most pixels of an image that is sent as a file.
    pub pixels: u64,
    /// How many requests may wait for the model; one more is turned away.
    pub waiting: usize,
    /// How many connections are open at once; others wait until they are accepted.
    pub connections: u32,
    /// How long a client may take for the head of a request, and be silent between two.
    pub head_time: Duration,
    /// How long it may take for the body.
    pub body_time: Duration,
    /// How long a client may read nothing of an answer.
    pub answer_time: Duration,
    /// How long connections are still accepted once the server was asked to end: it says at once that it is not ready,
    /// and whoever divides requests between servers needs a moment to see that.
    pub notice: Duration,
    /// When it ends at the latest, counted from when it was asked to, whatever is unanswered then.
    pub ending: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 16 << 20,
            bodies: 256 << 20,
            rows: 1024,
            pixels: 16_000_000,
            waiting: 256,
            connections: 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(30),
            notice: Duration::from_secs(2),
            ending: Duration::from_secs(30),
        }
    }
}

//! For how long does a connection of HTTP/2 wait for its client? Over one that carries many answers a client may read none of them and
//! the connection is busy all the same, so that each answer is watched by itself.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::sleep;

use super::responses::Content;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(500);
/// For how long a connection is kept over which nothing is asked any more.
const IDLE: Duration = Duration::from_mins(1);

/// What is under way over a connection.
pub(super) struct Streams {
    begun: Instant,
    under_way: Mutex<Vec<Weak<Progress>>>,
    /// When something last was; nothing before the first request.
    last: Mutex<Option<Instant>>,
}

/// How far an answer is.
pub(super) struct Progress {
    /// Whether it is on us to go on.
    ours: AtomicBool,
    /// Since when it is not.
    since: Mutex<Instant>,
}

/// Why a connection is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing is asked.
    Idle,
    /// An answer is not read.
    Unread,
}

impl Progress {
    fn is_ours(&self, ours: bool) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.ours.store(ours, Ordering::Release);
    }

    fn waits(&self) -> Duration {
        match self.ours.load(Ordering::Acquire) {
            true => Duration::ZERO,
            false => self.since.lock().unwrap_or_else(PoisonError::into_inner).elapsed(),
        }
    }
}

impl Streams {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), under_way: Mutex::default(), last: Mutex::default() }
    }

    /// A request came.
    pub(super) fn begin(&self) -> Arc<Progress> {
        let progress = Arc::new(Progress { ours: AtomicBool::new(true), since: Mutex::new(Instant::now()) });
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&progress));
        progress
    }

    /// Waits until the connection need not be kept: nothing came over it within `beginning`, or for a while, or an answer was not read
    /// for `patience`.
    pub(super) async fn over(&self, beginning: Duration, patience: Duration) -> Over {
        loop {
            sleep(LOOK).await;
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let before = under_way.len();
            let mut waits = Duration::ZERO;
            under_way.retain(|progress| {
                progress.upgrade().is_some_and(|progress| {
                    waits = waits.max(progress.waits());
                    true
                })
            });
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if before > 0 {
                *last = Some(Instant::now());
            }
            if waits > patience {
                return Over::Unread;
            }
            let idle = last.map_or(self.begun.elapsed() > beginning, |last| last.elapsed() > IDLE);
            if under_way.is_empty() && idle {
                return Over::Idle;
            }
        }
    }
}

/// The content of an answer, which is watched over HTTP/2.
pub(super) struct Watched {
    content: Content,
    progress: Option<Arc<Progress>>,
}

impl Watched {
    pub(super) fn new(content: Content, progress: Option<Arc<Progress>>) -> Self {
        if let Some(progress) = &progress {
            progress.is_ours(false);
        }
        Self { content, progress }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let polled = Pin::new(&mut self.content).poll_frame(context);
        if let Some(progress) = &self.progress {
            progress.is_ours(polled.is_pending());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::tests::within;

    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_mins(9);

    #[test]
    fn who_asks_nothing_or_reads_nothing_is_not_kept() {
        within(async {
            assert_eq!(Streams::new().over(SHORT, LONG).await, Over::Idle);
            let streams = Streams::new();
            let progress = streams.begin();
            let ours = tokio::time::timeout(Duration::from_millis(1500), streams.over(SHORT, SHORT)).await;
            assert!(ours.is_err(), "while it is on us nobody is to blame");
            let (tell, pieces) = tokio::sync::mpsc::unbounded_channel();
            let mut body = Watched::new(Content::Pieces(pieces), Some(Arc::clone(&progress)));
            assert_eq!(streams.over(SHORT, SHORT).await, Over::Unread);
            // Once it was read, and more is to come, it is on us again.
            let polled =
                std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context).is_pending()));
            assert!(polled.await);
            assert_eq!(progress.waits(), Duration::ZERO);
            drop((tell, body, progress));
            // After a request it is kept for longer.
            let kept = tokio::time::timeout(Duration::from_millis(1500), streams.over(SHORT, SHORT)).await;
            assert!(kept.is_err());
        });
    }
}

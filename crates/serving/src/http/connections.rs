//! What becomes of a connection? It is encrypted or not, speaks HTTP/1.1 or HTTP/2, and ends with its client or with the server.

use std::convert::Infallible;
use std::future::pending;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::patience::Patient;
use super::streams::{Over, Streams, Watched};
use super::{Listening, Shared, tls};
use crate::limits::Limits;

/// The most bytes in the head of a request.
const HEAD: usize = 64 << 10;
/// With what a connection begins that speaks HTTP/2 (RFC 9113, section 3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The most requests at once over one connection of HTTP/2.
const STREAMS: u32 = 64;
/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub address: IpAddr,
    /// The hash of the certificate that was shown.
    pub certificate: Option<String>,
}

impl Listening {
    /// Answers what comes over a connection, in a task of its own.
    pub(super) fn begin(&self, permit: OwnedSemaphorePermit, stream: TcpStream, address: IpAddr) {
        let (shared, closing, tls) = (Arc::clone(&self.shared), self.closing.subscribe(), self.tls.clone());
        tokio::spawn(async move {
            // An answer is one piece: there is nothing to wait for before it is sent. Without it, it is merely slower.
            let _ = stream.set_nodelay(true);
            let limits = shared.limits;
            // Clients that break off, or say nothing, are no matter of ours.
            match tls {
                None => {
                    if let Some(is_http2) = begun(begins_http2(&stream), &limits, closing.clone()).await {
                        let peer = Peer { address, certificate: None };
                        converse(shared, Patient::new(stream, limits.answer_time), is_http2, peer, closing).await;
                    }
                }
                Some(tls) => {
                    let accepted = async { tls.accept(Patient::new(stream, limits.answer_time)).await.ok() };
                    if let Some(stream) = begun(accepted, &limits, closing.clone()).await {
                        let connection = stream.get_ref().1;
                        let (certificate, is_http2) = (tls::shown(connection), tls::is_http2(connection));
                        converse(shared, stream, is_http2, Peer { address, certificate }, closing).await;
                    }
                }
            }
            drop(permit);
        });
    }
}

/// What comes of the beginning of a connection: nothing if it takes too long, or the server is to end meanwhile.
async fn begun<T>(
    beginning: impl Future<Output = Option<T>>,
    limits: &Limits,
    mut closing: watch::Receiver<bool>,
) -> Option<T> {
    select! {
        begun = timeout(limits.head_time, beginning) => begun.ok().flatten(),
        _ = closing.wait_for(|closing| *closing) => None,
    }
}

/// Whether the first bytes are those with which HTTP/2 begins; nothing if the client ends before it says so.
async fn begins_http2(stream: &TcpStream) -> Option<bool> {
    let mut first = [0; HTTP2.len()];
    loop {
        let length = stream.peek(&mut first).await.ok()?;
        match &first[..length] {
            [] => return None,
            bytes if bytes == HTTP2 => return Some(true),
            // What is there already is shown again at once: more of it is worth waiting for.
            bytes if HTTP2.starts_with(bytes) => sleep(Duration::from_millis(5)).await,
            _ => return Some(false),
        }
    }
}

/// Answers what comes over a stream until its client is through, or the server is to end.
async fn converse<S>(shared: Arc<Shared>, stream: S, is_http2: bool, peer: Peer, mut closing: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (limits, peer, streams) = (shared.limits, Arc::new(peer), Arc::new(Streams::new()));
    let of_service = Arc::clone(&streams);
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, peer) = (Arc::clone(&shared), Arc::clone(&peer));
        let progress = is_http2.then(|| of_service.begin());
        async move {
            let answer = shared.answer(request, &peer).await;
            Ok::<_, Infallible>(answer.map(|content| Watched::new(content, progress)))
        }
    });
    let mut closed = pin!(async { drop(closing.wait_for(|closing| *closing).await) });
    // Both are the same but for their type.
    macro_rules! until_over {
        ($connection:expr) => {{
            let (mut connection, mut ends) = (pin!($connection), None);
            loop {
                let latest =
                    async { if let Some(latest) = ends { sleep_until(latest).await } else { pending().await } };
                select! {
                    _ = connection.as_mut() => break,
                    () = latest => break,
                    () = &mut closed, if ends.is_none() => {
                        connection.as_mut().graceful_shutdown();
                        ends = Some(Instant::now() + limits.ending);
                    },
                    over = streams.over(limits.head_time, limits.answer_time), if is_http2 => match over {
                        Over::Unread => break,
                        Over::Idle if ends.is_none() => {
                            connection.as_mut().graceful_shutdown();
                            ends = Some(Instant::now() + limits.head_time);
                        },
                        Over::Idle => break,
                    },
                }
            }
        }};
    }
    if is_http2 {
        until_over!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(limits.head_time)
                .keep_alive_timeout(limits.answer_time)
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(HEAD as u32)
                .serve_connection(TokioIo::new(stream), service)
        );
    } else {
        until_over!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_time)
                .max_buf_size(HEAD)
                .serve_connection(TokioIo::new(stream), service)
        );
    }
}

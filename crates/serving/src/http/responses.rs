//! What does an answer look like, whatever it says?

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::pages::Page;
use crate::wire::{self, Refusal, Told};

/// What is sent.
pub(super) type Answer = Response<Content>;

/// The content of an answer.
pub(super) enum Content {
    /// It is there.
    Whole(Option<Bytes>),
    /// It comes piece by piece.
    Pieces(UnboundedReceiver<Vec<u8>>),
    /// It is that of a call over gRPC, with what stands behind it.
    Call(tonic::body::Body),
}

impl Body for Content {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => pieces.poll_recv(context).map(|piece| Some(Ok(Frame::data(piece?.into())))),
            Self::Call(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Pieces(_) => false,
            Self::Call(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
            Self::Call(body) => body.size_hint(),
        }
    }
}

/// Browsers are to take an answer for what it says it is, for themselves, and for now.
const SECURITY: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// An answer of a kind.
fn of(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let body: Bytes = body.into();
    let mut answer = Response::new(Content::Whole((!body.is_empty()).then_some(body)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.extend(SECURITY);
    answer
}

/// An answer that is JSON already.
pub(super) fn text_of_json(status: u16, body: Vec<u8>) -> Answer {
    of(status, "application/json", body)
}

/// An answer in JSON.
///
/// # Errors
/// If it cannot be written down; ours can.
pub(super) fn json(status: u16, value: &impl Serialize) -> Result<Answer, Refusal> {
    Ok(text_of_json(status, serde_json::to_vec(value).map_err(unwritten)?))
}

/// Tensors, as JSON or with bytes behind it.
pub(super) fn tensors(told: Told) -> Answer {
    let Some(json) = told.json else { return text_of_json(200, told.bytes) };
    let mut answer = of(200, "application/octet-stream", told.bytes);
    answer.headers_mut().insert(HeaderName::from_static(wire::HEADER), HeaderValue::from(json));
    answer
}

/// Events that come one by one.
pub(super) fn events(pieces: UnboundedReceiver<Vec<u8>>) -> Answer {
    let mut answer = of(200, "text/event-stream", Bytes::new());
    *answer.body_mut() = Content::Pieces(pieces);
    answer
}

/// What Prometheus reads.
pub(super) fn metrics(text: String) -> Answer {
    of(200, "text/plain; version=0.0.4; charset=utf-8", text)
}

/// For `map_err`: an answer that cannot be written as JSON.
pub(super) fn unwritten(error: serde_json::Error) -> Refusal {
    Refusal::new(500, format!("the answer cannot be written as JSON: {error}"))
}

/// What a page may do: load what lies beside it, and ask the server that it came from.
const OF_PAGES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A file of a page.
pub(super) fn page(page: &Page) -> Answer {
    let mut answer = of(200, page.kind, page.text);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, OF_PAGES);
    answer
}

/// The answer to a call over gRPC.
pub(super) fn call(answer: Response<tonic::body::Body>) -> Answer {
    answer.map(Content::Call)
}

/// How an answer ended, in the numbers of HTTP also where gRPC has its own.
pub(super) fn status(answer: &Answer) -> u16 {
    let code = answer.headers().get("grpc-status").and_then(|value| value.to_str().ok());
    match code {
        None | Some("0") => answer.status().as_u16(),
        Some("3") => 400,
        Some("4") => 504,
        Some("5") => 404,
        Some("7") => 403,
        Some("8") => 429,
        Some("12") => 405,
        Some("14") => 503,
        Some("16") => 401,
        Some(_) => 500,
    }
}

/// The answer to who is turned down.
pub(super) fn refusal(refusal: &Refusal) -> Answer {
    let mut answer = text_of_json(refusal.status, serde_json::to_vec(refusal).unwrap_or_default());
    if let Some(seconds) = refusal.retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.authenticate {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(methods) = refusal.allow {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    answer
}

//! What does a client send, and is it too much or too slow?

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::Error;
use crate::batching::Sender;
use crate::limits::Limits;
use crate::wire::Refusal;

/// With this header tensors stand behind the JSON as bytes.
const BINARY: &str = "inference-header-content-length";
/// Texts up to so many bytes are read and written where they are, in less time than another thread needs to begin.
const SMALL: usize = 64 << 10;

/// The body of a request, which is JSON.
///
/// # Errors
/// If it is of another kind, too large, or does not come in time.
pub(super) async fn json(headers: &HeaderMap, body: Incoming, limits: &Limits) -> Result<Bytes, Refusal> {
    check_kind(headers)?;
    let too_large = || {
        Refusal::new(413, format!("the body has more than {} bytes", limits.body))
            .with_hint("ask for fewer examples at once, or start the server with a larger --max-body")
    };
    // Whoever says beforehand that it will be too much need not send it.
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if said.is_some_and(|length: u64| length > limits.body as u64) {
        return Err(too_large());
    }
    match timeout(limits.body_time, Limited::new(body, limits.body).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Refusal::bad(format!("the body did not come as a whole: {error}"))),
        Err(_) => {
            let seconds = limits.body_time.as_secs_f64();
            Err(Refusal::new(408, format!("the body did not come within {seconds} seconds")))
        }
    }
}

/// In how many milliseconds an answer is of no use any more.
const TIMEOUT: &str = "x-timeout-ms";
/// How urgent a request is, from 0, the most, to 9.
const PRIORITY: &str = "x-priority";
const USUAL: u8 = 5;
/// A day: what is longer is no limit.
const LONGEST_TIMEOUT: u64 = 86_400_000;

/// From whom a request is, and what it is worth to be answered.
///
/// # Errors
/// If a header says what cannot be meant.
pub(super) fn sender(headers: &HeaderMap, client: u64) -> Result<Sender, Refusal> {
    let number = |name: &str, most: u64| match headers.get(name) {
        None => Ok(None),
        Some(value) => match value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok()) {
            Some(number) if number <= most => Ok(Some(number)),
            _ => Err(Refusal::bad(format!("the header `{name}` is no whole number from 0 to {most}"))),
        },
    };
    let deadline = number(TIMEOUT, LONGEST_TIMEOUT)?.map(|millis| Instant::now() + Duration::from_millis(millis));
    let priority = number(PRIORITY, 9)?.map_or(USUAL, |priority| priority as u8);
    Ok(Sender { client, priority, deadline })
}

/// Whether headers say that it is JSON, or say nothing.
fn check_kind(headers: &HeaderMap) -> Result<(), Refusal> {
    let unsupported =
        |error: String| Refusal::new(415, error).with_hint("send JSON, as `Content-Type: application/json`");
    if headers.contains_key(BINARY) {
        return Err(unsupported("tensors are taken as JSON, and not as bytes behind it".into()));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|value| value != "identity") {
        return Err(unsupported("the body is compressed".into()));
    }
    match headers.get(CONTENT_TYPE) {
        None => Ok(()),
        Some(value) => {
            let text = value.to_str().unwrap_or("something else");
            let kind = text.split(';').next().unwrap_or(text).trim();
            match kind.eq_ignore_ascii_case("application/json") {
                true => Ok(()),
                false => Err(unsupported(format!("the body is {}", kind.escape_debug()))),
            }
        }
    }
}

/// Does what takes as long as a text is, and for a long one elsewhere, so that those who listen stay free.
pub(super) async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    if bytes <= SMALL {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(|_| Error::Panicked { doing: "it read a request" }.into())
}

//! What does a client send, and is it too much or too slow?

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::Error;
use crate::batching::Sender;
use crate::limits::Limits;
use crate::wire::{self, Refusal};

/// Texts up to so many bytes are read and written where they are, in less time than another thread needs to begin.
const SMALL: usize = 64 << 10;

/// The body of a request, and its share of the memory that all bodies may take.
pub(super) struct Whole {
    pub bytes: Bytes,
    _share: Vec<OwnedSemaphorePermit>,
}

/// The body of a request, which is JSON.
///
/// # Errors
/// As [`whole`]; if it is of another kind.
pub(super) async fn json(
    headers: &HeaderMap,
    body: Incoming,
    limits: &Limits,
    room: &Arc<Semaphore>,
) -> Result<Whole, Refusal> {
    check_kind(headers)?;
    whole(headers, body, limits, room).await
}

/// Whether headers say that the body is an image.
pub(super) fn is_image(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["image/png", "image/jpeg"].iter().any(|image| kind.trim().eq_ignore_ascii_case(image))
}

/// The body of a request, whatever it is.
///
/// # Errors
/// If it is too large, or does not come in time; if the bodies of others take up all room.
pub(super) async fn whole(
    headers: &HeaderMap,
    body: Incoming,
    limits: &Limits,
    room: &Arc<Semaphore>,
) -> Result<Whole, Refusal> {
    // Whoever says beforehand that it will be too much need not send it.
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if said.is_some_and(|length: u64| length > limits.body as u64) {
        return Err(too_large(limits));
    }
    let whole = timeout(limits.body_time, collected(body, limits, room)).await;
    whole.unwrap_or_else(|_| {
        let seconds = limits.body_time.as_secs_f64();
        Err(Refusal::new(408, format!("the body did not come within {seconds} seconds")))
    })
}

fn too_large(limits: &Limits) -> Refusal {
    Refusal::new(413, format!("the body has more than {} bytes", limits.body))
        .with_hint("ask for fewer examples at once, or start the server with a larger --max-body")
}

/// Reads a body piece by piece; each takes its share only once it is there.
async fn collected(mut body: Incoming, limits: &Limits, room: &Arc<Semaphore>) -> Result<Whole, Refusal> {
    let (mut pieces, mut length, mut shares) = (Vec::new(), 0, Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::bad(format!("the body did not come as a whole: {error}")))?;
        let Ok(piece) = frame.into_data() else { continue };
        length += piece.len();
        if length > limits.body {
            return Err(too_large(limits));
        }
        let share = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let share = Arc::clone(room).try_acquire_many_owned(share);
        shares.push(share.map_err(|_| Refusal::busy("other requests take up all the room that there is for bodies"))?);
        pieces.push(piece);
    }
    let bytes = match pieces.len() {
        1 => pieces.remove(0),
        _ => pieces.concat().into(),
    };
    Ok(Whole { bytes, _share: shares })
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

/// How many bytes of the body are JSON, if tensors stand behind it.
///
/// # Errors
/// If the header says no number.
pub(super) fn json_length(headers: &HeaderMap) -> Result<Option<usize>, Refusal> {
    let Some(value) = headers.get(wire::HEADER) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || Refusal::bad("the header Inference-Header-Content-Length is no number of bytes");
    length.map(Some).ok_or_else(wrong)
}

/// Whether headers say that it is JSON, or say nothing.
fn check_kind(headers: &HeaderMap) -> Result<(), Refusal> {
    let unsupported =
        |error: String| Refusal::new(415, error).with_hint("send JSON, as `Content-Type: application/json`");
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| value != "identity") {
        return Err(unsupported("the body is compressed".into()));
    }
    match headers.get(CONTENT_TYPE) {
        None => Ok(()),
        Some(value) => {
            let text = value.to_str().unwrap_or("something else");
            let kind = text.split(';').next().unwrap_or(text).trim();
            // What stands behind the JSON is not; the header that says so is looked at where there may be such.
            let is_binary = headers.contains_key(wire::HEADER) && kind.eq_ignore_ascii_case("application/octet-stream");
            match kind.eq_ignore_ascii_case("application/json") || is_binary {
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

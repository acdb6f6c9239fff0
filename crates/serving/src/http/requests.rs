//! What does a client send, and is it too much or too slow?

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::compression::Coding;
use crate::Error;
use crate::batching::Sender;
use crate::limits::Limits;
use crate::wire::{self, Kind, Refusal, shown};

/// Texts up to so many bytes are read and written where they are, in less time than another thread needs to begin.
pub(super) const SMALL: usize = 64 << 10;

/// A byte of deflate says at most so many.
const EXPANDED: usize = 1032;

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

/// What headers say that the body is.
///
/// # Errors
/// If it is nothing that can be predicted from.
pub(super) fn kind(headers: &HeaderMap) -> Result<Kind, Refusal> {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, more) = said.split_once(';').unwrap_or((said, ""));
    let is = |other: &str| kind.trim().eq_ignore_ascii_case(other);
    let foreign = more.to_ascii_lowercase().contains("charset") && !more.to_ascii_lowercase().contains("utf-8");
    let found =
        [("text/csv", Kind::Csv), ("text/plain", Kind::Text), ("image/png", Kind::Image), ("image/jpeg", Kind::Image)];
    match found.into_iter().find(|(name, _)| is(name)) {
        Some((_, Kind::Csv | Kind::Text)) if foreign => {
            Err(Refusal::new(415, format!("the body is {}", shown(said))).with_hint("send it in UTF-8"))
        }
        Some((_, kind)) => Ok(kind),
        None => check_kind(headers).map(|()| Kind::Json).map_err(|refusal| {
            let hint = "send records as application/json or text/csv, a text as text/plain, or a PNG or JPEG file as image/png or image/jpeg";
            refusal.with_hint(hint)
        }),
    }
}

/// The body of a request, whatever it is, decompressed if it was compressed.
///
/// # Errors
/// If it is too large, or does not come in time; if the bodies of others take up all room; if it is compressed in a way that nobody here knows.
pub(super) async fn whole(
    headers: &HeaderMap,
    body: Incoming,
    limits: &Limits,
    room: &Arc<Semaphore>,
) -> Result<Whole, Refusal> {
    let coding = Coding::of_request(headers)?;
    // Whoever says beforehand that it will be too much need not send it.
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if said.is_some_and(|length: u64| length > limits.body as u64) {
        return Err(too_large(limits));
    }
    let whole = timeout(limits.body_time, collected(body, limits, room)).await;
    let whole = whole.unwrap_or_else(|_| {
        let seconds = limits.body_time.as_secs_f64();
        Err(Refusal::new(408, format!("the body did not come within {seconds} seconds")))
    })?;
    match coding {
        None => Ok(whole),
        Some(coding) => decompressed(coding, whole, limits, room).await,
    }
}

/// What a body was before it was compressed. Until it is known how much that is, it has the room of the largest.
async fn decompressed(coding: Coding, body: Whole, limits: &Limits, room: &Arc<Semaphore>) -> Result<Whole, Refusal> {
    let most = limits.body;
    // No stream of this kind becomes longer than this.
    let longest = body.bytes.len().saturating_mul(EXPANDED).saturating_add(EXPANDED).min(most);
    let all = u32::try_from(longest).unwrap_or(u32::MAX);
    let mut share = Arc::clone(room).try_acquire_many_owned(all).map_err(|_| no_room())?;
    // However small it is, it may become large. Whoever goes away meanwhile takes no room with them before it is done.
    let work = move || {
        let bytes = coding.unpacked(&body.bytes, most)?;
        Ok::<_, Refusal>(bytes.map(|bytes| {
            let kept = share.split(bytes.len().min(all as usize)).into_iter().collect();
            Whole { bytes: bytes.into(), _share: kept }
        }))
    };
    aside(usize::MAX, work).await??.ok_or_else(|| too_large(limits))
}

fn no_room() -> Refusal {
    Refusal::busy("other requests take up all the room that there is for bodies")
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
        shares.push(share.map_err(|_| no_room())?);
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
    let millis = number(TIMEOUT, LONGEST_TIMEOUT)?.map(Duration::from_millis);
    let deadline = millis.or_else(|| call_timeout(headers)).map(|time| Instant::now() + time);
    let priority = number(PRIORITY, 9)?.map_or(USUAL, |priority| priority as u8);
    Ok(Sender { client, priority, deadline })
}

/// How long whoever calls over gRPC waits: a number of at most eight digits and a unit. What is odd, or longer than a day, is no limit.
fn call_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number =
        number.parse::<u64>().ok().filter(|_| number.len() <= 8 && number.bytes().all(|byte| byte.is_ascii_digit()))?;
    let nanoseconds = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        "n" => 1,
        _ => return None,
    };
    let time = Duration::from_nanos(number.saturating_mul(nanoseconds));
    (time.as_millis() <= u128::from(LONGEST_TIMEOUT)).then_some(time)
}

/// Refuses what the page of another site asks by the browser of somebody who may ask.
///
/// # Errors
/// 403.
pub(super) fn own_site(head: &Parts) -> Result<(), Refusal> {
    if head.method != Method::POST {
        return Ok(());
    }
    let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = || Err(Refusal::new(403, "a page of another site may not ask this server"));
    // No page can set this one; whatever stands between a browser and us changes hosts, and leaves it.
    match text(HeaderName::from_static("sec-fetch-site")) {
        Some("same-origin" | "none") => return Ok(()),
        Some(_) => return foreign(),
        None => {}
    }
    let Some(origin) = text(ORIGIN) else { return Ok(()) };
    let own = text(HOST).or_else(|| head.uri.authority().map(Authority::as_str));
    match origin.split_once("://").map(|(_, host)| host) {
        Some(host) if own.is_some_and(|own| own.eq_ignore_ascii_case(host)) => Ok(()),
        _ => foreign(),
    }
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

//! What became of one request among many services? It is told as a trace to a collector of OpenTelemetry, by OTLP over HTTP in JSON.
//!
//! A request that comes with a W3C trace context (`traceparent`) goes on in that trace, and is told only if the trace is; one that comes
//! without begins a trace of its own. Each phase of an answer is a span within that of the request. A collector that is slow or gone
//! costs spans, never requests.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use hyper::header::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Error;

/// So many requests may wait to be told, and so many are told at once, after this time at the latest.
const WAITING: usize = 4096;
const TOGETHER: usize = 256;
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last spans may take.
const CLOSING: Duration = Duration::from_secs(2);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The kinds of spans.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;

/// To whom traces are told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Such as `http://127.0.0.1:4318/v1/traces`.
    pub url: String,
    /// How many of a hundred requests that come without a trace begin one.
    #[serde(default = "all")]
    pub percent: f64,
}

fn all() -> f64 {
    100.0
}

impl Settings {
    /// Whether they can be meant.
    ///
    /// # Errors
    /// What is wrong, half a sentence.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=100.0).contains(&self.percent) {
            return Err(format!("`traces.percent` is {}, and must lie between 0 and 100", self.percent));
        }
        match self.url.starts_with("http://") || self.url.starts_with("https://") {
            true => Ok(()),
            false => Err("`traces.url` is no address such as http://127.0.0.1:4318/v1/traces".into()),
        }
    }
}

/// Tells traces, in a thread of its own.
pub(crate) struct Traces {
    spans: SyncSender<Value>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whether nothing is told any more but what is under way.
    over: Arc<AtomicBool>,
    hasher: RandomState,
    count: AtomicU64,
    percent: f64,
}

/// A request, or nothing of it if its trace is not told.
#[derive(Clone)]
pub(crate) struct Span(Arc<Inner>);

struct Inner {
    trace: String,
    id: String,
    parent: Option<String>,
    name: &'static str,
    begun: SystemTime,
    /// Name, beginning and end of each; none once the request is over.
    phases: Mutex<Option<Vec<Value>>>,
    /// An identity for each phase.
    seed: (RandomState, AtomicU64),
    spans: Option<SyncSender<Value>>,
}

/// The trace and the span in which a request was sent, and whether the trace is told.
fn parent(headers: &HeaderMap) -> Option<(String, String, bool)> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags, ..] = parts[..] else { return None };
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let some = |text: &str| text.bytes().any(|byte| byte != b'0');
    let known = hex(version, 2) && version != "ff" && (version != "00" || parts.len() == 4);
    let suits = known && hex(trace, 32) && some(trace) && hex(span, 16) && some(span) && hex(flags, 2);
    let told = u8::from_str_radix(flags, 16).ok().filter(|_| suits)? & 1 == 1;
    Some((trace.to_owned(), span.to_owned(), told))
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

impl Traces {
    /// Begins to tell them; `failed` learns once in a while why the collector does not take them.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn begin(settings: &Settings, failed: fn(&str)) -> Result<Self, Error> {
        let (spans, told) = sync_channel(WAITING);
        let (url, over) = (settings.url.clone(), Arc::new(AtomicBool::new(false)));
        let of_thread = Arc::clone(&over);
        let thread =
            std::thread::Builder::new().name("traces".into()).spawn(move || tell(&told, &url, &of_thread, failed));
        let thread = thread.map_err(Error::io("start a thread for", std::path::Path::new("traces")))?;
        let (hasher, count) = (RandomState::new(), AtomicU64::new(0));
        Ok(Self { spans, thread: Mutex::new(Some(thread)), over, hasher, count, percent: settings.percent })
    }

    /// A request begins that has these headers.
    pub(crate) fn span(&self, headers: &HeaderMap, name: &'static str) -> Span {
        let number = || self.hasher.hash_one(self.count.fetch_add(1, Ordering::Relaxed)).max(1);
        let (trace, parent, told) = if let Some((trace, span, told)) = parent(headers) {
            (trace, Some(span), told)
        } else {
            let drawn = (number() as f64) < self.percent / 100.0 * 18_446_744_073_709_551_616.0;
            (format!("{:016x}{:016x}", number(), number()), None, drawn)
        };
        Span(Arc::new(Inner {
            trace,
            id: format!("{:016x}", number()),
            parent,
            name,
            begun: SystemTime::now(),
            phases: Mutex::new(Some(Vec::new())),
            seed: (self.hasher.clone(), AtomicU64::new(number())),
            spans: told.then(|| self.spans.clone()),
        }))
    }
}

impl Traces {
    /// Tells what is left, and nothing any more.
    pub(crate) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        // Requests that go on keep an end of the channel; the thread ends by this word, or once it sees that it is over.
        let _ = self.spans.try_send(Value::Null);
        self.over.store(true, Ordering::Release);
        let until = Instant::now() + CLOSING;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        // One that still waits for its collector ends with the program.
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        self.close();
    }
}

impl Span {
    /// The trace to which it belongs.
    pub(crate) fn trace(&self) -> &str {
        &self.0.trace
    }

    /// A phase is over that took so long.
    pub(crate) fn phase(&self, name: &'static str, took: Duration) {
        if self.0.spans.is_none() {
            return;
        }
        let mut phases = self.0.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(phases) = phases.as_mut() else { return };
        let (end, (hasher, count)) = (SystemTime::now(), &self.0.seed);
        let id = hasher.hash_one(count.fetch_add(1, Ordering::Relaxed)).max(1);
        phases.push(json!({
            "traceId": self.0.trace,
            "spanId": format!("{id:016x}"),
            "parentSpanId": self.0.id,
            "name": name,
            "kind": INTERNAL,
            "startTimeUnixNano": nanoseconds(end.checked_sub(took).unwrap_or(end)),
            "endTimeUnixNano": nanoseconds(end),
        }));
    }

    /// The request is over, and was answered by a version of a model if one is named.
    pub(crate) fn end(&self, status: u16, version: Option<(&str, &str)>) {
        let phases = self.0.phases.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(spans), Some(mut all)) = (&self.0.spans, phases) else { return };
        let mut attributes =
            vec![json!({ "key": "http.response.status_code", "value": { "intValue": status.to_string() } })];
        attributes.push(attribute("http.route", self.0.name));
        if let Some((model, version)) = version {
            attributes.extend([attribute("firebox.model", model), attribute("firebox.version", version)]);
        }
        let mut own = json!({
            "traceId": self.0.trace,
            "spanId": self.0.id,
            "name": self.0.name,
            "kind": SERVER,
            "startTimeUnixNano": nanoseconds(self.0.begun),
            "endTimeUnixNano": nanoseconds(SystemTime::now()),
            "attributes": attributes,
            // Of what a client did wrong a server says nothing.
            "status": if status >= 500 { json!({ "code": 2 }) } else { json!({}) },
        });
        if let Some(parent) = &self.0.parent {
            own["parentSpanId"] = json!(parent);
        }
        all.push(own);
        // Those for whom there is no room are lost.
        let _ = spans.try_send(Value::Array(all));
    }
}

/// Tells what comes until nothing comes any more.
fn tell(told: &Receiver<Value>, url: &str, over: &AtomicBool, failed: fn(&str)) {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let mut complained: Option<Instant> = None;
    loop {
        let mut spans = Vec::new();
        let until = Instant::now() + PAUSE;
        let is_over = loop {
            match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Value::Array(more)) => spans.extend(more),
                Err(RecvTimeoutError::Timeout) => break false,
                Ok(_) | Err(RecvTimeoutError::Disconnected) => break true,
            }
            if spans.len() >= TOGETHER {
                break false;
            }
        };
        if !spans.is_empty() {
            let body = json!({ "resourceSpans": [{
                "resource": { "attributes": [
                    attribute("service.name", "firebox"),
                    attribute("service.version", env!("CARGO_PKG_VERSION")),
                ] },
                "scopeSpans": [{ "scope": { "name": "firebox" }, "spans": spans }],
            }] });
            let sent = agent.post(url).content_type("application/json").send(body.to_string());
            if let Err(error) = sent
                && complained.is_none_or(|then| then.elapsed() > Duration::from_mins(1))
            {
                failed(&format!("error: {url} does not take traces: {error}"));
                complained = Some(Instant::now());
            }
        }
        if is_over || over.load(Ordering::Acquire) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use hyper::header::HeaderValue;

    use super::*;

    fn context(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_str(text).unwrap());
        headers
    }

    #[test]
    fn a_context_is_read_as_it_is_published() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let told = |flags: &str| parent(&context(&format!("00-{trace}-{span}-{flags}"))).map(|(.., told)| told);
        assert_eq!((told("01"), told("00"), told("03")), (Some(true), Some(false), Some(true)));
        // Later versions may say more.
        assert!(parent(&context(&format!("cc-{trace}-{span}-01-more"))).is_some());
        for bad in [
            format!("ff-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01-more"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}-{span}"),
            "x".into(),
        ] {
            assert_eq!(parent(&context(&bad)), None, "{bad}");
        }
    }

    /// A collector that takes one message, and what it took.
    fn collector() -> (String, std::thread::JoinHandle<Value>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
            serde_json::from_slice(&body).unwrap()
        });
        (url, thread)
    }

    #[test]
    fn a_request_is_told_with_its_phases_in_the_trace_in_which_it_came() {
        let (url, taken) = collector();
        let traces = Traces::begin(&Settings { url, percent: 0.0 }, |line| panic!("{line}")).unwrap();
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        // Neither the one that nobody follows nor the one that began here, of which none are drawn.
        for headers in [context(&format!("00-{trace}-{span}-00")), HeaderMap::new()] {
            let span = traces.span(&headers, "/nobody");
            span.phase("infer", Duration::from_millis(1));
            span.end(200, None);
        }
        let own = traces.span(&context(&format!("00-{trace}-{span}-01")), "/predict");
        own.phase("infer", Duration::from_millis(3));
        own.end(503, Some(("m", "v")));
        own.phase("late", Duration::from_millis(3));
        drop(own);
        drop(traces);
        let told = taken.join().unwrap();
        let spans = told["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
        assert_eq!(spans.len(), 2, "{told}");
        let (phase, whole) = (&spans[0], &spans[1]);
        assert_eq!((&whole["traceId"], &whole["parentSpanId"]), (&json!(trace), &json!(span)));
        assert_eq!(
            (&phase["traceId"], &phase["parentSpanId"], &phase["name"]),
            (&json!(trace), &whole["spanId"], &json!("infer"))
        );
        assert_eq!((&whole["kind"], &whole["status"]["code"]), (&json!(2), &json!(2)));
        let at = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
        let took = at(phase, "endTimeUnixNano") - at(phase, "startTimeUnixNano");
        assert!((2_900_000..=3_100_000).contains(&took), "{took}");
        assert!(at(whole, "startTimeUnixNano") <= at(whole, "endTimeUnixNano"));
    }

    #[test]
    fn a_collector_that_hangs_keeps_nobody_from_ending() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let traces = Traces::begin(&Settings { url, percent: 100.0 }, |_| {}).unwrap();
        for _ in 0..5000 {
            traces.span(&HeaderMap::new(), "/predict").end(200, None);
        }
        let begun = Instant::now();
        traces.close();
        assert!(begun.elapsed() < CLOSING + Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

//! How is a request answered, whatever it asks? It is given a name, let in or not, led to its place, counted and written down.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Version as Http};
use serde_json::json;
use tokio::time::timeout;

use super::compression::compressed;
use super::responses::{self, Answer};
use super::routes::{Named, Route};
use super::{Peer, Shared, requests, texts};
use crate::access::Caller;
use crate::batching::{Sender, Unanswered};
use crate::registry::{Chosen, Version};
use crate::traces::Span;
use crate::wire::{self, Refusal};

/// By this header a request is called, by whoever sends it or by us.
const ID: HeaderName = HeaderName::from_static("x-request-id");
/// How much of a body that nobody wanted is read, and how long it is waited for, so that the connection can go on.
const DRAINED: usize = 64 << 10;
const DRAIN_TIME: Duration = Duration::from_millis(100);
/// So much of a path is written down.
const PATH: usize = 256;
/// The longest name that is taken over from a client.
const LONGEST_ID: usize = 128;

/// A request that is being answered.
pub(super) struct Asking {
    /// What it is called.
    pub id: String,
    pub begun: Instant,
    pub caller: Caller,
    /// From whom it is, and what it is worth.
    pub sender: Sender,
    /// What answers it, once that is known.
    pub version: OnceLock<Arc<Version>>,
    /// Where its parts are traced, if they are.
    pub span: Option<Span>,
    body: Arc<Unread>,
}

/// A body, until somebody reads it.
struct Unread(Mutex<Option<Incoming>>);

impl Unread {
    fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Reads what is left of it, if that is little and comes at once; whether the connection may go on after that.
    async fn drained(&self) -> bool {
        let Some(mut body) = self.take() else { return true };
        // What came with the head is there already; only for more there is a clock.
        let mut read = 0;
        while let Poll::Ready(frame) = poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context))).await {
            match frame {
                None => return true,
                Some(Ok(frame)) => read += frame.data_ref().map_or(0, bytes::Bytes::len),
                Some(Err(_)) => return false,
            }
            if read > DRAINED {
                return false;
            }
        }
        let read = timeout(DRAIN_TIME, Limited::new(body, DRAINED).collect());
        matches!(read.await, Ok(Ok(_)))
    }
}

impl Asking {
    /// The body, which is read once.
    ///
    /// # Errors
    /// If it was read already, which is a mistake of ours.
    pub(super) fn body(&self) -> Result<Incoming, Refusal> {
        self.body.take().ok_or_else(|| Refusal::new(500, "the body was read already"))
    }
}

/// What a request is called: as its sender calls it, if that can stand in a line, or else by a number that no other one has.
fn id(headers: &HeaderMap, hasher: &impl std::hash::BuildHasher) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let plain = |text: &&str| {
        (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
    };
    let given = headers.get(ID).and_then(|value| value.to_str().ok()).filter(plain);
    given.map_or_else(|| format!("{:016x}", hasher.hash_one(COUNT.fetch_add(1, Ordering::Relaxed))), str::to_owned)
}

impl Shared {
    /// Answers a request, counts it, and logs it if that is wanted.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: &Peer) -> Answer {
        let begun = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let is_http1 = request.version() <= Http::HTTP_11;
        let route = Route::of(&path);
        let id = id(request.headers(), &self.hasher);
        let span =
            self.traces.as_ref().map(|traces| traces.span(request.headers(), route.map_or("other", Route::label)));
        let scope = route.and_then(Route::scope);
        let (head, body) = request.into_parts();
        let body = Arc::new(Unread(Mutex::new(Some(body))));
        let admitted = self.access.admit(&head.headers, peer.address, peer.certificate.as_deref(), scope);
        let asking = admitted.and_then(|caller| {
            let sender = requests::sender(&head.headers, caller.client)?;
            let (version, span, body) = (OnceLock::new(), span.clone(), Arc::clone(&body));
            Ok(Arc::new(Asking { id: id.clone(), begun, caller, sender, version, span, body }))
        });
        let led = match &asking {
            Ok(asking) => self.lead(route, &head, asking).await,
            Err(refusal) => Err(refusal.clone()),
        };
        let is_led = led.is_ok();
        let mut answer = match led {
            Ok(answer) => answer,
            Err(refusal) if matches!(route, Some(Route::Call(_))) => {
                responses::call(wire::status(&refusal).into_http())
            }
            Err(refusal) => responses::refusal(&refusal),
        };
        if is_led {
            answer = compressed(answer, &head.headers).await;
        }
        if let Ok(value) = HeaderValue::try_from(&id) {
            answer.headers_mut().insert(ID, value);
        }
        let goes_on = is_led || body.drained().await;
        if is_http1 && (!goes_on || self.ending.load(Ordering::Acquire)) {
            // Whoever keeps a connection goes elsewhere with the next request, and loses none.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let (status, took) = (responses::status(&answer), begun.elapsed());
        self.metrics.count(route.map_or("other", Route::label), status, took);
        let asking = asking.ok();
        let version = asking.as_ref().and_then(|asking| asking.version.get());
        if let Some(version) = version {
            version.statistics.ended(status < 400, took);
        }
        if self.log || self.audit.is_some() {
            let line = json!({
                "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
                "id": id,
                "method": method.as_str(),
                "path": path.chars().take(PATH).collect::<String>(),
                "status": status,
                "milliseconds": took.as_micros() as f64 / 1e3,
                "bytes": answer.body().size_hint().exact(),
                "caller": asking.as_ref().and_then(|asking| asking.caller.name.as_deref()),
                "model": version.map(|version| version.name.as_str()),
                "version": version.map(|version| version.id.as_str()),
                "trace": span.as_ref().map(Span::trace),
            });
            let is_refused = matches!(status, 401 | 403 | 429);
            self.write_down(line, peer, !is_refused && route.is_some_and(Route::is_watch));
        }
        if let Some(span) = span {
            let version = version.map(|version| (version.name.as_str(), version.id.as_str()));
            span.end(status, version);
        }
        answer
    }

    /// Logs a request; of what was asked of models, and of all that was refused, whoever audits is told besides from where it came.
    fn write_down(&self, mut line: serde_json::Value, peer: &Peer, is_watch: bool) {
        if self.log {
            (self.note)(&line.to_string());
        }
        if let Some(audit) = self.audit.as_ref().filter(|_| !is_watch) {
            line["address"] = json!(peer.address.to_string());
            if !audit.write(line.to_string()) {
                (self.note)("error: the audit log cannot keep up, and lost a line");
            }
        }
    }

    async fn lead(
        self: &Arc<Self>,
        route: Option<Route<'_>>,
        head: &Parts,
        asking: &Arc<Asking>,
    ) -> Result<Answer, Refusal> {
        let Some(route) = route else {
            return Err(Refusal::new(404, "there is nothing at this address").with_hint(
                "/v2 answers as the Open Inference Protocol says; /predict takes records, /metrics counts, /openapi.json describes all",
            ));
        };
        route.check(&head.method)?;
        let hosts = head.headers.get_all(HOST).iter().count();
        if hosts > 1 || (hosts == 0 && head.version == Http::HTTP_11) {
            return Err(Refusal::bad(format!("the request names {hosts} hosts, and must name one")));
        }
        requests::own_site(head)?;
        let find = |named: Named<'_>| {
            asking.caller.may_ask(named.name)?;
            self.registry.find(named.name, named.version)
        };
        match route {
            Route::Page(page) => Ok(responses::page(page)),
            Route::Description => responses::json(200, &self.description()),
            Route::Live => match self.registry.is_broken() {
                // Whoever watches this begins the program anew, which is what helps.
                true => responses::json(503, &json!({ "live": false })),
                false => responses::json(200, &json!({ "live": true })),
            },
            Route::Ready => match self.unready().map(|reason| self.told_to_anyone(reason)) {
                None => responses::json(200, &json!({ "live": true, "ready": true })),
                Some(reason) => {
                    let live = !self.registry.is_broken();
                    responses::json(503, &json!({ "live": live, "ready": false, "error": reason }))
                }
            },
            Route::Server => responses::json(200, &wire::server()),
            Route::Metrics => Ok(responses::metrics(self.metrics.text(&self.registry, self.engine.waiting()))),
            Route::Models => {
                let names = self.registry.all().into_iter().map(|entry| entry.name);
                let names: Vec<String> = names.filter(|name| asking.caller.may_ask(name).is_ok()).collect();
                responses::json(200, &json!({ "models": names }))
            }
            Route::Model(named) => {
                let version = find(named)?;
                answering(&version)?;
                responses::json(200, &wire::model(&version, self.registry.ids(&version.name)))
            }
            Route::ModelReady(named) => {
                let version = self.registry.peek(named.name, named.version)?;
                let ready = answering(&version).is_ok() && !self.ending.load(Ordering::Acquire);
                responses::json(if ready { 200 } else { 503 }, &json!({ "name": version.name, "ready": ready }))
            }
            Route::AllStatistics => {
                let all = self.registry.versions().into_iter();
                let own = all.filter(|one| asking.caller.may_ask(&one.name).is_ok());
                let told = own.map(|one| one.statistics.tell(&one.name, &one.id));
                responses::json(200, &json!({ "model_stats": told.collect::<Vec<_>>() }))
            }
            Route::Statistics(named) => {
                let version = find(named)?;
                let told = version.statistics.tell(&version.name, &version.id);
                responses::json(200, &json!({ "model_stats": [told] }))
            }
            Route::Describe(name) => {
                let name = self.named(name)?;
                let version = find(Named { name: &name, version: None })?;
                responses::json(200, &wire::described(&version, self.feedback.is_some()))
            }
            Route::Infer(named) => self.infer(head, named, asking).await,
            Route::Predict(name) => self.predict(head, &self.named(name)?, asking).await,
            Route::Explain(name) => self.explain(head, &self.named(name)?, asking).await,
            Route::Generate(name) => texts::generate(self, head, &self.named(name)?, asking).await,
            Route::Feedback => self.take_feedback(head, asking).await,
            Route::Index => {
                let all = self.registry.all();
                let own = all.iter().filter(|entry| asking.caller.may_ask(&entry.name).is_ok());
                responses::json(200, &own.map(wire::entry).collect::<Vec<_>>())
            }
            Route::Load(name) => {
                self.load(name, asking).await?;
                responses::json(200, &json!({}))
            }
            Route::Unload(name) => {
                self.unload(name, asking)?;
                responses::json(200, &json!({}))
            }
            Route::Call(call) => self.call(call, head, Arc::clone(asking)).await,
        }
    }

    /// The model that an address names, or the only one that is served.
    fn named(&self, name: Option<&str>) -> Result<String, Refusal> {
        name.map_or_else(|| self.registry.only(), |name| Ok(name.to_owned()))
    }

    /// What answers a request, and what is asked the same beside it. A model that made room for others is read again meanwhile.
    ///
    /// # Errors
    /// If there is none that answers, or the one who asks may not.
    pub(super) fn choose(
        self: &Arc<Self>,
        name: &str,
        version: Option<&str>,
        headers: &HeaderMap,
        asking: &Asking,
    ) -> Result<Chosen, Refusal> {
        asking.caller.may_ask(name)?;
        // Whoever could not be let in must not cost those who were.
        if self.engine.is_full() {
            return Err(Unanswered::Full.into());
        }
        if self.registry.wants_back(name) {
            let (shared, name) = (Arc::clone(self), name.to_owned());
            // Its errors stand in the registry.
            tokio::task::spawn_blocking(move || drop(shared.registry.open(&name)));
        }
        let chosen = self.registry.choose(name, version, headers)?;
        answering(&chosen.version)?;
        let _ = asking.version.set(Arc::clone(&chosen.version));
        Ok(chosen)
    }

    /// Reads the bundles of a model anew.
    pub(super) async fn load(self: &Arc<Self>, name: &str, asking: &Asking) -> Result<(), Refusal> {
        self.may_control(name, asking)?;
        // It must be one of those that were named at the start: clients do not choose paths.
        let (shared, name) = (Arc::clone(self), name.to_owned());
        let read = tokio::task::spawn_blocking(move || shared.registry.reload(&name)).await;
        read.map_err(|_| Refusal::from(crate::Error::Panicked { doing: "it read a bundle" }))?
    }

    /// Takes a model out.
    pub(super) fn unload(&self, name: &str, asking: &Asking) -> Result<(), Refusal> {
        self.may_control(name, asking)?;
        self.registry.unload(name)
    }

    fn may_control(&self, name: &str, asking: &Asking) -> Result<(), Refusal> {
        match self.control {
            true => asking.caller.may_ask(name),
            false => Err(Refusal::new(403, "models cannot be changed by request here")
                .with_hint("whoever starts the server may allow it, by `control = true` in its config")),
        }
    }

    /// A reason as everyone may know it: where keys are asked for, names and places of files are for those who have one.
    fn told_to_anyone(&self, reason: String) -> String {
        match self.access.is_limited() {
            true => "not every model answers".into(),
            false => reason,
        }
    }

    /// Why more requests are not welcome, if that is so.
    pub(super) fn unready(&self) -> Option<String> {
        match self.ending.load(Ordering::Acquire) {
            true => Some("the server ends".into()),
            false => self.registry.unready(),
        }
    }

    /// Counts on what a part of the time of an answer went.
    pub(super) fn took(&self, asking: &Asking, version: &Version, phase: &'static str, took: Duration) {
        self.metrics.phase(version, phase, took);
        if let Some(span) = &asking.span {
            span.phase(phase, took);
        }
    }
}

/// Refuses to ask a version that broke down.
pub(super) fn answering(version: &Version) -> Result<(), Refusal> {
    match version.network.is_broken() {
        true => Err(Refusal::broken("the model broke down; the server must be started again")),
        false => Ok(()),
    }
}

//! Which address leads where?

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Method, Request, Version as Http};
use serde_json::json;

use super::responses::{self, Answer};
use super::{Shared, requests, texts};
use crate::batching::Answered;
use crate::registry::{Stage, Version};
use crate::wire::{self, Refusal};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Live,
    Ready,
    Server,
    Metrics,
    Predict(Option<&'a str>),
    Generate(Option<&'a str>),
    Models,
    Model(Named<'a>),
    ModelReady(Named<'a>),
    Infer(Named<'a>),
    Index,
    Load(&'a str),
    Unload(&'a str),
}

/// The model that an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named<'a> {
    name: &'a str,
    version: Option<&'a str>,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let (name, version, rest) = match parts[..] {
            ["metrics"] => return Some(Self::Metrics),
            ["predict"] => return Some(Self::Predict(None)),
            ["predict", name] => return Some(Self::Predict(Some(name))),
            ["generate"] => return Some(Self::Generate(None)),
            ["generate", name] => return Some(Self::Generate(Some(name))),
            ["v2", "models"] => return Some(Self::Models),
            ["v2", "repository", "index"] => return Some(Self::Index),
            ["v2", "repository", "models", name, "load"] => return Some(Self::Load(name)),
            ["v2", "repository", "models", name, "unload"] => return Some(Self::Unload(name)),
            ["v2"] => return Some(Self::Server),
            ["v2", "health", "live"] => return Some(Self::Live),
            ["v2", "health", "ready"] => return Some(Self::Ready),
            ["v2", "models", name, "versions", version, ref rest @ ..] => (name, Some(version), rest),
            ["v2", "models", name, ref rest @ ..] => (name, None, rest),
            _ => return None,
        };
        let named = Named { name, version };
        match rest {
            [] => Some(Self::Model(named)),
            ["ready"] => Some(Self::ModelReady(named)),
            ["infer"] => Some(Self::Infer(named)),
            _ => None,
        }
    }

    /// What it is called where requests are counted.
    fn label(self) -> &'static str {
        match self {
            Self::Live => "/v2/health/live",
            Self::Ready => "/v2/health/ready",
            Self::Server => "/v2",
            Self::Metrics => "/metrics",
            Self::Predict(_) => "/predict",
            Self::Generate(_) => "/generate",
            Self::Models => "/v2/models",
            Self::Index => "/v2/repository/index",
            Self::Load(_) => "/v2/repository/models/NAME/load",
            Self::Unload(_) => "/v2/repository/models/NAME/unload",
            Self::Model(_) => "/v2/models/NAME",
            Self::ModelReady(_) => "/v2/models/NAME/ready",
            Self::Infer(_) => "/v2/models/NAME/infer",
        }
    }

    /// Whether something is done there, or asked of it in a body.
    fn is_done(self) -> bool {
        matches!(
            self,
            Self::Predict(_) | Self::Generate(_) | Self::Infer(_) | Self::Index | Self::Load(_) | Self::Unload(_)
        )
    }

    /// Whether it is asked in its way.
    fn check(self, method: &Method) -> Result<(), Refusal> {
        let (suits, allow) = match self.is_done() {
            true => (method == Method::POST, "POST"),
            false => (method == Method::GET || method == Method::HEAD, "GET, HEAD"),
        };
        match suits {
            true => Ok(()),
            false => {
                Err(Refusal { allow: Some(allow), ..Refusal::new(405, format!("this address is asked with {allow}")) })
            }
        }
    }
}

impl Shared {
    /// Answers a request, counts it, and logs it if that is wanted.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>, client: u64) -> Answer {
        let begun = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let route = Route::of(&path);
        let mut answer = match self.lead(route, request, client).await {
            Ok(answer) => answer,
            Err(refusal) => responses::refusal(&refusal),
        };
        if self.ending.load(Ordering::Acquire) {
            // Whoever keeps a connection goes elsewhere with the next request, and loses none.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let (status, took) = (answer.status().as_u16(), begun.elapsed());
        self.metrics.count(route.map_or("other", Route::label), status, took);
        if let Some(log) = self.log {
            let line = json!({
                "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
                "method": method.as_str(),
                "path": path,
                "status": status,
                "milliseconds": took.as_micros() as f64 / 1e3,
                "bytes": answer.body().size_hint().exact(),
            });
            log(&line.to_string());
        }
        answer
    }

    async fn lead(
        self: &Arc<Self>,
        route: Option<Route<'_>>,
        request: Request<Incoming>,
        client: u64,
    ) -> Result<Answer, Refusal> {
        let Some(route) = route else {
            return Err(Refusal::new(404, "there is nothing at this address").with_hint(
                "/v2 answers as the Open Inference Protocol says; /predict takes records, /metrics counts",
            ));
        };
        route.check(request.method())?;
        let hosts = request.headers().get_all(HOST).iter().count();
        if hosts > 1 || (hosts == 0 && request.version() == Http::HTTP_11) {
            return Err(Refusal::bad(format!("the request names {hosts} hosts, and must name one")));
        }
        let find = |named: Named<'_>| self.registry.find(named.name, named.version);
        let one = |name: Option<&str>| name.map_or_else(|| self.registry.only(), |name| self.registry.find(name, None));
        match route {
            Route::Live => match self.registry.is_broken() {
                // Whoever watches this begins the program anew, which is what helps.
                true => responses::json(503, &json!({ "live": false })),
                false => responses::json(200, &json!({ "live": true })),
            },
            Route::Ready => match self.unready() {
                None => responses::json(200, &json!({ "live": true, "ready": true })),
                Some(reason) => {
                    let live = !self.registry.is_broken();
                    responses::json(503, &json!({ "live": live, "ready": false, "error": reason }))
                }
            },
            Route::Server => responses::json(200, &wire::server()),
            Route::Metrics => Ok(responses::metrics(self.metrics.text(&self.registry, self.engine.waiting()))),
            Route::Models => {
                let names: Vec<String> = self.registry.all().into_iter().map(|entry| entry.name).collect();
                responses::json(200, &json!({ "models": names }))
            }
            Route::Model(named) => {
                let version = find(named)?;
                answering(&version)?;
                let known = self.registry.all().into_iter().find(|entry| entry.name == version.name);
                let versions = known.map_or_else(Vec::new, |entry| entry.versions);
                responses::json(200, &wire::model(&version, versions))
            }
            Route::ModelReady(named) => {
                let version = find(named)?;
                let ready = answering(&version).is_ok() && !self.ending.load(Ordering::Acquire);
                responses::json(if ready { 200 } else { 503 }, &json!({ "name": version.name, "ready": ready }))
            }
            Route::Infer(named) => self.infer(request, find(named)?, client).await,
            Route::Predict(name) => {
                let version = one(name)?;
                self.predict(request, version, client).await
            }
            Route::Generate(name) => {
                let version = one(name)?;
                texts::generate(self, request, version, client).await
            }
            Route::Index => {
                let state = |stage: &Stage| match stage {
                    Stage::Ready => ("READY", String::new()),
                    Stage::Opening => ("LOADING", String::new()),
                    Stage::Failed(reason) => ("UNAVAILABLE", reason.clone()),
                    Stage::Unloaded => ("UNAVAILABLE", "unloaded".to_owned()),
                };
                let entry = |entry: crate::registry::Entry| {
                    let (state, reason) = state(&entry.stage);
                    let version = entry.versions.last().cloned().unwrap_or_default();
                    json!({ "name": entry.name, "version": version, "state": state, "reason": reason })
                };
                let all: Vec<_> = self.registry.all().into_iter().map(entry).collect();
                responses::json(200, &json!(all))
            }
            Route::Load(name) => {
                self.may_control()?;
                // It must be one of those that were named at the start: clients do not choose paths.
                let (shared, name) = (Arc::clone(self), name.to_owned());
                tokio::task::spawn_blocking(move || shared.registry.reload(&name))
                    .await
                    .map_err(|_| Refusal::from(crate::Error::Panicked { doing: "it read a bundle" }))??;
                responses::json(200, &json!({}))
            }
            Route::Unload(name) => {
                self.may_control()?;
                self.registry.unload(name)?;
                responses::json(200, &json!({}))
            }
        }
    }

    fn may_control(&self) -> Result<(), Refusal> {
        match self.control {
            true => Ok(()),
            false => Err(Refusal::new(403, "models cannot be changed by request here")
                .with_hint("whoever starts the server may allow it, by `control = true` in its config")),
        }
    }

    /// Why more requests are not welcome, if that is so.
    fn unready(&self) -> Option<String> {
        match self.ending.load(Ordering::Acquire) {
            true => Some("the server ends".into()),
            false => self.registry.unready(),
        }
    }

    /// Tensors for tensors.
    async fn infer(&self, request: Request<Incoming>, version: Arc<Version>, client: u64) -> Result<Answer, Refusal> {
        answering(&version)?;
        let (head, body) = request.into_parts();
        let sender = requests::sender(&head.headers, client)?;
        let json = requests::json_length(&head.headers)?;
        let body = requests::json(&head.headers, body, &self.limits, &self.room).await?;
        let begun = Instant::now();
        let rows = self.limits.rows;
        let for_version = Arc::clone(&version);
        let (question, batch) =
            requests::aside(body.bytes.len(), move || wire::question(&body.bytes, json, for_version.signature(), rows))
                .await??;
        let prepared = begun.elapsed();
        let answered = self.engine.infer(&version.network, batch, sender).await?;
        self.noted(&version, &answered, prepared);
        let begun = Instant::now();
        let (numbers, for_version) = (answered.numbers, Arc::clone(&version));
        let size = numbers.values.len() * 8;
        let text = requests::aside(size, move || wire::answer(&question, &numbers, &for_version)).await?;
        self.metrics.phase(&version, "postprocess", begun.elapsed());
        Ok(responses::tensors(text.map_err(responses::unwritten)?))
    }

    /// Predictions for records, or for an image.
    async fn predict(&self, request: Request<Incoming>, version: Arc<Version>, client: u64) -> Result<Answer, Refusal> {
        answering(&version)?;
        let (head, body) = request.into_parts();
        let sender = requests::sender(&head.headers, client)?;
        let is_image = requests::is_image(&head.headers);
        let body = match is_image {
            true => requests::whole(&head.headers, body, &self.limits, &self.room).await?,
            false => requests::json(&head.headers, body, &self.limits, &self.room).await?,
        };
        let begun = Instant::now();
        let (rows, pixels) = (self.limits.rows, self.limits.pixels);
        let for_version = Arc::clone(&version);
        // An image is small as it is sent, and not as it is decoded.
        let size = if is_image { usize::MAX } else { body.bytes.len() };
        let prepared = requests::aside(size, move || {
            let records = match is_image {
                true => vec![wire::image(&body.bytes, for_version.schema(), pixels)?],
                false => wire::records(&body.bytes, for_version.schema(), rows)?,
            };
            if records.is_empty() {
                Ok(None)
            } else {
                for_version.meaning.prepare(records).map(Some).map_err(Refusal::from)
            }
        });
        let predictions = match prepared.await?? {
            None => Vec::new(),
            Some(batch) => {
                let prepared = begun.elapsed();
                let answered = self.engine.infer(&version.network, batch, sender).await?;
                self.noted(&version, &answered, prepared);
                let begun = Instant::now();
                let told = version.meaning.tell(&answered.batch, &answered.numbers)?;
                self.metrics.phase(&version, "postprocess", begun.elapsed());
                told
            }
        };
        let text = wire::predictions(&predictions, &version);
        Ok(responses::text_of_json(200, text.map_err(responses::unwritten)?))
    }

    /// Counts on what the time of an answer went.
    fn noted(&self, version: &Version, answered: &Answered, prepared: Duration) {
        let Answered { queued, computed, rows, .. } = answered;
        for (phase, took) in [("preprocess", prepared), ("queue", *queued), ("infer", *computed)] {
            self.metrics.phase(version, phase, took);
        }
        self.metrics.batch(version, *rows);
    }
}

/// Refuses to ask a version that broke down.
pub(super) fn answering(version: &Version) -> Result<(), Refusal> {
    match version.network.is_broken() {
        true => Err(Refusal::broken("the model broke down; the server must be started again")),
        false => Ok(()),
    }
}

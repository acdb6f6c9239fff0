//! Which address leads where?

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use hyper::body::{Body, Incoming};
use hyper::{Method, Request};
use serde_json::json;

use super::responses::{self, Answer};
use super::{Shared, requests};
use crate::model::Card;
use crate::wire::{self, Refusal};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Live,
    Ready,
    Server,
    Metrics,
    Predict,
    Model(Named<'a>),
    ModelReady(Named<'a>),
    Infer(Named<'a>),
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
            ["predict"] => return Some(Self::Predict),
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
            Self::Predict => "/predict",
            Self::Model(_) => "/v2/models/NAME",
            Self::ModelReady(_) => "/v2/models/NAME/ready",
            Self::Infer(_) => "/v2/models/NAME/infer",
        }
    }

    /// Whether something is asked of it in a body.
    fn takes_body(self) -> bool {
        matches!(self, Self::Predict | Self::Infer(_))
    }

    /// Whether it is asked in its way.
    fn check(self, method: &Method) -> Result<(), Refusal> {
        let (suits, allow) = match self.takes_body() {
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

impl Named<'_> {
    /// Whether it is the one that is served.
    fn check(self, card: &Card) -> Result<(), Refusal> {
        let Card { name, version, .. } = card;
        if self.name != name {
            let error = format!("there is no model `{}`", wire::shown(self.name));
            return Err(Refusal::new(404, error).with_hint(format!("the model is called `{name}`")));
        }
        match self.version.filter(|asked| asked != version) {
            Some(asked) => Err(Refusal::new(404, format!("there is no version `{}` of `{name}`", wire::shown(asked)))
                .with_hint(format!("its version is {version}"))),
            None => Ok(()),
        }
    }
}

impl Shared {
    /// Answers a request, counts it, and logs it if that is wanted.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let begun = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let route = Route::of(&path);
        let answer = match self.lead(route, request).await {
            Ok(answer) => answer,
            Err(refusal) => responses::refusal(&refusal),
        };
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

    async fn lead(&self, route: Option<Route<'_>>, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let Some(route) = route else {
            return Err(Refusal::new(404, "there is nothing at this address").with_hint(
                "/v2 answers as the Open Inference Protocol says; /predict takes records, /metrics counts",
            ));
        };
        route.check(request.method())?;
        match route {
            Route::Live => match self.model.is_broken() {
                // Whoever watches this begins the program anew, which is what helps.
                true => responses::json(503, &json!({ "live": false })),
                false => responses::json(200, &json!({ "live": true })),
            },
            Route::Ready => match self.ready() {
                Ok(()) => responses::json(200, &json!({ "live": true, "ready": true })),
                Err(refusal) => {
                    let live = !self.model.is_broken();
                    responses::json(503, &json!({ "live": live, "ready": false, "error": refusal.error }))
                }
            },
            Route::Server => responses::json(200, &wire::server()),
            Route::Metrics => Ok(responses::metrics(self.metrics.text(&self.model))),
            Route::Model(named) => {
                let card = self.model.card()?;
                named.check(card)?;
                responses::json(200, &wire::model(card))
            }
            Route::ModelReady(named) => {
                let card = self.model.card()?;
                named.check(card)?;
                let ready = self.ready().is_ok();
                responses::json(if ready { 200 } else { 503 }, &json!({ "name": card.name, "ready": ready }))
            }
            Route::Infer(named) => {
                named.check(self.model.card()?)?;
                self.infer(request).await
            }
            Route::Predict => {
                self.model.card()?;
                self.predict(request).await
            }
        }
    }

    /// Whether more requests are welcome.
    fn ready(&self) -> Result<(), Refusal> {
        match self.ending.load(Ordering::Acquire) {
            true => Err(Refusal::busy("the server ends")),
            false => self.model.card().map(drop),
        }
    }

    /// Tensors for tensors.
    async fn infer(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let (head, body) = request.into_parts();
        let body = requests::json(&head.headers, body, &self.limits).await?;
        let card = Arc::clone(self.model.card()?);
        let rows = self.limits.rows;
        let for_card = Arc::clone(&card);
        let (question, batch) =
            requests::aside(body.len(), move || wire::question(&body, &for_card.signature, rows)).await??;
        let numbers = self.model.ask(move |predictor| predictor.infer(&batch)).await?;
        let size = numbers.values.len() * 8;
        let text = requests::aside(size, move || wire::answer(&question, &numbers, &card)).await?;
        Ok(responses::text_of_json(200, text.map_err(responses::unwritten)?))
    }

    /// Predictions for records.
    async fn predict(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let (head, body) = request.into_parts();
        let body = requests::json(&head.headers, body, &self.limits).await?;
        let card = Arc::clone(self.model.card()?);
        let rows = self.limits.rows;
        let for_card = Arc::clone(&card);
        let records = requests::aside(body.len(), move || wire::records(&body, &for_card.schema, rows)).await??;
        let predictions = self.model.ask(move |predictor| predictor.predict(records)).await?;
        let text = wire::predictions(&predictions, &card);
        Ok(responses::text_of_json(200, text.map_err(responses::unwritten)?))
    }
}

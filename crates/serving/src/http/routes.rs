//! Which address leads where?

use hyper::Method;

use super::calls::Call;
use super::pages::{self, Page};
use crate::access::Scope;
use crate::wire::Refusal;

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Page(&'static Page),
    Description,
    Live,
    Ready,
    Server,
    Metrics,
    Predict(Option<&'a str>),
    Explain(Option<&'a str>),
    Generate(Option<&'a str>),
    Describe(Option<&'a str>),
    Feedback,
    Models,
    AllStatistics,
    Model(Named<'a>),
    ModelReady(Named<'a>),
    Statistics(Named<'a>),
    Infer(Named<'a>),
    Index,
    Load(&'a str),
    Unload(&'a str),
    Call(Call),
}

/// The model that an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub name: &'a str,
    pub version: Option<&'a str>,
}

impl<'a> Route<'a> {
    pub(super) fn of(path: &'a str) -> Option<Self> {
        if let Some(page) = pages::at(path) {
            return Some(Self::Page(page));
        }
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let (name, version, rest) = match parts[..] {
            ["metrics"] => return Some(Self::Metrics),
            ["openapi.json"] => return Some(Self::Description),
            ["predict"] => return Some(Self::Predict(None)),
            ["predict", name] => return Some(Self::Predict(Some(name))),
            ["explain"] => return Some(Self::Explain(None)),
            ["explain", name] => return Some(Self::Explain(Some(name))),
            ["generate"] => return Some(Self::Generate(None)),
            ["generate", name] => return Some(Self::Generate(Some(name))),
            ["describe"] => return Some(Self::Describe(None)),
            ["describe", name] => return Some(Self::Describe(Some(name))),
            ["feedback"] => return Some(Self::Feedback),
            ["v2", "models"] => return Some(Self::Models),
            ["v2", "models", "stats"] => return Some(Self::AllStatistics),
            ["v2", "repository", "index"] => return Some(Self::Index),
            ["v2", "repository", "models", name, "load"] => return Some(Self::Load(name)),
            ["v2", "repository", "models", name, "unload"] => return Some(Self::Unload(name)),
            ["v2"] => return Some(Self::Server),
            ["v2", "health", "live"] => return Some(Self::Live),
            ["v2", "health", "ready"] => return Some(Self::Ready),
            [Call::SERVICE, method] => return Call::of(method).map(Self::Call),
            ["v2", "models", name, "versions", version, ref rest @ ..] => (name, Some(version), rest),
            ["v2", "models", name, ref rest @ ..] => (name, None, rest),
            _ => return None,
        };
        let named = Named { name, version };
        match rest {
            [] => Some(Self::Model(named)),
            ["ready"] => Some(Self::ModelReady(named)),
            ["stats"] => Some(Self::Statistics(named)),
            ["infer"] => Some(Self::Infer(named)),
            _ => None,
        }
    }

    /// What it is called where requests are counted.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Page(page) => page.path,
            Self::Description => "/openapi.json",
            Self::Live => "/v2/health/live",
            Self::Ready => "/v2/health/ready",
            Self::Server => "/v2",
            Self::Metrics => "/metrics",
            Self::Predict(_) => "/predict",
            Self::Explain(_) => "/explain",
            Self::Generate(_) => "/generate",
            Self::Describe(_) => "/describe",
            Self::Feedback => "/feedback",
            Self::Models => "/v2/models",
            Self::AllStatistics => "/v2/models/stats",
            Self::Index => "/v2/repository/index",
            Self::Load(_) => "/v2/repository/models/NAME/load",
            Self::Unload(_) => "/v2/repository/models/NAME/unload",
            Self::Model(_) => "/v2/models/NAME",
            Self::ModelReady(_) => "/v2/models/NAME/ready",
            Self::Statistics(_) => "/v2/models/NAME/stats",
            Self::Infer(_) => "/v2/models/NAME/infer",
            Self::Call(call) => call.label(),
        }
    }

    /// What one must be allowed to do; nothing where everyone may.
    pub(super) fn scope(self) -> Option<Scope> {
        match self {
            Self::Page(_) | Self::Description | Self::Live | Self::Ready | Self::Server | Self::ModelReady(_) => None,
            Self::Metrics | Self::AllStatistics | Self::Statistics(_) => Some(Scope::Metrics),
            Self::Load(_) | Self::Unload(_) => Some(Scope::Control),
            Self::Call(call) => call.scope(),
            _ => Some(Scope::Predict),
        }
    }

    /// Whether it is asked so often, and says so little, that it is not worth a line.
    pub(super) fn is_watch(self) -> bool {
        matches!(self, Self::Live | Self::Ready | Self::ModelReady(_) | Self::Metrics)
    }

    /// Whether something is done there, or asked of it in a body.
    fn is_done(self) -> bool {
        matches!(
            self,
            Self::Predict(_)
                | Self::Explain(_)
                | Self::Generate(_)
                | Self::Feedback
                | Self::Infer(_)
                | Self::Index
                | Self::Load(_)
                | Self::Unload(_)
                | Self::Call(_)
        )
    }

    /// Whether it is asked in its way.
    pub(super) fn check(self, method: &Method) -> Result<(), Refusal> {
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

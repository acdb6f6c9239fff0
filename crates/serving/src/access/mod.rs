//! Who may ask, for what, and how often?
//!
//! Where neither keys nor tokens are set, whoever reaches the port may ask. Where one of them is, a request shows a key or a token as
//! `Authorization: Bearer ...`, a key also as `X-API-Key: ...`; only health, the playground's own files and the description of the
//! addresses are for everyone.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::path::PathBuf;

use hyper::header::{AUTHORIZATION, HeaderMap};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::wire::Refusal;

pub mod keys;
mod rates;
mod tokens;

use keys::Keys;
pub use rates::Rate;
use rates::Rates;
use tokens::Tokens;

/// The longest key or token that is looked at.
const LONGEST: usize = 8 << 10;

/// What one may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Ask models, tell what was right, and see what there is.
    Predict,
    /// Read what was counted.
    Metrics,
    /// Read bundles anew, and take models out.
    Control,
}

/// Who may ask a server. Paths are those of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Keys, as [`keys`] writes them.
    pub keys: Option<PathBuf>,
    /// The public keys of who signs tokens, as a JWK set.
    pub jwks: Option<PathBuf>,
    /// Who must have signed a token: its `iss`.
    pub issuer: Option<String>,
    /// For whom it must be meant: its `aud`.
    pub audience: Option<String>,
    /// How often one may ask whose key says nothing of it, or who shows none.
    pub rate: Option<Rate>,
}

/// One who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Tells clients apart, and says nothing of them to others.
    pub client: u64,
    /// As a key or a token calls them.
    pub name: Option<String>,
    /// The models they may ask; all if none are named.
    models: Option<Vec<String>>,
}

/// What a key or a token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    name: String,
    scopes: Vec<Scope>,
    models: Option<Vec<String>>,
    rate: Option<Rate>,
}

/// Decides on requests.
pub(crate) struct Access {
    keys: Option<Keys>,
    tokens: Option<Tokens>,
    rates: Rates,
    usual: Option<Rate>,
    hasher: RandomState,
}

impl Access {
    /// Reads what decides.
    ///
    /// # Errors
    /// [`Error::Access`] with what is wrong in which file.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Error> {
        let Settings { keys, jwks, issuer, audience, rate } = settings;
        Ok(Self {
            keys: keys.as_deref().map(Keys::read).transpose()?,
            tokens: jwks.as_deref().map(|path| Tokens::read(path, issuer.clone(), audience.clone())).transpose()?,
            rates: Rates::default(),
            usual: *rate,
            hasher: RandomState::new(),
        })
    }

    /// Whether a key or a token is needed.
    pub(crate) fn is_limited(&self) -> bool {
        self.keys.is_some() || self.tokens.is_some()
    }

    /// Who asks from `peer`, whose certificate has the hash `certificate` if there is one, if they may do what `scope` says. What is
    /// for everyone has none.
    ///
    /// # Errors
    /// 401 if nothing or something unknown is shown, 403 if it grants something else, 429 if they ask too often.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        certificate: Option<&str>,
        scope: Option<Scope>,
    ) -> Result<Caller, Refusal> {
        let anyone = || Caller {
            client: certificate.map_or_else(|| self.hasher.hash_one(peer), |hash| self.hasher.hash_one(hash)),
            name: certificate.map(|hash| format!("certificate {hash}")),
            models: None,
        };
        let Some(scope) = scope else { return Ok(anyone()) };
        if !self.is_limited() {
            let caller = anyone();
            self.rates.take(caller.client, self.usual)?;
            return Ok(caller);
        }
        let grant = self.grant(shown(headers)?)?;
        if !grant.scopes.contains(&scope) {
            let wanted = serde_json::to_string(&scope).unwrap_or_default();
            return Err(Refusal::new(403, format!("`{}` may not do this: the scope {wanted} is missing", grant.name)));
        }
        let client = self.hasher.hash_one(&grant.name);
        self.rates.take(client, grant.rate.or(self.usual))?;
        Ok(Caller { client, name: Some(grant.name), models: grant.models })
    }

    fn grant(&self, shown: Option<&str>) -> Result<Grant, Refusal> {
        let refused = |error: String| Refusal { authenticate: true, ..Refusal::new(401, error) };
        let Some(shown) = shown else {
            return Err(refused("a key is needed".into()).with_hint("send it as `Authorization: Bearer KEY`"));
        };
        if let Some(tokens) = self.tokens.as_ref().filter(|_| shown.bytes().filter(|byte| *byte == b'.').count() == 2) {
            return tokens.grant(shown, std::time::SystemTime::now()).map_err(refused);
        }
        let grant = self.keys.as_ref().and_then(|keys| keys.grant(shown));
        grant.ok_or_else(|| refused("the key is not known".into()))
    }
}

impl Caller {
    /// Whether they may ask a model.
    ///
    /// # Errors
    /// 403 if not.
    pub(crate) fn may_ask(&self, model: &str) -> Result<(), Refusal> {
        match &self.models {
            Some(models) if !models.iter().any(|own| own == model) => {
                Err(Refusal::new(403, format!("the key is not for the model `{}`", crate::wire::shown(model))))
            }
            _ => Ok(()),
        }
    }
}

/// The key or token that a request shows.
fn shown(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let odd = || Refusal { authenticate: true, ..Refusal::new(401, "what stands in `Authorization` is no key") };
    let text = |name: &str| headers.get(name).map(|value| value.to_str().ok().filter(|text| text.len() <= LONGEST));
    if let Some(key) = text("x-api-key") {
        return key.map(|key| Some(key.trim())).ok_or_else(odd);
    }
    let Some(value) = text(AUTHORIZATION.as_str()) else { return Ok(None) };
    match value.and_then(|text| text.split_once(' ')) {
        Some((scheme, shown)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(shown.trim())),
        _ => Err(odd()),
    }
}

#[cfg(test)]
mod tests;

//! How is a server asked that others run? JSON over HTTP, with limits to silence and length. Secrets go in headers to that
//! server alone, also where it redirects, and are never shown.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::http::{HeaderName, HeaderValue, Request, Uri};
use ureq::{Agent, Body};

use super::interchange::{failed, refused};
use crate::Error;

#[cfg(test)]
pub(in crate::sweep) mod tests;

/// So long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// An answer may have so many bytes.
const LONGEST: u64 = 64 << 20;
/// So much of what a server says in its own words is passed on.
const WORDS: usize = 400;

/// A server.
pub struct Server {
    agent: Agent,
    address: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Whose server it is, for messages.
    of: &'static str,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The body if it is JSON, or nothing.
    pub body: Value,
    /// The body.
    pub text: String,
}

/// Why no answer came: half a sentence. It may come later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent(pub String);

impl Server {
    /// The server `of` somebody at an address. Each header has a name and a secret.
    ///
    /// # Errors
    /// [`Error::Interchange`] if the address or a header is none.
    pub fn new(of: &'static str, address: &str, headers: &[(String, String)]) -> Result<Self, Error> {
        let address = address.trim().trim_end_matches('/');
        let way_out = "write it as in http://127.0.0.1:8265";
        let uri: Uri =
            address.parse().map_err(|_| refused(address_without_secret(address), "it is no address", way_out))?;
        let shown = address_without_secret(address);
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(refused(shown, "it is no address of a web server", way_out));
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) || uri.query().is_some() {
            let way_out =
                "leave out what stands before the @ and behind the ?; secrets come from environment variables";
            return Err(refused(shown, "the address holds a secret, and addresses are shown", way_out));
        }
        let header = |(name, value): &(String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        };
        let headers: Option<Vec<_>> = headers.iter().map(header).collect();
        let odd = "a user name, password, token or header that the environment holds has letters in it that HTTP does not know";
        let headers = headers.ok_or_else(|| refused(shown, odd, "check the environment variables for line breaks"))?;
        let mut config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("firebox/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(SILENCE))
            .timeout_connect(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE));
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|host| host.is_loopback()) {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().into(), address: address.to_owned(), headers, of })
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks for what is at a path, or sends something there.
    ///
    /// # Errors
    /// [`Silent`] if no whole answer comes.
    pub fn ask(&self, method: &str, path: &str, sent: Option<&Value>) -> Result<Answer, Silent> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.address));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = sent.map_or_else(String::new, Value::to_string);
        if sent.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(body).map_err(|_| Silent("the address cannot be written".into()))?;
        let mut response = self.agent.run(request).map_err(|error| Silent(why(&error)))?;
        let status = response.status().as_u16();
        let text = read(response.body_mut())?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or_default(), text })
    }

    /// As [`ask`](Self::ask), where an answer is wanted now and a good one.
    ///
    /// # Errors
    /// [`Error::Interchange`].
    pub fn demand(&self, method: &str, path: &str, sent: Option<&Value>) -> Result<Value, Error> {
        match self.ask(method, path, sent) {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(answer.body),
            Ok(answer) => Err(self.refusal(&answer)),
            Err(Silent(reason)) => Err(self.silence(&reason)),
        }
    }

    /// What it means that no answer came.
    pub fn silence(&self, reason: &str) -> Error {
        let way_out = format!("see whether {} runs there, and whether this machine reaches it", self.of);
        failed(&self.address, format!("{} does not answer: {reason}", self.of), way_out)
    }

    /// What an answer means that is not a good one.
    pub fn refusal(&self, answer: &Answer) -> Error {
        let said = ["message", "error_message", "error", "detail", "msg"]
            .iter()
            .find_map(|key| answer.body.get(key).and_then(Value::as_str))
            .unwrap_or(&answer.text);
        let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
        let said = if said.trim().is_empty() { String::new() } else { format!(": {}", said.trim()) };
        let reason = format!("{} answers with status {}{said}", self.of, answer.status);
        match answer.status {
            401 | 403 => refused(
                &self.address,
                reason,
                "the environment variables that hold user name, password or token of this server are not set, or not right",
            ),
            300..=399 => refused(&self.address, reason, "it redirects: name the address that it redirects to"),
            404 => refused(&self.address, reason, format!("see whether it is {} that runs at this address", self.of)),
            400..=499 => refused(
                &self.address,
                reason,
                format!("see whether the version of {} is one that this program knows", self.of),
            ),
            _ => failed(&self.address, reason, "try again later; its own log says more"),
        }
    }
}

fn read(body: &mut Body) -> Result<String, Silent> {
    let read = body.with_config().limit(LONGEST).lossy_utf8(true).read_to_string();
    read.map_err(|error| Silent(format!("its answer breaks off: {}", why(&error))))
}

/// What a failed connection means.
fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host is not known".into(),
        ureq::Error::Timeout(_) => format!("it says nothing for {} s", SILENCE.as_secs()),
        ureq::Error::BodyExceedsLimit(limit) => format!("it is longer than {} MiB", limit >> 20),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nobody listens there".into()
        }
        error => format!("the connection failed ({error})"),
    }
}

/// An address without what stands before the @ and behind the ?.
fn address_without_secret(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        (None, Some((_, rest))) => rest.to_owned(),
        _ => address.to_owned(),
    }
}

/// User name and password as a header says them.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

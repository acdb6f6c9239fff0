//! How is something asked of a web server? With a limit to redirects and silence, and a token that goes to one host alone.

use std::time::Duration;

use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use super::{Context, Event};
use crate::error::Error;
use crate::random::Random;

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 10;
/// How many attempts in a row may bring nothing new.
const MOST_IN_VAIN: u32 = 5;
/// The longest pause between two attempts, and the longest that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// Something that must not be seen: it has no text form.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// Keeps `text` from sight.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, for the one who must know it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another attempt may succeed.
    Passing {
        /// What went wrong.
        reason: String,
        /// The pause that the server asked for.
        pause: Option<Duration>,
        /// Whether what came before is worth nothing.
        over: bool,
    },
    /// It would go wrong again.
    Lasting(Error),
}

impl Trouble {
    pub(crate) fn passing(reason: impl Into<String>) -> Self {
        Self::Passing { reason: reason.into(), pause: None, over: false }
    }

    pub(crate) fn over(reason: impl Into<String>) -> Self {
        Self::Passing { reason: reason.into(), pause: None, over: true }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Lasting(error)
    }
}

/// Counts attempts in vain, and waits longer after each.
pub(crate) struct Patience {
    address: String,
    in_vain: u32,
}

impl Patience {
    /// For something at `address`.
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), in_vain: 0 }
    }

    /// There was progress.
    pub(crate) fn restore(&mut self) {
        self.in_vain = 0;
    }

    /// Waits before the next attempt, or gives up.
    pub(crate) fn wait(&mut self, reason: &str, asked: Option<Duration>, context: &mut Context) -> Result<(), Error> {
        self.in_vain += 1;
        let give_up = |message: String| Error::Fetch {
            address: self.address.clone(),
            message,
            hint: "Try again later; what has come so far is kept, and the same command goes on from it.".into(),
            usage: false,
        };
        if self.in_vain >= MOST_IN_VAIN {
            return Err(give_up(format!("{reason}; {MOST_IN_VAIN} attempts in a row brought nothing new")));
        }
        if let Some(asked) = asked.filter(|asked| *asked > LONGEST_ASKED) {
            return Err(give_up(format!("{reason}, and the server asks to wait {} s", asked.as_secs())));
        }
        let doubled = context.options.pause.saturating_mul(1 << self.in_vain.saturating_sub(1)).min(LONGEST_PAUSE);
        // Many who were cut off at once should not come back at once.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let chance = Random::derive(&[now.as_nanos() as u64, u64::from(std::process::id())]).next_u64();
        let jittered = doubled.mul_f64(0.5 + (chance >> 11) as f64 / (1_u64 << 54) as f64);
        let pause = asked.map_or(jittered, |asked| asked.max(jittered));
        context.tell(|file| Event::Waiting { file, reason, pause });
        context.wait(pause)
    }
}

/// A client.
#[derive(Debug)]
pub(crate) struct Web {
    agent: Agent,
    token: Option<Secret>,
}

/// What a server answered, and from where.
pub(crate) struct Answer {
    /// The answer, whose body is not read yet.
    pub(crate) response: Response<Body>,
    /// The address that answered in the end.
    pub(crate) address: Uri,
}

impl Answer {
    /// The value of a header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Refuses a body that was packed on the way, which nobody asked for.
    pub(crate) fn refuse_packed(&self) -> Result<(), Trouble> {
        let packing = self.header("content-encoding").unwrap_or("identity").trim();
        if packing.is_empty() || packing.eq_ignore_ascii_case("identity") {
            return Ok(());
        }
        let message = format!("the server packs what it sends by `{packing}`, although it was asked not to");
        Err(refused(&self.address, message, "State the SHA-256 of the file as it is sent, if that is what is wanted."))
    }
}

impl Web {
    /// A client that shows `token` to the host that it asks, and to no other.
    pub(crate) fn new(token: Option<Secret>, context: &Context) -> Self {
        let silence = Some(context.options.silence);
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // A download is the bytes that were published, and ranges count those.
            .accept_encoding("identity")
            .user_agent(concat!("firebox/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(silence)
            .timeout_connect(silence)
            .timeout_per_read(silence)
            .timeout_per_write(silence)
            .build();
        Self { agent: config.into(), token }
    }

    /// Asks for `address`. An answer has one of the statuses 200, 206 and 416; every other is trouble.
    pub(crate) fn get(&self, address: &Uri, headers: &[(&str, String)]) -> Result<Answer, Trouble> {
        self.ask(address, headers).and_then(|(answer, with_token)| judge(answer, with_token))
    }

    /// Asks for `address`, where it may be that there is nothing.
    pub(crate) fn get_if_there(&self, address: &Uri, headers: &[(&str, String)]) -> Result<Option<Answer>, Trouble> {
        let (answer, with_token) = self.ask(address, headers)?;
        if [404, 410].contains(&answer.response.status().as_u16()) {
            return Ok(None);
        }
        judge(answer, with_token).map(Some)
    }

    /// The last answer behind all redirects, and whether it got the token.
    fn ask(&self, address: &Uri, headers: &[(&str, String)]) -> Result<(Answer, bool), Trouble> {
        let first = address.clone();
        let mut address = first.clone();
        let mut token = self.token.as_ref();
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.agent.get(&address);
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {}", token.reveal()));
            }
            let response = request.call().map_err(|error| broken(&address, &error))?;
            let status = response.status();
            let answer = Answer { response, address };
            if ![301, 302, 303, 307, 308].contains(&status.as_u16()) {
                return Ok((answer, token.is_some()));
            }
            address = redirected(&answer)?;
            // Once it has left the host, a request stays without the token: what sends it back may not be the host's wish.
            if origin(&address) != origin(&first) {
                token = None;
            }
        }
        Err(refused(
            &first,
            format!("there are more than {MOST_REDIRECTS} redirects"),
            "The address may lead in a circle.",
        ))
    }
}

/// Scheme, host and port: who a server is.
pub(crate) fn origin(address: &Uri) -> (Option<&str>, Option<String>, Option<u16>) {
    let port = address.port_u16().or(match address.scheme_str() {
        Some("https") => Some(443),
        _ => Some(80),
    });
    (address.scheme_str(), address.host().map(str::to_lowercase), port)
}

/// Where an answer sends its reader.
fn redirected(answer: &Answer) -> Result<Uri, Trouble> {
    let here = &answer.address;
    let Some(there) = answer.header("location") else {
        return Err(refused(here, "it redirects nowhere".into(), "The server is at fault; look for another address."));
    };
    let next = join(here, there.trim());
    let scheme = next.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if !["http", "https"].contains(&scheme.as_str()) {
        let message = format!("it redirects to an address of the kind `{scheme}:`");
        return Err(refused(here, message, "Only http and https are followed."));
    }
    let next = next.parse::<Uri>().ok().filter(|next| next.host().is_some_and(|host| !host.is_empty()));
    let Some(next) = next else {
        return Err(refused(here, "it redirects to something that is no address".into(), "The server is at fault."));
    };
    if here.scheme_str() == Some("https") && scheme == "http" {
        let message = format!("it redirects from https to {}, where anybody on the way could change it", shown(&next));
        return Err(refused(here, message, "Look for an address that stays with https."));
    }
    Ok(next)
}

/// The address that `there` means to a reader of `here`.
pub(crate) fn join(here: &Uri, there: &str) -> String {
    let scheme = here.scheme_str().unwrap_or("http");
    let host = here.authority().map_or("", |authority| authority.as_str());
    let has_scheme = there.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let there = there.split('#').next().unwrap_or(there);
    if has_scheme {
        there.to_owned()
    } else if there.starts_with("//") {
        format!("{scheme}:{there}")
    } else if there.starts_with('/') {
        format!("{scheme}://{host}{there}")
    } else if there.starts_with('?') {
        format!("{scheme}://{host}{}{there}", here.path())
    } else {
        let folder = here.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{host}{folder}/{there}")
    }
}

/// Passes on what can be read, and says of everything else whether it may pass.
fn judge(answer: Answer, with_token: bool) -> Result<Answer, Trouble> {
    let status = answer.response.status();
    let said = format!("the server answers {status}");
    let lasting = |hint: &str| Err(refused(&answer.address, said.clone(), hint));
    match status.as_u16() {
        200 | 206 | 416 => Ok(answer),
        408 | 425 | 429 | 500 | 502..=504 | 507 | 509..=599 => {
            Err(Trouble::Passing { reason: said, pause: answer.header("retry-after").and_then(pause), over: false })
        }
        401 | 403 if with_token => lasting("The token is not accepted; it may have expired, or lack the right."),
        401 | 403 => lasting(
            "If this data needs a token, write `token = true` beside the address; the error says then where to put it.",
        ),
        404 | 410 => lasting("Compare the address in the card with the data's home page; the file may have moved."),
        _ if status.is_success() => lasting("An answer with a file in it has the status 200."),
        _ => lasting("Compare the address in the card with the data's home page."),
    }
}

/// What a server asks in `Retry-After`: seconds, or a date.
fn pause(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(u64::try_from(then.timestamp()).unwrap_or(0).saturating_sub(now.as_secs())))
}

/// Trouble that stays.
fn refused(address: &Uri, message: String, hint: &str) -> Trouble {
    Trouble::Lasting(Error::Fetch { address: shown(address), message, hint: hint.to_owned(), usage: true })
}

/// What a failed connection means.
fn broken(address: &Uri, error: &ureq::Error) -> Trouble {
    use ureq::Error::{BadUri, Http, InvalidProxyUrl, Rustls, Tls};
    let message = match error {
        ureq::Error::HostNotFound => format!("the host {} is not known", address.host().unwrap_or_default()),
        ureq::Error::Timeout(_) => "the server says nothing".to_owned(),
        error => format!("the connection failed ({error})"),
    };
    match error {
        BadUri(_) | Http(_) => {
            refused(address, message, "The address in the card must be a whole one, with http or https.")
        }
        InvalidProxyUrl => refused(address, message, "Check the variables HTTPS_PROXY, HTTP_PROXY and ALL_PROXY."),
        Tls(_) | Rustls(_) => {
            refused(address, message, "The server does not prove who it is; look for another address.")
        }
        _ => Trouble::passing(message),
    }
}

/// An address as it may be shown: without what stands behind the `?`, where keys and signatures are.
pub(crate) fn shown(address: &Uri) -> String {
    let host = address.authority().map_or("", |authority| authority.as_str());
    let host = host.rsplit('@').next().unwrap_or(host);
    let query = if address.query().is_some() { "?..." } else { "" };
    format!("{}://{host}{}{query}", address.scheme_str().unwrap_or("http"), address.path())
}

/// The address in a card's setting `key`, if it is one that may stand there.
pub(crate) fn address(key: &str, text: &str) -> Result<Uri, Error> {
    let wrong = |message: &str, hint: &str| {
        Err(Error::Setting { key: key.to_owned(), message: message.to_owned(), hint: hint.to_owned() })
    };
    let Ok(uri) = text.parse::<Uri>() else {
        return wrong("is no address", "Write it as in https://example.org/data.csv.");
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return wrong("is no address of a web server", "Write it as in https://example.org/data.csv.");
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return wrong(
            "holds a name or password before the @",
            "A card is read by others: write `token = true` beside the address; the error says then where to put the secret.",
        );
    }
    Ok(uri)
}

#[cfg(test)]
#[path = "web_tests.rs"]
mod tests;

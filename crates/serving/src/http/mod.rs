//! How does a server begin, and how does it end?
//!
//! ```text
//! connection ──> answers ──> routes ──> wire ──> batching ──> wire ──> responses
//! ```
//!
//! The port is open before the models are: whoever asks is told that the server lives and is not ready. One that is
//! asked to end says at once that it is not ready, takes connections for a moment longer, and answers what it has
//! begun.

use std::hash::RandomState;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::http::request::Parts;
use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;

use crate::access::{self, Access};
use crate::batching::{self, Engine};
use crate::feedback::Feedback;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::registry::{Registry, Role, Source};
use crate::traces::{self, Traces};
use crate::{Error, wire};

mod answers;
mod calls;
mod compression;
mod connections;
mod inference;
mod pages;
mod patience;
mod requests;
mod responses;
mod routes;
mod run;
mod streams;
mod texts;
pub mod tls;

use connections::Peer;
pub(crate) use run::until;
pub use run::until_asked_to_end;

/// The largest feedback, in bytes.
const FEEDBACK: usize = 64 << 10;
/// So many large requests are read, or wait to be, at once.
const READING: usize = 64;
/// How long nothing is accepted after that went wrong, as it does where there are no more files to be opened.
const PAUSE: Duration = Duration::from_millis(50);

/// What is served, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bundles. Of several with one name the last is the version that answers, and the others answer those who name them.
    pub models: Vec<Source>,
    /// Where to listen; port 0 is one that is free.
    pub address: SocketAddr,
    /// On what to compute, as [`model_zoo::device::open`] takes it.
    pub device: String,
    /// How requests come together.
    pub batching: batching::Settings,
    /// Whether whoever asks may read bundles anew and take models out.
    pub control: bool,
    /// How much may be asked for.
    pub limits: Limits,
    /// Whether each request is told as a line of JSON.
    pub log: bool,
    /// Who is told lines.
    pub note: fn(&str),
    /// Where what was right is kept; without it nobody is asked.
    pub feedback: Option<PathBuf>,
    /// Where it is kept who asked for what.
    pub audit: Option<PathBuf>,
    /// The most bytes of weights at once.
    pub memory: Option<u64>,
    /// Who may ask.
    pub access: access::Settings,
    /// By what the server shows who it is; without it nothing is encrypted.
    pub tls: Option<tls::Files>,
    /// To whom traces are told.
    pub traces: Option<traces::Settings>,
}

impl Settings {
    /// Those of a server of these models as it usually is.
    pub fn of(models: Vec<Source>) -> Self {
        Self {
            models,
            address: Self::USUAL_ADDRESS,
            device: "cpu".to_owned(),
            batching: batching::Settings::default(),
            control: false,
            limits: Limits::default(),
            log: false,
            note: |_| {},
            feedback: None,
            audit: None,
            memory: None,
            access: access::Settings::default(),
            tls: None,
            traces: None,
        }
    }

    /// Where a server listens unless it is told otherwise: nobody but this machine reaches it there.
    pub const USUAL_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
}

/// What all connections share.
pub(crate) struct Shared {
    registry: Registry,
    engine: Engine,
    metrics: Metrics,
    limits: Limits,
    control: bool,
    /// Bytes of bodies that there is still room for.
    room: Arc<Semaphore>,
    /// Places for those that take long to be read.
    reading: Arc<Semaphore>,
    /// Requests are called by numbers that say nothing of them.
    hasher: RandomState,
    log: bool,
    note: fn(&str),
    access: Access,
    feedback: Option<Feedback>,
    audit: Option<Journal>,
    traces: Option<Traces>,
    /// Whether it was asked to end.
    ending: AtomicBool,
}

/// A server that listens.
pub struct Server {
    address: SocketAddr,
    /// Tells whether the bundles could be opened.
    opened: oneshot::Receiver<Result<(), Error>>,
    listening: Listening,
}

/// What takes connections.
struct Listening {
    listener: TcpListener,
    shared: Arc<Shared>,
    /// Each connection has one.
    connections: Arc<Semaphore>,
    tls: Option<TlsAcceptor>,
    /// Tells connections to end with the request that they are at.
    closing: watch::Sender<bool>,
}

impl Server {
    /// Listens, and begins to open the bundles.
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Name`]; if there is no such device, or no bundle at all.
    pub async fn bind(settings: Settings) -> Result<Self, Error> {
        let Settings { models, address, device, batching, control, limits, log, note, memory, .. } = settings;
        let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        let access = Access::read(&settings.access)?;
        let feedback = settings.feedback.map(|path| Feedback::open(&path, note)).transpose()?;
        let audit = settings.audit.map(|path| Journal::open(&path, note)).transpose()?;
        let traces = settings.traces.map(|settings| Traces::begin(&settings, note)).transpose()?;
        let refused = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let broke = |_| Error::Panicked { doing: "it opened the device" };
        // A graphics card takes a while.
        let device = tokio::task::spawn_blocking(move || model_zoo::device::open(&device)).await.map_err(broke)??;
        let engine = Engine::begin(&device, limits.waiting).map_err(refused)?;
        let registry = Registry::new(device, batching, memory);
        let (metrics, ending, hasher) = (Metrics::default(), AtomicBool::new(false), RandomState::new());
        let room = Arc::new(Semaphore::new(limits.bodies.min(Semaphore::MAX_PERMITS)));
        let shared = Arc::new(Shared {
            registry,
            engine,
            metrics,
            limits,
            control,
            room,
            reading: Arc::new(Semaphore::new(READING)),
            hasher,
            log,
            note,
            access,
            feedback,
            audit,
            traces,
            ending,
        });
        let opened = open(&shared, models)?;
        let connections = Arc::new(Semaphore::new(limits.connections as usize));
        let listening = Listening { listener, shared, connections, tls, closing: watch::channel(false).0 };
        Ok(Self { address, opened, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is asked to end, and then what it has begun; asked a second time it ends at once. `asked`
    /// gives what completes when somebody asks next.
    ///
    /// # Errors
    /// If the bundle cannot be opened.
    pub async fn run<F: Future<Output = ()>>(self, asked: impl Fn() -> F) -> Result<(), Error> {
        let Self { opened, listening, .. } = self;
        let failed = async {
            match opened.await {
                Ok(Ok(())) => std::future::pending().await,
                Ok(Err(error)) => error,
                Err(_) => Error::Panicked { doing: "it opened the bundle" },
            }
        };
        let first = async {
            select! {
                error = failed => Err(error),
                () = asked() => Ok(()),
            }
        };
        listening.accept_until(first).await?;
        let (limits, shared) = (listening.shared.limits, Arc::clone(&listening.shared));
        let latest = Instant::now() + limits.ending;
        listening.shared.ending.store(true, Ordering::Release);
        let rest = async move {
            listening.accept_until(sleep(limits.notice)).await;
            let Listening { listener, connections, closing, .. } = listening;
            drop(listener);
            closing.send_replace(true);
            // All of them are free once no connection is left.
            let _ = connections.acquire_many(limits.connections).await;
        };
        select! {
            () = rest => {},
            () = sleep_until(latest) => {},
            () = asked() => {},
        }
        // What is kept and told of requests is on its way; the program may end at once after this.
        let close = move || {
            shared.audit.as_ref().map(Journal::close);
            shared.feedback.as_ref().map(Feedback::close);
            shared.traces.as_ref().map(Traces::close);
        };
        drop(tokio::task::spawn_blocking(close).await);
        Ok(())
    }
}

/// Announces the models, and opens their bundles in a thread of its own, one after the other.
fn open(shared: &Arc<Shared>, models: Vec<Source>) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
    let (tell, opened) = oneshot::channel();
    // Whoever asks for one that is still to come is told to wait.
    for source in &models {
        shared.registry.announce(source)?;
    }
    let shared = Arc::clone(shared);
    let failed = |source| model_zoo::Error::Io { doing: "start a thread for", path: "the bundles".into(), source };
    let work = move || {
        let one = |source: &Source| shared.registry.open(&shared.registry.announce(source)?);
        // What panics here drops `tell`, and says on stderr why.
        // What stands beside one that answers is read with it.
        let mut answer = models.iter().filter(|source| source.role == Role::Answers);
        let _ = tell.send(answer.try_for_each(one));
    };
    std::thread::Builder::new().name("opening".into()).spawn(work).map_err(failed)?;
    Ok(opened)
}

impl Shared {
    /// Keeps what was right.
    async fn take_feedback(&self, head: &Parts, asking: &answers::Asking) -> Result<responses::Answer, wire::Refusal> {
        let Some(feedback) = &self.feedback else {
            return Err(wire::Refusal::new(404, "nobody keeps feedback here")
                .with_hint("whoever starts the server may, by `feedback = \"FILE\"` in its config"));
        };
        let limits = Limits { body: self.limits.body.min(FEEDBACK), ..self.limits };
        let body = requests::json(&head.headers, asking.body()?, &limits, &self.room).await?;
        feedback.take(&body.bytes, &asking.caller)?;
        responses::json(202, &serde_json::json!({}))
    }

    /// Every address.
    fn description(&self) -> serde_json::Value {
        // Who shows no key learns of no model.
        let limited = self.access.is_limited();
        let versions = if limited { Vec::new() } else { self.registry.versions() };
        wire::addresses(&versions, limited)
    }
}

impl Listening {
    /// Accepts connections until something else is done.
    async fn accept_until<T>(&self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        loop {
            let next = async {
                let permit = Arc::clone(&self.connections).acquire_owned().await;
                (permit, self.listener.accept().await)
            };
            select! {
                biased;
                done = &mut done => return done,
                next = next => match next {
                    (Ok(permit), Ok((stream, peer))) => self.begin(permit, stream, peer.ip()),
                    _ => sleep(PAUSE).await,
                },
            }
        }
    }
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;

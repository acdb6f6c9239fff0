//! How does a server begin, and how does it end?
//!
//! ```text
//! connection ──> routes ──> wire ──> batching ──> wire ──> responses
//! ```
//!
//! The port is open before the models are: whoever asks is told that the server lives and is not ready. One that is
//! asked to end says at once that it is not ready, takes connections for a moment longer, and answers what it has
//! begun.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::Error;
use crate::batching::{self, Engine};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::registry::{Registry, Source};

mod patience;
mod requests;
mod responses;
mod routes;
mod run;
mod texts;

use patience::Patient;
pub use run::until_asked_to_end;

/// The most bytes in the head of a request.
const HEAD: usize = 64 << 10;
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
    /// What is given a line of JSON for each request.
    pub log: Option<fn(&str)>,
}

impl Settings {
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
    /// Clients are told apart by a number that says nothing of them to others.
    hasher: RandomState,
    log: Option<fn(&str)>,
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
    /// Tells connections to end with the request that they are at.
    closing: watch::Sender<bool>,
}

impl Server {
    /// Listens, and begins to open the bundles.
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Name`]; if there is no such device, or no bundle at all.
    pub async fn bind(settings: Settings) -> Result<Self, Error> {
        let Settings { models, address, device, batching, control, limits, log } = settings;
        let refused = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let broke = |_| Error::Panicked { doing: "it opened the device" };
        // A graphics card takes a while.
        let device = tokio::task::spawn_blocking(move || model_zoo::device::open(&device)).await.map_err(broke)??;
        let engine = Engine::begin(&device, limits.waiting).map_err(refused)?;
        let registry = Registry::new(device, batching);
        let (metrics, ending, hasher) = (Metrics::default(), AtomicBool::new(false), RandomState::new());
        let room = Arc::new(Semaphore::new(limits.bodies.min(Semaphore::MAX_PERMITS)));
        let shared = Arc::new(Shared { registry, engine, metrics, limits, control, room, hasher, log, ending });
        let opened = open(&shared, models)?;
        let connections = Arc::new(Semaphore::new(limits.connections as usize));
        let listening = Listening { listener, shared, connections, closing: watch::channel(false).0 };
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
        let limits = listening.shared.limits;
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
        let _ = tell.send(models.iter().try_for_each(one));
    };
    std::thread::Builder::new().name("opening".into()).spawn(work).map_err(failed)?;
    Ok(opened)
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

    /// Answers what comes over a connection, in a task of its own.
    fn begin(&self, permit: OwnedSemaphorePermit, stream: TcpStream, peer: IpAddr) {
        let client = self.shared.hasher.hash_one(peer);
        let shared = Arc::clone(&self.shared);
        let mut closing = self.closing.subscribe();
        tokio::spawn(async move {
            // An answer is one piece: there is nothing to wait for before it is sent. Without it, it is merely slower.
            let _ = stream.set_nodelay(true);
            let limits = shared.limits;
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.answer(request, client).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_time)
                .max_buf_size(HEAD)
                .serve_connection(TokioIo::new(Patient::new(stream, limits.answer_time)), service);
            let mut connection = pin!(connection);
            let closed = async { drop(closing.wait_for(|closing| *closing).await) };
            // Clients that break off are no matter of ours.
            select! {
                _ = connection.as_mut() => {},
                () = closed => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                },
            }
            drop(permit);
        });
    }
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;

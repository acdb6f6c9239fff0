//! Who computes the answers, and who waits for them?
//!
//! One thread has the network for itself and answers one request after the other: a batch may take every core, so that
//! two at once would only be slower each. What waits stands in a queue that has an end. Where requests are to be put
//! into batches together, it is done there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use data_loader::{Schema, Signature};
use model_zoo::bundle::Bundle;
use model_zoo::device;
use tokio::sync::{mpsc, oneshot};

use crate::wire::Refusal;
use crate::{Error, Predictor};

/// What folders are called that are called after what lies in them, as the place where `KServe` puts models.
const NAMELESS: &[&str] = &["bundle", "model", "models"];
/// How a bundle ends that was packed.
const PACKED: &str = ".tar.zst";
/// The longest name.
const LONGEST_NAME: usize = 128;
/// How many digits of the hash of its manifest are the version of a bundle.
const VERSION: usize = 12;

/// Something to be computed with the network.
type Job = Box<dyn FnOnce(&Predictor) + Send>;

/// What is known of a model that was opened.
#[derive(Debug)]
pub(crate) struct Card {
    /// What it is called in addresses.
    pub name: String,
    /// The first digits of the SHA-256 of its manifest.
    pub version: String,
    /// What goes into the network and what comes out.
    pub signature: Signature,
    /// The columns of a record.
    pub schema: Schema,
}

/// How far a model is.
enum Stage<'a> {
    /// Its bundle is being read.
    Opening,
    /// It answers.
    Ready(&'a Arc<Card>),
    /// It broke down while it answered, and what it would answer now nobody knows.
    Broken,
}

#[derive(Default)]
struct State {
    card: OnceLock<Arc<Card>>,
    broken: AtomicBool,
}

/// A model and the queue before it.
pub(crate) struct Model {
    state: Arc<State>,
    queue: mpsc::Sender<Job>,
}

impl Model {
    /// Begins to open the bundle at `path`. What is given back beside it tells when its golden samples were answered
    /// as they were when it was made, or why it cannot be served.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn open(
        path: PathBuf,
        name: Option<String>,
        device: String,
        waiting: usize,
    ) -> Result<(Self, oneshot::Receiver<Result<(), Error>>), Error> {
        let (queue, mut jobs) = mpsc::channel::<Job>(waiting);
        let (tell, opened) = oneshot::channel();
        let state = Arc::new(State::default());
        let of_thread = Arc::clone(&state);
        let failed = Error::io("start a thread for", &path);
        let work = move || {
            // What panics here drops `tell`, and says on stderr why.
            let predictor = match read(&path, name, &device) {
                Ok((card, predictor)) => {
                    // Nobody else sets it.
                    let _ = of_thread.card.set(Arc::new(card));
                    predictor
                }
                Err(error) => return drop(tell.send(Err(error))),
            };
            let _ = tell.send(Ok(()));
            while let Some(job) = jobs.blocking_recv() {
                job(&predictor);
            }
        };
        thread::Builder::new().name("model".into()).spawn(work).map_err(failed)?;
        Ok((Self { state, queue }, opened))
    }

    fn stage(&self) -> Stage<'_> {
        match self.state.card.get() {
            _ if self.state.broken.load(Ordering::Acquire) => Stage::Broken,
            Some(card) => Stage::Ready(card),
            None => Stage::Opening,
        }
    }

    /// Whether it broke down; beginning the program anew would help.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.stage(), Stage::Broken)
    }

    /// What is known of it.
    ///
    /// # Errors
    /// While it is not ready.
    pub(crate) fn card(&self) -> Result<&Arc<Card>, Refusal> {
        match self.stage() {
            Stage::Ready(card) => Ok(card),
            Stage::Opening => Err(Refusal::busy("the bundle is still being read and its golden samples replayed")),
            Stage::Broken => Err(Refusal::broken("the model broke down; the server must be started again")),
        }
    }

    /// How many requests wait for it.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Waits in the queue, and then for what `work` answers.
    ///
    /// # Errors If it is not ready, the queue is full, or `work` fails; one that panics or whose device fails breaks
    /// the model for good.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Predictor) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.card()?;
        let (reply, answer) = oneshot::channel();
        let state = Arc::clone(&self.state);
        let job: Job = Box::new(move |predictor| {
            // Whoever asked may have gone meanwhile, and what comes behind a breakdown is no answer.
            if reply.is_closed() || state.broken.load(Ordering::Acquire) {
                return;
            }
            let answer = catch_unwind(AssertUnwindSafe(|| work(predictor)))
                .unwrap_or(Err(Error::Panicked { doing: "it answered a request" }));
            let broken =
                matches!(answer, Err(Error::Panicked { .. } | Error::Model(model_zoo::Error::DeviceFailed { .. })));
            state.broken.fetch_or(broken, Ordering::AcqRel);
            let _ = reply.send(answer);
        });
        self.queue.try_send(job).map_err(|_| Refusal::busy("too many requests wait for the model already"))?;
        match answer.await {
            Ok(answer) => Ok(answer?),
            // Dropped unanswered, because an earlier one broke the model.
            Err(_) => Err(Refusal::broken("the model broke down; the server must be started again")),
        }
    }
}

/// Reads a bundle, every hash checked, and replays its golden samples.
fn read(path: &Path, name: Option<String>, device: &str) -> Result<(Card, Predictor), Error> {
    let found = device::open(device)?;
    // Before anything is computed: this thread is to be one of those that compute.
    device::compute_here(&found.device);
    let bundle = Bundle::read(path)?;
    let name = match name {
        Some(name) => name,
        None => name_of(path).unwrap_or_else(|| bundle.manifest.name.clone()),
    };
    check_name(&name)?;
    let version = bundle.manifest_sha256[..VERSION].to_owned();
    let predictor = Predictor::open(bundle, &found)?;
    let pipeline = predictor.pipeline();
    let card = Card { name, version, signature: pipeline.signature().clone(), schema: pipeline.schema().clone() };
    Ok((card, predictor))
}

/// What a bundle is called by where it lies, unless its place is called as any would be.
fn name_of(path: &Path) -> Option<String> {
    let whole = path.canonicalize().ok()?;
    let name = whole.file_name()?.to_str()?;
    let name = name.strip_suffix(PACKED).unwrap_or(name);
    (!NAMELESS.contains(&name)).then(|| name.to_owned())
}

/// Whether a name stands in an address as it is.
fn check_name(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let reason = match name.bytes().find(|byte| !plain(*byte)) {
        _ if name.is_empty() => "the name is empty".to_owned(),
        _ if name.len() > LONGEST_NAME => format!("the name has more than {LONGEST_NAME} characters"),
        _ if name.starts_with('.') => "the name begins with a dot".to_owned(),
        Some(_) => "the name has other characters than letters, digits, `-`, `_` and `.`".to_owned(),
        None => return Ok(()),
    };
    Err(Error::Name { name: name.to_owned(), reason })
}

#[cfg(test)]
#[path = "model_tests.rs"]
pub(crate) mod tests;

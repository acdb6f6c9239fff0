//! When does a network answer, and what all at once?
//!
//! ```text
//! ask ──> queue ──> one thread: take, join, answer, divide ──> each its own answer
//! ```
//!
//! One thread answers for all models: a batch may take every core, so that two at once would only be slower each. While it is at one
//! batch the next one gathers; besides that it waits for others for as long as [`Settings::window`] says.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use data_loader::Batch;
use model_zoo::device::{self, Found};
use tokio::sync::oneshot;

use crate::predictor::Numbers;
use crate::{Error, Predictor};

mod join;
mod network;
mod pace;
mod queue;

use join::Shape;
pub(crate) use join::joined;
pub(crate) use network::Network;
pub use network::Settings;
use queue::{Queue, Ticket};

/// From whom a request is, and what it is worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    /// From whom it comes.
    pub client: u64,
    /// How urgent it is; 0 is the most.
    pub priority: u8,
    /// When its answer is of no use any more.
    pub deadline: Option<Instant>,
}

/// An answer, and on what the time went.
#[derive(Debug)]
pub(crate) struct Answered {
    /// What was asked.
    pub batch: Box<Batch>,
    pub numbers: Numbers,
    /// From its arrival until its turn.
    pub queued: Duration,
    /// How long the network took, for all that was answered with it.
    pub computed: Duration,
    /// How many examples were answered at once.
    pub rows: usize,
    /// Whether it is the first of those that were answered at once.
    pub leads: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Too many requests wait already.
    Full,
    /// Its time was over before its turn came.
    Late,
    /// The network broke down, now or before.
    Broken,
    /// As the predictor says.
    Failed(Box<Error>),
}

/// What has the network for itself, piece by piece, and at its end gives whatever it likes.
type Alone = Box<dyn FnMut(&Predictor) -> Result<Option<Box<dyn Any + Send>>, Error> + Send>;
type Reply<T> = oneshot::Sender<Result<T, Unanswered>>;

/// What is asked of a network.
enum Work {
    Infer {
        batch: Box<Batch>,
        reply: Reply<Answered>,
    },
    /// Something that has the network for itself.
    Alone {
        run: Alone,
        reply: Reply<Box<dyn Any + Send>>,
    },
}

/// What can be answered together: examples of one shape by one network. What has the network for itself is like nothing else.
#[derive(Clone)]
struct Kind {
    network: Arc<Network>,
    shape: Option<Shape>,
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.network, &other.network) && self.shape.is_some() && self.shape == other.shape
    }
}

struct State {
    queue: Queue<Kind, Work>,
    /// Nothing comes any more.
    closed: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Whether no more may wait, as it was a moment ago.
    full: AtomicBool,
    came: Condvar,
}

/// The thread that answers, and the queue before it.
pub(crate) struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Begins to answer on `device`; so many requests may wait.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn begin(device: &Found, waiting: usize) -> std::io::Result<Self> {
        let state = State { queue: Queue::new(waiting), closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), full: AtomicBool::new(false), came: Condvar::new() });
        let (of_thread, device) = (Arc::clone(&shared), device.device.clone());
        thread::Builder::new().name("engine".into()).spawn(move || {
            // Before anything is computed: this thread is to be one of those that compute.
            device::compute_here(&device);
            while let Some(next) = of_thread.next() {
                for again in answer(next) {
                    of_thread.lock().queue.push_again(again);
                }
                // Whoever reads requests and writes answers may have waited for this very core.
                thread::yield_now();
            }
        })?;
        Ok(Self { shared })
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lock().queue.len()
    }

    /// Whether as many requests wait as may; whom nobody waits for any more makes room.
    pub(crate) fn is_full(&self) -> bool {
        // Most of the time, and whenever too many ask, this says all.
        if !self.shared.full.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.shared.lock();
        if !state.queue.is_full() {
            return false;
        }
        for late in state.queue.expire(Instant::now(), Work::is_gone) {
            late.work.refuse(Unanswered::Late);
        }
        let is_full = state.queue.is_full();
        self.shared.full.store(is_full, Ordering::Relaxed);
        is_full
    }

    /// What `network` answers to a batch.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) async fn infer(
        &self,
        network: &Arc<Network>,
        batch: Batch,
        sender: Sender,
    ) -> Result<Answered, Unanswered> {
        let (reply, answer) = oneshot::channel();
        let (shape, rows) = (Some(Shape::of(&batch)), batch.len());
        self.push(network, shape, rows, sender, Work::Infer { batch: Box::new(batch), reply })?;
        answer.await.unwrap_or(Err(Unanswered::Broken))
    }

    /// Lets `work` have `network` for itself, again and again until it gives something; in between others have their turns.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        network: &Arc<Network>,
        sender: Sender,
        mut work: impl FnMut(&Predictor) -> Result<Option<T>, Error> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let (reply, answer) = oneshot::channel();
        let run = Box::new(move |predictor: &Predictor| {
            Ok(work(predictor)?.map(|given| Box::new(given) as Box<dyn Any + Send>))
        });
        self.push(network, None, 1, sender, Work::Alone { run, reply })?;
        let told = answer.await.unwrap_or(Err(Unanswered::Broken))?;
        told.downcast::<T>().map(|told| *told).map_err(|_| Unanswered::Broken)
    }

    fn push(
        &self,
        network: &Arc<Network>,
        shape: Option<Shape>,
        rows: usize,
        sender: Sender,
        work: Work,
    ) -> Result<(), Unanswered> {
        let Sender { client, priority, deadline } = sender;
        let kind = Kind { network: Arc::clone(network), shape };
        let ticket = Ticket { kind, rows, client, priority, arrived: Instant::now(), deadline, work };
        let mut state = self.shared.lock();
        if let Err(ticket) = state.queue.push(ticket) {
            // Whom nobody waits for any more makes room.
            for late in state.queue.expire(Instant::now(), Work::is_gone) {
                late.work.refuse(Unanswered::Late);
            }
            state.queue.push(ticket).map_err(|_| Unanswered::Full)?;
        }
        self.shared.full.store(state.queue.is_full(), Ordering::Relaxed);
        drop(state);
        self.shared.came.notify_one();
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.came.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what is to be answered next; nothing once all is answered and nothing comes any more.
    fn next(&self) -> Option<Vec<Ticket<Kind, Work>>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            for late in state.queue.expire(now, Work::is_gone) {
                late.work.refuse(Unanswered::Late);
            }
            let Some(lead) = state.queue.lead() else {
                if state.closed {
                    return None;
                }
                state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (rows, window) = (lead.kind.network.rows(), lead.kind.network.settings.window);
            let until = lead.arrived + window;
            if now >= until || lead.kind.shape.is_none() || state.closed || state.queue.rows_with_lead() >= rows {
                let taken = state.queue.take(rows);
                self.full.store(state.queue.is_full(), Ordering::Relaxed);
                return Some(taken);
            }
            let until = state.queue.next_deadline().map_or(until, |deadline| deadline.min(until));
            let left = until.saturating_duration_since(now);
            state = self.came.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Work {
    /// Whether nobody waits for it any more.
    fn is_gone(&self) -> bool {
        match self {
            Self::Infer { reply, .. } => reply.is_closed(),
            Self::Alone { reply, .. } => reply.is_closed(),
        }
    }

    fn refuse(self, why: Unanswered) {
        // Whoever asked may have gone meanwhile.
        match self {
            Self::Infer { reply, .. } => drop(reply.send(Err(why))),
            Self::Alone { reply, .. } => drop(reply.send(Err(why))),
        }
    }
}

/// Answers what was taken together, and gives back what is not through.
fn answer(together: Vec<Ticket<Kind, Work>>) -> Vec<Ticket<Kind, Work>> {
    let begun = Instant::now();
    let mut again = Vec::new();
    let Some(network) = together.first().map(|ticket| Arc::clone(&ticket.kind.network)) else { return again };
    let mut asked = Vec::new();
    for ticket in together {
        match ticket.work {
            Work::Infer { batch, reply } => asked.push((batch, reply, ticket.arrived)),
            Work::Alone { mut run, reply } => match network.with(&mut run) {
                Ok(Some(given)) => drop(reply.send(Ok(given))),
                Err(why) => drop(reply.send(Err(why))),
                Ok(None) => again.push(Ticket { work: Work::Alone { run, reply }, ..ticket }),
            },
        }
    }
    if asked.is_empty() {
        return again;
    }
    let batches: Vec<&Batch> = asked.iter().map(|(batch, ..)| batch.as_ref()).collect();
    // One that is alone is not copied.
    let told = match batches.as_slice() {
        [only] => network.with(|predictor| predictor.numbers(only)),
        several => {
            let whole = joined(several);
            network.with(|predictor| predictor.numbers(&whole))
        }
    };
    let (computed, rows) = (begun.elapsed(), batches.iter().map(|batch| batch.len()).sum());
    let told = match told {
        Ok(numbers) => {
            network.took(rows, computed);
            Ok(numbers)
        }
        // One of several may be at fault; each is asked by itself, unless nothing can be asked any more.
        Err(Unanswered::Failed(_)) if asked.len() > 1 && !network.is_broken() => {
            for (batch, reply, arrived) in asked {
                let told = network.with(|predictor| predictor.infer(&batch));
                let (queued, rows) = (begun - arrived, batch.len());
                let _ =
                    reply.send(told.map(|numbers| Answered { batch, numbers, queued, computed, rows, leads: true }));
            }
            return again;
        }
        Err(why) => Err(why),
    };
    let mut whole = Some(told);
    let several = asked.len() > 1;
    let mut start = 0;
    for (batch, reply, arrived) in asked {
        let end = start + batch.len();
        let own = match &whole {
            Some(Ok(_)) if !several => whole.take().unwrap_or(Err(Unanswered::Broken)),
            Some(Ok(numbers)) => Ok(numbers.of(start..end)),
            // The error goes to the first, and the others learn what it did.
            Some(Err(_)) => whole.take().unwrap_or(Err(Unanswered::Broken)),
            None => Err(Unanswered::Broken),
        };
        let leads = start == 0;
        start = end;
        let own =
            own.and_then(|numbers| numbers.finite(&batch.ids).map_err(|error| Unanswered::Failed(Box::new(error))));
        let queued = begun - arrived;
        let _ = reply.send(own.map(|numbers| Answered { batch, numbers, queued, computed, rows, leads }));
    }
    again
}

#[cfg(test)]
mod tests;

//! How are batches prepared ahead by several threads, and yet always the same ones in the same order?
//!
//! Thread `w` of `n` prepares every `n`-th batch, beginning with the `w`-th, and puts them in a bounded queue of its own.
//! The consumer asks the queues in turn, so the order does not depend on which thread is faster. A batch is a pure function
//! of its position, so a loader can begin anywhere: position is one number, and resuming is exact. What is ready in less time than
//! it takes to be handed over, such as a few rows of a small table, is made by the consumer itself.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::batch::{Batch, Target};
use crate::collate::collate;
use crate::data_config::BadExamples;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::prepared::Prepared;
use crate::samplers::Order;
use crate::split::Part;

/// What is read, and in which order.
#[derive(Clone, Copy)]
enum Pass {
    /// The training part, epoch after epoch, in the order that the sampler gives for this seed.
    Train { seed: u64 },
    /// One part, once, as it lies.
    Once { part: Part },
}

/// All that decides what is in a batch.
struct Plan {
    dataset: Arc<Dataset>,
    pass: Pass,
    batch_size: usize,
    batches_per_epoch: u64,
    /// The rows of the part, where they are prepared already.
    prepared: Option<Arc<Prepared>>,
    /// Raised when the loader is dropped.
    stop: AtomicBool,
    /// The orders of the epochs that were asked for last, one for all threads: a list of all rows is large, and at the end of an
    /// epoch some threads are in the next one already.
    orders: Mutex<Vec<(u64, Arc<Order>)>>,
}

impl Plan {
    /// The order of an epoch, made by one thread for all.
    fn order(&self, epoch: u64) -> Arc<Order> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = orders.iter().find(|(known, _)| *known == epoch) {
            return Arc::clone(order);
        }
        let order = Arc::new(match self.pass {
            Pass::Train { seed } => self.dataset.epoch_order(seed, epoch),
            Pass::Once { .. } => Order::AsTheyLie,
        });
        orders.retain(|(known, _)| known.abs_diff(epoch) <= 1);
        orders.push((epoch, Arc::clone(&order)));
        order
    }

    /// The batch at `position`; `None` when the loader was dropped meanwhile.
    fn batch(&self, position: u64) -> Option<Result<Batch, Error>> {
        let (epoch, index) = (position / self.batches_per_epoch, position % self.batches_per_epoch);
        let part = match self.pass {
            Pass::Train { .. } => Part::Train,
            Pass::Once { part } => part,
        };
        let start = index as usize * self.batch_size;
        let order = self.order(epoch);
        let rows = order.rows(self.dataset.part(part), start..start + self.batch_size);

        let random_epoch = matches!(self.pass, Pass::Train { .. }).then_some(epoch);
        if let Some(batch) = self.picked(part, &rows) {
            return Some(self.finished(batch, random_epoch, index, 0));
        }
        if let Some(batch) = self.dataset.batch_of(&rows) {
            let batch = batch.with_own_target(self.dataset.signature());
            return Some(Ok(Batch { epoch, index, ..batch }));
        }
        let skip = self.dataset.config().loader.bad_examples == BadExamples::Skip;
        let mut examples = Vec::with_capacity(rows.len());
        let mut broken = None;
        self.dataset.visit(&rows, random_epoch, &mut |example| {
            match example {
                _ if self.stop.load(Ordering::Relaxed) => return ControlFlow::Break(()),
                Ok(example) => examples.push(example),
                Err(error) if skip && error.is_bad_example() => {}
                Err(error) => {
                    broken = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        if let Some(error) = broken {
            return Some(Err(error));
        }
        if examples.is_empty() {
            // Nothing of it can be used; whoever reads on counts it and takes the next one.
            let empty = Batch {
                inputs: Vec::new(),
                target: Target::None,
                ids: Vec::new(),
                weights: None,
                epoch,
                index,
                skipped: rows.len(),
            };
            return Some(Ok(empty));
        }
        let skipped = rows.len() - examples.len() / self.dataset.views();
        let batch = collate(examples, self.dataset.signature());
        Some(batch.and_then(|batch| self.finished(batch, random_epoch, index, skipped)))
    }

    /// The batch of these rows of the part, if they are prepared already.
    fn picked(&self, part: Part, rows: &[u32]) -> Option<Batch> {
        let prepared = self.prepared.as_ref()?;
        let all = self.dataset.part(part);
        let places: Option<Vec<usize>> = rows.iter().map(|row| all.binary_search(row).ok()).collect();
        prepared.pick(&places?)
    }

    /// What remains to be done with a batch: in training its examples are mixed.
    fn finished(&self, mut batch: Batch, epoch: Option<u64>, index: u64, skipped: usize) -> Result<Batch, Error> {
        if let Some(epoch) = epoch {
            self.dataset.mix(&mut batch, epoch, index)?;
        }
        let batch = batch.with_own_target(self.dataset.signature());
        Ok(Batch { epoch: epoch.unwrap_or_default(), index, skipped, ..batch })
    }

    /// The batch at `position`; a panic becomes an error. `None` when the loader was dropped meanwhile.
    fn made(&self, position: u64) -> Option<Result<Batch, Error>> {
        catch_unwind(AssertUnwindSafe(|| self.batch(position))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let message = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned();
            Some(Err(Error::WorkerFailed { batch: position, message }))
        })
    }
}

/// Batches, prepared ahead.
pub struct Loader {
    plan: Arc<Plan>,
    position: u64,
    /// The position at which the loader began; thread 0 prepares this batch.
    start: u64,
    /// The position behind the last batch; none if the loader is endless.
    end: Option<u64>,
    queues: Vec<Receiver<Result<Batch, Error>>>,
    threads: Vec<JoinHandle<()>>,
    failed: bool,
}

impl Loader {
    /// The training part, epoch after epoch without end, from batch number `position` on, counted from the first epoch.
    /// `seed` decides the order. With 0 threads, as many as the data config says.
    pub fn train(
        dataset: Arc<Dataset>,
        batch_size: usize,
        seed: u64,
        threads: usize,
        position: u64,
    ) -> Result<Self, Error> {
        let examples = dataset.part(Part::Train).len();
        if batch_size > examples {
            return Err(Error::BatchTooLarge { batch_size, examples });
        }
        Self::new(dataset, Pass::Train { seed }, examples, batch_size, threads, position)
    }

    /// One part, once, in the order of its rows. The last batch may be smaller.
    pub fn once(dataset: Arc<Dataset>, part: Part, batch_size: usize) -> Result<Self, Error> {
        let examples = dataset.part(part).len();
        Self::new(dataset, Pass::Once { part }, examples, batch_size, 0, 0)
    }

    fn new(
        dataset: Arc<Dataset>,
        pass: Pass,
        examples: usize,
        batch_size: usize,
        threads: usize,
        position: u64,
    ) -> Result<Self, Error> {
        if batch_size == 0 {
            return Err(Error::Setting {
                key: "train.batch_size".into(),
                message: "is 0".into(),
                hint: "Use at least 1.".into(),
            });
        }
        let config = &dataset.config().loader;
        let endless = matches!(pass, Pass::Train { .. });
        let full = (examples / batch_size) as u64;
        let partial = u64::from(!examples.is_multiple_of(batch_size) && (!endless || !config.drop_last));
        let batches_per_epoch = full + partial;
        let end = (!endless).then_some(batches_per_epoch);
        let prepared = match pass {
            Pass::Train { .. } => dataset.prepared(Part::Train, true),
            Pass::Once { part } => dataset.prepared(part, false),
        };
        let quick = prepared.as_ref().is_some_and(|prepared| prepared.is_quick(batch_size));
        let asked = [threads, config.threads].into_iter().find(|&threads| threads > 0);
        let mut threads = asked.unwrap_or_else(|| if quick { 0 } else { cores() });
        if let Some(end) = end {
            // No thread without a batch to prepare.
            threads = threads.min(usize::try_from(end).unwrap_or(usize::MAX));
        }
        // A system has bounds on threads; a config has none.
        let threads = threads.min(256);
        let prefetch = config.prefetch.clamp(1, 1024);
        let (stop, orders) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let plan = Arc::new(Plan { dataset, pass, batch_size, batches_per_epoch, prepared, stop, orders });
        let mut loader =
            Self { plan, position, start: position, end, queues: Vec::new(), threads: Vec::new(), failed: false };
        for worker in 0..threads {
            let (sender, receiver) = sync_channel(prefetch);
            let plan = Arc::clone(&loader.plan);
            let first = position.saturating_add(worker as u64);
            let thread = std::thread::Builder::new()
                .name(format!("loader-{worker}"))
                .spawn(move || work(&plan, first, threads as u64, end, &sender))
                .map_err(|source| Error::WorkerFailed { batch: first, message: source.to_string() })?;
            loader.queues.push(receiver);
            loader.threads.push(thread);
        }
        Ok(loader)
    }

    /// The number of the batch that comes next, counted from the first epoch. A loader that begins there goes on exactly as
    /// this one does.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many threads prepare batches; none where the consumer does.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// How many batches one pass has.
    pub fn batches_per_epoch(&self) -> u64 {
        self.plan.batches_per_epoch
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, Error>;

    /// Waits for the next batch. After an error the loader stays where it is, and says so when it is asked again: an epoch
    /// is never cut short in silence.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return Some(Err(Error::Stopped { batch: self.position }));
        }
        if self.end.is_some_and(|end| self.position >= end) {
            return None;
        }
        let next = match self.queues.len() as u64 {
            0 => self.plan.made(self.position),
            queues => self.queues[((self.position - self.start) % queues) as usize].recv().ok(),
        };
        let next = next.unwrap_or_else(|| {
            Err(Error::WorkerFailed {
                batch: self.position,
                message: "the thread ended before its work was done".into(),
            })
        });
        match &next {
            Ok(_) => self.position += 1,
            Err(_) => self.failed = true,
        }
        Some(next)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.plan.stop.store(true, Ordering::Relaxed);
        // A thread that waits for room in its queue wakes up when nobody can take from it any more.
        self.queues.clear();
        for thread in self.threads.drain(..) {
            // A panic of the thread was already reported through its queue.
            let _ = thread.join();
        }
    }
}

/// What one thread does: every `step`-th batch from `first` on.
fn work(plan: &Plan, first: u64, step: u64, end: Option<u64>, queue: &SyncSender<Result<Batch, Error>>) {
    let mut position = first;
    while end.is_none_or(|end| position < end) {
        let Some(result) = plan.made(position) else { return };
        let failed = result.is_err();
        if queue.send(result).is_err() || failed {
            return;
        }
        let Some(next) = position.checked_add(step) else { return };
        position = next;
    }
}

/// How many processor cores this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;

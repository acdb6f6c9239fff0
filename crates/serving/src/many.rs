//! How are many records answered? Several threads read and prepare them while one asks the network, and answers come in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use data_loader::formats::Records;
use data_loader::{Batch, Record};

use crate::{Error, Prediction, Predictor};

/// How many batches are ready at most for each thread that prepares them.
const READY: usize = 2;
/// By how many batches for each thread they may be ahead of what was told, and how long they wait where they are.
const AHEAD: usize = 4;
const PAUSE: Duration = Duration::from_millis(1);

/// How it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The first record that is asked.
    pub start: usize,
    /// How many are answered at once.
    pub together: usize,
    /// How many threads prepare them.
    pub threads: usize,
    /// Set where it is to end before its time.
    pub stop: &'a AtomicBool,
}

/// Asks `predictor` about each record from `start` on, and gives each batch of answers to `tell`, in order. Gives how many records are
/// answered now, with those before `start`; fewer than all if it was to stop.
///
/// # Errors
/// If a record cannot be read or does not suit the transforms; those of the predictor and of `tell`.
pub fn predict<E: From<Error>>(
    predictor: &Predictor,
    records: &dyn Records,
    plan: Plan<'_>,
    mut tell: impl FnMut(Vec<Prediction>) -> Result<(), E>,
) -> Result<usize, E> {
    let Plan { start, together, threads, stop } = plan;
    let (together, threads) = (together.max(1), threads.max(1));
    let count = records.len().saturating_sub(start).div_ceil(together);
    let (next, told, over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let is_over = || over.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed);
    // A network stays in its thread; what its records and numbers mean goes everywhere.
    let meaning = predictor.meaning().as_ref();
    let (give, ready) = sync_channel::<(usize, Result<Batch, Error>)>(READY * threads);
    let prepared = |place: usize| {
        let rows = start + place * together..(start + (place + 1) * together).min(records.len());
        let read = rows.map(|row| records.read(row)).collect::<Result<Vec<Record>, _>>();
        read.map_err(Error::from).and_then(|records| meaning.prepare(records))
    };
    thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            let (give, next, told, is_over, prepared) = (give.clone(), &next, &told, &is_over, &prepared);
            scope.spawn(move || {
                while !is_over() {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    // Where one batch takes long, others must not pile up behind it.
                    while place >= told.load(Ordering::Relaxed) + AHEAD * threads && place < count && !is_over() {
                        thread::sleep(PAUSE);
                    }
                    // Whoever takes them may be through.
                    if place >= count || is_over() || give.send((place, prepared(place))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(give);
        // Threads overtake each other.
        let (mut early, mut wanted) = (BTreeMap::new(), 0);
        let mut answer = || -> Result<(), E> {
            for (place, batch) in &ready {
                early.insert(place, batch);
                while let Some(batch) = early.remove(&wanted) {
                    let batch = batch?;
                    let numbers = predictor.infer(&batch)?;
                    tell(meaning.tell(&batch, &numbers)?)?;
                    wanted += 1;
                    told.store(wanted, Ordering::Relaxed);
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            Ok(())
        };
        let answered = answer();
        over.store(true, Ordering::Relaxed);
        drop(ready);
        answered.map(|()| (start + wanted * together).min(records.len()))
    })
}

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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use data_loader::Value;
    use data_loader::formats::csv::Csv;
    use model_zoo::bundle::Bundle;

    use super::*;

    fn predictor() -> Predictor {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model-zoo/tests/fixtures/bundle_v1");
        Predictor::open(Bundle::read(&path).unwrap(), &model_zoo::device::open("cpu").unwrap()).unwrap()
    }

    fn rows(predictor: &Predictor, count: usize, broken: Option<usize>) -> Csv {
        let row = |k: usize| if broken == Some(k) { "1,2,x\n".to_owned() } else { format!("{k},{},1\n", k % 7) };
        let text = format!("a,b,c\n{}", (0..count).map(row).collect::<String>());
        Csv::of_text(text.into_bytes(), "rows", predictor.pipeline().schema()).unwrap()
    }

    #[test]
    fn answers_come_in_order_from_any_start_on_however_many_threads_prepare_them() {
        let predictor = predictor();
        let records = rows(&predictor, 501, None);
        let all: Vec<_> = (0..501).map(|row| records.read(row).unwrap()).collect();
        let wanted = predictor.predict(all).unwrap();
        let stop = AtomicBool::new(false);
        for (start, together, threads) in [(0, 7, 1), (0, 16, 4), (3, 1, 3), (500, 64, 2), (501, 64, 2)] {
            let mut told = Vec::new();
            let plan = Plan { start, together, threads, stop: &stop };
            let answered = predict(&predictor, &records, plan, |some| {
                told.extend(some);
                Ok::<(), Error>(())
            });
            assert_eq!(answered.unwrap(), 501);
            let ids = |all: &[Prediction]| all.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
            assert_eq!(ids(&told), ids(&wanted[start..]));
            let close = told.iter().zip(&wanted[start..]).all(|(one, other)| {
                one.label == other.label && one.scores.iter().zip(&other.scores).all(|(a, b)| (a.1 - b.1).abs() < 1e-5)
            });
            assert!(close);
        }
    }

    #[test]
    fn what_cannot_be_read_and_who_wants_no_more_end_it() {
        let predictor = predictor();
        let stop = AtomicBool::new(false);
        let plan = Plan { start: 0, together: 4, threads: 3, stop: &stop };
        let mut told = 0;
        let broken = rows(&predictor, 100, Some(41));
        let error = predict(&predictor, &broken, plan, |some| {
            told += some.len();
            Ok::<(), Error>(())
        });
        // All before it were told.
        assert!(error.unwrap_err().to_string().contains("`c`") && told == 40, "{told}");
        assert!(matches!(broken.read(40).unwrap().field("a"), Some(Value::Number(_))));
        let whole = rows(&predictor, 4000, None);
        let answered = predict(&predictor, &whole, plan, |_| {
            stop.store(true, Ordering::Relaxed);
            Ok::<(), Error>(())
        });
        assert!((4..400).contains(&answered.unwrap()));
    }
}

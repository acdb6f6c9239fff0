//! Is what is answered together answered as it would be alone, and does each get its own?

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use data_loader::{Array, ArrayData, ExampleId, InputArray, Target};
use model_zoo::bundle::Bundle;

use super::*;
use crate::registry::tests::{tiny, within};

const ANYONE: Sender = Sender { client: 0, priority: 5, deadline: None };

fn network(settings: Settings) -> Arc<Network> {
    let found = device::open("cpu").unwrap();
    Arc::new(Network::new(Predictor::open(Bundle::read(&tiny()).unwrap(), &found).unwrap(), settings))
}

fn engine(waiting: usize) -> Engine {
    Engine::begin(&device::open("cpu").unwrap(), waiting).unwrap()
}

/// So many examples, all of whose numbers follow from `from`.
fn batch(rows: usize, from: f32) -> Batch {
    let values = (0..rows * 3).map(|k| from + k as f32 * 0.17).collect();
    let array = Array { shape: vec![rows, 3], data: ArrayData::F32(values) };
    let input = InputArray { name: "numbers".into(), array, mask: None, lengths: None };
    Batch::of(vec![input], Target::None, (0..rows).map(|k| ExampleId { key: format!("#{k}") }).collect())
}

/// Keeps the engine busy until the end that is given back is dropped.
async fn busy(engine: &Arc<Engine>, network: &Arc<Network>) -> mpsc::Sender<()> {
    let (go_on, wait) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let (engine, network) = (Arc::clone(engine), Arc::clone(network));
    tokio::spawn(async move {
        let mut begun = Some(begun);
        let work = move |_: &Predictor| {
            begun.take().unwrap().send(()).unwrap();
            let _ = wait.recv();
            Ok(Some(()))
        };
        engine.alone(&network, ANYONE, work).await.unwrap();
    });
    has_begun.await.unwrap();
    go_on
}

#[test]
fn those_who_wait_together_are_answered_together_as_they_would_be_alone() {
    within(async {
        let (engine, network) = (Arc::new(engine(64)), network(Settings { rows: 16, ..Settings::default() }));
        let rows = [1, 3, 2, 1, 5];
        let mut alone = Vec::new();
        for (at, rows) in rows.into_iter().enumerate() {
            alone.push(engine.infer(&network, batch(rows, at as f32), ANYONE).await.unwrap());
        }
        assert!(alone.iter().zip(rows).all(|(answered, rows)| answered.rows == rows));
        let go_on = busy(&engine, &network).await;
        let asked: Vec<_> = rows
            .into_iter()
            .enumerate()
            .map(|(at, rows)| {
                let (engine, network) = (Arc::clone(&engine), Arc::clone(&network));
                tokio::spawn(async move { engine.infer(&network, batch(rows, at as f32), ANYONE).await.unwrap() })
            })
            .collect();
        while engine.waiting() < rows.len() {
            tokio::task::yield_now().await;
        }
        drop(go_on);
        for (asked, alone) in asked.into_iter().zip(alone) {
            let together = asked.await.unwrap();
            assert_eq!(together.rows, 12);
            assert_eq!(together.numbers.shape, alone.numbers.shape);
            for (a, b) in together.numbers.values.iter().zip(&alone.numbers.values) {
                assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
            }
            let places = |answered: &Answered| answered.numbers.classes.as_ref().unwrap().answered.clone();
            assert_eq!(places(&together), places(&alone));
        }
    });
}

/// One of several whose numbers overflow fails alone.
#[test]
fn what_is_wrong_with_one_is_no_matter_of_the_others() {
    within(async {
        let (engine, network) = (Arc::new(engine(64)), network(Settings::default()));
        let go_on = busy(&engine, &network).await;
        let ask = |from: f32| {
            let (engine, network) = (Arc::clone(&engine), Arc::clone(&network));
            tokio::spawn(async move { engine.infer(&network, batch(1, from), ANYONE).await })
        };
        let (good, bad, other) = (ask(0.5), ask(f32::MAX), ask(0.25));
        while engine.waiting() < 3 {
            tokio::task::yield_now().await;
        }
        drop(go_on);
        assert_eq!(good.await.unwrap().unwrap().rows, 3);
        let Err(Unanswered::Failed(error)) = bad.await.unwrap() else { panic!("it was answered") };
        assert!(matches!(*error, Error::NotFinite { .. }), "{error}");
        assert!(other.await.unwrap().is_ok());
    });
}

#[test]
fn a_window_lets_others_come_and_ends() {
    within(async {
        let window = Duration::from_secs(1);
        let (engine, network) = (Arc::new(engine(64)), network(Settings { rows: 2, window, ..Settings::default() }));
        let begun = Instant::now();
        assert_eq!(engine.infer(&network, batch(1, 0.0), ANYONE).await.unwrap().rows, 1);
        assert!(begun.elapsed() >= window);
        // Two are as many as there is room for, and do not wait.
        let begun = Instant::now();
        let (one, two) =
            tokio::join!(engine.infer(&network, batch(1, 0.0), ANYONE), engine.infer(&network, batch(1, 1.0), ANYONE));
        assert_eq!((one.unwrap().rows, two.unwrap().rows), (2, 2));
        assert!(begun.elapsed() < window);
    });
}

#[test]
fn whoever_comes_when_the_queue_is_full_is_turned_away() {
    within(async {
        let (engine, network) = (Arc::new(engine(2)), network(Settings::default()));
        let go_on = busy(&engine, &network).await;
        let ask = || {
            let (engine, network) = (Arc::clone(&engine), Arc::clone(&network));
            tokio::spawn(async move { engine.infer(&network, batch(1, 0.0), ANYONE).await })
        };
        let others = [ask(), ask()];
        while engine.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(engine.infer(&network, batch(1, 0.0), ANYONE).await, Err(Unanswered::Full)));
        drop(go_on);
        for other in others {
            assert!(other.await.unwrap().is_ok());
        }
    });
}

#[test]
fn what_is_late_or_nobody_waits_for_is_not_computed() {
    within(async {
        let (engine, network) = (Arc::new(engine(8)), network(Settings::default()));
        let go_on = busy(&engine, &network).await;
        let deadline = Some(Instant::now() + Duration::from_millis(20));
        let (asked, of) = (Arc::clone(&engine), Arc::clone(&network));
        let late = tokio::spawn(async move { asked.infer(&of, batch(1, 0.0), Sender { deadline, ..ANYONE }).await });
        let (asked, of) = (Arc::clone(&engine), Arc::clone(&network));
        let (tell, told) = mpsc::channel();
        let gone = tokio::spawn(async move {
            asked.alone(&of, ANYONE, move |_| Ok(Some(tell.send(()).is_ok()))).await.unwrap();
        });
        while engine.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        tokio::time::sleep(Duration::from_millis(30)).await;
        drop(go_on);
        assert!(matches!(late.await.unwrap(), Err(Unanswered::Late)));
        engine.alone(&network, ANYONE, |_| Ok(Some(()))).await.unwrap();
        assert!(told.recv().is_err());
    });
}

#[test]
fn a_panic_breaks_its_network_and_no_other() {
    within(async {
        let engine = engine(8);
        let (one, other) = (network(Settings::default()), network(Settings::default()));
        let told = engine.alone::<()>(&one, ANYONE, |_| panic!("a panic that a test wants")).await;
        let Err(Unanswered::Failed(error)) = told else { panic!("it was answered") };
        assert!(matches!(*error, Error::Panicked { .. }) && one.is_broken(), "{error}");
        assert!(matches!(engine.infer(&one, batch(1, 0.0), ANYONE).await, Err(Unanswered::Broken)));
        assert!(!other.is_broken() && engine.infer(&other, batch(1, 0.0), ANYONE).await.is_ok());
    });
}

#[test]
fn an_engine_that_ends_answers_what_came_before() {
    within(async {
        let (engine, network) =
            (Arc::new(engine(8)), network(Settings { window: Duration::from_mins(1), rows: 9, ..Settings::default() }));
        let shared = Arc::clone(&engine.shared);
        let asked = Arc::clone(&network);
        let of = Arc::clone(&engine);
        let waiting = tokio::spawn(async move { of.infer(&asked, batch(1, 0.0), ANYONE).await });
        while engine.waiting() < 1 {
            tokio::task::yield_now().await;
        }
        // What a dropped engine does, while another holder still waits.
        shared.lock().closed = true;
        shared.came.notify_one();
        assert!(waiting.await.unwrap().is_ok());
    });
}

#[test]
fn what_takes_long_lets_others_have_their_turns() {
    within(async {
        let (engine, network) = (Arc::new(engine(64)), network(Settings::default()));
        let turns = Arc::new(AtomicUsize::new(0));
        let (of_work, of_engine, of_network) = (Arc::clone(&turns), Arc::clone(&engine), Arc::clone(&network));
        let long = tokio::spawn(async move {
            // It is through only once somebody else was answered, and that is when the turns are told.
            let work = move |_: &Predictor| {
                let turn = of_work.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(2));
                Ok((turn >= 1_000_000).then_some(turn))
            };
            of_engine.alone(&of_network, ANYONE, work).await
        });
        while turns.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        let before = turns.load(Ordering::SeqCst);
        engine.infer(&network, batch(1, 1.0), ANYONE).await.unwrap();
        let waited = turns.load(Ordering::SeqCst) - before;
        assert!(waited <= 5, "{waited} turns");
        // Nobody waits for it any more.
        long.abort();
        let until = Instant::now() + Duration::from_secs(10);
        while engine.waiting() > 0 {
            assert!(Instant::now() < until);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
}

#[test]
fn of_examples_that_take_long_fewer_are_answered_at_once() {
    let network = network(Settings { rows: 32, longest: Duration::from_millis(100), ..Settings::default() });
    let learns = |batch: Duration, each: Duration| {
        let sizes = (0..2000).map(|_| {
            let rows = network.rows();
            network.took(rows, batch + each * rows as u32);
            rows
        });
        let sizes = sizes.collect::<Vec<_>>().split_off(1500);
        *sizes.iter().max_by_key(|one| sizes.iter().filter(|size| size == one).count()).unwrap()
    };
    let millis = Duration::from_millis;
    assert_eq!(learns(millis(40), millis(20)), 3);
    assert_eq!(learns(millis(1), millis(9000)), 1);
    // What was slow once is forgotten.
    assert_eq!(learns(millis(10), millis(1)), 32);
}

//! Is the queue kept short, and does a breakdown end everything behind it?

use std::sync::mpsc;

use super::*;

/// The bundle of three numbers that an older program wrote.
pub(crate) fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model-zoo/tests/fixtures/bundle_v1")
}

/// Does something on threads that go on beside each other.
pub(crate) fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// A model that is ready, before which so many requests may wait.
async fn open(waiting: usize) -> Model {
    let (model, opened) = Model::open(tiny(), None, "cpu".into(), waiting).unwrap();
    opened.await.unwrap().unwrap();
    model
}

#[test]
fn whoever_comes_when_the_queue_is_full_is_turned_away_for_a_moment() {
    within(async {
        let model = Arc::new(open(2).await);
        let (go_on, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let ask = |work: Box<dyn FnOnce() -> u32 + Send>| {
            let model = Arc::clone(&model);
            tokio::spawn(async move { model.ask(move |_| Ok(work())).await })
        };
        let busy = ask(Box::new(move || {
            begun.send(()).unwrap();
            wait.recv().unwrap();
            1
        }));
        has_begun.recv().unwrap();
        let others = [ask(Box::new(|| 2)), ask(Box::new(|| 3))];
        while model.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        let refusal = model.ask(|_| Ok(4)).await.unwrap_err();
        assert_eq!((refusal.status, refusal.retry_after), (503, Some(1)));
        go_on.send(()).unwrap();
        assert_eq!(busy.await.unwrap(), Ok(1));
        for (other, number) in others.into_iter().zip([2, 3]) {
            assert_eq!(other.await.unwrap(), Ok(number));
        }
        assert_eq!(model.ask(|_| Ok(5)).await, Ok(5));
    });
}

#[test]
fn what_nobody_waits_for_any_more_is_not_computed() {
    within(async {
        let model = Arc::new(open(2).await);
        let (go_on, wait) = mpsc::channel::<()>();
        let asked = Arc::clone(&model);
        let busy = tokio::spawn(async move { asked.ask(move |_| Ok(wait.recv().is_ok())).await });
        let (tell, told) = mpsc::channel();
        let asked = Arc::clone(&model);
        let gone = tokio::spawn(async move { asked.ask(move |_| Ok(tell.send(()).is_ok())).await });
        while model.waiting() < 1 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        go_on.send(()).unwrap();
        assert_eq!(busy.await.unwrap(), Ok(true));
        model.ask(|_| Ok(())).await.unwrap();
        assert!(told.recv().is_err());
    });
}

#[test]
fn a_panic_is_500_and_the_model_answers_nothing_any_more() {
    within(async {
        let model = open(2).await;
        assert!(model.card().is_ok() && !model.is_broken());
        let refusal = model.ask::<()>(|_| panic!("a panic that a test wants")).await.unwrap_err();
        assert_eq!(refusal.status, 500);
        assert!(model.is_broken());
        assert_eq!(model.card().unwrap_err().status, 503);
        let refusal = model.ask(|_| Ok(())).await.unwrap_err();
        assert_eq!((refusal.status, refusal.retry_after), (503, None));
    });
}

#[test]
fn names_that_would_not_stand_in_an_address_are_refused() {
    for name in ["", ".hidden", "a b", "a/b", "ä", "a%", &"x".repeat(129)] {
        let error = check_name(name).unwrap_err();
        assert!(error.is_usage() && error.hint().is_some(), "{error}");
    }
    for name in ["a", "Penguins_mlp-1.0", &"x".repeat(128)] {
        check_name(name).unwrap();
    }
    assert_eq!(name_of(Path::new("/mnt/models/nowhere")), None);
}

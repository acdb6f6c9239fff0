//! Names, versions, and bundles that are read anew while others answer.

use super::*;

/// The bundle of three numbers that an older program wrote.
pub(crate) fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model-zoo/tests/fixtures/bundle_v1")
}

/// Does something on threads that go on beside each other.
pub(crate) fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// No models yet.
pub(crate) fn registry() -> Registry {
    Registry::new(model_zoo::device::open("cpu").unwrap(), batching::Settings::default(), None)
}

fn source(name: Option<&str>, bundle: &Path) -> Source {
    Source { name: name.map(str::to_owned), bundle: bundle.to_owned(), ..Source::default() }
}

/// A copy of the bundle with another threshold, so that it is another version.
fn changed(root: &Path, name: &str, threshold: f64) -> PathBuf {
    let folder = root.join(name);
    model_zoo::bundle::copy(&tiny(), &folder).unwrap();
    model_zoo::bundle::amend(&folder, |manifest| {
        manifest.thresholds.insert("high".into(), threshold);
    })
    .unwrap();
    folder
}

#[test]
fn names_that_would_not_stand_in_an_address_are_refused() {
    for name in ["", "stats", ".hidden", "a b", "a/b", "ä", "a%", &"x".repeat(129)] {
        let error = registry().announce(&source(Some(name), &tiny())).unwrap_err();
        assert!(error.is_usage() && error.hint().is_some(), "{error}");
    }
    for name in ["a", "Penguins_mlp-1.0", &"x".repeat(128)] {
        assert_eq!(registry().announce(&source(Some(name), &tiny())).unwrap(), name);
    }
    assert_eq!(names::of_place(Path::new("/mnt/models/nowhere")), None);
    assert_eq!(registry().announce(&source(None, &tiny())).unwrap(), "bundle_v1");
    let root = tempfile::tempdir().unwrap();
    // A folder that is called as any would be says nothing: the manifest does.
    assert_eq!(registry().announce(&source(None, &changed(root.path(), "bundle", 0.5))).unwrap(), "tiny");
}

#[test]
fn a_model_is_announced_then_opened_and_older_versions_answer_those_who_name_them() {
    let (root, registry) = (tempfile::tempdir().unwrap(), registry());
    let waits = |registry: &Registry| registry.find("m", None).err().unwrap();
    assert_eq!(registry.find("m", None).err().unwrap().status, 404);
    registry.announce(&source(Some("m"), &tiny())).unwrap();
    let refusal = waits(&registry);
    assert_eq!((refusal.status, refusal.retry_after), (503, Some(1)));
    assert!(registry.unready().unwrap().contains("still being read"));
    registry.open("m").unwrap();
    let first = registry.find("m", None).unwrap();
    assert_eq!((registry.unready(), registry.only().unwrap().as_str()), (None, "m"));

    registry.announce(&source(Some("m"), &changed(root.path(), "two", 0.7))).unwrap();
    // Meanwhile the older one answers.
    assert_eq!(registry.find("m", None).unwrap().id, first.id);
    registry.open("m").unwrap();
    let second = registry.find("m", None).unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(registry.find("m", Some(&first.id)).unwrap().id, first.id);
    let refusal = registry.find("m", Some("nothing")).err().unwrap();
    assert!(refusal.status == 404 && refusal.hint.unwrap().contains("/v2/models/m"));

    // What cannot be read leaves the one before it in its place, and says so.
    registry.announce(&source(Some("m"), &root.path().join("nowhere"))).unwrap();
    assert!(registry.reload("m").is_err());
    assert_eq!(registry.find("m", None).unwrap().id, second.id);
    assert!(registry.unready().unwrap().contains("nowhere"));

    // The same bundle once more is no further version; of more than four the oldest goes.
    for (name, threshold) in [("three", 0.1), ("three-again", 0.1), ("four", 0.2), ("five", 0.3)] {
        registry.announce(&source(Some("m"), &changed(root.path(), name, threshold))).unwrap();
        registry.open("m").unwrap();
    }
    assert_eq!(registry.ids("m").len(), MOST_VERSIONS);
    assert!(registry.find("m", Some(&first.id)).is_err());

    registry.announce(&source(Some("other"), &tiny())).unwrap();
    registry.open("other").unwrap();
    assert!(registry.only().err().unwrap().hint.unwrap().contains("/v2/models"));
    registry.unload("m").unwrap();
    let refusal = registry.find("m", None).err().unwrap();
    assert!(refusal.status == 404 && refusal.error.contains("taken out"));
    assert_eq!(registry.unready(), None);
    registry.reload("m").unwrap();
    assert!(registry.find("m", None).is_ok());
    assert_eq!((registry.unload("x").unwrap_err().status, registry.reload("x").unwrap_err().status), (404, 404));
}

#[test]
fn what_was_taken_out_meanwhile_stays_out_and_what_stands_beside_takes_nothing_away() {
    let (root, registry) = (tempfile::tempdir().unwrap(), registry());
    registry.announce(&source(Some("m"), &tiny())).unwrap();
    let role = Role::Canary(Share { percent: 100.0, sticky: None });
    let canary = changed(root.path(), "canary", 0.7);
    registry.announce(&Source { role, ..source(Some("m"), &canary) }).unwrap();
    registry.open("m").unwrap();
    let chosen = |registry: &Registry| registry.choose("m", None, &HeaderMap::new()).unwrap().version.id.clone();
    let new = chosen(&registry);
    assert_ne!(new, registry.find("m", None).unwrap().id);
    // The canary cannot be read any more: it is told, and the one that was read answers on.
    std::fs::remove_dir_all(&canary).unwrap();
    assert!(registry.reload("m").is_err());
    assert_eq!((registry.unready(), chosen(&registry)), (None, new));
    // Taken out while it is read: as between the beginning and the end of `open`.
    let generation = registry.read().get("m").unwrap().generation;
    registry.unload("m").unwrap();
    assert_ne!(registry.read().get("m").unwrap().generation, generation);
    assert_eq!(registry.find("m", None).err().unwrap().status, 404);
    // Who only looks does not use.
    registry.announce(&source(Some("n"), &tiny())).unwrap();
    registry.open("n").unwrap();
    let used = || registry.read().get("n").unwrap().used.load(Ordering::Relaxed);
    let before = used();
    registry.peek("n", None).unwrap();
    assert_eq!(used(), before);
    registry.find("n", None).unwrap();
    assert!(used() > before);
}

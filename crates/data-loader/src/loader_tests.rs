//! Are batches the same for any number of threads, from any position, and is nothing lost when something breaks?

use std::time::{Duration, Instant};

use super::*;
use crate::batch::ArrayData;
use crate::card::Card;
use crate::data_config::{DataConfig, LoaderConfig};
use crate::example::{Record, Value};
use crate::formats::Records;
use crate::samplers::{self, Sampler};
use crate::split::{Share, SplitConfig, random};
use crate::transforms::FittedTransform;

/// `n` rows with one number and a class each; row `bad` cannot be read, and reading row `panics` panics.
struct Rows {
    n: usize,
    bad: Option<usize>,
    panics: Option<usize>,
}

impl Records for Rows {
    fn len(&self) -> usize {
        self.n
    }
    fn read(&self, row: usize) -> Result<Record, Error> {
        assert_ne!(self.panics, Some(row), "row {row} is cursed");
        if self.bad == Some(row) {
            return Err(Error::NotFinite { id: row.to_string(), column: "x".into(), value: "NaN".into() });
        }
        let target = self.field(row, "y")?;
        Ok(Record::new(row.to_string(), vec![("x".into(), Value::Number(row as f64))], Some(("y".into(), target))))
    }
    fn field(&self, row: usize, _: &str) -> Result<Value, Error> {
        Ok(Value::Text(["a", "b"][usize::from(row.is_multiple_of(5))].into()))
    }
    fn key(&self, row: usize) -> Result<String, Error> {
        Ok(row.to_string())
    }
    fn part(&self, _: usize) -> Option<Part> {
        None
    }
}

fn open(rows: Rows, loader: LoaderConfig, sampler: Sampler) -> Result<Arc<Dataset>, Error> {
    open_with(rows, loader, sampler, 9)
}

fn open_with(rows: Rows, loader: LoaderConfig, sampler: Sampler, seed: u64) -> Result<Arc<Dataset>, Error> {
    let split = SplitConfig::Random(random::Config { validation: Share(7.0), test: Share(0.0), seed: 0 });
    let config = DataConfig { split: Some(split), loader, sampler, ..DataConfig::new("") };
    Dataset::from_records(&config, card(), Box::new(rows), None, None, seed).map(Arc::new)
}

fn card() -> Card {
    let card = r#"
        name = "t"
        title = "T"
        summary = ""
        source = ""
        licence = ""
        citation = ""
        files = []
        format = { csv = {} }
        transforms = { encode = {} }
        [schema]
        target = { name = "y", kind = "class" }
        features = { x = "number" }
    "#;
    Card { config: toml::from_str(card).unwrap(), folder: "".into(), files: Vec::new() }
}

fn dataset(n: usize) -> Arc<Dataset> {
    open(Rows { n, bad: None, panics: None }, LoaderConfig::default(), Sampler::Shuffled).unwrap()
}

fn take(loader: Loader, count: usize) -> Vec<Batch> {
    loader.take(count).map(Result::unwrap).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_batches() {
    for entry in samplers::MEMBERS {
        let sampler: Sampler = serde_json::from_value(entry.name.into()).unwrap();
        let data = open(Rows { n: 110, bad: None, panics: None }, LoaderConfig::default(), sampler).unwrap();
        let one = take(Loader::train(Arc::clone(&data), 10, 3, 1, 0).unwrap(), 40);
        for threads in [2, 8] {
            let many = take(Loader::train(Arc::clone(&data), 10, 3, threads, 0).unwrap(), 40);
            assert_eq!(one, many, "{sampler:?}, {threads} threads");
        }
        assert_eq!((one[11].epoch, one[11].index, one[10].len(), one[0].len()), (1, 0, 3, 10));
    }
}

#[test]
fn rows_without_classes_are_not_balanced() {
    let mut card = card();
    card.config.schema.target = None;
    let config = DataConfig { sampler: Sampler::Balanced, ..DataConfig::new("") };
    let rows = Rows { n: 50, bad: None, panics: None };
    let refused = Dataset::from_records(&config, card, Box::new(rows), None, None, 0).err().unwrap();
    assert!(refused.to_string().contains("no classes to show equally often"), "{refused}");
}

#[test]
fn every_epoch_has_every_example_once_in_another_order() {
    let data = dataset(50);
    let batches = take(Loader::train(data, 8, 3, 2, 0).unwrap(), 12);
    let ids =
        |epoch| batches.iter().filter(|b| b.epoch == epoch).flat_map(|b| &b.ids).map(|id| &id.key).collect::<Vec<_>>();
    let (mut first, mut second) = (ids(0), ids(1));
    assert_ne!(first, second);
    first.sort();
    second.sort();
    assert_eq!((first.len(), &first), (43, &second));
    first.dedup();
    assert_eq!(first.len(), 43);
}

#[test]
fn a_loader_goes_on_from_any_position() {
    let data = dataset(40);
    let whole = take(Loader::train(Arc::clone(&data), 7, 1, 3, 0).unwrap(), 25);
    for position in 0..25 {
        let rest = take(Loader::train(Arc::clone(&data), 7, 1, 2, position as u64).unwrap(), 25 - position);
        assert_eq!(rest, whole[position..], "from {position}");
    }
    let mut loader = Loader::train(data, 7, 1, 2, 5).unwrap();
    assert_eq!((loader.position(), loader.batches_per_epoch()), (5, 5));
    loader.next().unwrap().unwrap();
    assert_eq!(loader.position(), 6);
}

fn numbers(batch: &Batch) -> &[f32] {
    match &batch.inputs[0].array.data {
        ArrayData::F32(numbers) => numbers,
        other => panic!("{other:?}"),
    }
}

#[test]
fn batches_are_mixed_in_training_alone_and_alike_by_any_thread_from_any_position() {
    let mixed = |seed| {
        let rows = Rows { n: 40, bad: None, panics: None };
        let data = open_with(rows, LoaderConfig::default(), Sampler::Shuffled, seed).unwrap();
        let mixup = FittedTransform::Mixup(crate::transforms::mixup::Config::default());
        Arc::new(Arc::try_unwrap(data).unwrap().with_pipeline(|p| p.with_transforms(vec![mixup])))
    };
    let data = mixed(9);
    let train = |threads, position| Loader::train(Arc::clone(&data), 7, 1, threads, position).unwrap();
    let whole = take(train(1, 0), 20);
    assert_eq!(whole, take(train(3, 0), 20));
    assert_eq!(whole[8..], take(train(2, 8), 12));
    let plain = take(Loader::train(dataset(40), 7, 1, 1, 0).unwrap(), 20);
    for (mixed, plain) in whole.iter().zip(&plain) {
        assert_eq!(mixed.ids, plain.ids);
        let Target::SoftLabels { classes: 2, values } = &mixed.target else { panic!("{:?}", mixed.target) };
        // The first label of each example has the share of the blend that its number has.
        let Target::Classes(classes) = &plain.target else { panic!("{:?}", plain.target) };
        let before = |row: usize| (row + plain.len() - 1) % plain.len();
        let (own, other) = (numbers(plain)[1], numbers(plain)[before(1)]);
        let share = (numbers(mixed)[1] - other) / (own - other);
        let wanted = share * (1 - classes[1]) as f32 + (1.0 - share) * (1 - classes[before(1)]) as f32;
        assert!((values[2] - wanted).abs() < 1e-4, "{} instead of {wanted}", values[2]);
    }
    assert_ne!(numbers(&whole[0]), numbers(&take(Loader::train(mixed(10), 7, 1, 1, 0).unwrap(), 1)[0]));
    let once = take(Loader::once(Arc::clone(&data), Part::Train, 7).unwrap(), 5);
    assert_eq!(once, take(Loader::once(dataset(40), Part::Train, 7).unwrap(), 5), "mixed outside of training");
}

#[test]
fn chance_belongs_to_seed_epoch_and_row() {
    let jitter = |seed, row_seed| {
        let rows = Rows { n: 30, bad: None, panics: None };
        let data = open_with(rows, LoaderConfig::default(), Sampler::Sequential, row_seed).unwrap();
        let data = Arc::try_unwrap(data).unwrap().with_pipeline(|p| p.with_transforms(vec![FittedTransform::Jitter]));
        let data = Arc::new(data);
        let batches: Vec<_> =
            [1, 4].map(|threads| take(Loader::train(Arc::clone(&data), 5, seed, threads, 0).unwrap(), 10)).into();
        assert_eq!(batches[0], batches[1]);
        let plain = take(Loader::once(Arc::clone(&data), Part::Train, 5).unwrap(), 5);
        assert_eq!(plain, take(Loader::once(data, Part::Train, 5).unwrap(), 5));
        assert_ne!(plain[0].inputs, batches[0][0].inputs);
        assert_ne!(batches[0][0].inputs, batches[0][5].inputs, "two epochs are alike");
        assert_eq!(batches[0][0].ids, batches[0][5].ids, "the order changed too, and proves nothing");
        let mut noise: Vec<_> = numbers(&batches[0][0]).iter().map(|x| (x.fract() * 1e6) as u32).collect();
        noise.sort_unstable();
        noise.dedup();
        assert_eq!(noise.len(), 5, "two rows are alike");
        batches.into_iter().next()
    };
    assert_eq!(jitter(0, 9), jitter(0, 9));
    assert_eq!(jitter(0, 9), jitter(1, 9), "the seed of the order reaches the rows");
    assert_ne!(jitter(0, 9), jitter(0, 10), "two seeds are alike");
}

#[test]
fn one_pass_ends_with_the_part_and_keeps_the_last_batch() {
    let data = dataset(50);
    let mut loader = Loader::once(Arc::clone(&data), Part::Train, 20).unwrap();
    assert_eq!(loader.batches_per_epoch(), 3);
    let sizes: Vec<usize> = loader.by_ref().map(|batch| batch.unwrap().len()).collect();
    assert_eq!(sizes, [20, 20, 3]);
    assert!(loader.next().is_none());
    assert_eq!(Loader::once(Arc::clone(&data), Part::Validation, 100).unwrap().count(), 1);
    assert!(Loader::once(data, Part::Test, 5).unwrap().next().is_none());
}

#[test]
fn the_last_batch_may_be_dropped() {
    let config = LoaderConfig { drop_last: true, ..LoaderConfig::default() };
    let data = open(Rows { n: 50, bad: None, panics: None }, config, Sampler::Shuffled).unwrap();
    let loader = Loader::train(Arc::clone(&data), 10, 0, 2, 0).unwrap();
    assert_eq!(loader.batches_per_epoch(), 4);
    assert!(take(loader, 9).iter().all(|batch| batch.len() == 10));
}

#[test]
fn batch_sizes_that_cannot_be_met_are_refused() {
    let data = dataset(50);
    let Err(error) = Loader::train(Arc::clone(&data), 44, 0, 1, 0) else { panic!("a batch was too large") };
    assert_eq!(error.to_string(), "The batch size 44 is larger than the 43 training examples.");
    assert_eq!(error.hint().as_deref(), Some("Use a batch size of at most 43."));
    assert!(Loader::train(Arc::clone(&data), 0, 0, 1, 0).is_err());
    assert!(Loader::train(data, usize::MAX, 0, 1, 0).is_err());
}

#[test]
fn a_bad_example_stops_the_loader_or_is_counted() {
    let rows = || Rows { n: 50, bad: Some(20), panics: None };
    let data = open(rows(), LoaderConfig::default(), Sampler::Sequential).unwrap();
    let mut loader = Loader::once(Arc::clone(&data), Part::Train, 5).unwrap();
    let error = loader.find_map(Result::err).unwrap();
    assert!(error.to_string().contains("Example 20") && error.is_usage());
    assert!(matches!(loader.next(), Some(Err(Error::Stopped { .. }))), "an epoch was cut short in silence");

    let skip = LoaderConfig { bad_examples: BadExamples::Skip, ..LoaderConfig::default() };
    let data = open(rows(), skip, Sampler::Sequential).unwrap();
    let batches: Vec<Batch> = Loader::once(Arc::clone(&data), Part::Train, 5).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.skipped).sum::<usize>(), 1);
    assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), 42);
    // Alone in its batch it leaves an empty one, which is counted and does not end the pass.
    let alone: Vec<Batch> = Loader::once(data, Part::Train, 1).unwrap().map(Result::unwrap).collect();
    assert_eq!(alone.len(), 43);
    assert_eq!(alone.iter().filter(|batch| batch.is_empty()).map(|batch| batch.skipped).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_panic_becomes_an_error() {
    let row = dataset(50).part(Part::Train)[13] as usize;
    for threads in [1, 3] {
        // Without a fit that reads every row, the first to meet the cursed one is a thread of the loader.
        let data =
            open(Rows { n: 50, bad: None, panics: Some(row) }, LoaderConfig::default(), Sampler::Shuffled).unwrap();
        let error = Loader::train(data, 5, 0, threads, 0).unwrap().take(20).find_map(Result::err).unwrap();
        let sentence = format!("row {row} is cursed");
        assert!(matches!(&error, Error::WorkerFailed { message, .. } if message.contains(&sentence)), "{error}");
        assert!(!error.is_usage());
    }
}

#[test]
fn dropping_a_loader_with_full_queues_returns_at_once() {
    let data = dataset(5000);
    for taken in [0, 1, 5] {
        let mut loader = Loader::train(Arc::clone(&data), 5, 0, 4, 0).unwrap();
        loader.by_ref().take(taken).for_each(drop);
        std::thread::sleep(Duration::from_millis(20));
        let start = Instant::now();
        drop(loader);
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(Arc::strong_count(&data), 1, "a thread outlived its loader");
}

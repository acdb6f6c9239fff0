//! How are examples dealt out so that each is held out once? Folds, stratified and seeded, each with transforms of its own.

use std::collections::BTreeMap;

use crate::data_config::{BadExamples, DataConfig};
use crate::dataset::Dataset;
use crate::error::Error;
use crate::lineage::Lineage;
use crate::pipeline::Pipeline;
use crate::random::Random;
use crate::samplers::Sampler;
use crate::split::{Part, Parts};

/// Keeps the deal apart from the random streams of everything else.
const STREAM: u64 = 0x0066_6f6c_6473;

/// Deals `rows` out into `count` folds, within each class by chance. The folds differ by at most one example in size and in
/// each class, and are ascending.
///
/// # Errors
/// [`Error::Setting`] where there are fewer than two folds, or fewer examples than folds.
pub fn deal(rows: &[u32], classes: &[u32], count: usize, seed: u64) -> Result<Vec<Vec<u32>>, Error> {
    if count < 2 || count > rows.len() {
        return Err(Error::Setting {
            key: "label_errors.folds".into(),
            message: format!("is {count}, and there are {} examples", rows.len()),
            hint: "Use from 2 folds to as many as there are examples; 5 are usual.".into(),
        });
    }
    let mut by_class = BTreeMap::<u32, Vec<u32>>::new();
    for (&row, &class) in rows.iter().zip(classes) {
        by_class.entry(class).or_default().push(row);
    }
    let mut folds = vec![Vec::with_capacity(rows.len() / count + 1); count];
    let mut next = 0;
    for (class, mut rows) in by_class {
        Random::derive(&[STREAM, seed, u64::from(class)]).shuffle(&mut rows);
        // The next class goes on where this one ended, so that remainders do not pile up in the first fold.
        for row in rows {
            folds[next].push(row);
            next = (next + 1) % count;
        }
    }
    for fold in &mut folds {
        fold.sort_unstable();
    }
    Ok(folds)
}

impl Dataset {
    /// The classes of `rows`, each by its place among the labels; none where the target is no class. A row whose class is
    /// not known has the number of labels.
    pub fn classes_of(&self, rows: &[u32]) -> Option<Vec<u32>> {
        let unknown = self.pipeline().labels()?.len() as u32;
        Some(rows.iter().map(|&row| self.classes.get(row as usize).copied().unwrap_or(unknown)).collect())
    }

    /// The id of the example at `row`.
    ///
    /// # Errors
    /// If the row cannot be read.
    pub fn key(&self, row: u32) -> Result<String, Error> {
        self.records.key(row as usize)
    }

    /// The same records, of which `train` is learnt from and `held_out` lies in the test part. The transforms are fitted anew,
    /// on `train` alone, so that they know nothing of what is held out; the labels stay those of the whole, so that the
    /// scores of all folds stand in one order. Training goes through the examples by chance, whatever the sampler was.
    ///
    /// # Errors
    /// As for [`Dataset::open`].
    pub fn fold(&self, train: Vec<u32>, held_out: Vec<u32>) -> Result<Self, Error> {
        let skip = self.config.loader.bad_examples == BadExamples::Skip;
        let transforms = self.config.transforms.clone().unwrap_or_default();
        let task = self.signature().task;
        let records = self.records.as_ref();
        let schema = self.card.schema();
        let mut pipeline = Pipeline::fit(schema, task, &transforms, records, &train, skip)?;
        pipeline.signature.output = self.signature().output.clone();
        pipeline.codes.clone_from(&self.pipeline.codes);
        let parts = Parts { train, validation: Vec::new(), test: held_out };
        let split = self.lineage.split.clone();
        let lineage = Lineage::of(self.card.name(), &self.card.files, records, &parts, &split, self.lineage.unusable)?;
        Ok(Self {
            config: DataConfig { sampler: Sampler::Shuffled, ..self.config.clone() },
            card: self.card.clone(),
            records: self.records.clone(),
            blocks: self.blocks.clone(),
            parts,
            classes: self.classes.clone(),
            pipeline,
            lineage,
            seed: self.seed,
            unfit: self.unfit.clone(),
            prepared: Default::default(),
        })
    }

    /// The rows of several parts together, ascending.
    pub fn rows_of(&self, parts: &[Part]) -> Vec<u32> {
        let mut rows: Vec<u32> = parts.iter().flat_map(|&part| self.part(part)).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::transforms::FittedTransform;

    proptest! {
        #[test]
        fn every_example_is_held_out_once_and_classes_are_spread_evenly(
            classes in proptest::collection::vec(0_u32..5, 2..300), count in 2_usize..9, seed: u64,
        ) {
            let rows: Vec<u32> = (0..classes.len() as u32).map(|row| row * 2 + 1).collect();
            if count > rows.len() {
                prop_assert!(deal(&rows, &classes, count, seed).is_err());
                return Ok(());
            }
            let folds = deal(&rows, &classes, count, seed).unwrap();
            prop_assert_eq!(&folds, &deal(&rows, &classes, count, seed).unwrap());
            let mut all: Vec<u32> = folds.concat();
            all.sort_unstable();
            prop_assert_eq!(all, rows);
            let spread = |sizes: Vec<usize>| sizes.iter().max().unwrap() - sizes.iter().min().unwrap();
            prop_assert!(spread(folds.iter().map(Vec::len).collect()) <= 1);
            for class in 0..5 {
                let of_class = |fold: &Vec<u32>| fold.iter().filter(|row| classes[**row as usize / 2] == class).count();
                prop_assert!(spread(folds.iter().map(of_class).collect()) <= 1);
            }
        }
    }

    #[test]
    fn another_seed_deals_otherwise() {
        let rows: Vec<u32> = (0..100).collect();
        let deal = |seed| deal(&rows, &[0; 100], 5, seed).unwrap();
        assert_ne!(deal(1), deal(2));
    }

    /// The mean that normalises is that of the rows that are learnt from, not that of all.
    #[test]
    fn transforms_of_a_fold_know_nothing_of_what_is_held_out() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let dataset = Dataset::open(&DataConfig::new("datasets/penguins"), &root, None, 1).unwrap();
        let rows = dataset.rows_of(&[Part::Train]);
        let folds = deal(&rows, &dataset.classes_of(&rows).unwrap(), 5, 1).unwrap();
        let train: Vec<u32> = folds[1..].concat();
        let fold = dataset.fold(train.clone(), folds[0].clone()).unwrap();
        assert_eq!((fold.part(Part::Train), fold.part(Part::Test)), (&train[..], &folds[0][..]));
        assert_eq!(fold.signature().output, dataset.signature().output);
        assert_ne!(fold.pipeline().transforms(), dataset.pipeline().transforms());
        let mass = |rows: &[u32]| {
            let value = |&row: &u32| match dataset.record(row).unwrap().field("body_mass_g") {
                Some(crate::Value::Number(number)) => Some(*number),
                _ => None,
            };
            let values: Vec<f64> = rows.iter().filter_map(value).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let fitted = fold.pipeline().transforms().iter().find_map(|transform| match transform {
            FittedTransform::Normalize(normalize) => normalize.numbers.get("body_mass_g").copied(),
            _ => None,
        });
        // Imputed gaps, of which there are two, lie at the mean or the median.
        assert!((fitted.unwrap().centre - mass(&train)).abs() < 5.0);
        // A row of the fold gets the class that it has in the whole.
        for &row in &folds[0] {
            assert_eq!(fold.example(row, None).unwrap().target, dataset.example(row, None).unwrap().target);
        }
    }
}

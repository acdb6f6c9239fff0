//! How is anything learnt from images that nobody labelled? From two views of each, made by chance, that belong together.
//!
//! Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (SimCLR), 2020. A batch of N rows holds 2 N
//! examples: rows 2 k and 2 k + 1 are views of one image, and each is the other's class.

use std::ops::ControlFlow;

use crate::batch::{Batch, Target};
use crate::dataset::Dataset;
use crate::error::Error;
use crate::example::{Example, Record};
use crate::schema::{FeatureKind, Schema};
use crate::signature::OutputSpec;
use crate::split::Part;
use crate::task::Task;

/// How many numbers an embedding has, as in SimCLR.
const SIZE: usize = 128;
/// The epoch from which views for judging take their chance: always the same ones, and none of training.
const JUDGED: u64 = u64::MAX;
/// Of so many rows it is looked whether their views differ.
const TRIED: usize = 64;
/// And of each so often: chance may spare a row.
const TRIES: u64 = 4;

/// A direction for each view.
pub(crate) fn output(schema: &Schema) -> Result<OutputSpec, Error> {
    match &schema.features.0[..] {
        [(_, FeatureKind::Image)] => Ok(OutputSpec::Embedding { size: SIZE }),
        _ => Err(Error::Mismatch {
            message: "The task `contrast` learns from views of images, and the schema has other features, or no image"
                .into(),
            hint: "Keep one feature of kind image in [schema.features] and list other columns in `ignore`.".into(),
        }),
    }
}

/// For each view the row of the other one; none for the last of an odd number, nor for a pair that is alone: there is nothing to tell.
pub(crate) fn target(batch: &Batch) -> Target {
    let count = if batch.len() > 2 { batch.len() as i64 } else { 0 };
    if count == 0 {
        return Target::Classes(vec![-1; batch.len()]);
    }
    Target::Classes((0..count).map(|row| row ^ 1).map(|other| if other < count { other } else { -1 }).collect())
}

impl Dataset {
    /// How many examples a row becomes.
    pub fn views(&self) -> usize {
        if self.signature().task == Task::Contrast { 2 } else { 1 }
    }

    /// Two views of a row; none that can be used alone.
    fn pair(&self, row: u32, record: &mut Record, epoch: Option<u64>) -> Result<[Example; 2], Error> {
        let epoch = Some(epoch.unwrap_or(JUDGED));
        let mut again = record.clone();
        Ok([self.prepare(row, record, epoch, 0)?, self.prepare(row, &mut again, epoch, 1)?])
    }

    /// Calls `visit` with the examples that the row at hand becomes.
    pub(crate) fn visit_views(
        &self,
        row: u32,
        record: Result<&mut Record, Error>,
        epoch: Option<u64>,
        visit: &mut dyn FnMut(Result<Example, Error>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.views() == 1 {
            return visit(record.and_then(|record| self.prepare(row, record, epoch, 0)));
        }
        match record.and_then(|record| self.pair(row, record, epoch)) {
            Ok(pair) => pair.into_iter().try_for_each(|view| visit(Ok(view))),
            Err(error) => visit(Err(error)),
        }
    }

    /// Refuses data whose views are all alike: there would be nothing to learn from them.
    pub(crate) fn check_views(&self) -> Result<(), Error> {
        if self.views() == 1 {
            return Ok(());
        }
        let mut read = false;
        for &row in self.part(Part::Train).iter().take(TRIED) {
            for again in 0..TRIES {
                // What is wrong with a row itself is said when it is read.
                let pair = self.record(row).and_then(|mut record| self.pair(row, &mut record, Some(again)));
                let Ok([one, other]) = pair else { break };
                read = true;
                if one.inputs != other.inputs {
                    return Ok(());
                }
            }
        }
        if !read {
            return Ok(());
        }
        Err(Error::Mismatch {
            message: "The task `contrast` learns from two views of each image, and no transform leaves anything to chance".into(),
            hint: "Add [data.transforms.random_resized_crop] and [data.transforms.color_jitter], or [data.transforms.rand_augment].".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleId;

    #[test]
    fn each_view_is_the_class_of_the_other() {
        let of = |count: usize| {
            let ids = (0..count).map(|k| ExampleId { key: k.to_string() }).collect();
            target_of(&Batch::of(Vec::new(), Target::None, ids))
        };
        assert_eq!(of(4), [1, 0, 3, 2]);
        assert_eq!(of(3), [1, 0, -1]);
        assert_eq!(of(2), [-1, -1]);
        assert!(of(0).is_empty());
    }

    fn target_of(batch: &Batch) -> Vec<i64> {
        let Target::Classes(classes) = target(batch) else { panic!() };
        classes
    }
}

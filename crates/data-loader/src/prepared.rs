//! How does a small table become batches without preparing its rows again in every epoch? Each row is prepared once, and batches are
//! picked from what came out.
//!
//! What chance changes, what cannot be used, and what is large is left to the slow way, so that a batch is the same to the last bit.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::batch::{Array, ArrayData, Batch, InputArray, Target};
use crate::collate::collate;
use crate::dataset::Dataset;
use crate::example::{Example, Record};
use crate::random::Random;
use crate::signature::InputKind;
use crate::split::Part;

/// How much memory the prepared rows of a part may take.
const MAX_BYTES: usize = 64 << 20;
/// About what a row takes beside its numbers: its id and its target.
const BYTES_BESIDE: usize = 96;
/// Fewer rows than these are prepared by one thread.
const ROWS_A_THREAD: usize = 4096;
/// A batch of so many numbers is picked in less time than another thread needs to hand it over.
const QUICK_NUMBERS: usize = 16_384;

/// All rows of a part as one batch.
pub(crate) struct Prepared {
    all: Batch,
    numbers_of_a_row: usize,
}

impl Dataset {
    /// The rows of a part, if they are a small table in which nothing is left to chance and every row can be used. They are
    /// prepared when they are asked for first, to be learnt from or to be judged by: transforms may tell these apart.
    pub(crate) fn prepared(&self, part: Part, to_learn: bool) -> Option<Arc<Prepared>> {
        let slot = &self.prepared[usize::from(to_learn)][part as usize];
        slot.get_or_init(|| Prepared::of(self, self.part(part), to_learn).map(Arc::new)).clone()
    }

    /// Prepares a row; none if it cannot be used, or not without chance.
    fn prepare_for_good(&self, record: &mut Record, to_learn: bool) -> Option<Example> {
        if !to_learn {
            return self.prepare_by(record, None).ok();
        }
        let untouched = Random::derive(&[]);
        let mut random = untouched.clone();
        let example = self.prepare_by(record, Some(&mut random)).ok()?;
        (random == untouched).then_some(example)
    }

    /// The batch of `rows` in their order; none if any of them cannot be prepared for good.
    fn prepare_all(&self, rows: &[u32], to_learn: bool) -> Option<Batch> {
        if let Some(batch) = self.batch_of(rows) {
            return Some(batch);
        }
        let mut examples = Vec::with_capacity(rows.len());
        self.records().visit(rows, &mut |record| {
            let example = record.ok().and_then(|record| self.prepare_for_good(record, to_learn));
            example.map_or(ControlFlow::Break(()), |example| {
                examples.push(example);
                ControlFlow::Continue(())
            })
        });
        (examples.len() == rows.len()).then(|| collate(examples, self.signature()).ok()).flatten()
    }
}

impl Prepared {
    fn of(dataset: &Dataset, rows: &[u32], to_learn: bool) -> Option<Self> {
        let inputs = &dataset.signature().inputs;
        let table = inputs.iter().all(|input| {
            matches!(input.kind, InputKind::Numbers { .. } | InputKind::Categories { .. } | InputKind::Series { .. })
        });
        let sizes = inputs.iter().map(|input| input.shape.iter().copied().product::<Option<usize>>());
        let numbers_of_a_row: usize = sizes.sum::<Option<usize>>()?;
        let bytes = numbers_of_a_row.saturating_mul(8).saturating_add(BYTES_BESIDE).saturating_mul(rows.len());
        if !table || rows.is_empty() || bytes > MAX_BYTES || dataset.views() > 1 {
            return None;
        }
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = rows.len().div_ceil(threads).max(ROWS_A_THREAD);
        // Whoever panics says so where the row is met again.
        let prepare = |rows| catch_unwind(AssertUnwindSafe(|| dataset.prepare_all(rows, to_learn))).ok().flatten();
        let batches: Option<Vec<Batch>> = if rows.len() <= share {
            Some(vec![prepare(rows)?])
        } else {
            std::thread::scope(|scope| {
                let threads: Vec<_> = rows.chunks(share).map(|rows| scope.spawn(move || prepare(rows))).collect();
                threads.into_iter().map(|thread| thread.join().ok().flatten()).collect()
            })
        };
        let mut batches = batches?.into_iter();
        let mut all = batches.next()?;
        for batch in batches {
            append(&mut all, batch)?;
        }
        let fits =
            all.weights.is_none() && matches!(all.target, Target::Classes(_) | Target::Values { .. } | Target::None);
        fits.then_some(Self { all, numbers_of_a_row })
    }

    /// Whether a batch of so many rows is better picked by whoever uses it than by another thread.
    pub(crate) fn is_quick(&self, batch_size: usize) -> bool {
        batch_size.saturating_mul(self.numbers_of_a_row) <= QUICK_NUMBERS
    }

    /// The batch of some rows, which are those at `places` of the part; none if there is no such place.
    pub(crate) fn pick(&self, places: &[usize]) -> Option<Batch> {
        if places.iter().any(|&place| place >= self.all.len()) {
            return None;
        }
        let inputs = self.all.inputs.iter().map(|input| {
            let data = match &input.array.data {
                ArrayData::U8(all) => ArrayData::U8(picked(all, self.all.len(), places)),
                ArrayData::F32(all) => ArrayData::F32(picked(all, self.all.len(), places)),
                ArrayData::I64(all) => ArrayData::I64(picked(all, self.all.len(), places)),
            };
            let shape = shape_of(&input.array.shape, places.len());
            InputArray { name: input.name.clone(), array: Array { shape, data }, mask: None, lengths: None }
        });
        let target = match &self.all.target {
            Target::Classes(all) => Target::Classes(picked(all, self.all.len(), places)),
            Target::Values { shape, values } => {
                Target::Values { shape: shape_of(shape, places.len()), values: picked(values, self.all.len(), places) }
            }
            _ => Target::None,
        };
        let ids = places.iter().map(|&place| self.all.ids[place].clone()).collect();
        Some(Batch::of(inputs.collect(), target, ids))
    }
}

/// The same shape for another number of rows.
fn shape_of(shape: &[usize], rows: usize) -> Vec<usize> {
    std::iter::once(rows).chain(shape.iter().copied().skip(1)).collect()
}

/// The numbers of the rows at `places`, of `rows` rows that lie one after the other.
fn picked<T: Copy>(all: &[T], rows: usize, places: &[usize]) -> Vec<T> {
    let width = all.len() / rows.max(1);
    let mut picked = Vec::with_capacity(places.len() * width);
    for &place in places {
        picked.extend_from_slice(&all[place * width..(place + 1) * width]);
    }
    picked
}

/// Puts the rows of `batch` behind those of `all`; none if they are of another kind.
fn append(all: &mut Batch, batch: Batch) -> Option<()> {
    if all.inputs.len() != batch.inputs.len() || all.weights.is_some() || batch.weights.is_some() {
        return None;
    }
    for (all, input) in all.inputs.iter_mut().zip(batch.inputs) {
        match (&mut all.array.data, input.array.data) {
            (ArrayData::F32(all), ArrayData::F32(more)) => all.extend(more),
            (ArrayData::I64(all), ArrayData::I64(more)) => all.extend(more),
            (ArrayData::U8(all), ArrayData::U8(more)) => all.extend(more),
            _ => return None,
        }
        lengthen(&mut all.array.shape, &input.array.shape)?;
    }
    match (&mut all.target, batch.target) {
        (Target::Classes(all), Target::Classes(more)) => all.extend(more),
        (Target::Values { shape, values }, Target::Values { shape: other, values: more }) => {
            lengthen(shape, &other)?;
            values.extend(more);
        }
        (Target::None, Target::None) => {}
        _ => return None,
    }
    all.ids.extend(batch.ids);
    Some(())
}

/// Adds the rows of `more` to a shape; none if the other axes differ.
fn lengthen(shape: &mut [usize], more: &[usize]) -> Option<()> {
    if shape.len() != more.len() || shape[1..] != more[1..] {
        return None;
    }
    shape[0] += more[0];
    Some(())
}

#[cfg(test)]
#[path = "prepared_tests.rs"]
mod tests;

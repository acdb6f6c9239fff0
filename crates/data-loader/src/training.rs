//! What does a transform meet when it is fitted? The training part, as the transforms before it leave that.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::thread::ScopedJoinHandle;

use crate::decode::size_of;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::formats::Records;
use crate::number_plan::ColumnSteps;
use crate::schema::{FeatureKind, ImageSize, Schema};
use crate::summary::{BUDGET, Summaries};
use crate::task::Task;
use crate::transforms::FittedTransform;

/// The training part, as a transform meets it when it is fitted.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// What the model is for.
    pub task: Task,
    /// What the columns mean, as the transforms before leave them.
    pub schema: &'a Schema,
    /// Where the rows are read.
    pub records: &'a dyn Records,
    /// The rows of the training part.
    pub rows: &'a [u32],
    /// The transforms that come first.
    pub before: &'a [FittedTransform],
    /// Whether examples that cannot be read are left out.
    pub skip_bad: bool,
}

/// The results of how many records wait at most until those before them are there, in numbers.
const PIECE: usize = 1 << 19;

/// How many rows are read together.
const TOGETHER: usize = 1 << 10;

impl Training<'_> {
    /// Calls `visit` with every record that can be read.
    pub fn each(&self, mut visit: impl FnMut(&Record) -> Result<(), Error>) -> Result<(), Error> {
        self.each_of(self.rows, |_, record| visit(record))
    }

    /// Calls `visit` with those of `rows` that can be read.
    fn each_of(&self, rows: &[u32], mut visit: impl FnMut(u32, &Record) -> Result<(), Error>) -> Result<(), Error> {
        let mut result = Ok(());
        let mut next = rows.iter();
        self.records.visit(rows, &mut |record| {
            let row = next.next().copied().unwrap_or_default();
            let visited = record.and_then(|record| {
                self.before.iter().try_for_each(|transform| transform.apply_in_fit(record))?;
                visit(row, record)
            });
            match visited {
                Err(error) if !(self.skip_bad && error.is_bad_example()) => {
                    result = Err(error);
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        });
        result
    }

    /// The record at `row`, as the transforms before leave it.
    pub fn record(&self, row: u32) -> Result<Record, Error> {
        let mut record = self.records.read(row as usize)?;
        for transform in self.before {
            transform.apply_in_fit(&mut record)?;
        }
        Ok(record)
    }

    /// The size of the images behind the transforms, if there are any, and whether the transforms make it, so that new images are
    /// to come as these did, and not to be brought to it when they are read.
    pub fn images(&self) -> Result<(Option<ImageSize>, bool), Error> {
        let names = self.schema.names(FeatureKind::Image);
        let Some(name) = names.first() else { return Ok((self.schema.image, false)) };
        // What a transform does to one image says nothing of images of other sizes; each must know of itself.
        Ok((Some(self.image_size(name)?), self.before.iter().any(FittedTransform::brings_to_size)))
    }

    /// The size of the first image that can be read, as the transforms before leave it.
    pub fn image_size(&self, name: &str) -> Result<ImageSize, Error> {
        for &row in self.rows {
            match self.record(row) {
                Ok(record) => {
                    if let Some(Value::Image(image)) = record.field(name) {
                        return Ok(size_of(image));
                    }
                }
                Err(error) if self.skip_bad && error.is_bad_example() => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::NoExamples {
            place: "with an image in the training part".into(),
            hint: "Check the files of the card.",
        })
    }

    /// The classes in the column `target`.
    pub(crate) fn classes(&self, target: &str) -> Result<BTreeSet<String>, Error> {
        let mut classes = BTreeSet::new();
        for rows in self.rows.chunks(1 << 12) {
            for class in self.records.fields(rows, target) {
                match class {
                    Ok(Value::Text(class)) if !classes.contains(&class) => drop(classes.insert(class)),
                    Ok(_) => {}
                    Err(error) if self.skip_bad && error.is_bad_example() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(classes)
    }

    /// The numbers of each of these columns, without the missing ones: all of them, or of a table that is too large for that a
    /// uniform sample. [`summaries`](Self::summaries) tells which, and has exact sums.
    pub fn numbers(&self, names: &[&str]) -> Result<Vec<Vec<f64>>, Error> {
        Ok(self.summaries(names)?.columns.into_iter().map(|column| column.values).collect())
    }

    /// What is typical of each of these columns. Every processor core reads pieces of the training part; how many there are
    /// changes nothing, to the last bit.
    pub fn summaries(&self, names: &[&str]) -> Result<Summaries, Error> {
        let mut all = Summaries::new(names.len(), BUDGET);
        if names.is_empty() {
            return Ok(all);
        }
        // A record is read as a whole, and nothing in it may be unreadable; columns alone must be all that could be.
        let is_all = self.schema.names(FeatureKind::Number).iter().all(|number| names.contains(number));
        let steps = if is_all { ColumnSteps::of(self.before, names) } else { None };
        let piece = (PIECE / names.len()).clamp(1 << 8, 1 << 16);
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pieces: Vec<&[u32]> = self.rows.chunks(piece).collect();
        for pieces in pieces.chunks(threads) {
            let read = |rows: &[u32]| {
                let (mut part, mut numbers) = (all.part(), Vec::new());
                for rows in rows.chunks(TOGETHER) {
                    match &steps {
                        Some(steps) if self.records.numbers(rows, names, &mut numbers) => {
                            for (&row, numbers) in rows.iter().zip(numbers.chunks_exact(names.len())) {
                                part.add_numbers(row, steps.apply(numbers));
                            }
                        }
                        _ => self.each_of(rows, |row, record| {
                            part.add(row, record, names);
                            Ok(())
                        })?,
                    }
                }
                Ok::<_, Error>(part)
            };
            let parts: Vec<Result<Summaries, Error>> = match pieces {
                [rows] => vec![read(rows)],
                _ => std::thread::scope(|scope| {
                    let started: Vec<_> = pieces.iter().map(|rows| scope.spawn(|| read(rows))).collect();
                    let ended = started.into_iter().map(ScopedJoinHandle::join);
                    ended.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
                }),
            };
            for part in parts {
                all.append(part?);
            }
        }
        Ok(all)
    }
}

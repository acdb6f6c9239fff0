//! How do tables of nothing but numbers become batches without a record for each row?
//!
//! A record names every field and may hold anything, which costs more than reading a number. Where all features are numbers,
//! and every transform can say what it does to a single column, a batch is filled column by column instead. What comes out is
//! the same to the last bit, and whatever is unusual about a row is left to the slow way, which knows how to say it.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::batch::{Array, ArrayData, Batch, InputArray, Target};
use crate::example::{ExampleId, Value};
use crate::formats::Records;
use crate::scale::Scale;
use crate::schema::{FeatureKind, Schema, TargetKind};
use crate::signature::{InputKind, OutputSpec, Signature};
use crate::transforms::FittedTransform;

/// What happens to the numbers of a column; a missing one is NaN until it is filled in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Fill(f64),
    Scale(Scale),
}

/// What a transform does to single columns, as far as it can say so.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Steps {
    columns: HashMap<String, Vec<Step>>,
}

impl Steps {
    /// A missing number of `column` becomes this one.
    pub(crate) fn fill(&mut self, column: &str, number: f64) {
        self.columns.entry(column.to_owned()).or_default().push(Step::Fill(number));
    }

    /// The numbers of `column` are scaled.
    pub(crate) fn scale(&mut self, column: &str, scale: Scale) {
        self.columns.entry(column.to_owned()).or_default().push(Step::Scale(scale));
    }

    fn take(&mut self, column: &str) -> Vec<Step> {
        self.columns.remove(column).unwrap_or_default()
    }
}

/// What transforms do to the columns of a table, in an order that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnSteps(Vec<Vec<Step>>);

impl ColumnSteps {
    /// What `transforms` do to the columns called `names`, if all of them can say so.
    pub(crate) fn of(transforms: &[FittedTransform], names: &[&str]) -> Option<Self> {
        let mut steps = Steps::default();
        let all = transforms.iter().all(|transform| transform.steps(&mut steps));
        all.then(|| Self(names.iter().map(|name| steps.take(name)).collect()))
    }

    /// Whether numbers stay as they are.
    fn change_nothing(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// The numbers of a row as the transforms leave them.
    pub(crate) fn apply<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        row.iter().zip(&self.0).map(|(&number, steps)| {
            steps.iter().fold(number, |number, step| match step {
                Step::Fill(stand_in) if number.is_nan() => *stand_in,
                Step::Fill(_) => number,
                Step::Scale(scale) => scale.apply(number),
            })
        })
    }
}

/// What comes behind the features.
#[derive(Clone, Debug, PartialEq)]
enum Goal {
    /// Nothing.
    None,
    /// A number, which is read with the features.
    Number,
    /// A class.
    Class(String),
}

thread_local! {
    /// The numbers of the batch that a thread made last: the next one takes the same memory.
    static READ: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// How batches are filled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NumberPlan {
    input: String,
    /// The columns that are read, a target that is a number behind the features.
    names: Vec<String>,
    steps: ColumnSteps,
    goal: Goal,
}

impl NumberPlan {
    /// The plan of a pipeline, if it has one.
    pub(crate) fn of(schema: &Schema, transforms: &[FittedTransform], signature: &Signature) -> Option<Self> {
        let [input] = &signature.inputs[..] else { return None };
        let InputKind::Numbers { names } = &input.kind else { return None };
        let plain = schema.features.0.iter().map(|(name, kind)| (*kind == FeatureKind::Number).then_some(name));
        // Columns that a transform made are in no file.
        if plain.collect::<Option<Vec<_>>>()? != names.iter().collect::<Vec<_>>() {
            return None;
        }
        let mut names = names.clone();
        let goal = match (&signature.output, &schema.target) {
            (OutputSpec::Inputs, _) => Goal::None,
            (OutputSpec::Values { .. }, Some(target)) if target.kind == TargetKind::Number => {
                names.push(target.name.clone());
                Goal::Number
            }
            (OutputSpec::Classes { .. }, Some(target)) if target.kind == TargetKind::Class => {
                Goal::Class(target.name.clone())
            }
            _ => return None,
        };
        let steps = ColumnSteps::of(transforms, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
        Some(Self { input: input.name.clone(), names, steps, goal })
    }

    /// The features of `rows`, row by row, and their targets if these are numbers; none if anything about them is unusual. `read` is
    /// memory to be used again.
    fn read(&self, records: &dyn Records, rows: &[u32], read: &mut Vec<f64>) -> Option<(Vec<f32>, Vec<f32>)> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if rows.is_empty() || !records.numbers(rows, &names, read) || read.len() != rows.len() * names.len() {
            return None;
        }
        let width = names.len() - usize::from(self.goal == Goal::Number);
        let mut numbers = Vec::with_capacity(rows.len() * width);
        let mut targets = Vec::with_capacity(rows.len());
        let as_is = self.steps.change_nothing();
        for row in read.chunks_exact(names.len()) {
            let (features, target) = row.split_at(width);
            if as_is {
                numbers.extend(features.iter().map(|&number| number as f32));
                targets.extend(target.iter().map(|&number| number as f32));
            } else {
                let mut prepared = self.steps.apply(row).map(|number| number as f32);
                numbers.extend(prepared.by_ref().take(width));
                targets.extend(prepared);
            }
        }
        // One after the other without a way out in between, which processors do many at a time.
        let finite = |numbers: &[f32]| numbers.iter().fold(true, |all, number| all & number.is_finite());
        (finite(&numbers) && finite(&targets)).then_some((numbers, targets))
    }

    /// The batch of `rows`, whose classes have these `codes`; none if anything about them is unusual.
    pub(crate) fn batch(&self, records: &dyn Records, rows: &[u32], codes: &HashMap<String, i64>) -> Option<Batch> {
        let (numbers, targets) = READ.with_borrow_mut(|read| self.read(records, rows, read))?;
        let width = numbers.len() / rows.len();
        let target = match &self.goal {
            Goal::None => Target::None,
            Goal::Number => Target::Values { shape: vec![rows.len(), 1], values: targets },
            Goal::Class(name) => {
                let code = |class: Result<Value, _>| match class {
                    Ok(Value::Text(class)) => codes.get(&class).copied(),
                    _ => None,
                };
                Target::Classes(records.fields(rows, name).into_iter().map(code).collect::<Option<_>>()?)
            }
        };
        let ids = records.keys(rows).into_iter().map(|key| key.ok().map(|key| ExampleId { key }));
        let ids = ids.collect::<Option<_>>()?;
        let array = Array { shape: vec![rows.len(), width], data: ArrayData::F32(numbers) };
        let inputs = vec![InputArray { name: self.input.clone(), array, mask: None, lengths: None }];
        Some(Batch::of(inputs, target, ids))
    }
}

#[cfg(test)]
#[path = "number_plan_tests.rs"]
mod tests;

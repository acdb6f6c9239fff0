//! How does a text that is longer than a network reads at once become several examples? By a view over the records.
//!
//! The marked text is cut into pieces of `max_length` tokens, each with the token behind it, which is the last one to be told:
//! every token of a text is told once, and none is lost. Splits have dealt out whole texts before, so no text lies in two parts.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::error::Error;
use crate::example::{Record, Value};
use crate::formats::Records;
use crate::generation::tokenizer;
use crate::pipeline::Pipeline;
use crate::schema::FeatureKind;
use crate::split::{Part, Parts};
use crate::transforms::tokenize::too_long;

/// Pieces of the texts of other records.
pub(crate) struct Pieces {
    records: Box<dyn Records>,
    column: String,
    length: usize,
    /// The row beneath and the number of the piece within it.
    places: Vec<(u32, u32)>,
    /// The marked tokens of the texts that have more than one piece; each token takes four bytes.
    long: HashMap<u32, Vec<u32>>,
}

impl Pieces {
    /// Lays pieces over the rows of `parts`, which then are rows of the view. Where no text is too long there is no view.
    pub(crate) fn over(
        records: Box<dyn Records>,
        parts: &mut Parts,
        pipeline: &Pipeline,
        skip_bad: bool,
    ) -> Result<Box<dyn Records>, Error> {
        let Some(tokenize) = tokenizer(pipeline.transforms()).filter(|tokenize| tokenize.marked) else {
            return Ok(records);
        };
        let column = pipeline.only(FeatureKind::Text).to_owned();
        let mut rows: Vec<u32> = Part::ALL.into_iter().flat_map(|part| parts.part(part)).copied().collect();
        rows.sort_unstable();
        let (mut long, mut failed, mut next) = (HashMap::new(), None, rows.iter());
        records.visit(&rows, &mut |record| {
            let row = next.next().copied().unwrap_or_default();
            let tokens = record.and_then(|record| {
                pipeline.transforms().iter().try_for_each(|transform| transform.apply(record, None))?;
                match record.field_mut(&column) {
                    Some(Value::Tokens(tokens)) if tokens.len() - 1 <= tokenize.max_length => Ok(None),
                    Some(Value::Tokens(tokens)) if tokenize.refuse => {
                        let count = Some(tokens.len() - 1);
                        Err(too_long(&record.id.key, &column, count, tokenize.max_length))
                    }
                    Some(Value::Tokens(tokens)) => Ok(Some(tokens.iter().map(|&id| id as u32).collect::<Vec<_>>())),
                    // Whoever reads the row says what is wrong with it.
                    _ => Ok(None),
                }
            });
            match tokens {
                Ok(Some(tokens)) => drop(long.insert(row, tokens)),
                Err(error) if !(skip_bad && error.is_bad_example()) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
                _ => {}
            }
            ControlFlow::Continue(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if long.is_empty() {
            return Ok(records);
        }
        let length = tokenize.max_length;
        let (mut places, mut begins) = (Vec::new(), HashMap::new());
        for row in rows {
            let pieces = long.get(&row).map_or(1, |tokens: &Vec<u32>| (tokens.len() - 1).div_ceil(length));
            begins.insert(row, (places.len(), pieces));
            places.extend((0..pieces as u32).map(|piece| (row, piece)));
        }
        if u32::try_from(places.len()).is_err() {
            let message = format!("The texts have {} pieces, and {} can be counted", places.len(), u32::MAX);
            return Err(Error::Mismatch { message, hint: "Raise `max_length` in [data.transforms.tokenize].".into() });
        }
        for part in Part::ALL {
            let pieces = |row: &u32| {
                let (begin, pieces) = begins[row];
                begin as u32..(begin + pieces) as u32
            };
            let rows = parts.part(part).iter().flat_map(pieces).collect();
            *parts.part_mut(part) = rows;
        }
        Ok(Box::new(Self { records, column, length, places, long }))
    }

    /// The tokens of a piece and the one behind it; none of a text that is not in pieces.
    fn tokens(&self, row: usize) -> Option<Vec<i64>> {
        let (beneath, piece) = self.places[row];
        let tokens = self.long.get(&beneath)?;
        let begin = piece as usize * self.length;
        Some(tokens[begin..(begin + self.length + 1).min(tokens.len())].iter().map(|&id| i64::from(id)).collect())
    }

    fn beneath(&self, row: usize) -> usize {
        self.places[row].0 as usize
    }
}

impl Records for Pieces {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn read(&self, row: usize) -> Result<Record, Error> {
        let mut record = self.records.read(self.beneath(row))?;
        if let Some(tokens) = self.tokens(row)
            && let Some(text) = record.field_mut(&self.column)
        {
            *text = Value::Tokens(tokens);
            record.id.key = self.key(row)?;
        }
        Ok(record)
    }

    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        match self.tokens(row).filter(|_| name == self.column) {
            Some(tokens) => Ok(Value::Tokens(tokens)),
            None => self.records.field(self.beneath(row), name),
        }
    }

    fn key(&self, row: usize) -> Result<String, Error> {
        let (beneath, piece) = self.places[row];
        let key = self.records.key(beneath as usize)?;
        Ok(if self.long.contains_key(&beneath) { format!("{key}, piece {}", piece + 1) } else { key })
    }

    fn part(&self, row: usize) -> Option<Part> {
        self.records.part(self.beneath(row))
    }

    fn passed_over(&self) -> &[PathBuf] {
        self.records.passed_over()
    }

    fn blocks(&self) -> Vec<usize> {
        let begin = |row: usize| self.places.partition_point(|&(beneath, _)| (beneath as usize) < row);
        let mut blocks: Vec<usize> = self.records.blocks().into_iter().map(begin).collect();
        blocks.retain(|&block| block < self.places.len());
        blocks.dedup();
        blocks
    }
}

//! What has to be known of every example before anything can be said of the data? Each record is read once, by several threads,
//! and what the checks need of it is kept.
//!
//! Of every row are kept the hash of its contents, its target and which columns it lacks: 32 bytes. The rest (numbers,
//! categories, hashes of images and texts) is kept of so many rows as fit into [`CLOSE_BYTES`], chosen by a seed where that is
//! not all.

pub(crate) mod banding;
pub(crate) mod coincidence;
pub mod gates;
mod image_facts;
mod opening;
mod plan;
pub mod report;
mod show;
mod text_facts;
pub(crate) mod twins;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

pub use gates::{Gates, Level};
pub(crate) use image_facts::{FLAT, ImageFacts, SIDE};
pub(crate) use text_facts::{SLOTS, TextFacts, shingles};

use plan::{Plan, Seen};

use crate::dataset::Dataset;
use crate::error::Error;
use crate::example::Value;
use crate::formats::Records;
use crate::schema::{FeatureKind, TargetKind};
use crate::split::Part;

/// How much memory what is known of rows looked at closely may take: 512 MiB.
const CLOSE_BYTES: usize = 512 << 20;
/// How many rows a thread reads at once.
const CHUNK: usize = 256;
/// How many unreadable examples are remembered with what is wrong; all are counted.
const BAD_KEPT: usize = 1000;
/// Keeps the choice of rows apart from the random streams of everything else.
const STREAM: u64 = 0x0073_7572_7665_7921;

/// Who is told how far the work is: what is being done, how much of it is done, and how much there is.
pub type Progress<'a> = &'a mut dyn FnMut(&'static str, usize, usize);

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What costs little beside a training: images are not decoded.
    Fast,
    /// Everything.
    Thorough,
}

/// The values of one column, of the rows that were looked at closely.
pub(crate) enum Values {
    /// Numbers; NaN where one is missing.
    Numbers(Vec<f64>),
    /// Places in the list of words; [`MISSING`] where one is missing.
    Words { codes: Vec<u32>, words: Vec<String> },
}

/// The code of a missing category.
pub(crate) const MISSING: u32 = u32::MAX;

/// A feature that is a number, a category or a date.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: FeatureKind,
    pub(crate) values: Values,
}

/// The targets of all rows.
pub(crate) enum Targets {
    /// There are none.
    None,
    /// The place of each row's class among the names, which are in the order in which they were met.
    Classes { names: Vec<String>, of: Vec<u32> },
    /// Numbers.
    Numbers(Vec<f64>),
}

/// An example that cannot be used.
pub(crate) struct Bad {
    pub(crate) id: String,
    pub(crate) part: Option<Part>,
    pub(crate) message: String,
}

/// What is known of a data set. Places count the rows that could be read, in their order.
pub(crate) struct Survey<'a> {
    pub(crate) dataset: &'a Dataset,
    /// What is surveyed: the examples, or of a series the steps of which they are made.
    pub(crate) records: &'a dyn Records,
    pub(crate) seed: u64,
    /// The row at each place.
    pub(crate) rows: Vec<u32>,
    /// The part at each place.
    pub(crate) parts: Vec<Part>,
    /// The hash of the contents at each place.
    pub(crate) contents: Vec<[u8; 16]>,
    pub(crate) targets: Targets,
    /// The first examples that cannot be used.
    pub(crate) bad: Vec<Bad>,
    /// How many there are.
    pub(crate) bad_count: usize,
    /// The places that were looked at closely, ascending.
    pub(crate) closely: Vec<u32>,
    /// Their numbers and categories.
    pub(crate) columns: Vec<Column>,
    /// Those of them whose image is there, by their place among them.
    pub(crate) pictured: Vec<u32>,
    /// The images of those.
    pub(crate) images: Vec<ImageFacts>,
    /// Their texts.
    pub(crate) texts: Vec<TextFacts>,
    /// For each feature and class, of how many rows it is missing; one class where the target is none.
    pub(crate) missing: Vec<Vec<usize>>,
}

/// A chunk of rows as a thread hands it over: its number, and what was found out about each row or is wrong with it.
type Chunk = (usize, Vec<Result<Seen, Bad>>);

impl<'a> Survey<'a> {
    /// Reads every record once. An example that cannot be read is counted; everything else that goes wrong is an error.
    pub(crate) fn read(dataset: &'a Dataset, depth: Depth, seed: u64, progress: Progress<'_>) -> Result<Self, Error> {
        let plan = Plan::new(dataset, depth, seed);
        let mut survey = Self::empty(&plan);
        let chunks = plan.rows.len().div_ceil(CHUNK);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(chunks.max(1));
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::sync_channel::<Chunk>(threads * 2);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let (sender, plan, next) = (sender.clone(), &plan, &next);
                    scope.spawn(move || {
                        loop {
                            let chunk = next.fetch_add(1, Ordering::Relaxed);
                            if chunk >= chunks {
                                return;
                            }
                            let rows = &plan.rows[chunk * CHUNK..plan.rows.len().min((chunk + 1) * CHUNK)];
                            let seen = rows.iter().filter_map(|&(row, part)| plan.look(row, part)).collect();
                            if sender.send((chunk, seen)).is_err() {
                                return;
                            }
                        }
                    })
                })
                .collect();
            drop(sender);
            // Chunks are taken in their order, so that a report does not depend on the threads.
            let (mut early, mut awaited) = (BTreeMap::new(), 0);
            let mut dictionary = Dictionary::default();
            for (chunk, seen) in receiver {
                early.insert(chunk, seen);
                while let Some(seen) = early.remove(&awaited) {
                    survey.take(seen, &mut dictionary);
                    awaited += 1;
                    progress("reading", (awaited * CHUNK).min(plan.rows.len()), plan.rows.len());
                }
            }
            for (worker, batch) in workers.into_iter().zip(0..) {
                worker.join().map_err(|panic| Error::WorkerFailed { batch, message: said(panic.as_ref()) })?;
            }
            Ok::<_, Error>(())
        })?;
        Ok(survey)
    }

    fn empty(plan: &Plan<'a>) -> Self {
        let schema = plan.dataset.card().schema();
        let column = |(name, kind): &(String, FeatureKind)| {
            let values = match kind {
                FeatureKind::Number => Values::Numbers(Vec::new()),
                _ if is_column(*kind) => Values::Words { codes: Vec::new(), words: Vec::new() },
                _ => return None,
            };
            Some(Column { name: name.clone(), kind: *kind, values })
        };
        Self {
            dataset: plan.dataset,
            records: plan.records,
            seed: plan.seed,
            rows: Vec::new(),
            parts: Vec::new(),
            contents: Vec::new(),
            targets: match schema.target.as_ref().map(|target| target.kind) {
                None | Some(TargetKind::Mask) => Targets::None,
                Some(TargetKind::Class) => Targets::Classes { names: Vec::new(), of: Vec::new() },
                Some(TargetKind::Number) => Targets::Numbers(Vec::new()),
            },
            bad: Vec::new(),
            bad_count: 0,
            closely: Vec::new(),
            columns: schema.features.0.iter().filter_map(column).collect(),
            pictured: Vec::new(),
            images: Vec::new(),
            texts: Vec::new(),
            missing: vec![Vec::new(); schema.features.0.len()],
        }
    }

    /// Takes up what a thread found out about some rows.
    fn take(&mut self, seen: Vec<Result<Seen, Bad>>, dictionary: &mut Dictionary) {
        for seen in seen {
            let seen = match seen {
                Ok(seen) => seen,
                Err(bad) => {
                    self.add_bad(bad);
                    continue;
                }
            };
            let place = self.rows.len() as u32;
            if let Some(bad) = seen.unprepared {
                self.add_bad(bad);
            }
            self.rows.push(seen.row);
            self.parts.push(seen.part);
            self.contents.push(seen.content);
            let class = self.take_target(seen.target, dictionary);
            for (feature, missing) in seen.missing.into_iter().enumerate() {
                let counts = &mut self.missing[feature];
                if counts.len() <= class {
                    counts.resize(class + 1, 0);
                }
                counts[class] += usize::from(missing);
            }
            if !seen.closely {
                continue;
            }
            if let Some(image) = seen.image {
                self.pictured.push(self.closely.len() as u32);
                self.images.push(image);
            }
            self.closely.push(place);
            self.texts.extend(seen.text);
            for (at, (column, cell)) in self.columns.iter_mut().zip(seen.cells).enumerate() {
                match (&mut column.values, cell) {
                    (Values::Numbers(numbers), Value::Number(number)) => numbers.push(number),
                    (Values::Numbers(numbers), _) => numbers.push(f64::NAN),
                    (Values::Words { codes, words }, Value::Text(word)) => {
                        codes.push(dictionary.code(at, word, words));
                    }
                    (Values::Words { codes, .. }, _) => codes.push(MISSING),
                }
            }
        }
    }

    fn add_bad(&mut self, bad: Bad) {
        self.bad_count += 1;
        if self.bad.len() < BAD_KEPT {
            self.bad.push(Bad { message: self.within(&bad.message), ..bad });
        }
    }

    /// A text with the paths of files as the card names them, so that a report does not depend on where the data lie.
    pub(crate) fn within(&self, text: &str) -> String {
        let folder = self.dataset.card().folder.display().to_string();
        if folder.is_empty() {
            text.to_owned()
        } else {
            text.replace(&format!("{}/", folder.trim_end_matches('/')), "")
        }
    }

    /// Keeps a target, and gives the place of its class.
    fn take_target(&mut self, target: Value, dictionary: &mut Dictionary) -> usize {
        match (&mut self.targets, target) {
            (Targets::Classes { names, of }, Value::Text(class)) => {
                let code = dictionary.code(usize::MAX, class, names);
                of.push(code);
                code as usize
            }
            (Targets::Numbers(numbers), Value::Number(number)) => {
                numbers.push(number);
                0
            }
            // A row that has a part has a target of its kind; the data set saw to it.
            (Targets::Classes { of, .. }, _) => {
                of.push(MISSING);
                0
            }
            (Targets::Numbers(numbers), _) => {
                numbers.push(f64::NAN);
                0
            }
            (Targets::None, _) => 0,
        }
    }
}

/// The code of each word of each column.
#[derive(Default)]
struct Dictionary(HashMap<usize, HashMap<String, u32>>);

impl Dictionary {
    /// The code of `word` in a column; a new one is appended to `words`.
    fn code(&mut self, column: usize, word: String, words: &mut Vec<String>) -> u32 {
        let known = self.0.entry(column).or_default();
        if let Some(&code) = known.get(&word) {
            return code;
        }
        let code = words.len() as u32;
        words.push(word.clone());
        known.insert(word, code);
        code
    }
}

/// Whether a feature is a column of a table.
fn is_column(kind: FeatureKind) -> bool {
    match kind {
        FeatureKind::Number | FeatureKind::Category | FeatureKind::Date => true,
        FeatureKind::Image | FeatureKind::Text => false,
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}

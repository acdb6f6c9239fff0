//! What does an experiment learn from? A card's files, split, with a pipeline fitted on the training part.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::batch::Batch;
use crate::card::Card;
use crate::data_config::{BadExamples, DataConfig};
use crate::decoded::{Decoded, DecodedCache};
use crate::error::Error;
use crate::example::{Example, Record, TargetValue};
use crate::formats::{self, Records};
use crate::limit;
use crate::lineage::Lineage;
use crate::pieces::Pieces;
use crate::pipeline::Pipeline;
use crate::prepared::Prepared;
use crate::random::Random;
use crate::samplers::{Layout, Order, Sampler};
use crate::series;
use crate::signature::Signature;
use crate::split::{Part, Parts, Rows, SplitConfig};
use crate::targets::Targets;
use crate::task::Task;
use crate::transforms::Transforms;
use crate::windows::{Windows, beneath, embargo};

/// An opened data set.
pub struct Dataset {
    pub(crate) config: DataConfig,
    pub(crate) card: Card,
    pub(crate) records: Arc<dyn Records>,
    /// The first rows of blocks that are cheap to read together.
    pub(crate) blocks: Vec<usize>,
    pub(crate) parts: Parts,
    /// Of every row the place of its class among the labels, their number for an unknown class; empty where the target is
    /// no class.
    pub(crate) classes: Vec<u32>,
    pub(crate) pipeline: Pipeline,
    pub(crate) lineage: Lineage,
    pub(crate) seed: u64,
    /// Why the transforms of the config could not be fitted, where the data were opened for checks alone.
    pub(crate) unfit: Option<String>,
    /// The rows of each part, to be judged by and to be learnt from, where they are prepared once and for all.
    pub(crate) prepared: [[OnceLock<Option<Arc<Prepared>>>; 3]; 2],
}

impl Dataset {
    /// Opens the card that `config` names, relative to `root`; splits it, and fits the transforms on the training part.
    /// Without a `task`, that of the card. `seed` chooses the examples under a `limit` and drives random transforms.
    pub fn open(config: &DataConfig, root: &Path, task: Option<Task>, seed: u64) -> Result<Self, Error> {
        Self::open_shared(config, root, task, seed, None)
    }

    /// Opens the card as [`open`](Self::open) does, for one of many processes that learn from the same images: they share what the first
    /// of them decoded.
    pub fn open_shared(
        config: &DataConfig,
        root: &Path,
        task: Option<Task>,
        seed: u64,
        cache: Option<&DecodedCache>,
    ) -> Result<Self, Error> {
        let card = Self::card_of(config, root)?;
        let mut records = formats::open(&card)?;
        if let Some(cache) = cache {
            records = Decoded::over(records, &card, cache);
        }
        let mut config = config.clone();
        config.transforms.iter_mut().for_each(|transforms| transforms.look_in(root));
        Self::from_records(&config, card, records, task, None, seed)
    }

    /// Opens the card with a pipeline that was fitted before, as for resuming and evaluating: nothing is fitted again.
    pub fn open_with(config: &DataConfig, root: &Path, pipeline: Pipeline, seed: u64) -> Result<Self, Error> {
        let card = Self::card_of(config, root)?;
        let records = formats::open(&card)?;
        Self::from_records(config, card, records, None, Some(pipeline), seed)
    }

    /// The card that `config` names, with the windows that it states.
    pub(crate) fn card_of(config: &DataConfig, root: &Path) -> Result<Card, Error> {
        let mut card = Card::open(&root.join(&config.card))?;
        if let Some(windows) = &config.windows {
            card.config.schema.windows = Some(windows.clone());
            card.config.schema.check()?;
        }
        Ok(card)
    }

    /// Makes a data set of `records` that a library user reads in another way; `card` says what their columns mean.
    pub fn from_records(
        config: &DataConfig,
        card: Card,
        records: Box<dyn Records>,
        task: Option<Task>,
        pipeline: Option<Pipeline>,
        seed: u64,
    ) -> Result<Self, Error> {
        let schema = card.schema();
        let skip = config.loader.bad_examples == BadExamples::Skip;
        if u32::try_from(records.len()).is_err() {
            return Err(Error::TooLarge {
                path: card.folder,
                what: "its number of rows",
                size: records.len() as u64,
                limit: u32::MAX.into(),
            });
        }
        let records = match &schema.windows {
            Some(windows) => Box::new(Windows::new(records, windows, schema, true)?),
            None => records,
        };
        let wanted = pipeline.as_ref().map(|pipeline| pipeline.signature().task).or(task);
        let task = wanted.unwrap_or_else(|| card.task());
        let mut targets = Targets::read(records.as_ref(), schema, skip, task.needs_target())?;
        if pipeline.is_none() && config.sampler == Sampler::Balanced && targets.classes.is_none() {
            return Err(Error::Setting {
                key: "data.sampler".into(),
                message: "is `balanced`, and the rows have no classes to show equally often".into(),
                hint: "Leave it out: rows come in another random order in every epoch then.".into(),
            });
        }
        let unusable = records.len() - targets.usable.len();
        let classes = targets.classes.as_deref();
        let rows = Rows { records: records.as_ref(), usable: &targets.usable, classes, key: schema.key.as_deref() };
        let split = config
            .split
            .clone()
            .or_else(|| card.config.split.clone())
            .unwrap_or_else(|| SplitConfig::default_for(&rows, schema));
        let mut parts = split.split(&rows)?;
        let embargoed = embargo(records.as_ref(), &mut parts)?;
        if let Some(limit) = config.limit {
            let known = pipeline.as_ref().and_then(Pipeline::labels);
            let classes = targets.classes.as_deref().map(|classes| limit::Classes {
                rows: &targets.usable,
                of_rows: classes,
                learnt: known.map(|known| {
                    let known: BTreeSet<&String> = known.iter().collect();
                    (0..).zip(&targets.names).filter(|(_, name)| known.contains(name)).map(|(class, _)| class).collect()
                }),
            });
            limit::apply(&mut parts, limit, classes.as_ref(), seed)?;
        }

        if targets.classes.is_none() {
            // Only classes are looked up by their rows from here on; every row takes four bytes.
            targets.usable = Vec::new();
        }
        records.keep(&parts.all())?;
        let transforms = transforms_of(config, &card);
        let pipeline = if let Some(fitted) = pipeline {
            fitted.schema().check_same_columns(schema)?;
            fitted
        } else {
            let classes = targets.of(&parts.train);
            // Transforms learn from the rows under the windows of the training part, each once.
            let (records, rows) = beneath(records.as_ref(), &parts.train);
            Pipeline::fit_with(schema, task, &transforms, records, &rows, skip, classes)?
        };
        let mut lineage = Lineage::of(card.name(), &card.files, records.as_ref(), &parts, &split, unusable)?;
        lineage.embargoed = embargoed;
        let classes = place_classes(records.as_ref(), &targets, &parts, &pipeline, skip)?;
        let records = Pieces::over(records, &mut parts, &pipeline, skip)?;
        let config = DataConfig { split: Some(split), transforms: Some(transforms), ..config.clone() };
        let blocks = records.blocks();
        let made = Self {
            config,
            card,
            records: records.into(),
            blocks,
            parts,
            classes,
            pipeline,
            lineage,
            seed,
            unfit: None,
            prepared: Default::default(),
        };
        made.check_views()?;
        Ok(made)
    }

    /// The config with the split and the transforms that were chosen.
    pub fn config(&self) -> &DataConfig {
        &self.config
    }

    /// The card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The rows of every part.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The rows of one part, ascending.
    pub fn part(&self, part: Part) -> &[u32] {
        self.parts.part(part)
    }

    /// What goes into a network and what must come out.
    pub fn signature(&self) -> &Signature {
        self.pipeline.signature()
    }

    /// The fitted pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// What was read.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// The rows themselves.
    pub(crate) fn records(&self) -> &dyn Records {
        self.records.as_ref()
    }

    /// The record at `row`, as it was read.
    pub fn record(&self, row: u32) -> Result<Record, Error> {
        if row as usize >= self.records.len() {
            return Err(Error::NoExamples {
                place: format!("at row {row}: there are {} rows", self.records.len()),
                hint: "Rows count from 0.",
            });
        }
        self.records.read(row as usize)
    }

    /// The example at `row`. In training it belongs to an epoch, from which random transforms take their chance; without
    /// an epoch nothing is random.
    pub fn example(&self, row: u32, epoch: Option<u64>) -> Result<Example, Error> {
        self.prepare(row, &mut self.record(row)?, epoch, 0)
    }

    /// The batch of `rows`, if it can be made without an example for each of them.
    pub(crate) fn batch_of(&self, rows: &[u32]) -> Option<Batch> {
        self.pipeline.batch_of(self.records.as_ref(), rows)
    }

    /// Calls `visit` with the examples at `rows`, in their order, until it breaks off.
    pub(crate) fn visit(
        &self,
        rows: &[u32],
        epoch: Option<u64>,
        visit: &mut dyn FnMut(Result<Example, Error>) -> ControlFlow<()>,
    ) {
        let mut next = rows.iter();
        self.records.visit(rows, &mut |record| {
            let row = next.next().copied().unwrap_or_default();
            self.visit_views(row, record, epoch, visit)
        });
    }

    /// Prepares a row, or one of several views of it, each of which has a chance of its own.
    pub(crate) fn prepare(
        &self,
        row: u32,
        record: &mut Record,
        epoch: Option<u64>,
        view: u64,
    ) -> Result<Example, Error> {
        let mut random = epoch.map(|epoch| match view {
            0 => Random::derive(&[STREAM, self.seed, epoch, u64::from(row)]),
            _ => Random::derive(&[STREAM, self.seed, epoch, u64::from(row), view]),
        });
        self.prepare_by(record, random.as_mut())
    }

    /// Prepares a row by this chance.
    pub(crate) fn prepare_by(&self, record: &mut Record, random: Option<&mut Random>) -> Result<Example, Error> {
        let example = self.pipeline.prepare_from(record, random)?;
        if let (TargetValue::None, Some(target)) = (&example.target, &self.pipeline.schema().target)
            && self.pipeline.signature().task.needs_target()
        {
            return Err(Error::TargetMissing { id: example.id.key, column: target.name.clone() });
        }
        Ok(example)
    }

    /// Lets the transforms that mix examples change a batch of training, by a chance that belongs to seed, epoch and the place
    /// of the batch within it.
    pub fn mix(&self, batch: &mut Batch, epoch: u64, index: u64) -> Result<(), Error> {
        let mut random = Random::derive(&[MIX_STREAM, self.seed, epoch, index]);
        let mut transforms = self.pipeline.transforms().iter();
        transforms.try_for_each(|transform| transform.mix(batch, self.signature(), &mut random))
    }

    /// How many examples of each class a part has, in the order of the labels; none where the target is no class.
    pub fn class_counts(&self, part: Part) -> Option<Vec<usize>> {
        let mut counts = vec![0; self.pipeline.labels()?.len()];
        for &row in self.part(part) {
            if let Some(count) = self.classes.get(row as usize).and_then(|&class| counts.get_mut(class as usize)) {
                *count += 1;
            }
        }
        Some(counts)
    }

    /// The rows of the training part in the order of an epoch.
    pub fn order(&self, seed: u64, epoch: u64) -> Vec<u32> {
        self.epoch_order(seed, epoch).rows(self.part(Part::Train), 0..usize::MAX).into_owned()
    }

    /// The order of an epoch, from which any of its rows can be asked.
    pub(crate) fn epoch_order(&self, seed: u64, epoch: u64) -> Order {
        let rows = self.part(Part::Train);
        let classes: Option<Vec<u32>> = (self.config.sampler == Sampler::Balanced && !self.classes.is_empty())
            .then(|| rows.iter().map(|&row| self.classes[row as usize]).collect());
        let layout = Layout { blocks: &self.blocks, window: self.config.loader.window };
        self.config.sampler.order_in(layout, rows, classes.as_deref(), seed, epoch)
    }

    /// Replaces the pipeline; tests put chance into it.
    #[cfg(test)]
    pub(crate) fn with_pipeline(mut self, change: impl FnOnce(Pipeline) -> Pipeline) -> Self {
        self.pipeline = change(self.pipeline);
        self.prepared = Default::default();
        self
    }
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dataset")
            .field("card", &self.card.name())
            .field("rows", &self.records.len())
            .finish_non_exhaustive()
    }
}

/// Keeps the random streams of examples apart from all others.
const STREAM: u64 = 0x6578_616d_706c;
/// Keeps the random streams of batches apart from all others.
const MIX_STREAM: u64 = 0x6d69_7865_7321;

/// The transforms of the config, else those of the card, else what follows from the schema.
pub(crate) fn transforms_of(config: &DataConfig, card: &Card) -> Transforms {
    let schema = card.schema();
    let stated = config.transforms.clone().or_else(|| card.config.transforms.clone());
    stated.unwrap_or_else(|| match schema.windows {
        Some(_) => series::default_transforms(schema),
        None => Transforms::default_for(schema),
    })
}

/// The place of the class of every row among the labels. A class that training never saw is met here, before it costs an
/// hour of training, unless bad examples are skipped.
fn place_classes(
    records: &dyn Records,
    targets: &Targets,
    parts: &Parts,
    pipeline: &Pipeline,
    skip: bool,
) -> Result<Vec<u32>, Error> {
    let (Some(labels), Some(classes)) = (pipeline.labels(), &targets.classes) else { return Ok(Vec::new()) };
    // The place behind the last label stands for rows without a known class.
    let unknown = labels.len() as u32;
    let places: Vec<u32> = targets
        .names
        .iter()
        .map(|name| labels.iter().position(|label| label == name).map_or(unknown, |place| place as u32))
        .collect();
    let mut placed = vec![unknown; records.len()];
    for (&row, &class) in targets.usable.iter().zip(classes) {
        placed[row as usize] = places[class as usize];
    }
    for part in Part::ALL {
        let met = parts.part(part).iter().find(|&&row| placed[row as usize] == unknown);
        if let Some(&row) = met.filter(|_| !skip) {
            let place = targets.usable.binary_search(&row).unwrap_or_default();
            return Err(Error::UnknownClass {
                id: records.key(row as usize)?,
                class: targets.names[classes[place] as usize].clone(),
                known: labels.to_vec(),
            });
        }
    }
    Ok(placed)
}

//! What is looked at of each row, and how closely? Every thread follows one plan.

use super::{Bad, CLOSE_BYTES, Depth, ImageFacts, STREAM, TextFacts, is_column};
use crate::dataset::Dataset;
use crate::error::Error;
use crate::example::{Value, id_of};
use crate::formats::Records;
use crate::random::Random;
use crate::schema::FeatureKind;
use crate::split::Part;
use crate::windows::beneath;

/// What a thread found out about a row.
pub(super) struct Seen {
    pub(super) row: u32,
    pub(super) part: Part,
    pub(super) content: [u8; 16],
    pub(super) target: Value,
    /// Which features are missing.
    pub(super) missing: Vec<bool>,
    /// Whether the row is looked at closely; of all others only what stands above is known.
    pub(super) closely: bool,
    /// The values of the columns.
    pub(super) cells: Vec<Value>,
    pub(super) image: Option<ImageFacts>,
    pub(super) text: Option<TextFacts>,
    /// Why it cannot be prepared for a network, if it cannot.
    pub(super) unprepared: Option<Bad>,
}

/// The plan of a survey, which all threads follow.
pub(super) struct Plan<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) records: &'a dyn Records,
    depth: Depth,
    /// Every row with its part; none for a row that the data set left out.
    pub(super) rows: Vec<(u32, Option<Part>)>,
    /// Of 2^64, how often a row is looked at closely.
    chance: u64,
    pub(super) seed: u64,
    has_image: bool,
}

impl<'a> Plan<'a> {
    pub(super) fn new(dataset: &'a Dataset, depth: Depth, seed: u64) -> Self {
        let schema = dataset.card().schema();
        // Windows overlap, so that of a series the steps are looked at, each once.
        let (records, _) = beneath(dataset.records(), &[]);
        let mut parts = vec![None; records.len()];
        for part in Part::ALL {
            for &row in beneath(dataset.records(), dataset.part(part)).1.iter() {
                parts[row as usize] = Some(part);
            }
        }
        // Under a limit a row without a part was left out on purpose; otherwise something is wrong with it.
        let limited = dataset.config().limit.is_some();
        let rows: Vec<_> = (0..).zip(parts).filter(|(_, part)| part.is_some() || !limited).collect();
        let kinds = |kind| schema.names(kind).len();
        let bytes = 8 * (kinds(FeatureKind::Number) + kinds(FeatureKind::Category) + kinds(FeatureKind::Date))
            + size_of::<ImageFacts>() * kinds(FeatureKind::Image)
            + size_of::<TextFacts>() * kinds(FeatureKind::Text);
        let room = CLOSE_BYTES / (bytes + 4);
        let chance = match rows.len() > room {
            true => (room as f64 / rows.len() as f64 * u64::MAX as f64) as u64,
            false => u64::MAX,
        };
        Self { dataset, records, depth, rows, chance, seed, has_image: kinds(FeatureKind::Image) > 0 }
    }

    /// Looks at one row; none if there is nothing to say of it.
    pub(super) fn look(&self, row: u32, part: Option<Part>) -> Option<Result<Seen, Bad>> {
        let needs_target = self.dataset.signature().task.needs_target();
        let target = self.dataset.card().schema().target.as_ref().filter(|_| needs_target);
        let seen = match (part, target) {
            (Some(part), _) => self.see(row, part),
            (None, Some(target)) => match self.records.read(row as usize) {
                Ok(record) if !matches!(record.field(&target.name), None | Some(Value::Missing)) => return None,
                Ok(record) => Err(Error::TargetMissing { id: record.id.key, column: target.name.clone() }),
                Err(error) => Err(error),
            },
            (None, None) => match self.records.read(row as usize) {
                Ok(_) => return None,
                Err(error) => Err(error),
            },
        };
        Some(seen.map_err(|error| self.bad(row, part, &error)))
    }

    fn bad(&self, row: u32, part: Option<Part>, error: &Error) -> Bad {
        Bad { id: id_of(self.records, row), part, message: error.to_string() }
    }

    fn see(&self, row: u32, part: Part) -> Result<Seen, Error> {
        let (schema, records) = (self.dataset.card().schema(), self.records);
        let target = schema.target.as_ref().map(|target| target.name.as_str());
        let closely =
            self.chance == u64::MAX || Random::derive(&[STREAM, self.seed, u64::from(row)]).next_u64() < self.chance;
        if self.has_image && self.depth == Depth::Fast {
            let content = records.content(row as usize, target)?;
            let target = target.map_or(Ok(Value::Missing), |target| records.field(row as usize, target))?;
            let (mut missing, mut cells) = (Vec::new(), Vec::new());
            for (name, kind) in &schema.features.0 {
                // To know whether there is an image it would have to be decoded.
                let value = match kind {
                    FeatureKind::Image => None,
                    _ => Some(records.field(row as usize, name)?),
                };
                missing.push(value == Some(Value::Missing));
                cells.extend(value.filter(|_| closely && is_column(*kind)));
            }
            return Ok(Seen {
                row,
                part,
                content,
                target,
                missing,
                closely,
                cells,
                image: None,
                text: None,
                unprepared: None,
            });
        }
        let mut record = records.read(row as usize)?;
        let content = record.content(target);
        let (mut missing, mut cells, mut image, mut text) = (Vec::new(), Vec::new(), None, None);
        let mut answer = Value::Missing;
        for (name, value) in &record.fields {
            if Some(name.as_str()) == target {
                answer = value.clone();
                continue;
            }
            missing.push(*value == Value::Missing);
            match (schema.features.get(name), value) {
                _ if !closely => {}
                (Some(kind), value) if is_column(*kind) => cells.push(value.clone()),
                _ if self.depth == Depth::Fast => {}
                (Some(FeatureKind::Image), Value::Image(pixels)) => image = Some(ImageFacts::of(pixels)),
                (Some(FeatureKind::Text), Value::Text(words)) => text = Some(TextFacts::of(words)),
                (Some(FeatureKind::Text), _) => text = Some(TextFacts::of("")),
                _ => {}
            }
        }
        // A training would meet with its first epoch what transforms cannot take.
        let prepared = self.depth == Depth::Thorough && schema.windows.is_none() && self.dataset.unfit.is_none();
        let refused = if prepared { self.dataset.pipeline().prepare_from(&mut record, None).err() } else { None };
        let unprepared = refused.map(|error| self.bad(row, Some(part), &error));
        Ok(Seen { row, part, content, target: answer, missing, closely, cells, image, text, unprepared })
    }
}

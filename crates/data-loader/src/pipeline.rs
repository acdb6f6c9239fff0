//! How does a record become an example? By the transforms that were fitted on the training part, always the same ones.
//!
//! A [`Pipeline`] is what the training part taught about the data. It travels with the model as JSON, so that a request to
//! a server meets exactly what an example met in training.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::batch::{Array, ArrayData, Batch};
use crate::collate::collate;
use crate::error::{Error, quoted};
use crate::example::{Example, ExampleId, Record, TargetValue, Value};
use crate::formats::Records;
use crate::generation;
use crate::masks::mask_target;
use crate::number_plan::NumberPlan;
use crate::output::output;
use crate::random::Random;
use crate::raster;
use crate::schema::{FeatureKind, ImageSize, Schema};
use crate::series;
use crate::signature::{Dtype, InputKind, InputSpec, OutputSpec, Signature};
use crate::task::Task;
use crate::transforms::{FittedTransform, Training, Transforms};

/// Fitted transforms with the schema they read and the signature they make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Pipeline {
    schema: Schema,
    transforms: Vec<FittedTransform>,
    pub(crate) signature: Signature,
    /// The place of each label, looked up once an example.
    pub(crate) codes: HashMap<String, i64>,
    /// How batches of nothing but numbers are filled.
    plan: Option<NumberPlan>,
}

/// A pipeline as it is written to a bundle.
#[derive(Clone, Serialize, Deserialize)]
struct Written {
    schema: Schema,
    transforms: Vec<FittedTransform>,
    signature: Signature,
}

impl From<Written> for Pipeline {
    fn from(written: Written) -> Self {
        let Written { schema, transforms, signature } = written;
        let codes = match &signature.output {
            OutputSpec::Classes { labels } => labels.iter().cloned().zip(0..).collect(),
            _ => HashMap::new(),
        };
        let plan = NumberPlan::of(&schema, &transforms, &signature);
        Self { schema, transforms, signature, codes, plan }
    }
}

impl From<Pipeline> for Written {
    fn from(pipeline: Pipeline) -> Self {
        Self { schema: pipeline.schema, transforms: pipeline.transforms, signature: pipeline.signature }
    }
}

impl Pipeline {
    /// Fits `transforms` on `rows`, the training part, and derives the signature. With `skip_bad`, examples that cannot be
    /// used are left out of the fit.
    pub fn fit(
        schema: &Schema,
        task: Task,
        transforms: &Transforms,
        records: &dyn Records,
        rows: &[u32],
        skip_bad: bool,
    ) -> Result<Self, Error> {
        Self::fit_with(schema, task, transforms, records, rows, skip_bad, None)
    }

    /// Fits as [`fit`](Self::fit) does, where the classes of the training part are known and need not be read again.
    pub(crate) fn fit_with(
        schema: &Schema,
        task: Task,
        transforms: &Transforms,
        records: &dyn Records,
        rows: &[u32],
        skip_bad: bool,
        classes: Option<BTreeSet<String>>,
    ) -> Result<Self, Error> {
        schema.check()?;
        let training = Training { task, schema, records, rows, before: &[], skip_bad };
        let fitted = transforms.fit(&training)?;
        let training = Training { before: &fitted, ..training };
        let mut schema = schema.clone();
        let (size, made) = training.images()?;
        schema.image = size;
        schema.image_before = records.image_size().filter(|_| made);
        schema.images_of_any_size = made && schema.image_before.is_none();
        let signature = Signature {
            task,
            inputs: inputs(&schema, &fitted)?,
            output: output(&schema, task, &fitted, &training, classes)?,
        };
        Ok(Written { schema, transforms: fitted, signature }.into())
    }

    /// The columns that are read.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What goes into a network and what must come out.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The fitted transforms, in the order in which they are applied.
    pub fn transforms(&self) -> &[FittedTransform] {
        &self.transforms
    }

    /// The names of the classes in the order of a network's scores, where it names classes.
    pub fn labels(&self) -> Option<&[String]> {
        match &self.signature.output {
            OutputSpec::Classes { labels } => Some(labels),
            _ => None,
        }
    }

    /// Prepares one record without any randomness. A target that is absent becomes [`TargetValue::None`].
    pub fn prepare(&self, record: Record) -> Result<Example, Error> {
        self.prepare_with(record, None)
    }

    /// Prepares one record; `random` belongs to (seed, epoch, row) and drives random transforms in training.
    pub fn prepare_with(&self, mut record: Record, random: Option<&mut Random>) -> Result<Example, Error> {
        self.prepare_from(&mut record, random)
    }

    /// Prepares what `record` holds and takes from it what is large; its memory can be used again.
    pub(crate) fn prepare_from(&self, record: &mut Record, mut random: Option<&mut Random>) -> Result<Example, Error> {
        if let (Some(windows), [spec]) = (&self.schema.windows, &self.signature.inputs[..]) {
            return series::prepare(self, windows, spec, record, random);
        }
        for transform in &self.transforms {
            transform.apply(record, random.as_deref_mut())?;
        }
        if let OutputSpec::Tokens { .. } = self.signature.output {
            return generation::prepare(self, record);
        }
        let inputs = self.signature.inputs.iter().map(|spec| Ok((spec.name.clone(), self.input(spec, record)?)));
        let inputs = inputs.collect::<Result<_, Error>>()?;
        let target = self.target(record)?;
        let id = ExampleId { key: std::mem::take(&mut record.id.key) };
        Ok(Example { id, inputs, target, weight: 1.0 })
    }

    /// The batch of these rows, if they can be prepared without a record for each; else they are prepared one by one.
    pub(crate) fn batch_of(&self, records: &dyn Records, rows: &[u32]) -> Option<Batch> {
        self.plan.as_ref()?.batch(records, rows, &self.codes)
    }

    /// Prepares records that arrived together, such as those of one request, and puts them in one batch.
    pub fn batch(&self, records: Vec<Record>) -> Result<Batch, Error> {
        let examples = records.into_iter().map(|record| self.prepare(record)).collect::<Result<_, _>>()?;
        Ok(collate(examples, &self.signature)?.with_own_target(&self.signature))
    }

    fn input(&self, spec: &InputSpec, record: &mut Record) -> Result<Array, Error> {
        match &spec.kind {
            InputKind::Numbers { names } => {
                let mut next = 0;
                let numbers =
                    names.iter().map(|name| number(record, name, &mut next)).collect::<Result<Vec<_>, _>>()?;
                Ok(Array { shape: vec![numbers.len()], data: ArrayData::F32(numbers) })
            }
            InputKind::Categories { names, .. } => {
                let mut next = 0;
                let code = |name: &String| match field(record, name, &mut next) {
                    Some(Value::Code(code)) => Ok(*code),
                    other => Err(unusable(record, "category", name, other)),
                };
                let codes = names.iter().map(code).collect::<Result<Vec<_>, _>>()?;
                Ok(Array { shape: vec![codes.len()], data: ArrayData::I64(codes) })
            }
            InputKind::Tokens { .. } => {
                let name = self.only(FeatureKind::Text);
                match record.field_mut(name) {
                    Some(Value::Tokens(tokens)) if !tokens.is_empty() => {
                        let tokens = std::mem::take(tokens);
                        Ok(Array { shape: vec![tokens.len()], data: ArrayData::I64(tokens) })
                    }
                    _ => Err(unusable(record, "text", name, record.field(name))),
                }
            }
            InputKind::Image { .. } => {
                let name = self.only(FeatureKind::Image);
                let Some(Value::Image(image)) = record.field_mut(name) else {
                    return Err(unusable(record, "image", name, record.field(name)));
                };
                let shape = vec![image.channels, image.height, image.width];
                if !spec.shape.iter().zip(&shape).all(|(wanted, size)| wanted.is_none_or(|wanted| wanted == *size)) {
                    let wanted: Vec<usize> = spec.shape.iter().map(|size| size.unwrap_or(0)).collect();
                    return Err(Error::Field {
                        id: record.id.key.clone(),
                        kind: "image",
                        column: name.to_owned(),
                        found: format!("{shape:?} (channels, height, width), and the model takes {wanted:?}"),
                        hint: "Bring all images to one size; in a card, `size = [height, width]` in [format.image_folder] does it.".into(),
                    });
                }
                Ok(Array { shape, data: ArrayData::U8(raster::planes(image)) })
            }
            InputKind::Series { .. } => Err(unusable(record, "series", &spec.name, None)),
        }
    }

    /// The name of the only feature of a kind that may occur once.
    pub(crate) fn only(&self, kind: FeatureKind) -> &str {
        self.schema.names(kind).first().copied().unwrap_or_default()
    }

    fn target(&self, record: &Record) -> Result<TargetValue, Error> {
        let Some(spec) = &self.schema.target else { return Ok(TargetValue::None) };
        match (&self.signature.output, record.field(&spec.name)) {
            (_, None | Some(Value::Missing)) | (OutputSpec::Inputs | OutputSpec::Embedding { .. }, _) => {
                Ok(TargetValue::None)
            }
            (OutputSpec::Classes { .. }, Some(Value::Text(class))) => Ok(TargetValue::Class(self.code(class, record)?)),
            (OutputSpec::Values { .. }, Some(Value::Number(_))) => {
                Ok(TargetValue::Values(vec![number(record, &spec.name, &mut 0)?]))
            }
            (OutputSpec::Mask { .. }, Some(Value::Mask(mask))) => mask_target(mask, spec, record),
            (_, other) => Err(unusable(record, "target", &spec.name, other)),
        }
    }

    fn code(&self, class: &str, record: &Record) -> Result<i64, Error> {
        self.codes.get(class).copied().ok_or_else(|| Error::UnknownClass {
            id: record.id.key.clone(),
            class: class.to_owned(),
            known: self.labels().unwrap_or_default().to_vec(),
        })
    }

    /// Replaces the transforms; tests put one with chance among them.
    #[cfg(test)]
    pub(crate) fn with_transforms(mut self, transforms: Vec<FittedTransform>) -> Self {
        self.transforms = transforms;
        self.plan = None;
        self
    }
}

/// The field called `name`, which lies at `next` if fields are asked for in order; `next` moves behind it.
fn field<'a>(record: &'a Record, name: &str, next: &mut usize) -> Option<&'a Value> {
    let place = record.place(name, *next)?;
    *next = place + 1;
    Some(&record.fields[place].1)
}

/// A number as a network takes it.
pub(crate) fn number(record: &Record, name: &str, next: &mut usize) -> Result<f32, Error> {
    match field(record, name, next) {
        Some(Value::Number(number)) if (*number as f32).is_finite() => Ok(*number as f32),
        Some(Value::Number(number)) => Err(Error::Field {
            id: record.id.key.clone(),
            kind: "number",
            column: name.to_owned(),
            found: format!("{number:e} once it is transformed, and networks take numbers up to 3.4e38"),
            hint:
                "Check the value; if it stands for a missing one, add it to the list `missing` in [schema] of the card."
                    .into(),
        }),
        other => Err(unusable(record, "number", name, other)),
    }
}

pub(crate) fn unusable(record: &Record, kind: &'static str, name: &str, found: Option<&Value>) -> Error {
    if found.is_none() {
        return Error::ColumnMissing {
            place: format!("Example {}", record.id.key),
            column: name.to_owned(),
            found: record.fields.iter().map(|(name, _)| name.clone()).collect(),
        };
    }
    let (found, hint) = match found {
        Some(Value::Missing) if kind == "number" => ("missing", "Add [data.transforms.impute] to fill gaps in."),
        Some(Value::Missing) => ("missing", "Every example needs one."),
        Some(Value::Tokens(tokens)) if tokens.is_empty() => ("empty", "A text needs at least one character."),
        Some(Value::Text(text)) => (&*quoted(text), "The value must be of the kind that the schema states."),
        _ => ("of another kind", "The value must be of the kind that the schema states."),
    };
    Error::Field {
        id: record.id.key.clone(),
        kind,
        column: name.to_owned(),
        found: found.to_owned(),
        hint: hint.to_owned(),
    }
}

/// The inputs that the features become, in a fixed order, as the transforms leave them.
fn inputs(schema: &Schema, fitted: &[FittedTransform]) -> Result<Vec<InputSpec>, Error> {
    if let Some(windows) = &schema.windows {
        return series::inputs(schema, windows, fitted);
    }
    let mut features = schema.features.clone();
    for transform in fitted {
        transform.reshape(&mut features);
    }
    let names = |kind| {
        let of_kind = features.0.iter().filter(|(_, found)| *found == kind);
        of_kind.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let lacks = |what: &str, transform: &str| Error::Mismatch {
        message: format!("The data has {what}, and no transform turns them into numbers"),
        hint: format!("Add [data.transforms.{transform}]."),
    };
    let mut inputs = Vec::new();
    if !names(FeatureKind::Date).is_empty() {
        return Err(lacks("dates", "dates"));
    }

    let numbers = names(FeatureKind::Number);
    if !numbers.is_empty() {
        let shape = vec![Some(numbers.len())];
        inputs.push(InputSpec {
            name: "numbers".into(),
            dtype: Dtype::F32,
            shape,
            kind: InputKind::Numbers { names: numbers },
        });
    }

    let categories = names(FeatureKind::Category);
    if !categories.is_empty() {
        let encode = fitted.iter().find_map(|transform| match transform {
            FittedTransform::Encode(encode) => Some(encode),
            _ => None,
        });
        let encode = encode.ok_or_else(|| lacks("categories", "encode"))?;
        let sizes =
            categories.iter().map(|name| encode.categories.get(name).map_or(1, |known| known.len() + 1)).collect();
        let shape = vec![Some(categories.len())];
        let kind = InputKind::Categories { names: categories, sizes };
        inputs.push(InputSpec { name: "categories".into(), dtype: Dtype::I64, shape, kind });
    }

    if !names(FeatureKind::Text).is_empty() {
        let tokenize = fitted.iter().find_map(|transform| match transform {
            FittedTransform::Tokenize(tokenize) => Some(tokenize),
            _ => None,
        });
        let tokenize = tokenize.ok_or_else(|| lacks("texts", "tokenize"))?;
        let kind = InputKind::Tokens { vocabulary: tokenize.vocabulary(), max_length: tokenize.max_length };
        inputs.push(InputSpec { name: "tokens".into(), dtype: Dtype::I64, shape: vec![None], kind });
    }

    if let Some(ImageSize { channels, height, width }) = schema.image {
        let measured = fitted.iter().find_map(|transform| match transform {
            FittedTransform::Normalize(normalize) => normalize.images.clone(),
            _ => None,
        });
        let (mean, std) = measured.map_or((vec![0.0; channels], vec![1.0; channels]), |found| (found.mean, found.std));
        let shape = vec![Some(channels), Some(height), Some(width)];
        inputs.push(InputSpec { name: "image".into(), dtype: Dtype::U8, shape, kind: InputKind::Image { mean, std } });
    }
    Ok(inputs)
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;

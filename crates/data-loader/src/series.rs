//! How does a window become an example? Every step goes through the transforms; the known ones are the input, the others the target.

use crate::batch::{Array, ArrayData};
use crate::error::Error;
use crate::example::{Example, ExampleId, Record, TargetValue, Value};
use crate::pipeline::{Pipeline, number, unusable};
use crate::random::Random;
use crate::schema::{FeatureKind, Schema};
use crate::signature::{Dtype, InputKind, InputSpec, OutputSpec};
use crate::task::Task;
use crate::transforms::{FittedTransform, Transforms};
use crate::windows::{Config, SERIES};

/// The input that the features become behind the transforms, and before them the steps that are known.
pub(crate) fn inputs(schema: &Schema, windows: &Config, fitted: &[FittedTransform]) -> Result<Vec<InputSpec>, Error> {
    let mut features = schema.features.clone();
    for transform in fitted {
        transform.reshape(&mut features);
    }
    if let Some((name, kind)) = features.0.iter().find(|(_, kind)| *kind != FeatureKind::Number) {
        let transform = match kind {
            FeatureKind::Category => "Add [data.transforms.one_hot] or [data.transforms.target_encode].",
            FeatureKind::Date => "Add [data.transforms.dates].",
            _ => "List it under `ignore` in the card.",
        };
        return Err(Error::Mismatch {
            message: format!("A series holds numbers, and `{name}` is a {}", kind.name()),
            hint: transform.into(),
        });
    }
    let history = schema.target.as_ref().filter(|_| windows.target_history).map(|target| target.name.clone());
    let names: Vec<String> = features.0.into_iter().map(|(name, _)| name).chain(history).collect();
    let shape = vec![Some(windows.length), Some(names.len())];
    Ok(vec![InputSpec { name: SERIES.into(), dtype: Dtype::F32, shape, kind: InputKind::Series { names } }])
}

/// The numbers that are to be told.
pub(crate) fn output(schema: &Schema, windows: &Config, task: Task, scale: (f64, f64)) -> Result<OutputSpec, Error> {
    let Some(target) = schema.target.as_ref().filter(|_| task == Task::Forecast) else {
        return Err(Error::Mismatch {
            message: format!("Windows over a series are for the task `forecast`, and the task is `{task}`"),
            hint: "Leave `task` out, or [data.windows].".into(),
        });
    };
    let names = (1..=windows.horizon).map(|step| format!("{}+{step}", target.name)).collect();
    Ok(OutputSpec::Horizon {
        names,
        mean: vec![scale.0; windows.horizon],
        std: vec![scale.1; windows.horizon],
        quantiles: windows.quantiles.clone(),
        season: windows.season,
        history: windows.target_history,
    })
}

/// Prepares the window in `record`. What was not known when it was read becomes [`TargetValue::None`].
pub(crate) fn prepare(
    pipeline: &Pipeline,
    windows: &Config,
    spec: &InputSpec,
    record: &mut Record,
    mut random: Option<&mut Random>,
) -> Result<Example, Error> {
    let (InputKind::Series { names }, Some(Value::Series(steps))) = (&spec.kind, record.field_mut(SERIES)) else {
        return Err(unusable(record, "series", SERIES, record.field(SERIES)));
    };
    let mut steps = std::mem::take(steps);
    let id = ExampleId { key: std::mem::take(&mut record.id.key) };
    for step in &mut steps {
        for transform in pipeline.transforms() {
            transform.apply(step, random.as_deref_mut())?;
        }
    }
    if steps.len() < windows.length {
        return Err(Error::NoExamples {
            place: format!("of {} steps in {id}", windows.length),
            hint: "Give more rows.",
        });
    }
    let mut data = Vec::with_capacity(windows.length * names.len());
    for step in &steps[..windows.length] {
        let mut next = 0;
        for name in names {
            data.push(number(step, name, &mut next)?);
        }
    }
    let told = &steps[windows.length..];
    let target = match &pipeline.schema().target {
        Some(target) if told.len() == windows.horizon => {
            let told = told.iter().map(|step| number(step, &target.name, &mut 0));
            TargetValue::Values(told.collect::<Result<_, _>>()?)
        }
        _ => TargetValue::None,
    };
    let array = Array { shape: vec![windows.length, names.len()], data: ArrayData::F32(data) };
    Ok(Example { id, inputs: vec![(SERIES.to_owned(), array)], target, weight: 1.0 })
}

/// The schema by which new rows are read: what is to be told is known of the steps before, so it must be there.
pub(crate) fn for_prediction(schema: &Schema) -> Schema {
    let mut read = schema.clone();
    if let (Some(windows), Some(target)) = (&schema.windows, &schema.target)
        && windows.target_history
    {
        read.features.0.push((target.name.clone(), FeatureKind::Number));
        read.target = None;
    }
    read
}

/// What follows from the schema of a series where nobody states transforms: a category becomes columns, since a series holds
/// numbers alone.
pub(crate) fn default_transforms(schema: &Schema) -> Transforms {
    use crate::transforms::{TransformConfig, one_hot};
    let mut transforms = Transforms::default_for(schema);
    transforms.0.retain(|transform| !matches!(transform, TransformConfig::Encode(_)));
    if !schema.names(FeatureKind::Category).is_empty() {
        transforms.0.insert(0, TransformConfig::OneHot(one_hot::Config::default()));
    }
    transforms
}

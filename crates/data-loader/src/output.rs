//! What must a network answer? That follows from the task, the target, and what the training part holds of it.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::generation;
use crate::schema::{Schema, TargetKind};
use crate::series;
use crate::signature::OutputSpec;
use crate::targets::in_order;
use crate::task::Task;
use crate::training::Training;
use crate::transforms::FittedTransform;
use crate::transforms::normalize::target_scale;
use crate::views;

/// The output that follows from the task and the target.
pub(crate) fn output(
    schema: &Schema,
    task: Task,
    fitted: &[FittedTransform],
    training: &Training<'_>,
    classes: Option<BTreeSet<String>>,
) -> Result<OutputSpec, Error> {
    if let Some(windows) = &schema.windows {
        return series::output(schema, windows, task, target_scale(fitted));
    }
    match (task, &schema.target) {
        (Task::Classify, Some(target)) if target.kind == TargetKind::Class => {
            let labels = in_order(classes.map_or_else(|| training.classes(&target.name), Ok)?);
            if let [class] = &labels[..] {
                return Err(Error::OneClass { class: class.clone() });
            }
            Ok(OutputSpec::Classes { labels })
        }
        (Task::Regress, Some(target)) if target.kind == TargetKind::Number => {
            let (mean, std) = target_scale(fitted);
            Ok(OutputSpec::Values { names: vec![target.name.clone()], mean: vec![mean], std: vec![std] })
        }
        (Task::Segment, Some(target)) if target.kind == TargetKind::Mask => {
            Ok(OutputSpec::Mask { labels: target.classes.clone() })
        }
        (Task::Reconstruct, _) => Ok(OutputSpec::Inputs),
        (Task::Generate, _) => generation::output(schema, fitted),
        (Task::Contrast, _) => views::output(schema),
        (Task::Classify | Task::Regress | Task::Segment, target) => Err(Error::Mismatch {
            message: format!(
                "The task `{task}` needs a target of another kind: {}",
                target.as_ref().map_or("the schema has none".into(), |target| format!(
                    "`{}` is a {}",
                    target.name,
                    target.kind.name()
                ))
            ),
            hint:
                "Classes are for `classify`, numbers for `regress` and masks for `segment`; state the target in [schema.target] of the card."
                    .into(),
        }),
        (Task::Forecast, _) => Err(Error::Mismatch {
            message: "The task `forecast` needs windows over a series, and there are none".into(),
            hint: "Add [data.windows].".into(),
        }),
    }
}

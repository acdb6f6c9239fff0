//! The graph with weights of 8 bits, what goes into layers being brought to bytes in ranges that were measured on the training part.

use data_loader::{Entry, Loader, Part};
use model_zoo::Inputs;

use super::int8::quantised;
use super::onnx::constant::Constant;
use super::onnx::export::proven;
use super::onnx::proof::feeds;
use super::onnx::quantize::{self, Ranges};
use super::onnx::runner::Runner;
use super::{Job, Made};
use crate::Error;

/// This form in the list of forms.
pub const ENTRY: Entry = Entry {
    name: "int8_static",
    summary: "the same with ranges measured on the training part, so that no example has a say in another's answer",
};

const FILE: &str = "model.int8-static.onnx";
/// On how many examples ranges are measured; more change them little.
const EXAMPLES: usize = 512;
/// So many of them at once.
const TOGETHER: usize = 32;

pub(super) fn write(job: &Job<'_>) -> Result<Vec<Made>, Error> {
    let refused = |reason: String| Error::NotExported {
        form: "int8_static",
        architecture: job.source.content.architecture.to_string(),
        reason,
    };
    let judge = job.judge()?.ok_or_else(|| {
        refused(
            "ranges are measured on examples, and a bundle by itself has no data; name the run, or choose `int8`"
                .into(),
        )
    })?;
    let float = proven(job, FILE)?;
    let bytes = float.graph.to_bytes("calibration", "", &[]);
    let names = quantize::measured(&float.graph);
    let (plan, dataset) = judge.data();
    let mut ranges = Ranges::new();
    let mut seen = 0;
    // A runner serves all batches of one shape.
    let mut ready: Option<(Vec<Vec<usize>>, Runner)> = None;
    for batch in Loader::once(std::sync::Arc::clone(dataset), Part::Train, TOGETHER)? {
        let batch = batch?;
        if batch.is_empty() {
            continue;
        }
        let inputs = Inputs::from_batch(&batch, &plan.signature, &job.device.device)?;
        let feeds = feeds(&inputs).map_err(refused)?;
        let shapes: Vec<Vec<usize>> = feeds.iter().map(|(_, constant)| constant.shape.clone()).collect();
        let runner = match ready.take().filter(|(known, _)| *known == shapes) {
            Some((_, runner)) => runner,
            None => Runner::new(&bytes, &feeds, &names).map_err(|reason| refused(reason.0))?,
        };
        let found = runner.run(&feeds).map_err(|reason| refused(reason.0))?;
        ready = Some((shapes, runner));
        for (name, value) in names.iter().zip(&found) {
            widen(&mut ranges, name, value);
        }
        seen += batch.len();
        if seen >= EXAMPLES {
            break;
        }
    }
    let graph = quantize::with_ranges(&float.graph, &ranges);
    Ok(vec![quantised(job, "int8_static", FILE, &graph, &float.answer)?])
}

/// Lets the range of `name` hold all of `value`.
fn widen(ranges: &mut Ranges, name: &str, value: &Constant) {
    let values = value.as_floats().unwrap_or_default().iter().filter(|number| number.is_finite());
    let range = ranges.entry(name.to_owned()).or_insert((0.0, 0.0));
    for number in values {
        *range = (range.0.min(*number), range.1.max(*number));
    }
}

//! `firebox generate`: continue a text with a trained model.

use std::ops::ControlFlow;

use serde_json::json;
use serving::Sampling;

use super::Ended;
use super::predict::open;
use crate::args::Generate;
use crate::failure::Status;
use crate::report;

pub(super) fn run(args: &Generate, json: bool) -> Ended {
    let device = model_zoo::device::open(&args.device)?;
    let sampling = Sampling { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p };
    sampling.check()?;
    let predictor = open(&args.model, &device)?;
    let mut texts = Vec::new();
    for sample in 0..args.samples {
        let mut begun = false;
        let tell = |new: &str| {
            // The prompt is shown once it is known to be one that can be continued.
            let is_read = json || ((begun || report::part(&args.prompt)) && report::part(new));
            begun = true;
            if is_read { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let seed = args.seed.wrapping_add(u64::from(sample));
        let text = predictor.generate(&args.prompt, args.tokens as usize, &sampling, seed, tell)?;
        if !json {
            // A text that ends at once has told nothing.
            report::line(if begun { "" } else { args.prompt.as_str() });
        }
        texts.push(text);
    }
    if json {
        report::json(&json!(texts));
    }
    Ok(Status::Done)
}

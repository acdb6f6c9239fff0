//! `firebox inspect`: the layers of a network with their sizes and their work, before a step is made.

use std::path::Path;

use data_loader::signature::{Dtype, InputKind, InputSpec, OutputSpec, Signature};
use data_loader::{Pipeline, Task};
use model_zoo::architectures::ARCHITECTURES;
use model_zoo::bundle::Bundle;
use model_zoo::inspection::{self, Inspection};
use model_zoo::{Architecture, Error};
use serde_json::json;
use trainer::address::Address;
use trainer::batch_size::BatchSize;
use trainer::run_dir::RunDir;
use trainer::{Experiment, Plan, origin};

use super::Ended;
use crate::args::Inspect;
use crate::failure::{Failure, Status};
use crate::report;

/// What an architecture that is only named is tried on, and how many outputs are asked of it then.
const USUAL: [(&str, usize); 6] = [
    ("3x224x224", 1000),
    ("1x28x28", 10),
    ("numbers:8,categories:5x3", 2),
    ("numbers:8", 2),
    ("tokens:128x1000", 2),
    ("series:96x1", 24),
];

pub(super) fn run(args: &Inspect, json: bool) -> Ended {
    let (inspection, source) = inspect(args)?;
    let inspection = inspection.of_batch(args.batch_size as usize);
    if json {
        let mut object = json!(inspection);
        object["source"] = json!(source);
        object["batch_size"] = json!(args.batch_size);
        object["flops"] = json!(inspection.multiply_adds.saturating_mul(2));
        report::json(&object);
    } else {
        show(&inspection, &source, args.batch_size);
    }
    Ok(Status::Done)
}

fn inspect(args: &Inspect) -> Result<(Inspection, String), Failure> {
    let path = Path::new(&args.what);
    if !path.exists() && ARCHITECTURES.iter().any(|entry| entry.name == args.what) {
        return of_name(args);
    }
    if args.classes.is_some() {
        return Err(Failure::usage(
            "`--classes` is for architectures alone",
            "the data of a config or run has its classes",
        ));
    }
    let (architecture, signature, source) = if path.is_file() {
        let mut experiment = Experiment::read(path, &args.set)?;
        // How many examples make a batch has nothing to do with the network.
        experiment.train.batch_size = BatchSize::Examples(2);
        experiment.train.accumulate = 1;
        let dataset = origin::open(&experiment, path)?;
        let plan = Plan::new(experiment, path, &dataset)?;
        let architecture = plan.experiment.architecture(path)?.clone();
        (architecture, plan.signature, format!("the config {}", path.display()))
    } else {
        trained(args)?
    };
    let signature = match &args.input {
        None => signature,
        Some(text) => sized(signature, text)?,
    };
    Ok((inspection::inspect(&architecture, &signature, 1)?, source))
}

/// What lies in a bundle, a run or a checkpoint.
fn trained(args: &Inspect) -> Result<(Architecture, Signature, String), Failure> {
    if !args.set.is_empty() {
        return Err(Failure::usage("what was trained has its settings", "leave `--set` out"));
    }
    let address = Address::parse(&args.what);
    let bundle = Path::new(&args.what);
    if Bundle::is_at(bundle) {
        let bundle = Bundle::read(bundle)?;
        return Ok((bundle.architecture()?, bundle.pipeline.signature().clone(), format!("the bundle {}", args.what)));
    }
    if address.checkpoint.is_some() {
        // Whoever names a checkpoint means one that is there.
        address.open()?;
    }
    let Ok(run) = RunDir::open(&address.run) else {
        let names: Vec<&str> = ARCHITECTURES.iter().map(|entry| entry.name).collect();
        return Err(Failure::usage(
            format!("`{}` is no architecture, config, run or bundle", args.what),
            format!("architectures are {}", names.join(", ")),
        ));
    };
    let experiment = Experiment::read(&run.config(), &[])?;
    let pipeline: Pipeline = origin::fitted_pipeline(&run)?;
    let architecture = experiment.architecture(&run.config())?.clone();
    Ok((architecture, pipeline.signature().clone(), format!("the run {}", args.what)))
}

/// The architecture of a name, on the first kind of data and the first task that suit it.
fn of_name(args: &Inspect) -> Result<(Inspection, String), Failure> {
    let text = format!("[data]\ncard = \"-\"\n[model.{}]\n", args.what);
    let written = Path::new("--set");
    let experiment = Experiment::parse(&text, written, &args.set)?;
    let architecture = experiment.architecture(written)?;
    let inputs: Vec<(&str, usize)> = match &args.input {
        Some(text) => vec![(text.as_str(), USUAL[1].1)],
        None => USUAL.to_vec(),
    };
    let mut refusal = None;
    for (input, usual) in inputs {
        let outputs = args.classes.map_or(usual, |classes| classes as usize);
        let specs = specs(input)?;
        for (task, output) in tasks(outputs, &specs) {
            let signature = Signature { task, inputs: specs.clone(), output };
            signature.check().map_err(|reason| wrong_input(input, &reason))?;
            match inspection::inspect(architecture, &signature, 1) {
                Ok(inspection) => {
                    let source = format!("{} on {input} with {outputs} outputs", args.what);
                    return Ok((inspection, source));
                }
                Err(error @ Error::Unfit { .. }) => refusal = refusal.or(Some(error)),
                Err(error) => return Err(error.into()),
            }
        }
    }
    match refusal {
        Some(error) => Err(error.into()),
        None => Err(Failure::usage("nothing goes in", "see `--input`")),
    }
}

/// Everything that could be asked of such inputs.
fn tasks(outputs: usize, specs: &[InputSpec]) -> Vec<(Task, OutputSpec)> {
    let names = numbered(outputs);
    let mut tasks = vec![
        (Task::Classify, OutputSpec::Classes { labels: names.clone() }),
        (Task::Segment, OutputSpec::Mask { labels: names.clone() }),
        (Task::Reconstruct, OutputSpec::Inputs),
        (Task::Contrast, OutputSpec::Embedding { size: outputs }),
    ];
    for spec in specs {
        match &spec.kind {
            InputKind::Tokens { vocabulary, .. } => {
                tasks.push((Task::Generate, OutputSpec::Tokens { vocabulary: *vocabulary }));
            }
            InputKind::Series { .. } => {
                let (mean, std) = (vec![0.0; outputs], vec![1.0; outputs]);
                let quantiles = Vec::new();
                let names = names.clone();
                let horizon = OutputSpec::Horizon { names, mean, std, quantiles, season: 1, history: true };
                tasks.push((Task::Forecast, horizon));
            }
            InputKind::Image { .. } | InputKind::Numbers { .. } | InputKind::Categories { .. } => {}
        }
    }
    tasks
}

/// Names of which nothing depends.
fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|k| k.to_string()).collect()
}

fn wrong_input(text: &str, reason: &str) -> Failure {
    Failure::usage(
        format!("`--input {text}` cannot be read: {reason}"),
        "write 3x224x224, numbers:8, categories:5x3 (so many values of each), tokens:128x1000 (length, vocabulary) or \
         series:96x1, with commas between",
    )
}

/// The inputs that a text describes.
fn specs(text: &str) -> Result<Vec<InputSpec>, Failure> {
    text.split(',').map(|part| spec(part).map_err(|reason| wrong_input(text, &reason))).collect()
}

fn spec(part: &str) -> Result<InputSpec, String> {
    let (kind, sizes) = part.split_once(':').unwrap_or(("image", part));
    let sizes: Vec<usize> = sizes
        .split('x')
        .map(|size| match size.parse::<usize>() {
            Ok(size) if (1..=1 << 24).contains(&size) => Ok(size),
            _ => Err(format!("`{size}` is no size")),
        })
        .collect::<Result<_, _>>()?;
    let (dtype, shape, kind_of) = match (kind, sizes.as_slice()) {
        ("image", &[channels, height, width]) => {
            let (mean, std) = (vec![0.5; channels], vec![0.25; channels]);
            (Dtype::U8, vec![Some(channels), Some(height), Some(width)], InputKind::Image { mean, std })
        }
        ("numbers", &[count]) => (Dtype::F32, vec![Some(count)], InputKind::Numbers { names: numbered(count) }),
        ("categories", sizes) => {
            let kind = InputKind::Categories { names: numbered(sizes.len()), sizes: sizes.to_vec() };
            (Dtype::I64, vec![Some(sizes.len())], kind)
        }
        ("tokens", &[max_length, vocabulary]) => (Dtype::I64, vec![None], InputKind::Tokens { vocabulary, max_length }),
        ("series", &[length, channels]) => {
            (Dtype::F32, vec![Some(length), Some(channels)], InputKind::Series { names: numbered(channels) })
        }
        _ => return Err(format!("`{part}` has another form")),
    };
    Ok(InputSpec { name: kind.to_owned(), dtype, shape, kind: kind_of })
}

/// `signature` with the sizes that it leaves open taken from a text.
fn sized(mut signature: Signature, text: &str) -> Result<Signature, Failure> {
    for wanted in specs(text)? {
        let found = signature.inputs.iter_mut().find(|input| input.name == wanted.name);
        let Some(input) = found else {
            return Err(wrong_input(text, &format!("the data has no input `{}`", wanted.name)));
        };
        for (axis, (have, want)) in input.shape.iter_mut().zip(&wanted.shape).enumerate() {
            match (*have, *want) {
                (Some(have), Some(want)) if have != want => {
                    return Err(wrong_input(text, &format!("the data says that axis {axis} has {have}, not {want}")));
                }
                (None, Some(want)) => *have = Some(want),
                _ => {}
            }
        }
        if let (InputKind::Tokens { max_length, .. }, InputKind::Tokens { max_length: asked, .. }) =
            (&mut input.kind, &wanted.kind)
        {
            *max_length = *asked;
        }
    }
    Ok(signature)
}

fn show(inspection: &Inspection, source: &str, batch: u32) {
    let sizes = |shape: &[usize]| shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
    let mebibytes = |bytes: u64| format!("{:.2}", bytes as f64 / f64::from(1 << 20));
    report::line(format!("{}: {source}", inspection.architecture));
    for (name, shape) in &inspection.inputs {
        report::line(format!("reads   {name} {}", sizes(shape)));
    }
    report::line(format!("answers {}", sizes(&inspection.output)));
    report::line("");
    let rows: Vec<Vec<String>> = inspection
        .layers
        .iter()
        .map(|layer| {
            let kind = match layer.calls {
                0 | 1 => layer.kind.to_owned(),
                calls => format!("{calls} {}", layer.kind),
            };
            vec![
                if layer.name.is_empty() { "-".to_owned() } else { layer.name.clone() },
                kind,
                sizes(&layer.output),
                report::count(layer.parameters as u64),
                report::count(layer.multiply_adds),
                mebibytes(layer.activation_bytes),
            ]
        })
        .collect();
    report::table(&["layer", "operation", "gives", "parameters", "multiply-adds", "MiB"], &rows);
    report::line("");
    report::line(format!("parameters    {}", report::count(inspection.parameters as u64)));
    if inspection.buffers > 0 {
        report::line(format!("buffers       {}", report::count(inspection.buffers as u64)));
    }
    report::line(format!("multiply-adds {} for a batch of {batch}", report::count(inspection.multiply_adds)));
    report::line(format!("activations   {} MiB for a batch of {batch}", mebibytes(inspection.activation_bytes)));
}

//! How fast is a model in each of its forms, and how much memory does it take?
//!
//! Each form is measured in a process of its own, which does nothing else, on examples made at random.

use std::path::Path;
use std::time::{Duration, Instant};

use data_loader::{Batch, Part, Signature};
use model_zoo::device::{self, Found};
use model_zoo::network::Answer;
use model_zoo::{Inputs, bundle, weights};
use serde::{Deserialize, Serialize};

use super::judged::{Judge, Runners, Scores};
use super::onnx::proof::random_batch;
use super::{Options, Source, export, form, onnx};
use crate::batch_size::resident_memory;
use crate::{Error, contents};

/// Examples that are answered at once where as many as possible are to be.
pub const TOGETHER: usize = 32;
/// How many answers are timed one by one at least, so that the slowest of a hundred says something.
const FEWEST: usize = 100;
/// And at most.
const MOST: usize = 100_000;
const SEED: u64 = 0xBE7C;

/// A form, and what runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The bundle, by this program on the processor.
    NativeCpu,
    /// The bundle, by this program on the graphics card.
    NativeGpu,
    /// Weights of 16 bits, by this program, which computes with 32.
    F16,
    /// The ONNX file, by tract on the processor.
    Onnx,
    /// The ONNX file with weights of 8 bits, by tract on the processor.
    Int8,
    /// The same with ranges that were measured beforehand.
    Int8Static,
}

impl Way {
    /// Every way that is at hand for `source`, where `card` says whether there is a graphics card.
    pub fn all(source: &Source, card: bool) -> Vec<Self> {
        let mut all = vec![Self::NativeCpu];
        if card {
            all.push(Self::NativeGpu);
        }
        all.extend([Self::F16, Self::Onnx, Self::Int8]);
        if source.run.is_some() {
            all.push(Self::Int8Static);
        }
        all
    }

    /// The form, and what runs it.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::NativeCpu => ("bundle", "firebox, cpu"),
            Self::NativeGpu => ("bundle", "firebox, gpu"),
            Self::F16 => ("f16", "firebox, cpu"),
            Self::Onnx => ("onnx", "tract, cpu"),
            Self::Int8 => ("int8", "tract, cpu"),
            Self::Int8Static => ("int8_static", "tract, cpu"),
        }
    }

    /// The file of the form within the folder that [`files`] writes.
    fn file(self) -> &'static str {
        match self {
            Self::NativeCpu | Self::NativeGpu => "bundle/weights.safetensors",
            Self::F16 => "model.f16.safetensors",
            Self::Onnx => "model.onnx",
            Self::Int8 => "model.int8.onnx",
            Self::Int8Static => "model.int8-static.onnx",
        }
    }
}

/// What was measured of a form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The form.
    pub form: String,
    /// What ran it.
    pub runtime: String,
    /// How large its file is; of a bundle the one with the weights.
    pub file_bytes: u64,
    /// Milliseconds from the file to the first answer.
    pub load_ms: f64,
    /// Milliseconds that half of the answers to one example took at most.
    pub p50_ms: f64,
    /// Milliseconds that 99 of 100 of them took at most.
    pub p99_ms: f64,
    /// Answers a second, one by one.
    pub requests_per_second: f64,
    /// Examples a second, [`TOGETHER`] at once.
    pub examples_per_second: f64,
    /// Thousandths of a core that were busy meanwhile.
    pub cpu_millis: Option<u64>,
    /// Bytes of memory that the process holds while it answers.
    pub memory_bytes: Option<u64>,
    /// On the test split, where the data of the run is at hand: the metric that training watched, and the accuracy of a classifier.
    pub scores: Scores,
}

/// Writes the files of `ways` into `folder`.
///
/// # Errors
/// As [`export`].
pub fn files(source: &Source, ways: &[Way], folder: &Path, processor: &Found) -> Result<(), Error> {
    let mut names: Vec<&str> = ways.iter().map(|way| way.names().0).collect();
    names.dedup();
    let forms: Vec<_> = names.into_iter().filter_map(form).collect();
    export(source, &forms, folder, processor, Options::default(), &mut |_| {}).map(drop)
}

/// Measures one way for about `seconds`, in this process.
///
/// # Errors
/// [`Error::NotRun`]; if the device fails.
pub fn measure(mut source: Source, way: Way, folder: &Path, found: &Found, seconds: f64) -> Result<Row, Error> {
    device::compute_here(&found.device);
    let path = folder.join(way.file());
    let signature = source.content.pipeline.signature().clone();
    let one = inputs(&random_batch(&signature, 1, SEED), &signature, found)?;
    let many = inputs(&random_batch(&signature, TOGETHER, SEED), &signature, found)?;
    let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let file_bytes = bytes.len() as u64;
    let started = Instant::now();
    let mut ready = Ready::new(&source, way, &path, bytes, found)?;
    ready.answer(&one)?;
    // What a server would not hold a second time.
    source.content.weights.clear();
    let load_ms = 1e3 * started.elapsed().as_secs_f64();
    let (span, cpu) = (Duration::from_secs_f64(seconds), busy("self"));
    let began = Instant::now();
    let mut times: Vec<f64> = Vec::new();
    while times.len() < FEWEST || (began.elapsed() < span && times.len() < MOST) {
        let started = Instant::now();
        ready.answer(&one)?;
        times.push(1e3 * started.elapsed().as_secs_f64());
    }
    let wall = began.elapsed().as_secs_f64();
    let cpu_millis = cpu.zip(busy("self")).map(|(before, after)| (1e3 * (after - before) / wall).round() as u64);
    let requests_per_second = times.len() as f64 / wall;
    times.sort_by(f64::total_cmp);
    let share = |share: f64| times[((times.len() - 1) as f64 * share).ceil() as usize];
    ready.answer(&many)?;
    let (began, mut rounds) = (Instant::now(), 0_u32);
    while rounds < 3 || began.elapsed() < span {
        ready.answer(&many)?;
        rounds += 1;
    }
    let examples_per_second = f64::from(rounds) * TOGETHER as f64 / began.elapsed().as_secs_f64();
    // Before data are read, which takes memory too.
    let memory_bytes = resident_memory();
    let (form, runtime) = way.names();
    Ok(Row {
        form: form.to_owned(),
        runtime: runtime.to_owned(),
        file_bytes,
        load_ms,
        p50_ms: share(0.5),
        p99_ms: share(0.99),
        requests_per_second,
        examples_per_second,
        cpu_millis,
        memory_bytes,
        scores: ready.scores(&source, found)?,
    })
}

fn inputs(batch: &Batch, signature: &Signature, found: &Found) -> Result<Inputs, Error> {
    Ok(Inputs::from_batch(batch, signature, &found.device)?)
}

/// A model that is ready to answer.
enum Ready {
    Native(Box<dyn Answer>),
    File(Runners),
}

impl Ready {
    fn new(source: &Source, way: Way, path: &Path, bytes: Vec<u8>, found: &Found) -> Result<Self, Error> {
        let signature = source.content.pipeline.signature();
        Ok(match way {
            Way::NativeCpu | Way::NativeGpu | Way::F16 => {
                let numbers = weights::from_bytes(&bytes, path)?;
                Self::Native(bundle::load(&source.architecture()?, signature, &numbers, path, &found.device)?)
            }
            Way::Onnx | Way::Int8 | Way::Int8Static => Self::File(Runners::new(bytes, onnx::answer_name(signature))),
        })
    }

    /// An answer, read back from the device.
    fn answer(&mut self, inputs: &Inputs) -> Result<(), Error> {
        match self {
            Self::Native(network) => network.answer(inputs)?.numbers().map(drop).map_err(Error::from),
            Self::File(runners) => runners.run(inputs).map(drop).map_err(|reason| Error::NotRun(reason.0)),
        }
    }

    fn scores(&mut self, source: &Source, found: &Found) -> Result<Scores, Error> {
        let Some(run) = &source.run else { return Ok(Vec::new()) };
        let data = contents::data_of(run)?;
        let Some(judge) = Judge::new(data, Some(Part::Test)) else { return Ok(Vec::new()) };
        match self {
            Self::Native(network) => judge.of_network(network.as_ref(), &found.device),
            Self::File(runners) => judge.of_runners(runners, &found.device),
        }
    }
}

/// Seconds that cores were busy for a process, by its number or `self`, where the system says.
pub fn busy(process: &str) -> Option<f64> {
    // Fields 14 and 15 of a line whose second one may hold spaces, in hundredths of a second on every Linux.
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

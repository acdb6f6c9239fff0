//! `firebox bench bundle`: how fast a model is in each of its forms, and what each takes.

use serde_json::json;
use serving::deploy::Measured;
use trainer::exporters::Source;
use trainer::exporters::measured::{self, Row, TOGETHER, Way};

use super::{Ended, check_span, export::bytes};
use crate::args::BenchBundle;
use crate::failure::{Failure, Status};
use crate::{child, report};

pub(super) fn run(args: &BenchBundle, as_json: bool) -> Ended {
    check_span(args.seconds)?;
    if let Some(way) = &args.only {
        return only(args, way);
    }
    let processor = model_zoo::device::open("cpu")?;
    let source = Source::open(&args.model, &processor)?;
    let card = model_zoo::device::open("auto")?.name != "cpu";
    let ways = Way::all(&source, card);
    let folder = Folder::new()?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for way in ways {
        let (form, runtime) = way.names();
        if !as_json {
            report::note(format!("Measuring {form} by {runtime} ..."));
        }
        let files = measured::files(&source, &[way], &folder.0, &processor).map_err(Failure::from);
        match files.and_then(|()| measure(&args.model, way, &folder, args.seconds)) {
            Ok(row) => rows.push(row),
            // A form that this network has not, or a fault of a runtime, is no reason to hide the others.
            Err(failure) if way != Way::NativeCpu => failed.push((form, runtime, failure)),
            Err(failure) => return Err(failure),
        }
    }
    if as_json {
        let missing = failed
            .iter()
            .map(|(form, runtime, why)| json!({ "form": form, "runtime": runtime, "not_measured": why.message }));
        let all: Vec<_> = rows.iter().map(|row| json!(row)).chain(missing).collect();
        report::json(&json!(all));
        return Ok(Status::Done);
    }
    show(&rows);
    for (form, runtime, why) in failed {
        report::line(format!("{form} by {runtime} was not measured: {}", why.message));
    }
    Ok(Status::Done)
}

/// What the bundle takes on the processor, measured in a process of its own.
pub(super) fn on_processor(model: &str, seconds: f64) -> Result<Measured, Failure> {
    let processor = model_zoo::device::open("cpu")?;
    let source = Source::open(model, &processor)?;
    let folder = Folder::new()?;
    measured::files(&source, &[Way::NativeCpu], &folder.0, &processor)?;
    let row = measure(model, Way::NativeCpu, &folder, seconds)?;
    Ok(Measured {
        memory_bytes: row.memory_bytes.unwrap_or_default(),
        cpu_millis: row.cpu_millis.unwrap_or(1000),
        // More digits than were measured would be read as such.
        p99_ms: (row.p99_ms * 1e3).round() / 1e3,
        requests_per_second: (row.requests_per_second * 10.0).round() / 10.0,
        of_server: false,
    })
}

fn measure(model: &str, way: Way, folder: &Folder, seconds: f64) -> Result<Row, Failure> {
    let mut command = child::command()?;
    let name = serde_json::to_string(&way).unwrap_or_default();
    command.args(["bench", "bundle", "--json", "--seconds", &seconds.to_string(), "--only"]);
    command.arg(format!("{}={}", name.trim_matches('"'), folder.0.display()));
    command.args(["--", model]);
    child::json(&mut command)
}

/// Measures one way in this process, whose files lie in a folder already.
fn only(args: &BenchBundle, way: &str) -> Ended {
    let unknown = || Failure::usage(format!("`--only {way}` is no way to run a model"), "leave `--only` out");
    let (name, folder) = way.split_once('=').ok_or_else(unknown)?;
    let way: Way = serde_json::from_value(json!(name)).map_err(|_| unknown())?;
    let processor = model_zoo::device::open("cpu")?;
    let source = Source::open(&args.model, &processor)?;
    let device = if way == Way::NativeGpu { model_zoo::device::open("auto")? } else { processor };
    report::json(&json!(measured::measure(source, way, folder.as_ref(), &device, args.seconds)?));
    Ok(Status::Done)
}

fn show(rows: &[Row]) {
    let metrics: Vec<&str> = rows
        .iter()
        .map(|row| row.scores.iter().map(|(metric, _)| metric.as_str()).collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .unwrap_or_default();
    let cells = |row: &Row| {
        let score = |metric: &&str| {
            let found = row.scores.iter().find(|(name, _)| name == metric);
            found.map_or_else(String::new, |(_, value)| format!("{value:.4}"))
        };
        let mut cells = vec![
            row.form.clone(),
            row.runtime.clone(),
            bytes(row.file_bytes),
            format!("{:.1}", row.load_ms),
            format!("{:.3}", row.p50_ms),
            format!("{:.3}", row.p99_ms),
            report::count(row.examples_per_second.round() as u64),
            row.memory_bytes.map_or_else(String::new, bytes),
        ];
        cells.extend(metrics.iter().map(score));
        cells
    };
    let mut heading = vec!["form", "runtime", "file", "load ms", "p50 ms", "p99 ms", "examples/s", "memory"];
    heading.extend(&metrics);
    report::table(&heading, &rows.iter().map(cells).collect::<Vec<_>>());
    report::line(format!(
        "p50 and p99: one example at a time; examples/s: {TOGETHER} at once; memory: what a process holds that does nothing else."
    ));
}

/// A folder that goes when it is no longer needed.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let name = format!("firebox-bench-{}-{}", std::process::id(), since.as_nanos());
        let path = std::env::temp_dir().join(name);
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Where something lies already, it is not ours.
        builder.create(&path).map_err(|error| Failure::broken(format!("cannot create {}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

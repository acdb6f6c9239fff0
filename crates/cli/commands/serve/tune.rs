//! `firebox serve --tune`: how requests come together is measured and written down.

use std::path::Path;
use std::time::Duration;

use model_zoo::bundle::Bundle;
use serde_json::json;
use serving::tune::{Point, Question, best, tune};
use serving::{Settings, load};
use trainer::address::typed;
use trainer::exporters::onnx::proof::random_batch;

use crate::args::Serve;
use crate::commands::Ended;
use crate::failure::{Failure, Status};
use crate::report;

const SEED: u64 = 0x7E5E;
/// What the model is called meanwhile.
const NAME: &str = "tuned";

pub(super) fn run(args: &Serve, settings: &Settings, config: &Path, as_json: bool) -> Ended {
    let [model] = settings.models.as_slice() else {
        let hint = "Name one; what was found for it can be put into a config with others.";
        return Err(Failure::usage("how requests come together is measured for one model at a time", hint));
    };
    if config.exists() {
        let hint = "Choose another name, or remove it.";
        return Err(Failure::usage(format!("{} is there already", config.display()), hint));
    }
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let hint = "Make it first, or choose another place.";
        return Err(Failure::usage(format!("there is no folder {}", folder.display()), hint));
    }
    if !(0.05..=60.0).contains(&args.seconds) {
        let hint = "Choose 1 for a look, 5 for a figure to keep.";
        return Err(Failure::usage(format!("--seconds is {}, and must lie between 0.05 and 60", args.seconds), hint));
    }
    let signature = Bundle::read(&model.bundle)?.manifest.signature;
    let body = load::body(&random_batch(&signature, 1, SEED), &signature);
    let mut settings = settings.clone();
    settings.models[0].name = Some(NAME.to_owned());
    // What keeps others out, or keeps what they did, is nothing that is measured.
    settings.access = serving::access::Settings::default();
    (settings.tls, settings.traces, settings.audit, settings.feedback, settings.memory) =
        (None, None, None, None, None);
    let path = format!("/v2/models/{NAME}/infer");
    let span = Duration::from_secs_f64(args.seconds);
    let question = Question { path: &path, body: &body, p99_ms: args.p99, span };
    let points = tune(&settings, question, &mut |point| {
        if !as_json {
            report::note(told(point));
        }
    })?;
    let best = best(&points, args.p99).copied();
    if as_json {
        let all: Vec<_> = points.iter().map(as_value).collect();
        report::json(&json!({ "p99_ms": args.p99, "points": all, "best": best.as_ref().map(as_value) }));
    } else {
        let row = |point: &Point| {
            let mark = if Some(*point) == best { "best" } else { "" };
            let Point { batching, load } = point;
            vec![
                batching.rows.to_string(),
                format!("{:.1}", 1e3 * batching.window.as_secs_f64()),
                load.connections.to_string(),
                format!("{:.0}", load.requests_per_second),
                format!("{:.2}", load.p50_ms),
                format!("{:.2}", load.p99_ms),
                mark.to_owned(),
            ]
        };
        let head = ["examples", "wait ms", "connections", "requests/s", "p50 ms", "p99 ms", ""];
        report::table(&head, &points.iter().map(row).collect::<Vec<_>>());
    }
    let Some(best) = best else {
        if !as_json {
            report::line(format!("With no choice 99 of 100 requests kept {} ms; nothing was written.", args.p99));
        }
        return Ok(Status::GateFailed);
    };
    let bundle = std::path::absolute(&model.bundle).unwrap_or_else(|_| model.bundle.clone());
    let text = format!(
        "# Measured: {:.0} requests a second with {} connections, p99 {:.2} ms of {} ms.\n\
         [[models]]\nbundle = {}\n\n[batching]\nrows = {}\nwindow_ms = {}\n",
        best.load.requests_per_second,
        best.load.connections,
        best.load.p99_ms,
        args.p99,
        toml::Value::String(bundle.display().to_string()),
        best.batching.rows,
        toml::Value::Float(1e3 * best.batching.window.as_secs_f64()),
    );
    data_loader::atomic::write_file(config, text.as_bytes()).map_err(data_loader::Error::from)?;
    if !as_json {
        report::line(format!("Written to {}. Serve it with:", config.display()));
        report::line(format!("  firebox serve {}", typed(config)));
    }
    Ok(Status::Done)
}

fn told(point: &Point) -> String {
    let Point { batching, load } = point;
    format!(
        "{} examples at once, waiting {:.1} ms, {} connections: {:.0} requests/s, p99 {:.2} ms",
        batching.rows,
        1e3 * batching.window.as_secs_f64(),
        load.connections,
        load.requests_per_second,
        load.p99_ms
    )
}

fn as_value(point: &Point) -> serde_json::Value {
    let Point { batching, load } = point;
    json!({
        "rows": batching.rows,
        "window_ms": 1e3 * batching.window.as_secs_f64(),
        "connections": load.connections,
        "requests_per_second": load.requests_per_second,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
    })
}

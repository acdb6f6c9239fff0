//! `firebox serve`: models answer over HTTP.

use std::path::{Path, PathBuf};

use model_zoo::bundle::Bundle;
use serde_json::json;
use serving::{Config, Limits, Settings, Source, batching, http};

use super::{Ended, finished_run};
use crate::args::Serve;
use crate::failure::{Failure, Status};
use crate::report;

pub(super) fn run(args: &Serve, as_json: bool) -> Ended {
    let mut settings = match args.models.as_slice() {
        [only] if Path::new(only).extension().is_some_and(|ending| ending == "toml") => {
            Config::read(Path::new(only))?.settings(note)
        }
        models => Settings {
            models: models.iter().map(|text| source(text)).collect(),
            address: Settings::USUAL_ADDRESS,
            device: "cpu".to_owned(),
            batching: batching::Settings::default(),
            control: false,
            limits: Limits::default(),
            log: None,
        },
    };
    for model in &mut settings.models {
        resolve(model)?;
    }
    if let Some(address) = args.address {
        settings.address.set_ip(address);
    }
    if let Some(port) = args.port {
        settings.address.set_port(port);
    }
    if let Some(device) = &args.device {
        settings.device.clone_from(device);
    }
    if args.log {
        settings.log = Some(note);
    }
    http::until_asked_to_end(settings, false, |address| {
        let url = format!("http://{address}");
        match as_json {
            true => report::json(&json!({ "listening": url })),
            false => report::line(format!("listening on {url}")),
        }
    })?;
    Ok(Status::Done)
}

fn note(line: &str) {
    report::note(line);
}

/// `PATH`, or `NAME=PATH`. A path that is there is one, whatever is in it.
fn source(text: &str) -> Source {
    match text.split_once('=').filter(|_| !Path::new(text).exists()) {
        Some((name, path)) => Source { name: Some(name.to_owned()), bundle: path.into() },
        None => Source { name: None, bundle: text.into() },
    }
}

/// The bundle of a run stands in the place of the run, and is called as it is.
fn resolve(model: &mut Source) -> Result<(), Failure> {
    let path: PathBuf = model.bundle.clone();
    if Bundle::is_at(&path) || path.is_file() {
        return Ok(());
    }
    let run = finished_run(&path)?;
    model.name.get_or_insert_with(|| run.name());
    model.bundle = run.bundle();
    Ok(())
}

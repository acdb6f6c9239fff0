//! `firebox serve`: models answer over HTTP.

use std::path::{Path, PathBuf};

use model_zoo::bundle::Bundle;
use serde_json::json;
use serving::{Config, Settings, Source, http};

use super::{Ended, finished_run};
use crate::args::Serve;
use crate::failure::{Failure, Status};
use crate::report;

mod tune;

pub(super) fn run(args: &Serve, as_json: bool) -> Ended {
    if let (Some(name), Some(keys)) = (&args.new_key, &args.keys) {
        return new_key(args, name, keys, as_json);
    }
    let settings = settings(args)?;
    if let (true, Some(config)) = (args.tune, &args.config) {
        return tune::run(args, &settings, config, as_json);
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

/// Prints a key, which nobody can read anywhere after that.
fn new_key(args: &Serve, name: &str, keys: &Path, as_json: bool) -> Ended {
    let only = (!args.only.is_empty()).then(|| args.only.clone());
    let (key, written) = serving::access::keys::new(name.to_owned(), args.scopes.clone(), only)?;
    serving::access::keys::add(keys, written)?;
    if as_json {
        report::json(&json!({ "name": name, "key": key, "keys": keys.display().to_string() }));
    } else {
        report::line(&key);
        report::note(format!("Its hash stands in {}; the key itself stands nowhere, so keep it now.", keys.display()));
    }
    Ok(Status::Done)
}

/// What was asked for.
fn settings(args: &Serve) -> Result<Settings, Failure> {
    let mut settings = match args.models.as_slice() {
        [only] if Path::new(only).extension().is_some_and(|ending| ending == "toml") => {
            Config::read(Path::new(only))?.settings(note)
        }
        models => Settings { note, ..Settings::of(models.iter().map(|text| source(text)).collect()) },
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
    settings.log |= args.log;
    Ok(settings)
}

fn note(line: &str) {
    report::note(line);
}

/// `PATH`, or `NAME=PATH`. A path that is there is one, whatever is in it.
fn source(text: &str) -> Source {
    match text.split_once('=').filter(|_| !Path::new(text).exists()) {
        Some((name, path)) => Source { name: Some(name.to_owned()), bundle: path.into(), ..Source::default() },
        None => Source { bundle: text.into(), ..Source::default() },
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

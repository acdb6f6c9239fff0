//! Where does the program `firebox-serve` start? It serves one bundle, or asks whether such a server is well.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serving::{Error, Limits, Settings, Source, health, http};

/// What networks compute lies in large pieces of memory that come and go; this one keeps them, instead of fetching fresh pages for each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So many of the largest bodies may be there at once.
const BODIES: usize = 16;
/// For how long `--health` waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// Serves a model over HTTP: the Open Inference Protocol, version 2, below /v2, records at /predict, metrics for
/// Prometheus at /metrics.
#[derive(Parser)]
#[command(name = "firebox-serve", version)]
struct Arguments {
    /// The bundle: a folder, or one file that was packed
    #[arg(required_unless_present = "health")]
    bundle: Option<PathBuf>,
    /// What the model is called in addresses [default: as the folder is, or as the bundle says]
    #[arg(long)]
    name: Option<String>,
    /// Where to listen; port 0 is one that is free
    #[arg(long, default_value = "127.0.0.1:8080")]
    address: SocketAddr,
    /// On what to compute: cpu, or a graphics card where it is built in
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The largest body of a request, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body)]
    max_body: usize,
    /// End when standard input ends: for a program that starts this one and may be killed
    #[arg(long)]
    until_eof: bool,
    /// Write a line of JSON to stderr for each request
    #[arg(long)]
    log: bool,
    /// Ask a server instead: ends with 0 if URL answers 200 within 3 seconds, else with 1
    #[arg(long, value_name = "URL", conflicts_with = "bundle")]
    health: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    prepare_environment();
    let done = match (&arguments.health, &arguments.bundle) {
        (Some(url), _) => health::ask(url, PATIENCE),
        (None, Some(bundle)) => serve(bundle.clone(), &arguments),
        (None, None) => Ok(()),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    note(&format!("error: {error}"));
    if let Some(hint) = error.hint() {
        note(&format!("hint: {hint}"));
    }
    ExitCode::from(if error.is_usage() { 2 } else { 1 })
}

#[expect(clippy::result_large_err, reason = "there is one in the life of a process")]
fn serve(bundle: PathBuf, arguments: &Arguments) -> Result<(), Error> {
    let source = Source { name: arguments.name.clone(), bundle, ..Source::default() };
    let settings = Settings {
        address: arguments.address,
        device: arguments.device.clone(),
        limits: Limits {
            body: arguments.max_body,
            bodies: BODIES.saturating_mul(arguments.max_body),
            ..Limits::default()
        },
        log: arguments.log,
        note,
        ..Settings::of(vec![source])
    };
    http::until_asked_to_end(settings, arguments.until_eof, |address| {
        // Whoever started it may have closed its end.
        let _ = writeln!(std::io::stdout(), "listening on http://{address}");
    })
}

/// Libraries ask for a default device behind our back, which would be a graphics card that may not exist.
fn prepare_environment() {
    // SAFETY: so far `main` has read its arguments and nothing more; no other thread exists that could read the
    // environment meanwhile.
    #[expect(unsafe_code, reason = "the device is chosen by this variable, and there is no other way")]
    unsafe {
        std::env::set_var("BURN_DEVICE", "flex");
    }
}

/// Writes a line to stderr.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

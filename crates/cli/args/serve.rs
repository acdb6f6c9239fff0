//! What can be said to `firebox serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use serving::access::Scope;

/// `firebox serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Runs or bundles, each as PATH or NAME=PATH; or one config in TOML that names them.
    #[arg(required_unless_present = "new_key")]
    pub models: Vec<String>,
    /// Where to listen: 127.0.0.1 is for this machine alone, 0.0.0.0 for every network.
    #[arg(long)]
    pub address: Option<IpAddr>,
    /// The port; 0 is one that is free.
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// On what to compute: cpu, or a graphics card where there is one.
    #[arg(long)]
    pub device: Option<String>,
    /// Write a line of JSON to stderr for each request.
    #[arg(long)]
    pub log: bool,
    /// Find out by measuring how many requests to answer at once and how long to wait for others, and write it into --config.
    #[arg(long, requires = "config")]
    pub tune: bool,
    /// With --tune: the latency that 99 of 100 requests are to keep, such as 20ms.
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = milliseconds, requires = "tune")]
    pub p99: f64,
    /// With --tune: how long each choice is measured, in seconds.
    #[arg(long, default_value_t = 1.0, value_parser = clap::value_parser!(f64), requires = "tune")]
    pub seconds: f64,
    /// The config that --tune writes, and that `firebox serve` takes then.
    #[arg(long, value_name = "FILE", requires = "tune")]
    pub config: Option<PathBuf>,
    /// Make a key for whoever is called NAME: it is printed once, and its hash is put into --keys.
    #[arg(long, value_name = "NAME", requires = "keys", conflicts_with = "models")]
    pub new_key: Option<String>,
    /// With --new-key: the file of keys; a server takes it as `keys` in the [access] of its config.
    #[arg(long, value_name = "FILE", requires = "new_key")]
    pub keys: Option<PathBuf>,
    /// With --new-key: what it grants.
    #[arg(long, value_delimiter = ',', default_value = "predict", value_parser = scope, requires = "new_key")]
    pub scopes: Vec<Scope>,
    /// With --new-key: the only model that it is for; may be given several times.
    #[arg(long, value_name = "MODEL", requires = "new_key")]
    pub only: Vec<String>,
}

/// A time such as `20ms` or `0.5s`, in milliseconds.
fn milliseconds(text: &str) -> Result<f64, String> {
    let (number, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1e3),
        (None, None) => return Err("write it as 20ms or 0.5s".into()),
    };
    let number: f64 = number.trim().parse().map_err(|_| "write it as 20ms or 0.5s".to_owned())?;
    match (0.0..=60_000.0).contains(&(number * factor)) && number > 0.0 {
        true => Ok(number * factor),
        false => Err("it must lie above 0 and be no more than a minute".into()),
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    match text {
        "predict" => Ok(Scope::Predict),
        "metrics" => Ok(Scope::Metrics),
        "control" => Ok(Scope::Control),
        _ => Err("it is predict, metrics or control".into()),
    }
}

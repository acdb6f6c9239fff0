//! What can be said to `firebox serve`.

use std::net::IpAddr;

use clap::Args;

/// `firebox serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Runs or bundles, each as PATH or NAME=PATH; or one config in TOML that names them.
    #[arg(required = true)]
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
}

//! What can be said to `firebox package`?

use std::path::PathBuf;

use clap::Args;

/// `firebox package`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct PackageArgs {
    /// The bundle, or the run whose bundle it is.
    pub model: String,
    /// A Dockerfile that builds the server and brings the bundle along.
    #[arg(long)]
    pub docker: bool,
    /// An image as a folder, made without any engine.
    #[arg(long)]
    pub oci: bool,
    /// Manifests for Kubernetes.
    #[arg(long)]
    pub kubernetes: bool,
    /// A runtime and a service for KServe.
    #[arg(long)]
    pub kserve: bool,
    /// A unit for systemd.
    #[arg(long)]
    pub systemd: bool,
    /// A chart for Helm.
    #[arg(long)]
    pub helm: bool,
    /// A page that answers in the browser by the model's ONNX file; `--runtime` brings along what runs it.
    #[arg(long)]
    pub web: bool,
    /// A Rust package that embeds the bundle; needs `--crates`.
    #[arg(long, requires = "crates")]
    pub rust: bool,
    /// The ONNX file for the page; the one that was exported beside the bundle if left out.
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// The folder of onnxruntime-web for the page; without it a line says how to fetch it.
    #[arg(long, value_name = "DIR")]
    pub runtime: Option<PathBuf>,
    /// Where the Rust package takes the crates of Firebox from: a folder with its sources, or the address of a repository.
    #[arg(long, value_name = "PLACE")]
    pub crates: Option<String>,
    /// The folder; each way has one of its own in it. `package` in the run, or beside the bundle, if left out.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What the model is called where it is served; the bundle's own name if left out.
    #[arg(long)]
    pub name: Option<String>,
    /// The image that manifests name; NAME:VERSION if left out.
    #[arg(long)]
    pub image: Option<String>,
    /// The server program that goes into the image; the `firebox-serve` beside this program if left out. The README says how the
    /// smallest one is built.
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// How many percent of requests a new version gets at first, where KServe shares them out.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub canary: Option<u8>,
    /// Where KServe fetches the bundle from, as in `s3://bucket/model`; without it the bundle lies in the image.
    #[arg(long, value_name = "URI")]
    pub storage: Option<String>,
    /// Ask for a graphics card.
    #[arg(long)]
    pub gpu: bool,
    /// Seconds to measure what the model takes, from which memory and cores are asked for; 0 measures nothing.
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
}

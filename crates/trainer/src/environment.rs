//! Where was it trained? What someone needs to know to get the same again.

use serde::{Deserialize, Serialize};

use crate::sweep::place::without_password;

/// Device, versions and command of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The version of Firebox.
    pub firebox: String,
    /// The version of burn.
    pub burn: String,
    /// The device as `--device` names it.
    pub device: String,
    /// What the device calls itself.
    pub device_description: String,
    /// The widest vector instructions of the processor.
    pub cpu_features: String,
    /// Threads that this process may run at once.
    pub threads: usize,
    /// Operating system and architecture.
    pub system: String,
    /// The command line.
    pub command: Vec<String>,
    /// The folder from which relative paths of the config started.
    pub data_root: std::path::PathBuf,
    /// When it began, in UTC.
    pub started_at: String,
    /// The times it was gone on with, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumption>,
}

/// How a run was gone on with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumption {
    /// The step after which it goes on.
    pub step: u64,
    /// The version of Firebox.
    pub firebox: String,
    /// The device as `--device` names it.
    pub device: String,
    /// What the device calls itself.
    pub device_description: String,
    /// The widest vector instructions of the processor.
    pub cpu_features: String,
    /// Threads that compute.
    pub threads: usize,
    /// The command line.
    pub command: Vec<String>,
    /// When it went on, in UTC.
    pub started_at: String,
}

impl Environment {
    /// The environment of this process.
    pub fn here(device: &model_zoo::device::Found, data_root: &std::path::Path) -> Self {
        Self {
            firebox: env!("CARGO_PKG_VERSION").to_owned(),
            burn: "0.22.1".to_owned(),
            device: device.name.clone(),
            device_description: model_zoo::device::describe(device),
            cpu_features: model_zoo::device::cpu_features().to_owned(),
            threads: model_zoo::device::computing_threads(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            command: std::env::args().map(|word| without_password(&word)).collect(),
            data_root: data_root.to_owned(),
            started_at: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            resumed: Vec::new(),
        }
    }

    /// The same run, gone on with after `step` steps in the environment `now`.
    pub fn gone_on(mut self, step: u64, now: Self) -> Self {
        let Self { firebox, device, device_description, cpu_features, threads, command, started_at, .. } = now;
        self.resumed.push(Resumption {
            step,
            firebox,
            device,
            device_description,
            cpu_features,
            threads,
            command,
            started_at,
        });
        self
    }
}

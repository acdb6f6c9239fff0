//! What do workers on a cluster need? The table `[sweep.cluster]`, for engines that run them on many machines.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::engines::manifest::{Mount, Needs};
use super::engines::{kubernetes, ray};

/// What each worker needs, and where it finds the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// The image with `firebox` in it, for Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Processors of each worker.
    pub cpus: f64,
    /// Graphics cards of each worker; for Ray it may be a share of one.
    pub gpus: f64,
    /// GiB of memory of each worker.
    pub memory_gib: f64,
    /// The folder for the runs of trials, as the machines see it; workers that share it go on with each other's trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The program, as the machines of a Ray cluster know it.
    pub program: String,
    /// What else of a machine a worker on Ray needs, by names that the cluster knows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, f64>,
    /// On Kubernetes, how large the volume is to be that all workers share for the runs of trials, such as `50Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// On Kubernetes, the kind of that volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// On Kubernetes, claims to volumes with data, each with the path where workers see it and may not write.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mounts: BTreeMap<String, String>,
    /// On Kubernetes, the namespace; that of whoever applies the manifest if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// On Kubernetes, the secret with which the image is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            image: None,
            cpus: 1.0,
            gpus: 0.0,
            memory_gib: 2.0,
            run: None,
            program: "firebox".into(),
            resources: BTreeMap::new(),
            volume: None,
            storage_class: None,
            mounts: BTreeMap::new(),
            namespace: None,
            pull_secret: None,
        }
    }
}

impl Cluster {
    /// Whether the numbers make sense.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, value, least) in
            [("cpus", self.cpus, 0.001), ("gpus", self.gpus, 0.0), ("memory_gib", self.memory_gib, 0.001)]
        {
            if !(value.is_finite() && value >= least) {
                return Err(format!("{name} is {value}; it must be at least {least}"));
            }
        }
        Ok(())
    }

    /// The same in the words of Kubernetes.
    ///
    /// # Errors
    /// A sentence if no image is named.
    pub fn needs(&self) -> Result<Needs, String> {
        let image =
            self.image.as_deref().ok_or("`sweep.cluster.image` is missing: name the image with firebox in it")?;
        let mount =
            |(claim, path): (&String, &String)| Mount { claim: claim.clone(), path: path.clone(), read_only: true };
        Ok(Needs {
            mounts: self.mounts.iter().map(mount).collect(),
            cpu: format!("{}m", (self.cpus * 1000.0).ceil() as u64),
            memory: format!("{}Mi", (self.memory_gib * 1024.0).ceil() as u64),
            gpus: self.gpus.ceil() as u32,
            pull_secret: self.pull_secret.clone(),
            namespace: self.namespace.clone(),
            ..Needs::of(image)
        })
    }

    /// So many workers on Ray. `shown` is the study without its password.
    pub fn on_ray(&self, study: &str, shown: &str, count: usize, device: Option<&str>) -> ray::Workers {
        ray::Workers {
            program: self.program.clone(),
            run: self.run.clone(),
            device: device.map(str::to_owned),
            cpus: self.cpus,
            gpus: self.gpus,
            memory: Some((self.memory_gib * f64::from(1 << 30)) as u64),
            resources: self.resources.clone(),
            ..ray::Workers::new(study, shown, count)
        }
    }

    /// So many workers on Kubernetes.
    ///
    /// # Errors
    /// As [`needs`](Self::needs).
    pub fn on_kubernetes(
        &self,
        name: &str,
        study: &str,
        count: u32,
        device: Option<&str>,
    ) -> Result<kubernetes::Workers, String> {
        let needs = self.needs()?;
        let plain = kubernetes::Workers::new(name, study, count, &needs.image);
        let (runs, storage_class) = (self.volume.clone(), self.storage_class.clone());
        Ok(kubernetes::Workers { device: device.map(str::to_owned), needs, runs, storage_class, ..plain })
    }
}

//! What is deployed, under which name, from which image, and what was measured of it?

use std::path::{Path, PathBuf};

use crate::Error;

pub(super) mod bundle_files;
pub(super) mod folder;
pub(super) mod names;
pub(super) mod resources;
pub(super) mod yaml;

use bundle_files::BundleFile;

/// What the server is called, wherever it runs.
pub(super) const SERVER: &str = "firebox-serve";
/// Where it lies in an image.
pub(super) const PROGRAM: &str = "/usr/local/bin/firebox-serve";
/// The user without a name or rights that images of the field know as `nonroot`.
pub(super) const NOBODY: u32 = 65_532;
/// A server that is asked to end goes on for at most 30 seconds with what it has begun; after so many it is ended.
pub(super) const GRACE: u32 = 35;
/// Where the server tells of its health, and of what it does.
pub(super) const LIVE: &str = "/v2/health/live";
pub(super) const READY: &str = "/v2/health/ready";
pub(super) const METRICS: &str = "/metrics";
/// Below this, ports belong to whoever administers the machine.
const FIRST_FREE_PORT: u16 = 1024;

/// A bundle that is to be served, and how. All fields but those of the bundle may be changed after [`of`](Self::of);
/// [`check`](Self::check) says whether they go together, and every package asks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// What the model is called in addresses and clusters: a DNS label, made of the name in the bundle.
    pub name: String,
    /// The image that is run; `NAME:VERSION` at first.
    pub image: String,
    /// The server's program for Linux; only an OCI image needs it.
    pub binary: Option<PathBuf>,
    /// On which port it listens.
    pub port: u16,
    /// Whether it computes on a graphics card.
    pub gpu: bool,
    /// What one server needed and did under load.
    pub measured: Option<Measured>,
    /// How many servers there are.
    pub replicas: Replicas,
    /// How many of a hundred requests a new version gets at first; only `KServe` divides them.
    pub canary_percent: Option<u8>,
    /// Where `KServe` finds the bundle; in the image if there is none.
    pub storage_uri: Option<String>,
    /// The graph of the network, as `firebox export --to onnx` writes it; looked for beside the bundle if it is not named.
    /// Only a page needs it.
    pub graph: Option<PathBuf>,
    /// The folder with the files of onnxruntime-web; without it the page says how to fetch them. Only a page needs it.
    pub runtime: Option<PathBuf>,
    /// Where the crates of Firebox come from; only a Rust package needs them.
    pub crates: Option<Crates>,
    pub(super) bundle: PathBuf,
    pub(super) version: String,
    pub(super) files: Vec<BundleFile>,
}

/// What one server needed and did under load, or the network alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The largest resident memory, in bytes.
    pub memory_bytes: u64,
    /// The processor time that it took a second, in thousandths of a core.
    pub cpu_millis: u64,
    /// The latency that 99 of 100 requests kept, in milliseconds.
    pub p99_ms: f64,
    /// How many requests it answered a second.
    pub requests_per_second: f64,
    /// Whether a server was measured; if not, it was the network by itself, and a server needs more.
    pub of_server: bool,
}

/// How many servers run beside each other. If `max` is more than `min`, their load decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// At least so many, and at least one.
    pub min: u32,
    /// At most so many.
    pub max: u32,
}

/// Where a package of Rust takes the crates of Firebox from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crates {
    /// A folder with the sources of Firebox.
    Path(PathBuf),
    /// A repository, and the commit that is taken; its newest if none is named.
    Git {
        /// Its address.
        url: String,
        /// The commit.
        revision: Option<String>,
    },
}

/// The largest body of a request, in bytes: whatever clients send must have room in the memory that is asked for.
const MAX_BODY: u64 = 4 << 20;
/// The memory that requests take up beside the model, in bytes: what the largest bodies took that were tried, and a half (LOG.md).
pub(super) const REQUESTS: u64 = 256 << 20;

/// On what a server computes that has a graphics card; where there is none it says so, and does not do with less.
const GPU_DEVICE: &str = "wgpu";

impl Deployment {
    /// Two to six servers on port 8080 of a bundle, of which each file is checked against its hash. The name is that of
    /// the bundle, if it can be one of a host; `name` is taken instead where it is given.
    ///
    /// # Errors
    /// [`Error::Model`] if the bundle is not there or damaged; [`Error::Package`] if the name can be none of a host.
    pub fn of(bundle: &Path, name: Option<&str>) -> Result<Self, Error> {
        let read = bundle_files::read(bundle)?;
        let name = match name {
            Some(name) => names::checked(name)?.to_owned(),
            None => names::derived(&read.name)?,
        };
        Ok(Self {
            image: format!("{name}:{}", read.version),
            name,
            binary: None,
            port: 8080,
            gpu: false,
            measured: None,
            replicas: Replicas { min: 2, max: 6 },
            canary_percent: None,
            storage_uri: None,
            graph: None,
            runtime: None,
            crates: None,
            bundle: bundle.to_owned(),
            version: read.version,
            files: read.files,
        })
    }

    /// The first twelve digits of the SHA-256 of the bundle's manifest, which holds the hashes of all its files.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The size of the bundle, in bytes.
    pub fn bundle_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Whether everything goes together.
    ///
    /// # Errors
    /// [`Error::Package`] with the first thing that does not.
    pub fn check(&self) -> Result<(), Error> {
        names::checked(&self.name)?;
        names::check_image(&self.image)?;
        if let Some(uri) = &self.storage_uri {
            names::check_storage(uri)?;
        }
        if self.port < FIRST_FREE_PORT {
            return Err(Error::package(
                format!("a server on port {}", self.port),
                format!("it runs without rights, and those below {FIRST_FREE_PORT} ask for some"),
                "choose a port such as 8080; services and proxies in front of it can have any",
            ));
        }
        let Replicas { min, max } = self.replicas;
        if min == 0 || max < min {
            return Err(Error::package(
                format!("{min} to {max} servers"),
                "there must be at least one, and no fewer at most than at least",
                "choose numbers such as 2 and 6; equal ones keep it fixed",
            ));
        }
        if let Some(percent) = self.canary_percent.filter(|percent| *percent > 100) {
            return Err(Error::package(
                format!("a canary with {percent} % of the requests"),
                "there are no more than 100",
                "begin with 10",
            ));
        }
        if let Some(measured) = &self.measured {
            measured.check()?;
        }
        Ok(())
    }

    /// The folder of the bundle in an image.
    pub(super) fn model_folder(&self) -> String {
        format!("/models/{}", self.name)
    }

    /// What the server is told at its start: the folder of the bundle, where to listen, and what the model is called
    /// if the folder is called otherwise.
    pub(super) fn arguments(&self, folder: &str) -> Vec<String> {
        let address = format!("0.0.0.0:{}", self.port);
        let body = MAX_BODY.to_string();
        let mut arguments = vec![folder, "--address", &address, "--max-body", &body];
        if !folder.ends_with(&format!("/{}", self.name)) {
            arguments.extend(["--name", &self.name]);
        }
        if self.gpu {
            arguments.extend(["--device", GPU_DEVICE]);
        }
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Images that are built here hold no driver of a graphics card.
    pub(super) fn refuse_gpu(&self, what: &str) -> Result<(), Error> {
        match self.gpu {
            true => Err(Error::package(
                format!("{what} for a graphics card"),
                "it needs the Vulkan loader and the driver of the card's maker, which are not ours to copy",
                "build on an image of the card's maker, and name it as the image of the manifests",
            )),
            false => Ok(()),
        }
    }
}

impl Measured {
    fn check(&self) -> Result<(), Error> {
        let positive = |number: f64| number.is_finite() && number > 0.0;
        let numbers = [
            ("memory", self.memory_bytes as f64),
            ("processor time", self.cpu_millis as f64),
            ("latency", self.p99_ms),
            ("requests a second", self.requests_per_second),
        ];
        match numbers.iter().find(|(_, number)| !positive(*number)) {
            Some((what, number)) => Err(Error::package(
                format!("measurements whose {what} is {number}"),
                "a server that answers has more than none of it, and a finite number",
                "measure again under load, or leave the measurements out",
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// A folder that looks like a bundle of `name` with two files.
    pub fn bundle(name: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut hashes = serde_json::Map::new();
        for (file, bytes) in [("pipeline.json", b"{}\n".to_vec()), ("weights.safetensors", vec![7; 70_000])] {
            hashes.insert(file.into(), format!("{:x}", Sha256::digest(&bytes)).into());
            std::fs::write(folder.path().join(file), bytes).unwrap();
        }
        let manifest = serde_json::json!({ "format_version": 1, "name": name, "files": hashes });
        std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
        folder
    }

    /// The folder of a bundle that the program wrote.
    pub fn real_bundle() -> PathBuf {
        sources().join("crates/model-zoo/tests/fixtures/bundle_v1")
    }

    /// The sources of this program.
    pub fn sources() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// A deployment with everything that can be said.
    pub fn full(bundle: &Path) -> Deployment {
        Deployment {
            image: "registry.example.org/models/penguins:1.0".into(),
            measured: Some(Measured {
                memory_bytes: 180 << 20,
                cpu_millis: 850,
                p99_ms: 12.5,
                requests_per_second: 420.0,
                of_server: true,
            }),
            canary_percent: Some(10),
            storage_uri: Some("s3://models/penguins".into()),
            ..Deployment::of(bundle, None).unwrap()
        }
    }

    #[test]
    fn a_bundle_becomes_a_deployment_of_its_name_and_version() {
        let folder = bundle("Penguins_mlp");
        let deployment = Deployment::of(folder.path(), None).unwrap();
        deployment.check().unwrap();
        assert_eq!((deployment.name.as_str(), deployment.version().len()), ("penguins-mlp", 12));
        assert_eq!(deployment.image, format!("penguins-mlp:{}", deployment.version()));
        let manifest = std::fs::read(folder.path().join("manifest.json")).unwrap();
        assert!(format!("{:x}", Sha256::digest(&manifest)).starts_with(deployment.version()));
        assert_eq!(deployment.bundle_bytes(), 70_003 + manifest.len() as u64);
        assert_eq!(Deployment::of(folder.path(), Some("other")).unwrap().name, "other");
    }

    #[test]
    fn what_does_not_go_together_is_refused_in_a_sentence_with_a_hint() {
        let folder = bundle("penguins");
        let good = full(folder.path());
        good.check().unwrap();
        let measured = good.measured.unwrap();
        let with = |measured| Some(measured);
        for (bad, words) in [
            (Deployment { port: 80, ..good.clone() }, "port 80"),
            (Deployment { port: 0, ..good.clone() }, "port 0"),
            (Deployment { replicas: Replicas { min: 0, max: 1 }, ..good.clone() }, "0 to 1 servers"),
            (Deployment { replicas: Replicas { min: 3, max: 2 }, ..good.clone() }, "3 to 2 servers"),
            (Deployment { canary_percent: Some(101), ..good.clone() }, "101 %"),
            (Deployment { name: "Bad_Name".into(), ..good.clone() }, "`Bad_Name`"),
            (Deployment { image: "a b".into(), ..good.clone() }, "`a b`"),
            (Deployment { storage_uri: Some("models".into()), ..good.clone() }, "`models`"),
            (
                Deployment { measured: with(Measured { p99_ms: f64::NAN, ..measured }), ..good.clone() },
                "latency is NaN",
            ),
            (Deployment { measured: with(Measured { memory_bytes: 0, ..measured }), ..good.clone() }, "memory is 0"),
        ] {
            let error = bad.check().unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.is_usage() && error.hint().is_some());
        }
    }
}

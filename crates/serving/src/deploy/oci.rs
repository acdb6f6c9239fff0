//! How does an image come to be without an engine that builds it? As an OCI image layout: a folder of blobs that name
//! each other by their hashes.
//!
//! Three layers, so that a new model moves the last one alone: the libraries that the program needs with the few files
//! that every image has, the program, and the bundle. Everything is as the image specification 1.1 has it, and equal
//! inputs give equal bytes, as long as the same build of Firebox compresses them.

use std::path::Path;

use data_loader::Entry;
use flate2::Compression;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::plan::folder::Folder;
use super::plan::{Deployment, NOBODY, PROGRAM};
use super::typed;
use crate::Error;

mod elf;
mod layer;
mod libraries;

use elf::Machine;
use layer::{Entries, Layer, Source};

/// This member.
pub const ENTRY: Entry =
    Entry { name: "oci", summary: "an image as a folder, built without any engine, for skopeo, podman or a registry" };

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A build that depended on the clock would never be the same twice.
const CREATED: &str = "1970-01-01T00:00:00Z";
/// What a blob is called until its hash is known.
const UNNAMED: &str = "blobs/sha256/unnamed";

pub(super) fn write(deployment: &Deployment, folder: &mut Folder) -> Result<Vec<String>, Error> {
    write_from(deployment, folder, Path::new("/"))
}

/// The same with the libraries below `root`.
fn write_from(deployment: &Deployment, folder: &mut Folder, root: &Path) -> Result<Vec<String>, Error> {
    deployment.refuse_gpu("an image")?;
    // Tools take what stands behind the first colon for a tag.
    if folder.place().display().to_string().contains(':') {
        return Err(Error::package(
            format!("an image into {}", folder.place().display()),
            "there is a colon in the path, behind which skopeo and others look for a tag",
            "name another folder by `--out`",
        ));
    }
    let Some(program) = &deployment.binary else {
        return Err(Error::package(
            "an image without a program",
            "nothing is built here, it only packs what is there",
            "build it, `cargo build --profile serve -p serving --bin firebox-serve`, and name it by `--binary`",
        ));
    };
    let gathered = libraries::gather(program, root)?;
    let mut system = skeleton();
    for (path, here) in &gathered.files {
        system.add(path, 0o755, Source::File(here.clone()));
    }
    let mut server = Entries::default();
    server.add(PROGRAM.trim_start_matches('/'), 0o755, Source::File(program.clone()));
    let mut model = Entries::default();
    for file in &deployment.files {
        let path = format!("{}/{}", deployment.model_folder().trim_start_matches('/'), file.name);
        model.add(&path, 0o644, Source::Bundle(&deployment.bundle, file));
    }
    let mut layers = Vec::new();
    // Weights hardly become smaller, however long it takes.
    for (what, entries, level) in [
        ("libraries of the system", system, Compression::default()),
        ("the server", server, Compression::default()),
        ("the bundle", model, Compression::fast()),
    ] {
        let layer = folder.stream(UNNAMED, |to| layer::write(&entries, level, to))?;
        folder.rename(UNNAMED, &blob(&layer.digest))?;
        layers.push((what, layer));
    }
    let config = put(folder, CONFIG, &config(deployment, gathered.machine, &layers))?;
    let descriptors: Vec<Value> =
        layers.iter().map(|(_, layer)| descriptor(LAYER, &layer.digest, layer.bytes)).collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": descriptors,
        "annotations": labels(deployment),
    });
    let mut manifest = put(folder, MANIFEST, &manifest)?;
    manifest["platform"] = json!({ "architecture": gathered.machine.architecture(), "os": "linux" });
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": deployment.version });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest] });
    folder.text("index.json", &index.to_string())?;
    folder.text("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;
    let place = typed(folder.place());
    Ok(vec![
        format!("skopeo copy oci:{place}:{} docker://{}", deployment.version, registry(deployment)),
        format!("podman run --rm -p {0}:{0} oci:{place}:{1}", deployment.port, deployment.version),
    ])
}

/// Where an image is to go; a name without a host would be one of Docker's own images.
fn registry(deployment: &Deployment) -> String {
    match deployment.image.contains('/') {
        true => deployment.image.clone(),
        false => format!("REGISTRY/{}", deployment.image),
    }
}

/// What every image has: users, and a place to write to where none is mounted.
fn skeleton() -> Entries<'static> {
    let mut entries = Entries::default();
    let users = format!("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:{NOBODY}:{NOBODY}:nonroot:/tmp:/sbin/nologin\n");
    entries.add("etc/passwd", 0o644, Source::Text(users));
    entries.add("etc/group", 0o644, Source::Text(format!("root:x:0:\nnonroot:x:{NOBODY}:\n")));
    entries.add("tmp", 0o1777, Source::Folder);
    entries
}

/// What is said of the image, in the words of the specification.
pub(super) fn labels(deployment: &Deployment) -> Value {
    json!({
        "org.opencontainers.image.title": deployment.name,
        "org.opencontainers.image.version": deployment.version,
        "org.opencontainers.image.description": format!("The model {}, served by Firebox", deployment.name),
    })
}

fn config(deployment: &Deployment, machine: Machine, layers: &[(&str, Layer)]) -> Value {
    let diff_ids: Vec<String> = layers.iter().map(|(_, layer)| format!("sha256:{}", layer.diff_id)).collect();
    let history: Vec<Value> = layers
        .iter()
        .map(|(what, _)| json!({ "created": CREATED, "created_by": format!("firebox package: {what}") }))
        .collect();
    let mut ports = serde_json::Map::new();
    ports.insert(format!("{}/tcp", deployment.port), json!({}));
    json!({
        "created": CREATED,
        "architecture": machine.architecture(),
        "os": "linux",
        "config": {
            "User": format!("{NOBODY}:{NOBODY}"),
            "ExposedPorts": ports,
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            "Entrypoint": [PROGRAM],
            "Cmd": deployment.arguments(&deployment.model_folder()),
            "WorkingDir": "/",
            "Labels": labels(deployment),
            "StopSignal": "SIGTERM",
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    })
}

/// Writes a document as a blob and says how others name it.
fn put(folder: &mut Folder, kind: &str, document: &Value) -> Result<Value, Error> {
    let text = document.to_string();
    let digest = format!("{:x}", Sha256::digest(text.as_bytes()));
    folder.text(&blob(&digest), &text)?;
    Ok(descriptor(kind, &digest, text.len() as u64))
}

fn descriptor(kind: &str, digest: &str, bytes: u64) -> Value {
    json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes })
}

/// Where a blob lies.
fn blob(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

#[cfg(test)]
mod image_tests;

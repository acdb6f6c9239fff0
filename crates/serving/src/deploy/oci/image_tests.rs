//! Do the blobs of an image name each other by their hashes, and is in it what a server needs?

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;

use super::elf::tests::asking_for;
use super::*;
use crate::deploy::plan::tests::{bundle, full};

/// A system with one program and the libraries that it needs, a bundle, and a place for what is written.
struct Case {
    root: tempfile::TempDir,
    bundle: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in [
            ("program", asking_for(62, Some("/lib64/ld.so.2"), &["libc.so.6"])),
            ("lib64/ld.so.2", asking_for(62, None, &[])),
            ("lib/x86_64-linux-gnu/libc.so.6", asking_for(62, None, &["ld.so.2"])),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self { root, bundle: bundle("penguins") }
    }

    fn deployment(&self) -> Deployment {
        Deployment { binary: Some(self.root.path().join("program")), ..full(self.bundle.path()) }
    }

    fn write(&self, name: &str) -> (PathBuf, Vec<(String, u64)>) {
        let place = self.root.path().join(name);
        let mut folder = Folder::begin(&place).unwrap();
        write_from(&self.deployment(), &mut folder, self.root.path()).unwrap();
        (place, folder.commit().unwrap())
    }
}

fn json_of(place: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(place.join(name)).unwrap()).unwrap()
}

/// The blob that a descriptor names, which has its hash and its size.
fn blob_of(place: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let bytes = fs::read(place.join("blobs/sha256").join(digest)).unwrap();
    assert_eq!(format!("{:x}", Sha256::digest(&bytes)), digest);
    assert_eq!(bytes.len() as u64, descriptor["size"].as_u64().unwrap());
    bytes
}

#[test]
fn blobs_name_each_other_by_their_hashes() {
    let case = Case::new();
    let (place, written) = case.write("image");
    assert_eq!(json_of(&place, "oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }));
    let index = json_of(&place, "index.json");
    let version = case.deployment().version().to_owned();
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], version);
    assert_eq!(index["manifests"][0]["platform"], json!({ "architecture": "amd64", "os": "linux" }));
    let manifest: Value = serde_json::from_slice(&blob_of(&place, &index["manifests"][0])).unwrap();
    let config: Value = serde_json::from_slice(&blob_of(&place, &manifest["config"])).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
    let mut files = BTreeMap::new();
    for (number, descriptor) in manifest["layers"].as_array().unwrap().iter().enumerate() {
        let mut plain = Vec::new();
        GzDecoder::new(&*blob_of(&place, descriptor)).read_to_end(&mut plain).unwrap();
        let diff_id = format!("sha256:{:x}", Sha256::digest(&plain));
        assert_eq!(config["rootfs"]["diff_ids"][number], diff_id);
        for entry in tar::Archive::new(&*plain).entries().unwrap() {
            let entry = entry.unwrap();
            if entry.header().entry_type().is_file() {
                files.insert(entry.path().unwrap().display().to_string(), (number, entry.header().mode().unwrap()));
            }
        }
    }
    let expected = [
        ("etc/group", 0, 0o644),
        ("etc/passwd", 0, 0o644),
        ("lib/x86_64-linux-gnu/libc.so.6", 0, 0o755),
        ("lib64/ld.so.2", 0, 0o755),
        ("models/penguins/manifest.json", 2, 0o644),
        ("models/penguins/pipeline.json", 2, 0o644),
        ("models/penguins/weights.safetensors", 2, 0o644),
        ("usr/local/bin/firebox-serve", 1, 0o755),
    ];
    let found: Vec<(&str, usize, u32)> = files.iter().map(|(path, (number, mode))| (&**path, *number, *mode)).collect();
    assert_eq!(found, expected);
    let inside = &config["config"];
    assert_eq!((&inside["User"], &inside["StopSignal"]), (&json!("65532:65532"), &json!("SIGTERM")));
    assert_eq!(inside["Entrypoint"], json!(["/usr/local/bin/firebox-serve"]));
    assert_eq!(inside["Cmd"], json!(["/models/penguins", "--address", "0.0.0.0:8080", "--max-body", "4194304"]));
    assert_eq!(inside["ExposedPorts"], json!({ "8080/tcp": {} }));
    assert_eq!(config["history"].as_array().unwrap().len(), 3);
    // Nothing lies there that nobody names: two documents of JSON, a config, a manifest, three layers.
    assert_eq!(written.len(), 7);
    assert_eq!(fs::read_dir(place.join("blobs/sha256")).unwrap().count(), 5);
}

#[test]
fn equal_inputs_give_equal_bytes_and_a_new_bundle_moves_its_layer_alone() {
    let case = Case::new();
    let (_, first) = case.write("first");
    let (place, second) = case.write("second");
    assert_eq!(first, second);
    let layers = |place: &Path| {
        let index = json_of(place, "index.json");
        let manifest: Value = serde_json::from_slice(&blob_of(place, &index["manifests"][0])).unwrap();
        manifest["layers"].clone()
    };
    let manifest = fs::read_to_string(case.bundle.path().join("manifest.json")).unwrap();
    fs::write(case.bundle.path().join("manifest.json"), manifest + "\n").unwrap();
    let (changed, _) = case.write("changed");
    let (old, new) = (layers(&place), layers(&changed));
    assert_eq!((&old[0], &old[1]), (&new[0], &new[1]));
    assert_ne!(old[2], new[2]);
}

#[test]
fn what_cannot_become_an_image_is_refused_and_leaves_nothing() {
    let case = Case::new();
    let good = case.deployment();
    for (deployment, words) in [
        (Deployment { binary: None, ..good.clone() }, "an image without a program"),
        (Deployment { gpu: true, ..good.clone() }, "an image for a graphics card"),
        (Deployment { binary: Some("/no/such/program".into()), ..good.clone() }, "/no/such/program"),
    ] {
        let place = case.root.path().join("image");
        let error = crate::deploy::write("oci", &deployment, &place).unwrap_err();
        assert!(error.to_string().contains(words) && error.hint().is_some(), "{error}");
        assert!(!place.exists());
    }
    fs::remove_file(case.root.path().join("lib64/ld.so.2")).unwrap();
    let mut folder = Folder::begin(&case.root.path().join("image")).unwrap();
    assert!(write_from(&good, &mut folder, case.root.path()).unwrap_err().to_string().contains("lib64/ld.so.2"));
}

//! What does a broken, foreign or newer checkpoint or bundle lead to? A refusal with its path, never a panic, and everything
//! else stays usable.

use std::path::{Path, PathBuf};

use data_loader::random::Random;
use model_zoo::bundle::Bundle;
use serde_json::Value;
use sha2::{Digest, Sha256};
use trainer::checkpoint;

use crate::sandbox::{CARD, CONFIG, Sandbox, tiny_rows};

const LAST: &str = "r/checkpoints/step-0000000012";

/// A sandbox with a run `r` of 12 steps whose checkpoints 6 and 12 are there.
fn trained() -> Sandbox {
    let sandbox = Sandbox::new();
    train(&sandbox, "r");
    sandbox
}

fn train(sandbox: &Sandbox, run: &str) {
    let settings = "--set train.steps=12 --set checkpoints.every_steps=6 --set train.evaluate_every=6";
    sandbox.run(&format!("train config.toml --run {run} {settings} --set checkpoints.keep_last=5")).succeeded();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let before = std::fs::read(path).unwrap();
    let mut bytes = before.clone();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
    before
}

fn set_version(path: &Path, version: u32) {
    let text = std::fs::read_to_string(path).unwrap();
    // That of a checkpoint, or of a bundle.
    let written = ["\"format_version\": 1,", "\"format_version\": 2,"].into_iter().find(|line| text.contains(line));
    std::fs::write(path, text.replace(written.unwrap(), &format!("\"format_version\": {version},"))).unwrap();
}

#[test]
fn a_checkpoint_cut_in_half_is_refused_and_an_earlier_one_goes_on() {
    let sandbox = trained();
    let names: Vec<String> =
        files(&sandbox.path(LAST)).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["average.safetensors", "network.safetensors", "optimizer.safetensors", "state.json"]);
    for name in &names {
        let path = sandbox.path(LAST).join(name);
        let half = change(&path, |bytes| bytes.truncate(bytes.len() / 2));
        let before = sandbox.contents("r");
        sandbox.run("resume r").refused(2, &[LAST, name, "RUN@step-N"]);
        if ["average.safetensors", "state.json"].contains(&name.as_str()) {
            sandbox.run("evaluate r@last").refused(2, &[LAST, name]);
            sandbox.run("predict r@step-12 tiny/tiny.csv").refused(2, &[LAST, name]);
        }
        assert_eq!(sandbox.contents("r"), before, "a refusal changes nothing");
        std::fs::remove_file(&path).unwrap();
        sandbox.run("resume r").refused(2, &[LAST, name]);
        std::fs::write(&path, half).unwrap();
    }
    let untouched = sandbox.contents(LAST);
    change(&sandbox.path(LAST).join("state.json"), |bytes| bytes.truncate(100));
    sandbox.run("resume r").refused(2, &[LAST]);
    sandbox.run("resume r@step-6").succeeded();
    let again = sandbox.contents(LAST);
    for (path, bytes) in untouched.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "safetensors")) {
        assert!(again[path] == *bytes, "{} is not what it was before", path.display());
    }
}

#[test]
fn a_checkpoint_of_another_architecture_or_data_set_is_refused() {
    let sandbox = trained();
    for (other, setting) in [("wide", "model.mlp.hidden=[9, 9]"), ("deep", "model.mlp.hidden=[8, 8, 8]")] {
        let text = CONFIG.replace("hidden = [8, 8]", &setting.replace("model.mlp.hidden=", "hidden = "));
        sandbox.write("config.toml", text);
        train(&sandbox, other);
        let (own, foreign) = (sandbox.path(LAST), sandbox.path(&LAST.replace("r/", &format!("{other}/"))));
        for path in files(&foreign) {
            std::fs::copy(&path, own.join(path.file_name().unwrap())).unwrap();
        }
        let before = sandbox.contents("r");
        sandbox.run("resume r").refused(2, &[LAST, "made with another `model`"]);
        sandbox.run("evaluate r@last").refused(2, &["does not fit the network", "layers."]);
        sandbox.run("predict r@last tiny/tiny.csv").refused(2, &["does not fit the network", "layers."]);
        assert_eq!(sandbox.contents("r"), before);
    }
    for setting in
        ["optimizer=sgd", "model=lenet", "train.batch_size=6", "seed=1", "train.accumulate=1", "data.limit=30"]
    {
        let before = sandbox.contents("wide");
        sandbox.run(&format!("resume wide --set {setting}")).refused(2, &[]);
        assert_eq!(sandbox.contents("wide"), before, "{setting}");
    }
    // Changed data.
    let mut rows = tiny_rows();
    rows.swap(1, 2);
    let other = Sandbox::with(CARD, &rows, CONFIG);
    std::fs::copy(other.path("tiny/tiny.csv"), sandbox.path("tiny/tiny.csv")).unwrap();
    sandbox.run("resume wide").refused(2, &["have changed since it began"]);
}

#[test]
fn a_newer_checkpoint_or_bundle_asks_for_an_update() {
    let sandbox = trained();
    set_version(&sandbox.path(LAST).join("state.json"), 2);
    for command in ["resume r", "evaluate r@last", "predict r@last tiny/tiny.csv"] {
        sandbox.run(command).refused(2, &[LAST, "format version 2", "reads versions up to 1", "update Firebox"]);
    }
    set_version(&sandbox.path("r/bundle/manifest.json"), 7);
    sandbox
        .run("predict r tiny/tiny.csv")
        .refused(2, &["r/bundle/manifest.json", "format version 7", "update Firebox"]);
}

#[test]
fn a_tampered_bundle_is_refused() {
    let sandbox = trained();
    let answers = sandbox.run("predict r tiny/tiny.csv").expect(0).stdout;
    for path in files(&sandbox.path("r/bundle")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        for damage in ["cut", "gone", "changed"] {
            let before = match damage {
                "cut" => change(&path, |bytes| bytes.truncate(bytes.len() / 2)),
                "gone" => {
                    let bytes = std::fs::read(&path).unwrap();
                    std::fs::remove_file(&path).unwrap();
                    bytes
                }
                _ if name == "manifest.json" => continue,
                _ => change(&path, |bytes| *bytes.last_mut().unwrap() ^= 1),
            };
            if (name, damage) != ("manifest.json", "gone") {
                sandbox.run("predict r tiny/tiny.csv").refused(2, &["r/bundle", name]);
                sandbox.run("predict r/bundle tiny/tiny.csv").refused(2, &["r/bundle", name]);
            }
            std::fs::write(&path, before).unwrap();
        }
    }
    // Weights that were changed together with their hash are found out by the golden samples.
    let weights = sandbox.path("r/bundle/weights.safetensors");
    let before = change(&weights, |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 0x40;
    });
    let manifest = sandbox.path("r/bundle/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace(&hash(&before), &hash(&std::fs::read(&weights).unwrap()))).unwrap();
    sandbox.run("predict r tiny/tiny.csv").refused(2, &["golden sample"]);
    std::fs::write(&manifest, text).unwrap();
    std::fs::write(&weights, before).unwrap();
    assert_eq!(sandbox.run("predict r tiny/tiny.csv").expect(0).stdout, answers);
}

fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Changes one to three bytes, or cuts, or doubles a stretch.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut place = || (random.next_u64() % bytes.len() as u64) as usize;
    let places = [place(), place(), place()];
    match random.next_u64() % 8 {
        0 => bytes.truncate(places[0]),
        1 => {
            let stretch = bytes[places[0]..(places[0] + 40).min(bytes.len())].to_vec();
            bytes.splice(places[1]..places[1], stretch);
        }
        kind => {
            for &place in places.iter().take(1 + kind as usize % 3) {
                bytes[place] ^= 1 << (random.next_u64() % 8);
            }
        }
    }
}

/// Damages `path`, writes its new hash into `manifest` as one who means harm would, and seals that again.
fn damage_with_hash(path: &Path, manifest: &Path, random: &mut Random) {
    let before = change(path, |bytes| damage(bytes, random));
    let after = hash(&std::fs::read(path).unwrap());
    let text = std::fs::read_to_string(manifest).unwrap().replace(&hash(&before), &after);
    let mut value: Value = serde_json::from_str(&text).unwrap();
    if value.get("seal").is_some() {
        value["seal"] = "".into();
        value["seal"] = hash(&serde_json::to_vec(&value).unwrap()).into();
    }
    std::fs::write(manifest, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
}

#[test]
fn damaged_bytes_never_panic() {
    let sandbox = trained();
    let mut random = Random::derive(&[7]);
    let (folder, bundle) = (sandbox.path(LAST), sandbox.path("r/bundle"));
    for (folder, manifest) in [(&folder, "state.json"), (&bundle, "manifest.json")] {
        let manifest = folder.join(manifest);
        for path in files(folder) {
            let whole = (std::fs::read(&path).unwrap(), std::fs::read(&manifest).unwrap());
            for round in 0..300 {
                match round % 2 {
                    1 if path != manifest => damage_with_hash(&path, &manifest, &mut random),
                    _ => drop(change(&path, |bytes| damage(bytes, &mut random))),
                }
                let read = if manifest.ends_with("state.json") {
                    checkpoint::tensors_of(folder).map(drop).map_err(|error| error.to_string())
                } else {
                    Bundle::read(folder).map(drop).map_err(|error| error.to_string())
                };
                if round % 2 == 0 && path != manifest {
                    read.unwrap_err();
                }
                std::fs::write(&path, &whole.0).unwrap();
                std::fs::write(&manifest, &whole.1).unwrap();
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_found_before_training_goes_on() {
    let sandbox = trained();
    let mut random = Random::derive(&[8]);
    let before = sandbox.contents("r");
    for path in files(&sandbox.path(LAST)) {
        for _ in 0..6 {
            let whole = change(&path, |bytes| {
                let place = (random.next_u64() % bytes.len() as u64) as usize;
                bytes[place] ^= 1 << (random.next_u64() % 7);
            });
            // The last of seventeen digits may change without changing the number.
            let meant = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
            let same = meant(&whole).is_some_and(|value| meant(&std::fs::read(&path).unwrap()) == Some(value));
            if !same {
                sandbox.run("resume r --set train.steps=14").refused(2, &["step-0000000012"]);
            }
            std::fs::write(&path, whole).unwrap();
        }
    }
    assert_eq!(sandbox.contents("r"), before);
}

#[test]
fn the_program_survives_damaged_files_with_right_hashes() {
    let sandbox = trained();
    let mut random = Random::derive(&[9]);
    let whole = sandbox.contents("r");
    for (folder, manifest, line) in [
        (LAST, "state.json", "resume r --set train.steps=14"),
        (LAST, "state.json", "predict r@last tiny/tiny.csv"),
        ("r/bundle", "manifest.json", "predict r tiny/tiny.csv"),
    ] {
        for path in files(&sandbox.path(folder)).iter().filter(|path| !path.ends_with(manifest)) {
            for _ in 0..5 {
                damage_with_hash(path, &sandbox.path(folder).join(manifest), &mut random);
                let code = sandbox.run(line).code;
                assert!((0..=2).contains(&code), "{line} ended with {code} after damage to {}", path.display());
                for (path, bytes) in &whole {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, bytes).unwrap();
                }
            }
        }
    }
}

#[test]
fn damaged_data_files_never_panic() {
    let sandbox = Sandbox::empty();
    let mut random = Random::derive(&[10]);
    let schema = |text: &str| toml::from_str::<data_loader::Schema>(text).unwrap();
    let table = schema("target = { name = \"y\", kind = \"class\" }\nfeatures = { a = \"number\", c = \"category\" }");
    let pixels = schema("features = { image = \"image\" }");
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 5, 0, 0, 0, 4];
    idx.extend((0..400).map(|k| k as u8));
    sandbox.write("plain", &idx);
    let gzip = std::process::Command::new("gzip").arg("-c").arg(sandbox.path("plain")).output().unwrap().stdout;
    let csv: Vec<String> = (0..30).map(|k| format!("{k}.5,\"re,d\",x")).collect();
    let jsonl: Vec<String> = (0..30).map(|k| format!("{{\"a\": {k}, \"c\": \"red\", \"y\": \"x\"}}")).collect();
    for (name, schema, whole) in [
        ("a.idx", &pixels, idx),
        ("b-ubyte.gz", &pixels, gzip),
        ("c.csv", &table, format!("a,c,y\n{}\n", csv.join("\n")).into_bytes()),
        ("d.jsonl", &table, jsonl.join("\n").into_bytes()),
    ] {
        let path = sandbox.path(name);
        for _ in 0..600 {
            let mut bytes = whole.clone();
            damage(&mut bytes, &mut random);
            std::fs::write(&path, bytes).unwrap();
            let Ok(records) = data_loader::formats::open_for_prediction(&path, schema) else { continue };
            for row in 0..records.len() {
                let _ = (records.key(row), records.read(row), records.field(row, "a"));
            }
        }
    }
}

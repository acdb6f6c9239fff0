//! A model leaves in every form, each proven; what was tampered with, cut off or is newer is found out, and a full disk leaves no half
//! of anything.

use std::fs;
use std::path::Path;

use crate::crowded::SmallDisk;
use crate::sandbox::Sandbox;

/// A run of a few steps.
fn trained() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r --set train.epochs=2").succeeded();
    sandbox
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_model_leaves_in_every_form() {
    let sandbox = trained();
    let all = "bundle,burnpack,f16,hugging_face,int8,int8_static,onnx,safetensors";
    let told = sandbox.run(&format!("export r --to {all} --out out --json")).expect(0).json();
    let files = told["files"].as_array().unwrap();
    let file = |name: &str| files.iter().find(|file| file["file"] == name).unwrap_or_else(|| panic!("{told}"));
    for (name, proof) in [("bundle", "equal"), ("bundle.tar.zst", "equal"), ("model.onnx", "equal")] {
        let proof = &file(name)["proof"][proof];
        assert!(proof["examples"].as_u64().unwrap() >= 8 && proof["largest"].as_f64().unwrap() <= 1e-4, "{told}");
    }
    for name in ["model.safetensors", "model.bpk", "hugging_face"] {
        assert_eq!(file(name)["proof"], "same_numbers");
    }
    for name in ["model.f16.safetensors", "model.int8.onnx", "model.int8-static.onnx"] {
        let judged = &file(name)["judged"];
        let scores = judged["scores"].as_array().unwrap();
        let accuracy = scores.iter().find(|score| score["metric"] == "accuracy").unwrap();
        assert_eq!(judged["split"], "validation", "{told}");
        let (of_file, network) = (accuracy["file"].as_f64().unwrap(), accuracy["network"].as_f64().unwrap());
        assert!((of_file - network).abs() < 0.15, "{name}: {judged}");
    }
    assert!(file("model.f16.safetensors")["bytes"].as_u64() < file("model.safetensors")["bytes"].as_u64());
    // The bundle is the run's, byte by byte, and its one file answers as the folder does.
    assert_eq!(
        fs::read(sandbox.path("out/bundle/manifest.json")).unwrap(),
        fs::read(sandbox.path("r/bundle/manifest.json")).unwrap()
    );
    sandbox.write("new.csv", "a,b,c\n0.5,1.0,red\n,2.0,green\n");
    let by_run = sandbox.run("predict r new.csv --json").expect(0).stdout;
    assert_eq!(sandbox.run("predict out/bundle.tar.zst new.csv --json").expect(0).stdout, by_run);
    // Exported once more, from the file, it is the same file.
    sandbox.run("export out/bundle.tar.zst --to bundle,safetensors --out again").expect(0);
    for name in ["bundle.tar.zst", "model.safetensors"] {
        assert_eq!(
            fs::read(sandbox.path("again").join(name)).unwrap(),
            fs::read(sandbox.path("out").join(name)).unwrap()
        );
    }
    sandbox.run("verify export out").expect(0);
    assert_eq!(sandbox.run("verify export out/bundle --json").expect(0).json()["golden_samples"], 8);
    let card = fs::read_to_string(sandbox.path("out/hugging_face/README.md")).unwrap();
    assert!(card.starts_with("---\nlibrary_name: firebox\n") && card.contains("type: \"accuracy\""), "{card}");
}

#[test]
fn a_checkpoint_leaves_with_scores_of_its_own() {
    let sandbox = trained();
    let last = sandbox.run("export r@last --to bundle --out last --json").expect(0).json();
    assert_eq!(last["files"][0]["proof"]["equal"]["examples"], 8);
    let text = fs::read(sandbox.path("last/bundle/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let evaluated = sandbox.run("evaluate r@last --json").expect(0).json();
    assert_eq!(manifest["metrics"]["test"]["accuracy"], evaluated["test_accuracy"]);
    assert_eq!(manifest["step"], evaluated["step"]);
    sandbox.run("export r@step-1 --to onnx").refused(2, &["has no checkpoint `step-1`"]);
    sandbox.run("export r@ema --to safetensors --out ema").expect(0);
}

#[test]
fn what_cannot_leave_says_why() {
    let sandbox = trained();
    sandbox.run("export r --to onx").refused(2, &["`onx` is no form", "int8_static", "safetensors"]);
    sandbox.run("export nowhere --to onnx").refused(2, &["nowhere"]);
    fs::create_dir(sandbox.path("never")).unwrap();
    fs::copy(sandbox.path("r/config.toml"), sandbox.path("never/config.toml")).unwrap();
    fs::copy(sandbox.path("r/pipeline.json"), sandbox.path("never/pipeline.json")).unwrap();
    sandbox.run("export never --to onnx").refused(2, &["never", "no checkpoint", "firebox resume never"]);
    // A bundle by itself has no data to measure ranges on.
    sandbox.run("export r/bundle --to int8_static --out x").refused(2, &["int8_static", "name the run"]);
    assert_eq!(names(&sandbox.path("x")), Vec::<String>::new());
    sandbox.run("export r --sign nokey --out z").refused(2, &["nokey"]);
    assert_eq!(names(&sandbox.path("z")), Vec::<String>::new(), "a bundle that could not be signed was left");
    sandbox.run("export r --to onnx --sign nokey").refused(2, &["--sign", "`bundle`"]);
    sandbox.run("export r --to int8 --with-preprocessing").refused(2, &["--with-preprocessing", "`onnx`"]);
    // What lies there and is none of ours stays.
    for form in ["bundle", "hugging_face"] {
        sandbox.write(&format!("mine/{form}/mine.txt"), "precious");
        sandbox.run(&format!("export r --to {form} --out mine")).refused(2, &[form, "not written over"]);
        assert_eq!(fs::read_to_string(sandbox.path(&format!("mine/{form}/mine.txt"))).unwrap(), "precious");
    }
    // Neither does an export sweep away what others keep there, or what lies among its own files.
    sandbox.write("shared/notes.tmp", "precious");
    sandbox.write("shared/work.tmp/file", "precious");
    sandbox.write("shared/essay.old.draft.tmp", "precious");
    sandbox.write("shared/model.onnx.4711.tmp", "left by an export that was killed");
    sandbox.run("export r --to bundle,hugging_face,onnx --out shared").expect(0);
    assert!(!sandbox.path("shared/model.onnx.4711.tmp").exists());
    for name in ["notes.tmp", "work.tmp/file", "essay.old.draft.tmp"] {
        assert_eq!(fs::read_to_string(sandbox.path("shared").join(name)).unwrap(), "precious");
    }
    sandbox.run("export r --to bundle,hugging_face,onnx --out shared").expect(0);
    for name in ["hugging_face/.git/config", "bundle/NOTES.md"] {
        sandbox.write(&format!("shared/{name}"), "precious");
    }
    sandbox.run("export r --to hugging_face --out shared").refused(2, &["hugging_face/.git", "not written over"]);
    sandbox.run("export r --to bundle --out shared").refused(2, &["bundle/NOTES.md", "not written over"]);
    for name in ["model.onnx", "bundle.tar.zst", "export.json"] {
        sandbox.write(&format!("theirs/{name}"), "precious");
        sandbox.run("export r --to bundle,onnx --out theirs").refused(2, &[name, "not written over"]);
        assert_eq!(sandbox.contents("theirs").len(), 1);
        fs::remove_file(sandbox.path("theirs").join(name)).unwrap();
    }
    sandbox.run("bench bundle r --seconds 1e300").refused(2, &["--seconds"]);
    sandbox.run("package r --systemd --seconds nan").refused(2, &["--seconds"]);
}

#[test]
fn what_was_tampered_with_is_named() {
    let sandbox = trained();
    sandbox.run("keygen k").expect(0);
    sandbox.run("keygen other").expect(0);
    sandbox.run("export r --to bundle,onnx --out out --sign k").expect(0);
    sandbox.run("verify bundle out/bundle --key k.pub").expect(0);
    sandbox.run("verify bundle out/bundle.tar.zst --key k.pub").expect(0);
    sandbox.run("verify bundle out/bundle --key other.pub").refused(2, &["out/bundle"]);
    sandbox.run("verify bundle r/bundle --key k.pub").refused(2, &["r/bundle", "signed"]);
    sandbox.run("verify bundle out/bundle --key k").refused(2, &["k"]);
    for name in ["weights.safetensors", "pipeline.json", "golden.json"] {
        let path = sandbox.path("out/bundle").join(name);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        sandbox.run("verify bundle out/bundle").refused(2, &[name]);
        sandbox.run("export out/bundle --to onnx --out y").refused(2, &[name]);
        fs::write(&path, whole).unwrap();
    }
    sandbox.run("verify export out").expect(0);
    let onnx = sandbox.path("out/model.onnx");
    let mut bytes = fs::read(&onnx).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&onnx, bytes).unwrap();
    sandbox.run("verify export out").refused(2, &["model.onnx", "SHA-256"]);
    // A list that leads out of the folder.
    let list = sandbox.path("out/export.json");
    let text = fs::read_to_string(&list).unwrap().replace("model.onnx", "../r/config.toml");
    fs::write(&list, text).unwrap();
    sandbox.run("verify export out").refused(2, &["no file of this folder"]);
    // And a bundle of a program that is yet to be written.
    let path = sandbox.path("out/bundle/manifest.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"format_version\": 2", "\"format_version\": 3");
    fs::write(&path, text).unwrap();
    sandbox.run("export out/bundle --to onnx --out y").refused(2, &["format version 3", "update Firebox"]);
}

/// At whatever byte the disk is full, what has its name is whole.
#[test]
fn a_full_disk_leaves_no_half_of_a_file() {
    let sandbox = trained();
    let Some(disk) = SmallDisk::mount(sandbox.path("disk"), 256) else { return };
    let mut failed = 0;
    for free in [0, 4, 8, 12, 16, 24, 32, 48, 64, 128] {
        sandbox.write("disk/ballast", vec![1; (256 - free) * 1024]);
        let ended = sandbox.run("export r --to bundle,onnx,safetensors,hugging_face --out disk/out");
        if ended.code != 0 {
            failed += 1;
            ended.refused(1, &["disk/out", "No space left on device"]);
        }
        let _ = fs::remove_file(sandbox.path("disk/ballast"));
        let found = if sandbox.path("disk/out").exists() { names(&sandbox.path("disk/out")) } else { Vec::new() };
        for name in found {
            let place = sandbox.path("disk/out").join(&name);
            match name.as_str() {
                "bundle" | "bundle.tar.zst" => drop(sandbox.run(&format!("verify bundle disk/out/{name}")).expect(0)),
                "hugging_face" => assert_eq!(names(&place).len(), 4),
                "model.onnx" | "model.safetensors" => {
                    sandbox.run("export r --to onnx,safetensors --out whole").expect(0);
                    assert!(
                        fs::read(&place).unwrap() == fs::read(sandbox.path("whole").join(&name)).unwrap(),
                        "{name}"
                    );
                }
                "export.json" => drop(sandbox.run("verify export disk/out").expect(0)),
                other => panic!("{other} was left with {free} kB"),
            }
        }
        let _ = fs::remove_dir_all(sandbox.path("disk/out"));
    }
    assert!(failed > 3, "the disk was never full");
    drop(disk);
}

#[test]
fn every_form_is_measured() {
    let sandbox = trained();
    let rows = sandbox.run("bench bundle r --seconds 0.05 --json").expect(0).json();
    let forms: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["form"].as_str().unwrap()).collect();
    assert_eq!(forms, ["bundle", "f16", "onnx", "int8", "int8_static"]);
    for row in rows.as_array().unwrap() {
        let number = |key: &str| row[key].as_f64().unwrap();
        assert!(number("p50_ms") > 0.0 && number("p50_ms") <= number("p99_ms") && number("load_ms") > 0.0, "{row}");
        assert!(number("examples_per_second") > 0.0 && number("memory_bytes") > 1e6, "{row}");
        assert!(row["scores"].as_array().unwrap().iter().any(|score| score[0] == "accuracy"));
    }
    let accuracy = |row: &serde_json::Value| {
        let scores = row["scores"].as_array().unwrap();
        scores.iter().find(|score| score[0] == "accuracy").unwrap()[1].as_f64().unwrap()
    };
    let scores: Vec<f64> = rows.as_array().unwrap().iter().map(accuracy).collect();
    assert!(scores[0] == scores[2] && scores.iter().all(|score| (score - scores[0]).abs() < 0.2), "{scores:?}");
    // Of a bundle by itself there is nothing to judge it on.
    let rows = sandbox.run("bench bundle r/bundle --seconds 0.05 --json").expect(0).json();
    assert!(rows.as_array().unwrap().iter().all(|row| row["scores"].as_array().unwrap().is_empty()), "{rows}");
}

#[test]
fn a_package_asks_for_what_was_measured() {
    let sandbox = trained();
    let told = sandbox.run("package r --kubernetes --docker --helm --kserve --systemd --seconds 0.05 --out p --json");
    let told = told.expect(0).json();
    assert_eq!(told["packages"].as_array().unwrap().len(), 5);
    let manifests = fs::read_to_string(sandbox.path("p/kubernetes/kubernetes.yaml")).unwrap();
    assert!(manifests.contains("measured: ") && !manifests.contains("not measured"), "{manifests}");
    assert!(told["advice"].as_str().unwrap().contains("## On-premises"), "{told}");
    // What lies there is not overwritten.
    sandbox.run("package r --systemd --seconds 0 --out p").refused(2, &["p/systemd"]);
    for (words, named) in [
        ("--oci --binary nowhere/firebox-serve", "nowhere/firebox-serve"),
        ("--systemd --canary 10", "`--kserve`"),
        ("--docker --storage s3://a/b", "`--kserve`"),
        ("--systemd --graph m.onnx", "`--web`"),
        ("--docker --systemd --out p", "p/docker"),
    ] {
        sandbox.run(&format!("package r --seconds 0 {words}")).refused(2, &[named]);
    }
    assert!(!sandbox.path("r/package").exists() || names(&sandbox.path("r/package")).is_empty());
    // A program that says nothing, or something else, is not waited for, and none is left behind.
    #[cfg(unix)]
    {
        sandbox.write("odd", "#!/bin/sh\necho hello\nexec sleep 60\n");
        fs::set_permissions(sandbox.path("odd"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let told = sandbox.run("package r --systemd --binary ./odd --seconds 0.05 --out odd-out").expect(0);
        assert!(told.stderr.contains("does not say where it listens"), "{}", told.stderr);
        let unit = fs::read_to_string(sandbox.path("odd-out/systemd/r.service")).unwrap();
        assert!(unit.contains("measured of the network without a server"), "{unit}");
    }
    sandbox.run("package nowhere --docker").refused(2, &["nowhere"]);
}

//! Is a page whole, does it load nothing from elsewhere, and is the graph beside it that of the bundle?

use serde_json::Value;

use super::*;
use crate::deploy::plan::tests::real_bundle;

/// Something that looks like an export of the bundle whose manifest has this hash.
fn exported(hash: &str) -> Vec<u8> {
    let mut bytes =
        b"\x08\x09 weights \x0a\x11firebox.signature\x12\x02{}\x0a\x15firebox.bundle_sha256\x12\x40".to_vec();
    bytes.extend(hash.as_bytes());
    bytes
}

/// A bundle with its export beside it, and a runtime.
fn exports() -> (tempfile::TempDir, Deployment) {
    let root = tempfile::tempdir().unwrap();
    let bundle = root.path().join("bundle");
    model_zoo::bundle::copy(&real_bundle(), &bundle).unwrap();
    let hash = model_zoo::bundle::manifest_sha256(&bundle).unwrap();
    fs::write(root.path().join("model.onnx"), exported(&hash)).unwrap();
    let dist = root.path().join("package/dist");
    fs::create_dir_all(&dist).unwrap();
    for file in RUNTIME {
        fs::write(dist.join(file), file).unwrap();
    }
    let deployment = Deployment::of(&bundle, Some("tiny")).unwrap();
    (root, deployment)
}

fn refused(deployment: &Deployment, place: &Path, words: &str) -> String {
    let error = crate::deploy::write("web", deployment, place).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert!(!place.exists());
    error.hint().unwrap()
}

#[test]
fn a_page_lies_beside_all_that_it_loads() {
    let (root, deployment) = exports();
    let deployment = Deployment { runtime: Some(root.path().join("package")), ..deployment };
    let place = root.path().join("page");
    let package = crate::deploy::write("web", &deployment, &place).unwrap();
    let names: Vec<&str> = package.files.iter().map(|(name, _)| name.as_str()).collect();
    let mut wanted = vec!["README.md", "index.html", "model.json", "model.onnx"];
    wanted.extend(RUNTIME);
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    assert_eq!(package.next.len(), 1);
    let page = fs::read_to_string(place.join("index.html")).unwrap();
    assert!(["http://", "https://", "@NAME@", "@STYLE@", "@SCRIPT@"].iter().all(|word| !page.contains(word)));
    assert!(page.contains("<title>tiny</title>") && page.matches("</script>").count() == 1);
    // Equal deployments give equal bytes.
    let again = root.path().join("again");
    crate::deploy::write("web", &deployment, &again).unwrap();
    for name in names {
        assert_eq!(fs::read(place.join(name)).unwrap(), fs::read(again.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_page_without_its_runtime_says_how_to_get_it() {
    let (root, deployment) = exports();
    let package = crate::deploy::write("web", &deployment, &root.path().join("page")).unwrap();
    assert!(package.next[0].starts_with("npm pack onnxruntime-web"));
    assert!(package.next[1].contains(RUNTIME[2]));
    let empty = Deployment { runtime: Some(root.path().join("bundle")), ..deployment };
    let hint = refused(&empty, &root.path().join("other"), "ort.wasm.min.mjs");
    assert!(hint.contains("npm pack"), "{hint}");
}

#[test]
fn the_graph_must_be_there_and_of_this_bundle() {
    let (root, deployment) = exports();
    let (graph, place) = (root.path().join("model.onnx"), root.path().join("page"));
    fs::write(&graph, exported(&"0".repeat(64))).unwrap();
    let hint = refused(&deployment, &place, "made of another bundle");
    assert!(hint.contains("`firebox export RUN --to onnx`"), "{hint}");
    fs::write(&graph, "\x08\x09 of another program").unwrap();
    refused(&deployment, &place, "`firebox export` did not write it");
    fs::remove_file(&graph).unwrap();
    let hint = refused(&deployment, &place, "the network's graph is not at ");
    assert!(hint.contains("`firebox export RUN --to onnx`"), "{hint}");
    // Where exports of a run lie, and where someone says.
    let hash = model_zoo::bundle::manifest_sha256(&deployment.bundle).unwrap();
    for (folder, named) in [("export", false), ("elsewhere", true)] {
        let folder = root.path().join(folder);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("model.onnx"), exported(&hash)).unwrap();
        for given in [folder.clone(), folder.join("model.onnx")] {
            let given = Deployment { graph: named.then_some(given), ..deployment.clone() };
            crate::deploy::write("web", &given, &place).unwrap();
            fs::remove_dir_all(&place).unwrap();
        }
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_page_knows_what_goes_in_and_the_golden_answers() {
    let (_root, deployment) = exports();
    let told: Value = serde_json::from_str(&description::of(&deployment).unwrap()).unwrap();
    let bundle = model_zoo::bundle::Bundle::read(&deployment.bundle).unwrap();
    assert_eq!(told["signature"], serde_json::json!(bundle.manifest.signature));
    let golden = bundle.golden.unwrap();
    assert_eq!(told["golden"]["outputs"].as_array().unwrap().len(), golden.samples.len());
    let inputs = told["golden"]["inputs"].as_object().unwrap();
    assert_eq!(inputs.len(), bundle.manifest.signature.inputs.len());
    for input in inputs.values() {
        assert_eq!(input["shape"][0], golden.samples.len());
    }
}

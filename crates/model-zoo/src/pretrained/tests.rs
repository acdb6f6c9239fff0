//! Are weights that others trained read, renamed and matched as they should be? `tests/peers/pretrained_torch.py` wrote the files.

use burn::tensor::Device;
use serde_json::json;

use super::*;
use crate::blocks::{Init, Linear};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/pretrained").join(name)
}

/// Two layers, as the fixtures have them.
#[derive(Module, Debug)]
struct Two {
    a: Linear,
    b: Linear,
}

fn network(outputs: usize) -> Two {
    let mut init = Init::new(1, &Device::flex());
    Two { a: Linear::new(3, 2, &mut init), b: Linear::new(3, outputs, &mut init) }
}

fn settings(more: serde_json::Value) -> Pretrained {
    let mut all = json!({ "weights": "unused", "allow_unused": ["^norm"] });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

/// The network with the weights of a file, and what was done to them.
fn loaded(more: serde_json::Value, network: Two, path: &Path) -> Result<(Two, Vec<String>), Error> {
    let settings = settings(more);
    settings.load(network, Some("b"), settings.read(path)?)
}

#[test]
fn every_kind_of_file_gives_the_same_numbers() {
    let expected = weights::load(&fixture("expected.safetensors")).unwrap();
    assert_eq!(expected["b.weight"].shape, [4, 3]);
    for name in ["expected.safetensors", "widths.safetensors", "plain.pth", "legacy.pt"] {
        assert_eq!(read(&fixture(name), None).unwrap().0, expected, "{name}");
    }
    let training =
        settings(json!({})).renamed(read(&fixture("training.ckpt"), None).unwrap().0, Path::new("p")).unwrap();
    assert_eq!(training, expected);
}

/// A module that is called `model` is no box around weights: what stands beside it is not lost.
#[test]
fn nothing_beside_a_module_called_model_is_lost() {
    let found = read(&fixture("named_model.pth"), None).unwrap().0;
    assert!(found.contains_key("model.a.weight") && found.contains_key("head.weight"), "{:?}", found.keys());
    assert_eq!(found.len(), 6);
}

/// A pickle that would call the shell is read for its tensors or refused; nothing of it is ever run.
#[test]
fn code_in_a_file_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("with_code.pth");
    std::fs::copy(fixture("with_code.pth"), &path).unwrap();
    let marks = [folder.path().join("executed"), PathBuf::from("executed")];
    match read(&path, None) {
        Ok((tensors, _)) => assert_eq!(tensors, weights::load(&fixture("expected.safetensors")).unwrap()),
        Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{error}"),
    }
    assert!(marks.iter().all(|mark| !mark.exists()));
}

#[test]
fn files_that_hold_no_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, cut) in [("widths.safetensors", 300), ("widths.safetensors", 7), ("plain.pth", 900), ("legacy.pt", 400)]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, &std::fs::read(fixture(name)).unwrap()[..cut]).unwrap();
        assert!(matches!(read(&path, None), Err(Error::Damaged { .. })), "{name} cut at {cut}");
    }
    assert!(matches!(read(&fixture("no_weights.pth"), None), Err(Error::Damaged { .. })));
    assert!(matches!(read(Path::new("there/is/none.pth"), None), Err(Error::Io { .. })));
    let text = folder.path().join("weights.txt");
    std::fs::write(&text, "1 2 3").unwrap();
    assert!(matches!(read(&text, None), Err(Error::Misfit { .. })));
    let wrong = read(&fixture("plain.pth"), Some(&"0".repeat(64))).unwrap_err();
    assert!(wrong.to_string().contains("SHA-256"), "{wrong}");
}

#[test]
fn a_network_gets_the_numbers_of_the_file() {
    let path = fixture("plain.pth");
    let (two, notices) = loaded(json!({}), network(4), &path).unwrap();
    let mut expected = weights::load(&fixture("expected.safetensors")).unwrap();
    expected.remove("norm.running_mean");
    assert_eq!(weights::collect(&two).unwrap(), expected);
    assert_eq!(notices, ["Of the weights 1 stay unused, as is allowed: norm.running_mean."]);
}

#[test]
fn every_name_that_does_not_fit_is_listed() {
    let of = |more, outputs| loaded(more, network(outputs), &fixture("plain.pth"));
    let error = of(json!({ "allow_unused": [] }), 4).unwrap_err();
    assert!(error.to_string().contains("unused: norm.running_mean"), "{error}");
    let error = of(json!({ "rename": [["^a\\.", "c."]] }), 4).unwrap_err().to_string();
    assert!(
        error.contains("missing in the file: a.weight, a.bias") && error.contains("unused: c.bias, c.weight"),
        "{error}"
    );
    let kept = of(json!({ "rename": [["^a\\.", "c."]], "allow_missing": ["^a"], "allow_unused": ["^c", "^norm"] }), 4)
        .unwrap();
    let fresh = weights::collect(&network(4)).unwrap();
    assert_eq!(weights::collect(&kept.0).unwrap()["a.weight"], fresh["a.weight"]);
    let error = of(json!({ "rename": [["^a\\.", "b."]] }), 4).unwrap_err().to_string();
    assert!(error.contains("two tensors are called `b."), "{error}");
    let error =
        of(json!({ "rename": [["^(a|b)\\.", "x$1."], ["^xa", "b"], ["^xb", "a"]] }), 4).unwrap_err().to_string();
    assert!(
        error.contains("of another shape: a.weight [4, 3] instead of [2, 3], a.bias [4] instead of [2]"),
        "{error}"
    );
    assert!(!error.contains("b.weight"), "the head begins anew: {error}");
}

#[test]
fn a_head_for_other_classes_begins_anew_and_the_user_is_told() {
    let (two, notices) = loaded(json!({}), network(7), &fixture("plain.pth")).unwrap();
    assert_eq!(notices[0], "The head `b` was trained for 4 answers, and 7 are needed: it begins anew.");
    let (loaded, fresh) = (weights::collect(&two).unwrap(), weights::collect(&network(7)).unwrap());
    let expected = weights::load(&fixture("expected.safetensors")).unwrap();
    assert_eq!((&loaded["a.weight"], &loaded["b.weight"]), (&expected["a.weight"], &fresh["b.weight"]));
}

/// A head that fits in part is another head; and what is no matrix is no head at all.
#[test]
fn a_head_begins_anew_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let mut tensors = weights::collect(&network(4)).unwrap();
    tensors.insert("b.weight".into(), HostTensor { shape: vec![5, 3], values: vec![1.0; 15] });
    tensors.insert("b.bias".into(), HostTensor { shape: vec![4], values: vec![7.0; 4] });
    std::fs::write(&path, weights::to_bytes(&tensors, &path).unwrap()).unwrap();
    let (two, notices) = loaded(json!({}), network(4), &path).unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(weights::collect(&two).unwrap()["b.bias"], weights::collect(&network(4)).unwrap()["b.bias"]);

    for (shape, values, word) in [(vec![], vec![1.0], "another shape"), (vec![4], vec![f32::NAN; 4], "not finite")] {
        let mut wrong = weights::collect(&network(4)).unwrap();
        wrong.insert("b.bias".into(), HostTensor { shape, values });
        std::fs::write(&path, weights::to_bytes(&wrong, &path).unwrap()).unwrap();
        let error = loaded(json!({}), network(4), &path).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("b.bias"), "{error}");
    }
}

/// A grey image gives what it gave as a colour image with three equal channels, and the other way round.
#[test]
fn filters_for_colours_read_grey() {
    let colours = HostTensor { shape: vec![2, 3, 1, 2], values: (1..=12).map(|v| v as f32).collect() };
    let grey = other_colours(&colours, &[2, 1, 1, 2]).unwrap();
    assert_eq!(grey.values, [9.0, 12.0, 27.0, 30.0]);
    let back = other_colours(&grey, &[2, 3, 1, 2]).unwrap();
    assert_eq!(back.values, [3.0, 4.0, 3.0, 4.0, 3.0, 4.0, 9.0, 10.0, 9.0, 10.0, 9.0, 10.0]);
    assert!(other_colours(&colours, &[2, 2, 1, 2]).is_none() && other_colours(&colours, &[3, 1, 1, 2]).is_none());
}

#[test]
fn patterns_that_cannot_be_read_are_named() {
    assert_eq!(settings(json!({})).check(), Ok(()));
    for (key, wrong) in [
        ("rename", json!({ "rename": [["(", "x"]] })),
        ("allow_missing", json!({ "allow_missing": ["["] })),
        ("allow_unused", json!({ "allow_unused": ["*"] })),
        ("sha256", json!({ "sha256": "abc" })),
    ] {
        assert_eq!(settings(wrong).check().unwrap_err().0, key);
    }
}

//! Every architecture becomes an ONNX file that answers as it does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use data_loader::Batch;
use data_loader::signature::Signature;
use model_zoo::architectures::WithNetwork;
use model_zoo::network::{Answer, NetworkConfig};
use model_zoo::weights::Weights;
use model_zoo::{Inputs, Network, graph, weights};
use safetensors::tensor::{Dtype, TensorView};
use trainer::exporters::onnx::constant::{Constant, Elements};
use trainer::exporters::onnx::proof::{self, NoProof};
use trainer::exporters::onnx::{self, Refused, Written};

use data::CASES;

/// The architectures and kinds of data on which networks are tested where they lie.
#[path = "../../../model-zoo/tests/contract/data.rs"]
#[expect(dead_code, reason = "not all of it is used here")]
mod data;

/// A network beside its file.
struct Exported {
    written: Written,
    network: Box<dyn Answer>,
}

struct Export<'a>(&'a Signature);

impl WithNetwork for Export<'_> {
    type Out = Result<Exported, Refused>;
    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
        let signature = self.0;
        let training = Device::flex().autodiff();
        let network = config.build(signature, 3, &training).unwrap();
        // So that running means and variances say something.
        for seed in 0..2 {
            network.forward(&inputs(&data::batch(signature, 4, seed), signature, &training)).unwrap();
        }
        let weights: Weights = weights::collect(&network).unwrap();
        let written = onnx::write_recorded(signature, &weights, |sizes| {
            graph::record_network(signature, sizes, |device| {
                weights::apply(config.build(signature, 0, device)?.no_grad(), &weights, Path::new("weights"))
            })
        })?;
        Ok(Exported { written, network: Box::new(network.valid()) })
    }
}

fn inputs(batch: &Batch, signature: &Signature, device: &Device) -> Inputs {
    Inputs::from_batch(batch, signature, device).unwrap()
}

/// Every case, numbered, with what came of it.
fn all(mut visit: impl FnMut(usize, &str, &Signature, Result<Exported, Refused>)) {
    let mut number = 0;
    for (name, settings, kinds) in CASES {
        for kind in *kinds {
            let signature = data::signature(kind);
            let exported = data::architecture(name, settings()).with(Export(&signature));
            visit(number, &format!("{name} {} on {kind}", settings()), &signature, exported);
            number += 1;
        }
    }
}

/// Images are filled up as TensorFlow does it, by their size, so that there is no graph for all sizes.
fn has_no_graph(case: &str) -> bool {
    case.contains("lite0") && case.ends_with("images of any size")
}

#[test]
fn every_architecture_answers_the_same_as_its_file() {
    let mut wrong = Vec::new();
    all(|number, case, signature, exported| match exported {
        Ok(Exported { written, network }) => {
            let bytes = written.graph.to_bytes("test", "", &[]);
            let made = proof::random_batches(signature, number as u64);
            let mut batches: Vec<Inputs> = made.iter().map(|batch| inputs(batch, signature, &Device::flex())).collect();
            batches.push(inputs(&data::batch(signature, 5, 11), signature, &Device::flex()));
            match proof::prove(&written, &bytes, network.as_ref(), &batches) {
                Ok(proof) => assert_eq!(proof.examples, 1 + 2 + 7 + 3 + 5, "{case}"),
                Err(error) => wrong.push(format!("{case}: {error:?}")),
            }
        }
        Err(Refused::Lowering(reason)) if has_no_graph(case) => assert!(reason.contains("`Pad`"), "{reason}"),
        Err(error) => wrong.push(format!("{case}: {error:?}")),
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn batch_norms_are_folded_and_parameters_keep_their_names() {
    let signature = data::signature("images to classes");
    let settings = serde_json::json!({ "depth": 8, "width": 4 });
    let exported = data::architecture("resnet", settings).with(Export(&signature)).unwrap();
    let graph = &exported.written.graph;
    assert!(graph.nodes.iter().all(|node| node.operator != "BatchNormalization"), "{:?}", graph.nodes);
    let gemm = graph.nodes.iter().find(|node| node.operator == "Gemm").unwrap();
    assert_eq!(gemm.int("transB"), Some(1));
    let [_, weight, bias] = gemm.inputs.as_slice() else { panic!("{gemm:?}") };
    let parameter = |name: &str| name.rsplit_once('.').map(|(_, parameter)| parameter.to_owned());
    assert_eq!((parameter(weight).as_deref(), parameter(bias).as_deref()), (Some("weight"), Some("bias")));
    assert!(graph.nodes.iter().filter(|node| node.operator == "Conv").all(|node| node.name.ends_with("/Conv")));
    // Nothing is held that is not used.
    assert!(graph.constants.keys().all(|name| graph.nodes.iter().any(|node| node.inputs.contains(name))));
}

/// A file of another network does not pass, and the layer at which it is another one is named.
#[test]
fn the_first_layer_that_differs_is_named() {
    for (architecture, settings, kind, weight, layer) in [
        (
            "resnet",
            serde_json::json!({ "depth": 8, "width": 4 }),
            "images to classes",
            "layer2.0.conv1.weight_2",
            "layer2.0",
        ),
        (
            "vit",
            serde_json::json!({ "patch": 2, "features": 12, "layers": 2, "heads": 3 }),
            "images to classes",
            "blocks.1.norm2.weight",
            "blocks.1.norm2",
        ),
        ("mlp", serde_json::json!({ "hidden": [16, 12] }), "numbers to classes", "", "1"),
    ] {
        let signature = data::signature(kind);
        let Exported { mut written, network } =
            data::architecture(architecture, settings).with(Export(&signature)).unwrap();
        let found: Vec<String> = written.graph.constants.keys().cloned().collect();
        let name = match weight {
            "" => written.graph.nodes.iter().filter(|node| node.operator == "Gemm").nth(1).unwrap().inputs[1].clone(),
            weight => weight.to_owned(),
        };
        let constant = written.graph.constants.get_mut(&name).unwrap_or_else(|| panic!("{name} is not in {found:?}"));
        let Elements::F32(values) = &mut constant.elements else { panic!("{name}") };
        for value in values.iter_mut() {
            *value += 0.5;
        }
        let bytes = written.graph.to_bytes("test", "", &[]);
        let batch = inputs(&data::batch(&signature, 3, 5), &signature, &Device::flex());
        let error = proof::prove(&written, &bytes, network.as_ref(), &[batch]).unwrap_err();
        let NoProof::Differs { largest, layer: Some(found) } = error else { panic!("{error:?}") };
        assert!(largest > proof::TOLERANCE && found.contains(layer), "{architecture}: {found}");
    }
}

/// Files with inputs and answers for `tests/peers/onnx_runtime.py`, a folder each.
#[test]
#[ignore = "writes files for other programs into ONNX_FILES; tests/peers/onnx.sh runs it"]
fn files_for_other_runtimes() {
    let folder = PathBuf::from(std::env::var_os("ONNX_FILES").expect("ONNX_FILES names a folder"));
    all(|number, case, signature, exported| {
        let Ok(Exported { written, network }) = exported else { return assert!(has_no_graph(case), "{case}") };
        let place = folder.join(format!("{number:03}"));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("model.onnx"), written.graph.to_bytes("test", case, &[])).unwrap();
        std::fs::write(place.join("case.txt"), case).unwrap();
        for examples in [1, 7, 64] {
            let batch = inputs(&data::batch(signature, examples, number as u64), signature, &Device::flex());
            let mut all = proof::feeds(&batch).unwrap();
            let answer = network.answer(&batch).unwrap();
            let shape = answer.shape();
            all.push((format!("answer {}", written.answer), Constant::floats(shape, answer.numbers().unwrap())));
            save(&place.join(format!("{examples}.safetensors")), &all);
        }
    });
}

fn save(path: &Path, all: &[(String, Constant)]) {
    let bytes: Vec<(Dtype, Vec<u8>)> = all
        .iter()
        .map(|(_, constant)| match &constant.elements {
            Elements::F32(values) => (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Elements::I64(values) => (Dtype::I64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            other => panic!("{other:?}"),
        })
        .collect();
    let views: HashMap<&str, TensorView<'_>> = all
        .iter()
        .zip(&bytes)
        .map(|((name, constant), (kind, bytes))| {
            (name.as_str(), TensorView::new(*kind, constant.shape.clone(), bytes).unwrap())
        })
        .collect();
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

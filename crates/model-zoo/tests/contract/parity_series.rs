//! Do networks for series, and the layers they are made of, give PyTorch's answers?
//!
//! The fixtures come from `tests/peers/parity_series.py`, which says what is in them. PyTorch computed in double precision.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use model_zoo::blocks::{Init, LstmConfig};
use model_zoo::weights;

use crate::parity::{ANSWERS, compare, compare_gradients, fixture, host, part, tensor};

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

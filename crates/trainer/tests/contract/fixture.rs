//! What did PyTorch answer? The files come from `tests/peers/parity_torch.py`, which computes in double precision.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use model_zoo::weights::{self, HostTensor, Weights};

pub(crate) fn load(name: &str) -> Weights {
    let committed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/parity");
    let folder = std::env::var_os("FIREBOX_PARITY").map_or_else(committed, PathBuf::from);
    weights::load(&folder.join(format!("{name}.safetensors"))).unwrap()
}

pub(crate) fn tensor<const D: usize>(from: &HostTensor, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(from.values.clone(), from.shape.clone()), device)
}

pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> HostTensor {
    HostTensor { shape: tensor.dims().to_vec(), values: tensor.try_into_vec_as().unwrap() }
}

pub(crate) fn largest(values: impl IntoIterator<Item = f32>) -> f32 {
    values.into_iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

/// `found` differs from `expected` by at most `tolerance` times `size`.
pub(crate) fn compare(what: &str, found: &HostTensor, expected: &HostTensor, tolerance: f32, size: f32) {
    assert_eq!(found.shape, expected.shape, "{what}");
    assert!(found.values.iter().all(|value| value.is_finite()), "{what}: {:?}", found.values);
    let relative = largest(found.values.iter().zip(&expected.values).map(|(a, b)| a - b)) / size;
    assert!(relative <= tolerance, "{what}: differs by {relative:e}");
}

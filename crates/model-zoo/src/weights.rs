//! How do the numbers of a network become a file, and a file the numbers of a network?
//!
//! By the path of each parameter, in safetensors: names and layouts are PyTorch's, any tool can read the file, and nothing
//! depends on identities that differ from one process to the next.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::{Error, atomic};

/// One array of numbers on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// The size of each axis.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// Named arrays: the weights of a network, or the state of an optimizer.
pub type Weights = BTreeMap<String, HostTensor>;

/// Copies every parameter and buffer of a network to the host, by path. Reads the device.
///
/// # Errors
/// [`Error::DeviceFailed`].
pub fn collect<M: Module>(network: &M) -> Result<Weights, Error> {
    let mut visitor = Collector { path: Vec::new(), weights: Weights::new(), failed: None };
    network.visit(&mut visitor);
    match visitor.failed {
        Some(reason) => Err(Error::DeviceFailed { doing: "reading weights", reason }),
        None => Ok(visitor.weights),
    }
}

struct Collector {
    path: Vec<String>,
    weights: Weights,
    failed: Option<String>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        match tensor.try_into_vec_as::<f32>() {
            Ok(values) => {
                self.weights.insert(self.path.join("."), HostTensor { shape, values });
            }
            Err(error) => self.failed = Some(error.to_string()),
        }
    }
}

/// Gives a network the numbers in `weights`. Every parameter must be there with its shape, and nothing else.
///
/// # Errors
/// [`Error::WrongWeights`] with every missing, unused and misshapen name; `path` is only named in it.
pub fn apply<M: Module>(network: M, weights: &Weights, path: &Path) -> Result<M, Error> {
    let mut mapper = Applier { path: Vec::new(), weights, used: 0, missing: Vec::new(), misshapen: Vec::new() };
    let network = network.map(&mut mapper);
    let mut reasons = Vec::new();
    if !mapper.missing.is_empty() {
        reasons.push(format!("missing: {}", mapper.missing.join(", ")));
    }
    if !mapper.misshapen.is_empty() {
        reasons.push(format!("of another shape: {}", mapper.misshapen.join(", ")));
    }
    if mapper.used + mapper.misshapen.len() < weights.len() {
        let known = names(&network);
        let unused: Vec<&str> = weights.keys().filter(|name| !known.contains(*name)).map(String::as_str).collect();
        reasons.push(format!("unused: {}", unused.join(", ")));
    }
    if reasons.is_empty() {
        Ok(network)
    } else {
        Err(Error::WrongWeights { path: path.to_owned(), reason: reasons.join("; ") })
    }
}

struct Applier<'a> {
    path: Vec<String>,
    weights: &'a Weights,
    used: usize,
    missing: Vec<String>,
    misshapen: Vec<String>,
}

impl ModuleMapper for Applier<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let Some(found) = self.weights.get(&name) else {
            self.missing.push(name);
            return param;
        };
        let shape = param.val().dims();
        if found.shape != shape {
            self.misshapen.push(format!("{name} {:?} instead of {shape:?}", found.shape));
            return param;
        }
        self.used += 1;
        param.map(|old| {
            let learnt = old.is_require_grad();
            Tensor::from_data(TensorData::new(found.values.clone(), shape), &old.device()).set_require_grad(learnt)
        })
    }
}

/// The path of every parameter and buffer, in the order of the network.
pub fn names<M: Module>(network: &M) -> Vec<String> {
    shapes(network).into_iter().map(|(name, _)| name).collect()
}

/// The path and shape of every parameter and buffer, in the order of the network.
pub fn shapes<M: Module>(network: &M) -> Vec<(String, Vec<usize>)> {
    places(network).into_iter().map(|place| (place.name, place.shape)).collect()
}

/// A parameter or buffer within a network.
pub(crate) struct Place {
    /// Its path.
    pub(crate) name: String,
    /// By what it is known while the network lives.
    pub(crate) id: ParamId,
    /// The size of each axis.
    pub(crate) shape: Vec<usize>,
}

/// Every parameter and buffer, in the order of the network.
pub(crate) fn places<M: Module>(network: &M) -> Vec<Place> {
    struct Places {
        path: Vec<String>,
        found: Vec<Place>,
    }
    impl ModuleVisitor for Places {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let (name, shape) = (self.path.join("."), param.lazy_shape().to_vec());
            self.found.push(Place { name, id: param.id, shape });
        }
    }
    let mut visitor = Places { path: Vec::new(), found: Vec::new() };
    network.visit(&mut visitor);
    visitor.found
}

/// The bytes of a safetensors file that holds `weights`. Equal weights give equal bytes.
///
/// # Errors
/// [`Error::Damaged`] if the arrays contradict their shapes; `path` is only named in it.
pub fn to_bytes(weights: &Weights, path: &Path) -> Result<Vec<u8>, Error> {
    written(weights, Dtype::F32, f32::to_le_bytes, path)
}

/// The same with the nearest number of 16 bits to each; one that is [too large](too_large_for_half) for them is no number any more.
///
/// # Errors
/// As [`to_bytes`].
pub fn to_half_bytes(weights: &Weights, path: &Path) -> Result<Vec<u8>, Error> {
    written(weights, Dtype::F16, |value| f16::from_f32(value).to_le_bytes(), path)
}

/// The first array with a number that 16 bits cannot hold.
pub fn too_large_for_half(weights: &Weights) -> Option<&str> {
    let is_too_large = |value: &f32| !f16::from_f32(*value).is_finite();
    weights.iter().find(|(_, tensor)| tensor.values.iter().any(is_too_large)).map(|(name, _)| name.as_str())
}

fn written<const N: usize>(
    weights: &Weights,
    kind: Dtype,
    bytes_of: impl Fn(f32) -> [u8; N],
    path: &Path,
) -> Result<Vec<u8>, Error> {
    let damaged =
        |error: safetensors::SafeTensorError| Error::Damaged { path: path.to_owned(), reason: error.to_string() };
    let bytes: Vec<(&String, &HostTensor, Vec<u8>)> = weights
        .iter()
        .map(|(name, tensor)| (name, tensor, tensor.values.iter().flat_map(|v| bytes_of(*v)).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, tensor, bytes)| {
            Ok((name.as_str(), TensorView::new(kind, tensor.shape.clone(), bytes).map_err(damaged)?))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    // Readers of the PyTorch world look for this entry. A second one would be written in random order.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(metadata)).map_err(damaged)
}

/// The weights in the bytes of a safetensors file, the header checked before a number is read.
///
/// # Errors
/// [`Error::Damaged`] if it is cut off, contradicts itself, or holds another type than f32 and f16; `path` is only named in it.
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Weights, Error> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut weights = Weights::new();
    for (name, view) in file.iter() {
        let values = match view.dtype() {
            Dtype::F32 => view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            other => return Err(damaged(format!("`{name}` is of type {other:?}, neither F32 nor F16"))),
        };
        weights.insert(name.to_owned(), HostTensor { shape: view.shape().to_vec(), values });
    }
    Ok(weights)
}

/// Writes a safetensors file in whole or not at all.
///
/// # Errors
/// [`Error::Io`].
pub fn save(weights: &Weights, path: &Path) -> Result<(), Error> {
    atomic::write_file(path, &to_bytes(weights, path)?)
}

/// Reads a safetensors file.
///
/// # Errors
/// [`Error::Io`] or [`Error::Damaged`].
pub fn load(path: &Path) -> Result<Weights, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Io { doing: "read", path: path.to_owned(), source })?;
    from_bytes(&bytes, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Weights {
        let mut weights = Weights::new();
        weights.insert("a.weight".into(), HostTensor { shape: vec![2, 2], values: vec![1.0, -2.5, 3.25, f32::MIN] });
        weights.insert("b".into(), HostTensor { shape: vec![1], values: vec![0.1] });
        weights
    }

    #[test]
    fn a_file_gives_back_what_was_written() {
        let path = Path::new("w");
        let bytes = to_bytes(&sample(), path).unwrap();
        assert_eq!(from_bytes(&bytes, path).unwrap(), sample());
        assert_eq!(to_bytes(&sample(), path).unwrap(), bytes);
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let path = Path::new("w");
        let bytes = to_bytes(&sample(), path).unwrap();
        for end in 0..bytes.len() {
            assert!(matches!(from_bytes(&bytes[..end], path), Err(Error::Damaged { .. })), "cut at {end}");
        }
    }
}

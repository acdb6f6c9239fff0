//! How are weights read that others wrote? As tensors by name; of a file of PyTorch no code is run.

use std::io::Read;
use std::path::{Path, PathBuf};

use pytorch_reader::{DType, PytorchReader};
use safetensors::tensor::{Dtype, SafeTensors};

use crate::Error;
use crate::bundle::{self, Bundle};
use crate::weights::{HostTensor, Weights};

/// What PyTorch counts beside the statistics of a batch norm, and nobody needs.
const COUNTER: &str = "num_batches_tracked";
/// Where files of training keep the weights.
const TOP_LEVEL: &[&str] = &["state_dict", "model_state_dict", "model"];
/// How many bytes of tensors there may be to a byte of a file: several may share what is stored, and files may be packed.
const MOST_SHARED: u64 = 16;
/// More bytes than any weights that this program could hold.
const LARGEST: u64 = 64 << 30;

/// The bundle in a folder, every file of it verified.
pub(super) fn bundle_at(path: &Path) -> Result<Bundle, Error> {
    if Bundle::is_at(path) {
        return Bundle::read(path);
    }
    let of_run = path.join("bundle");
    let message = format!("{} is a folder, and neither a bundle nor one with a card of weights", path.display());
    let hint = match Bundle::is_at(&of_run) {
        true => format!("The bundle of the run is {}.", of_run.display()),
        false => "Name a file of weights, a bundle, or a folder with a card.toml.".into(),
    };
    Err(Error::from(data_loader::Error::Mismatch { message, hint }))
}

/// The file that holds the weights at `path`, which may be the folder of a bundle.
pub(super) fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(bundle::WEIGHTS) } else { path.to_owned() }
}

/// Every tensor of real numbers in a file, as f32, and the SHA-256 of its bytes.
pub(super) fn read(path: &Path, expected: Option<&str>) -> Result<(Weights, String), Error> {
    let path = file_of(path);
    let io = |source| Error::Io { doing: "read", path: path.clone(), source };
    let metadata = std::fs::metadata(&path).map_err(io)?;
    let size = metadata.len();
    if !metadata.is_file() {
        return Err(Error::Damaged { path, reason: "it is no file".into() });
    }
    if size > LARGEST {
        return Err(Error::Damaged {
            path: path.clone(),
            reason: format!("it has {size} bytes, more than any weights"),
        });
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let safe = match ending.as_str() {
        "safetensors" => true,
        "pth" | "pt" | "bin" | "ckpt" => false,
        _ => {
            let reason = format!("weights end in .safetensors, .pth, .pt, .bin or .ckpt, and not in `.{ending}`");
            return Err(Error::Misfit { path: path.clone(), reason });
        }
    };
    let bytes = if safe { whole_safetensors(&path, size)? } else { std::fs::read(&path).map_err(io)? };
    let sha256 = bundle::hash(&bytes);
    if let Some(expected) = expected.filter(|expected| !sha256.eq_ignore_ascii_case(expected)) {
        let reason = format!("its SHA-256 is {sha256}, and the config says {expected}");
        return Err(Error::Damaged { path: path.clone(), reason });
    }
    let tensors = if safe {
        from_safetensors(&bytes, &path)?
    } else {
        drop(bytes);
        from_pytorch(&path)?
    };
    match tensors.is_empty() {
        true => Err(Error::Damaged { path, reason: "there is no tensor of real numbers in it".into() }),
        false => Ok((tensors, sha256)),
    }
}

/// The bytes of a file, once its first ones say that it may be what it is called: a file of other things may have any size.
fn whole_safetensors(path: &Path, size: u64) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io { doing: "read", path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let mut first = [0; 8];
    let header = file.read_exact(&mut first).map(|()| u64::from_le_bytes(first));
    if header.as_ref().is_ok_and(|header| !(2..=size.saturating_sub(8)).contains(header)) {
        let reason = format!("its header would have {} bytes, and the file has {size}", header.unwrap_or_default());
        return Err(Error::Damaged { path: path.to_owned(), reason });
    }
    std::fs::read(path).map_err(io)
}

fn from_safetensors(bytes: &[u8], path: &Path) -> Result<Weights, Error> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let mut tensors = Weights::new();
    for (name, view) in file.iter() {
        let width = match view.dtype() {
            Dtype::F64 => Width::Double,
            Dtype::F32 => Width::Single,
            Dtype::F16 => Width::Half,
            Dtype::BF16 => Width::Brain,
            _ => continue,
        };
        if !name.ends_with(COUNTER) {
            tensors
                .insert(name.to_owned(), HostTensor { shape: view.shape().to_vec(), values: width.read(view.data()) });
        }
    }
    Ok(tensors)
}

/// Reads the pickle as a list of tensors; what it would call is not called.
fn from_pytorch(path: &Path) -> Result<Weights, Error> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let mut opened = PytorchReader::new(path);
    if !opened.as_ref().is_ok_and(|reader| reader.tensors().values().any(|tensor| width_of(tensor.dtype()).is_some())) {
        let nested = TOP_LEVEL
            .iter()
            .find_map(|key| PytorchReader::with_top_level_key(path, key).ok().filter(|reader| !reader.is_empty()));
        opened = nested.map_or(opened, Ok);
    }
    let reader = opened.map_err(|error| damaged(error.to_string()))?;
    let mut names = reader.keys();
    names.sort();
    // Files of training hold the weights beside the state of the optimizer. A module may be called `model` as well.
    let trained = names.iter().any(|name| name.starts_with("optimizer"));
    let within = TOP_LEVEL.iter().filter(|key| trained || **key != "model").map(|key| format!("{key}."));
    let within = within.into_iter().find(|key| names.iter().any(|name| name.starts_with(key)));
    let mut tensors = Weights::new();
    // Views of one number may say that they are thousands of millions: what is shared is counted as often as it is read.
    let most = std::fs::metadata(path).map_or(0, |file| file.len()).saturating_mul(MOST_SHARED);
    let mut bytes_read = 0_u64;
    for name in names {
        let Some(tensor) = reader.get(&name) else { continue };
        let inner = match &within {
            None => name.as_str(),
            Some(key) => match name.strip_prefix(key.as_str()) {
                Some(inner) => inner,
                None => continue,
            },
        };
        let Some(width) = width_of(tensor.dtype()).filter(|_| !inner.ends_with(COUNTER)) else { continue };
        bytes_read = bytes_read.saturating_add(tensor.byte_len() as u64);
        if bytes_read > most {
            return Err(damaged(format!("its tensors have more than {MOST_SHARED} times the bytes of the file")));
        }
        let bytes = tensor.read().map_err(|error| damaged(format!("`{name}`: {error}")))?;
        let values = width.read(&bytes);
        if values.len() != tensor.num_elements() {
            return Err(damaged(format!("`{name}` has {} of {} numbers", values.len(), tensor.num_elements())));
        }
        tensors.insert(inner.to_owned(), HostTensor { shape: tensor.shape().to_vec(), values });
    }
    Ok(tensors)
}

fn width_of(dtype: DType) -> Option<Width> {
    Some(match dtype {
        DType::F64 => Width::Double,
        DType::F32 => Width::Single,
        DType::F16 => Width::Half,
        DType::BF16 => Width::Brain,
        _ => return None,
    })
}

/// In how many bits a real number is written.
#[derive(Clone, Copy)]
enum Width {
    Double,
    Single,
    Half,
    Brain,
}

impl Width {
    /// Numbers of this width, the least significant byte first.
    fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::Double => each(bytes, |b: [u8; 8]| f64::from_le_bytes(b) as f32),
            Self::Single => each(bytes, f32::from_le_bytes),
            Self::Half => each(bytes, |b: [u8; 2]| half::f16::from_le_bytes(b).to_f32()),
            Self::Brain => each(bytes, |b: [u8; 2]| half::bf16::from_le_bytes(b).to_f32()),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}
